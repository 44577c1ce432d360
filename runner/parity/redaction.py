"""What may not be written down: values of variables whose names look secret. One pattern for all that parity keeps."""

import json
import re
from collections.abc import Iterable, Mapping

REDACTED = "[redacted]"
SECRET = re.compile(r"TOKEN(?!IZER)|SECRET|PASSW|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""Who asks a server, and by which password, within an address."""

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
        text = text.replace(secret, REDACTED).replace(json.dumps(secret)[1:-1], REDACTED)
    return text
