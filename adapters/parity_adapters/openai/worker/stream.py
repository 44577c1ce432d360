"""Reads a stream of server-sent events as it arrives, and what each of them says of the answer. Pure.

https://html.spec.whatwg.org/multipage/server-sent-events.html, of which this API uses `data` alone, and `event` for
errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST_EVENT = 1_000_000
"""Bytes, also of one line. An event holds a piece of text and some figures."""

DONE = "[DONE]"

ERRORS = ("error", "message", "detail")
"""Keys under which servers report an error."""

LENGTH = "length"
AT_END = ("stop", "eos", "eos_token")
"""What servers give as `finish_reason` where the budget, or an end token, ended the answer."""

CRASH = "crash:worker"
"""The class of an answer that the server itself gave up."""

_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"event", b"id", b"retry")

_END = re.compile(rb"\r\n|\n|\r")


class StreamError(Exception):
    """What the server sent is no stream of this API, or ends in an error of the server's own. `failure`: its class."""

    def __init__(self, message: str, failure: str = "parse") -> None:
        super().__init__(message)
        self.failure = failure


class Lines:
    """Lines of a stream that comes in pieces. A line ends with CRLF, LF or CR."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that a piece completes, without their ends."""
        # A CR ends a line at once; the LF of its CRLF may come with the next piece.
        first, *others = _END.split(data.removeprefix(b"\n") if self._after_cr else data)
        self._after_cr = data.endswith(b"\r")
        self._rest += first
        for other in others:
            yield self._checked()
            self._rest = bytearray(other)
        self._checked()

    def _checked(self) -> bytes:
        if len(self._rest) > LONGEST_EVENT:
            raise StreamError(f"a line of its stream has more than {LONGEST_EVENT} bytes")
        return bytes(self._rest)


@dataclass(frozen=True)
class Event:
    """One event of the stream. `name`: as it calls it, mostly nothing."""

    data: bytes
    name: bytes = b""


class Stream:
    """The events of a stream that comes in pieces. `odd`: the first line that is of no event, which is ignored as the
    standard has it, and may say why a stream ends early."""

    def __init__(self) -> None:
        self.odd: str | None = None
        self._lines, self._begun = Lines(), False
        self._name, self._data = b"", bytearray()

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that a piece completes."""
        for line in self._lines.feed(piece):
            if sent := self._of(line if self._begun else line.removeprefix(_BOM)):
                yield sent
            self._begun = True

    def _of(self, line: bytes) -> Event | None:
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            return self._ended()
        if key == b"data":
            self._data += value + b"\n"
            if len(self._data) > LONGEST_EVENT:
                raise StreamError(f"an event of its stream has more than {LONGEST_EVENT} bytes")
        elif key == b"event":
            self._name = value
        elif key and key not in _FIELDS and self.odd is None:
            self.odd = shown(line)
        return None

    def _ended(self) -> Event | None:
        sent = Event(bytes(self._data).removesuffix(b"\n"), self._name)
        self._name, self._data = b"", bytearray()
        return sent if sent.data.strip() else None


@dataclass
class Answer:
    """What the events so far say of an answer, in the form of either endpoint."""

    texts: list[str] = field(default_factory=list)
    finish: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    fingerprint: str | None = None
    done: bool = False
    _half: str = ""
    """The first half of a surrogate pair, whose second half comes with the next event."""

    def take(self, sent: Event) -> str:
        """The piece of text that an event holds; mostly none.

        Raises:
            StreamError: it is no event of this API, or one that reports an error.
        """
        if self.done:
            return ""
        data = sent.data.strip()
        if sent.name == b"error":
            raise _reported(content_of(data))
        if data == DONE.encode():
            self.done = True
            return self._kept("", whole=True)
        return self.read(_object(data))

    @property
    def stopped(self) -> bool:
        """Whether the answer, which is over, ended at an end token; otherwise its budget ended it.

        Raises:
            StreamError: neither did.
        """
        if self.finish is None:
            raise StreamError("it ended without a `finish_reason`, so that nothing shows that it is whole", CRASH)
        if self.finish != LENGTH and self.finish not in AT_END:
            raise StreamError(f"it ended with the `finish_reason` {self.finish[:100]!r}", CRASH)
        return self.finish != LENGTH

    def read(self, event: dict[str, Any]) -> str:
        """The same of the object that an event holds, or of a whole answer that is no stream."""
        choices = event.get("choices")
        if event.get("error") or (choices is None and any(event.get(key) for key in ERRORS)):
            raise _reported(event)
        told = [key for key in ("usage", "timings") if isinstance(event.get(key), dict)]
        for key in told:
            getattr(self, key).update(event[key])
        self.model = _text(event.get("model")) or self.model
        self.fingerprint = _text(event.get("system_fingerprint")) or self.fingerprint
        if choices is None and not told:
            raise StreamError(f"it sent an event without choices: {shown(json.dumps(event).encode())}")
        text = "".join(self._piece(choice) for choice in choices or ())
        return self._kept(text, whole=self.finish is not None)

    def _kept(self, text: str, *, whole: bool) -> str:
        """The text with the half of a character that ended the one before, and without one that ends this text, unless
        the answer is `whole`."""
        text = self._half + text
        self._half = text[-1:] if not whole and "\ud800" <= text[-1:] <= "\udbff" else ""
        text = _writable(text.removesuffix(self._half))
        if text:
            self.texts.append(text)
        return text

    def _piece(self, choice: Any) -> str:
        if not isinstance(choice, dict):
            raise StreamError("it sent a choice that is no object")
        if choice.get("index") not in (None, 0):
            raise StreamError(f"it sent a second answer (a choice with index {choice['index']!r}), and one was asked")
        self.finish = _text(choice.get("finish_reason")) or self.finish
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return _str(choice.get("text"))
        # What a model thinks before it answers is generated as all else is.
        parts = (delta.get("reasoning_content") or delta.get("reasoning"), delta.get("content"))
        return "".join(_str(part) for part in parts)


def _reported(content: Any) -> StreamError:
    return StreamError(f"it reported an error in its stream: {message_of(content)[:500]}", CRASH)


def content_of(data: bytes) -> Any:
    """JSON, or plain text where it is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace").strip()


def _object(data: bytes) -> dict[str, Any]:
    event = content_of(data)
    if not isinstance(event, dict):
        raise StreamError(f"it sent an event that is no JSON object: {shown(data)}")
    return event


def _text(value: Any) -> str | None:
    return _writable(value) if isinstance(value, str) else None


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _writable(text: str) -> str:
    """The text with its surrogate pairs joined and U+FFFD for each half that is alone, so that it can be written as
    UTF-8: JSON can hold both."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def message_of(answer: Any) -> str:
    """What an answer that reports an error says of it, in any of the forms that servers use."""
    if isinstance(answer, dict):
        for key in ERRORS:
            if key in answer:
                return message_of(answer[key])
    return answer if isinstance(answer, str) else json.dumps(answer)[:300]


def shown(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return repr(text if len(text) <= 120 else f"{text[:119]}…")
