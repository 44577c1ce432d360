"""What may not be written down: values of variables whose names look secret. One pattern for all that parity keeps."""

import json
import re
from collections.abc import Iterable, Mapping

REDACTED = "[redacted]"
SECRET = re.compile(r"TOKEN(?!IZER)|SECRET|PASSW|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
SHORTEST_SECRET = 6
"""A shorter value would be found in half of all words."""


def secrets_of(variables: Mapping[str, str]) -> frozenset[str]:
    """Values of variables with secret-looking names that are long enough to be told from other text."""
    return frozenset(v for name, v in variables.items() if SECRET.search(name) and len(v) >= SHORTEST_SECRET)


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced, also where it stands escaped in JSON."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED).replace(json.dumps(secret)[1:-1], REDACTED)
    return text
