"""Foreign text made fit to be shown: nothing in it acts on a terminal or on the order in which a line is read."""

import json
import re
import unicodedata

HIDDEN = ("Cc", "Cf", "Cs")
"""Categories of Unicode: control characters, those that format, such as marks of direction, and half characters."""

_UNUSUAL = re.compile(r"[^ -~]")
_UNUSUAL_IN_LINES = re.compile(r"[^\n -~]")
"""Characters that are looked at one by one: most texts have few of them."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def printable(text: str) -> str:
    """Text on one line without terminal escapes; other control and format characters become U+FFFD."""
    plain = _ANSI.sub("", text).replace("\r\n", "\n").expandtabs(4)
    return _UNUSUAL.sub(_visible, plain)


def printable_lines(text: str) -> str:
    """As `printable`, but the lines stay lines."""
    return "\n".join(map(printable, text.splitlines()))


def json_lines(text: str) -> str:
    """JSON that means the same, with control and format characters escaped: a terminal may show it."""
    return _UNUSUAL_IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return json.dumps(char)[1:-1] if unicodedata.category(char) in HIDDEN else char


def _visible(found: re.Match[str]) -> str:
    char = found[0]
    if char in "\n\u2028\u2029":
        return " ⏎ "
    return "\ufffd" if unicodedata.category(char) in HIDDEN else char
