"""A number or a boolean that an environment variable writes, which holds nothing but text."""

import re
from typing import Any

from pydantic_core import ErrorDetails

LONGEST_NUMBER = 40
"""Characters; Python reads no integer of thousands of digits."""

_NUMBER = re.compile(r"[+-]?\d+(?:_\d+)*(?P<fraction>(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?)", re.ASCII)
_WANTED = ("int_type", "float_type", "bool_type")


class FromVariable(str):
    """What a variable holds that is the whole value of a key."""

    __slots__ = ()

    @property
    def scalar(self) -> int | float | bool | None:
        """The number or the boolean that it writes; None where it writes neither."""
        if self in ("true", "false"):
            return self == "true"
        found = _NUMBER.fullmatch(self)
        if found is None or len(self) > LONGEST_NUMBER:
            return None
        return float(self) if found["fraction"] else int(self)


def take_scalars(tree: Any, errors: list[ErrorDetails]) -> bool:
    """Puts numbers and booleans in the place of variables that write them, where no text is taken; whether there were
    any."""
    taken = False
    for error in errors:
        node, key, found = None, None, tree
        for part in error["loc"]:
            # A part that leads nowhere is the name of a choice, such as a kind of gate.
            inside = isinstance(found, dict) and part in found
            if inside or (isinstance(found, list) and isinstance(part, int) and part < len(found)):
                node, key, found = found, part, found[part]
        scalar = found.scalar if isinstance(found, FromVariable) and error["type"] in _WANTED else None
        if node is not None and scalar is not None:
            node[key] = scalar
            taken = True
    return taken
