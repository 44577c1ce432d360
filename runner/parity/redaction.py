"""What may not be written down: values of variables whose names look secret. One pattern for all that parity keeps."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

REDACTED = "[redacted]"
SECRET = re.compile(r"TOKEN(?!IZER)|SECRET|PASSW|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""Who asks a server, and by which password, within an address."""

_FIELD = re.compile("[a-z_]+")

SHORTEST_SECRET = 6
"""A shorter value would be found in half of all words."""


def secrets_of(variables: Mapping[str, str]) -> frozenset[str]:
    """Values of variables with secret-looking names, and names and passwords within addresses, where they are long
    enough not to be found in other text."""
    named = {value for name, value in variables.items() if SECRET.search(name)}
    within = {part for value in variables.values() for part in IN_ADDRESS.findall(value)}
    return frozenset(value for value in named | within if len(value) >= SHORTEST_SECRET)


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced, also where it stands escaped in JSON."""
    for secret in sorted(secrets, key=len, reverse=True):
        for form in _forms(secret):
            text = text.replace(form, REDACTED)
    return text


def redact_lines(text: str, secrets: Iterable[str]) -> str:
    """The same for a file of JSON lines. JSON has many ways to write one string, so that a line is read, and written
    anew if it holds a secret."""
    hidden = tuple(secrets)
    return redact("\n".join(_redact_line(line, hidden) for line in text.split("\n")), hidden)


def redact_all(value: Any, secrets: Iterable[str]) -> Any:
    """The same for every text within what JSON holds. Names of fields stay: they are ours."""
    hidden = tuple(secrets)
    if isinstance(value, str):
        return redact(value, hidden)
    if isinstance(value, list):
        return [redact_all(each, hidden) for each in value]
    if isinstance(value, dict):
        return {
            key if _FIELD.fullmatch(key) else redact(key, hidden): redact_all(each, hidden)
            for key, each in value.items()
        }
    return value


def _redact_line(line: str, secrets: tuple[str, ...]) -> str:
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        return redact(line, secrets)
    kept = redact_all(tree, secrets)
    return line if kept == tree else json.dumps(kept, ensure_ascii=False)


def _forms(secret: str) -> Iterator[str]:
    """As it is, and as a string of JSON or TOML may hold it."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
