"""What may not leave: values of variables that look secret, in every form in which a program may print them.

What is known to be secret is known to the whole process, so that each way out masks it: transcripts, files of a run,
and what is printed.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

REDACTED = "[redacted]"
SECRET = re.compile(
    r"(?<!IMPLICIT_)TOKEN(?!IZER)|SECRET|PASSW|PASSPHRASE|KEY|CREDENTIAL|AUTH|COOKIE|BEARER|JWT|WEBHOOK|CONN(ECTION)?_?STR"
    r"|(?<!BY)(?<!COM)(?<!ASK)PASS(_|$)|(?<=_)PWD(_|$)|(^|_)(PAT|DSN|OTP|PIN|SAS)(_|$)",
    re.IGNORECASE,
)
IN_ADDRESS = re.compile(r"(?<=://)[^/\s]+(?=@)")
"""Who asks a server, and by which password, within an address."""
IN_PROXY = re.compile(r"^[^/\s]+(?=@)")
"""The same in an address of a proxy without a scheme."""

_FIELD = re.compile("[a-z_]+")

SHORTEST_SECRET = 6
"""A shorter value would be found in half of all words."""
SHORTEST_NUMBER = 8
"""Of digits alone: a shorter one may be an id or a part of a time."""
SHORTEST_LINE = 16
"""Of a secret of several lines, such as a private key, that is masked by itself."""
SHORTEST_AMBIENT = 16
"""Of a variable that no config names: it may hold a word that looks secret by its name alone."""

_known: set[str] = set()


def learn(values: Iterable[str]) -> None:
    """From now on, nothing that leaves this process through parity holds these values."""
    _known.update(values)


def known() -> frozenset[str]:
    """What `learn` was told."""
    return frozenset(_known)


def forget() -> None:
    """Knows no secret any more; where one process runs several commands."""
    _known.clear()


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable may hold a secret: by its name, or by a password in an address."""
    return SECRET.search(name) is not None or any(":" in part for part in _in_addresses(name, value))


def secrets_of(variables: Mapping[str, str]) -> frozenset[str]:
    """Values of variables with secret-looking names, and names and passwords within addresses, where they are long
    enough not to be found in other text."""
    named = {value.strip() for name, value in variables.items() if SECRET.search(name)}
    within = {part for name, value in variables.items() for part in _parts_of_addresses(name, value)}
    return frozenset(value for value in named | within if _is_long_enough(value))


def ambient_secrets(variables: Mapping[str, str]) -> frozenset[str]:
    """The same of an environment that no config names: only what can't be a word or a path."""
    found = secrets_of(variables)
    return frozenset(value for value in found if len(value) >= SHORTEST_AMBIENT and not value.startswith("/"))


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced, also where it stands escaped, such as in JSON."""
    return mask_of(secrets).text(text)


def redact_lines(text: str, secrets: Iterable[str]) -> str:
    """The same for a file of JSON lines. JSON has many ways to write one string, so that a line is read, and written
    anew if it holds a secret."""
    hidden = tuple(secrets)
    if not hidden:
        return text
    return redact("\n".join(_redact_line(line, hidden) for line in text.split("\n")), hidden)


def redact_json(text: str, secrets: Iterable[str]) -> str:
    """The same for a file that is one JSON document, or lines of JSON. It stays JSON, with its own names of fields."""
    hidden = tuple(secrets)
    if not hidden or not mask_of(hidden).found_in(text):
        return text
    try:
        return json.dumps(redact_all(json.loads(text), hidden), ensure_ascii=False, indent=2) + "\n"
    except (ValueError, RecursionError):
        return redact_lines(text, hidden)


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


class Mask:
    """Secrets to be found in text or bytes, in all their forms."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if form}
        self.forms = sorted((form.encode("utf-8", "surrogateescape") for form in forms), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(_bounded, self.forms)))

    def found_in(self, text: str) -> bool:
        """Whether the text holds a secret."""
        data = text.encode("utf-8", _handler(text))
        return any(form in data for form in self.forms)

    def text(self, text: str) -> str:
        """The text without secrets."""
        if not self.forms or not self.found_in(text):
            return text
        data = text.encode("utf-8", _handler(text))
        return self._pattern.sub(REDACTED.encode(), data).decode("utf-8", _handler(text))

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets stand in these bytes: begin and end of each, in order."""
        if not any(form in data for form in self.forms):
            return []
        return [found.span() for found in self._pattern.finditer(data)]

    def undecided(self, data: bytes) -> int:
        """From where on the end of these bytes may be the beginning of a secret; their length if it can't be."""
        earliest = len(data)
        for form in self.forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1))
            while 0 <= at < earliest:
                if form.startswith(data[at:]):
                    earliest = at
                    break
                at = data.find(form[:1], at + 1)
        return earliest


def mask_of(secrets: Iterable[str]) -> Mask:
    """The mask of these secrets; made once for the same ones."""
    return _mask_of(frozenset(secrets))


@lru_cache(maxsize=64)
def _mask_of(secrets: frozenset[str]) -> Mask:
    return Mask(secrets)


def _handler(text: str) -> str:
    """How surrogates in a text become bytes: those that Python reads for bytes that are no UTF-8 become these again."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return "surrogatepass"
    return "surrogateescape"


def _redact_line(line: str, secrets: tuple[str, ...]) -> str:
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        return redact(line, secrets)
    kept = redact_all(tree, secrets)
    return line if kept == tree else json.dumps(kept, ensure_ascii=False)


def _in_addresses(name: str, value: str) -> list[str]:
    """Name and password in each address that a variable holds."""
    found = IN_ADDRESS.findall(value)
    return found or (IN_PROXY.findall(value) if name.lower().endswith("proxy") else [])


def _parts_of_addresses(name: str, value: str) -> Iterator[str]:
    for part in _in_addresses(name, value):
        password = part.partition(":")[2]
        if password or len(part) >= SHORTEST_AMBIENT:
            # A mere name, such as that of a user, is also a word of paths.
            yield from (part, unquote(part), password, unquote(password))


def _is_long_enough(value: str) -> bool:
    return len(value) >= (SHORTEST_NUMBER if value.isdigit() else SHORTEST_SECRET)


def _forms(secret: str) -> Iterator[str]:
    """As it is, and as JSON, TOML, Python, HTML, an address, a header of HTTP, or one line of several may hold it."""
    yield secret
    for line in secret.splitlines():
        if len(line.strip()) >= SHORTEST_LINE and not line.startswith("-----"):
            yield line.strip()
    escaped = json.dumps(secret)[1:-1]
    yield from (escaped, escaped.replace("/", "\\/"), json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    within = html.escape(secret, quote=False)
    yield from (
        within,
        within.replace('"', "&quot;"),
        html.escape(secret),
        html.escape(secret).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    )
    data = secret.encode("utf-8", "surrogateescape")
    yield from (quote(data, safe=""), quote(data))
    for shift in range(3):
        # Within a longer text, its first and last characters depend on what stands beside it.
        encoded = base64.b64encode(b"\0" * shift + data).decode("ascii").rstrip("=")
        kept = encoded[(0, 2, 3)[shift] : len(encoded) - (1 if (shift + len(data)) % 3 else 0)]
        if len(kept) >= SHORTEST_SECRET:
            yield from (kept, kept.replace("+", "-").replace("/", "_"))


def _bounded(form: bytes) -> bytes:
    """Digits are a secret as a whole number alone."""
    return rb"(?<!\d)" + form + rb"(?!\d)" if form.isdigit() else re.escape(form)
