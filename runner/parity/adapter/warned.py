"""Lines by which programs warn. Pure."""

import re

_WARNS = re.compile(
    r"warn(?:ing|ings|ed)?\b|\berrors?\b|\bfail(?:ed|ure|s)?\b|\bdegrad|\bdeprecat|\boverflow|"
    r"\bfall(?:s|ing)?[ -]?back|\bunsupported\b|\bnot supported\b|\bignor(?:e|ed|ing)\b|"
    r"\btruncat|\bmissing\b|\bexceed|\bmismatch",
    re.IGNORECASE,
)
_LESS = re.compile(r"\b(?:INFO|DEBUG|TRACE)\b|\b(?:no|0|zero|without) (?:errors?|warnings?|failures?)\b")
"""A log's lower level, or what says that there was nothing to warn of."""

_SOURCE = re.compile(r"\s*warnings\.warn\(")
"""The second line that Python prints of a warning: where it came from."""


def looks_like_a_warning(line: str) -> bool:
    """Whether a line on standard error says, in words that most programs use, that something is not as it should be."""
    return bool(_WARNS.search(line)) and not _LESS.search(line) and not _SOURCE.match(line)
