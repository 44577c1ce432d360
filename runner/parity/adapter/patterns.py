"""Regular expressions of a config: whether they are any, and whether no text can make them slow. Pure."""

import re
import warnings

LONGEST_PATTERN = 1000
"""Characters of a pattern; the time to compile one grows with them."""
MOST_GROUPS = 100
"""That one pattern may open: they may stand in each other, and each takes a part of Python's stack."""

_PLAIN = re.compile(r"\^?(?:[^\\^$*+?{}\[\]|()]|\\\W){1,100}\$?")


def checked(pattern: str) -> str:
    """The pattern itself. Raises `ValueError` where it is no regular expression, or too long."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"has {len(pattern)} characters, and a regular expression may have {LONGEST_PATTERN}")
    if pattern.count("(") > MOST_GROUPS:
        raise ValueError(f"opens {pattern.count('(')} groups, and a regular expression may have {MOST_GROUPS}")
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    except (RecursionError, OverflowError, MemoryError) as error:
        raise ValueError("is too large a regular expression: use smaller repeats") from error
    return pattern


def is_plain(pattern: str) -> bool:
    """Whether a pattern is characters alone, without a repeat or a choice: no text makes it slow."""
    return _PLAIN.fullmatch(pattern) is not None
