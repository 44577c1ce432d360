"""Requests to a server: the plain ones by which it says what it is, and the streamed one that is measured.

By `http.client`: each piece of the stream is stamped when it arrives, by a client that does nothing else, follows no
redirect, uses no proxy, and never tries again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

from parity_worker import WorkerError

from .addresses import is_loopback
from .stream import CRASH, ERRORS, StreamError, content_of, message_of, shown

MOST_PLAIN_BYTES = 10_000_000
MOST_WHOLE_BYTES = 100_000_000
"""Of an answer that is no stream, whose log-probabilities are about a kilobyte for each token."""

PLAIN_S = 10.0
"""For an answer to a plain request."""

PIECE_BYTES = 65536

CANNOT = (429, 503)
"""Statuses by which a server says that it can't take a request now."""


class UnansweredError(Exception):
    """The server does not answer now, so that it is not known what it would."""


class Asker:
    """Asks one server. `base`: its address, with the path under which the API is, such as `http://127.0.0.1:8080/v1`."""

    def __init__(self, base: str, key: str | None) -> None:
        parts = urlsplit(base)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.base = base
        # With a port, for without one the last group of an IPv6 address is taken for it.
        self._kind, self._host, self._port = kind, parts.hostname or "", parts.port or kind.default_port
        self.path = parts.path.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    @property
    def root(self) -> str:
        """The path that `/v1` follows."""
        return self.path.removesuffix("/v1")

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, so that paths that it names are paths here."""
        return is_loopback(self._host)

    def connection(self, timeout_s: float | None) -> HTTPConnection:
        return self._kind(self._host, self._port, timeout=timeout_s)

    def plain(
        self, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = PLAIN_S
    ) -> tuple[int, Any] | None:
        """Status and content of the answer to a request; None where nothing listens there, or no answer comes."""
        connection = self.connection(timeout_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, data, self._all_headers)
            answer = connection.getresponse()
            return answer.status, content_of(answer.read(MOST_PLAIN_BYTES))
        except (OSError, HTTPException):
            return None
        except ValueError as error:
            message = f"no request can be sent to {self.base}: {error}"
            raise WorkerError("refused", message, "correct `url` in the config") from error
        finally:
            connection.close()

    def found(self, path: str, *keys: str) -> Any:
        """A value in the answer to a plain request, by the keys that lead to it; None where there is none."""
        answer = self.plain(path)
        value = answer[1] if answer is not None and answer[0] == 200 else None
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def models(self) -> list[dict[str, Any]]:
        """The models that the server says it serves."""
        found = self.found(f"{self.path}/models", "data")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def tokens(self, endpoint: str, body: Mapping[str, Any]) -> list[int] | None:
        """The ids that the server itself gives a text; None where it gives none.

        Raises:
            UnansweredError: it has no answer in time, or can't answer now.
        """
        answer = self.plain(self.root + endpoint, body)
        if answer is None:
            raise UnansweredError(f"the server has no answer at {endpoint} within {PLAIN_S:g} s")
        if answer[0] in CANNOT or answer[0] == 500:
            raise UnansweredError(f"the server answered {answer[0]} at {endpoint}: {message_of(answer[1])[:500]}")
        content = answer[1] if answer[0] == 200 else None
        ids = content.get("tokens") if isinstance(content, dict) else None
        if not isinstance(ids, list) or not all(type(token) is int and token >= 0 for token in ids):
            return None
        return ids

    def whole(self, connection: HTTPConnection, endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request that asks for no stream. Raises what `stream` does, and StreamError."""
        data = _whole_body(self._answered(connection, endpoint, body))
        content = content_of(data)
        if (error := _error_in(content)) is not None:
            raise error
        if not isinstance(content, dict):
            raise StreamError(f"it is no JSON object: {shown(data)}")
        choices = content.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise StreamError(f"it has no choices: {shown(data)}")
        return content

    def stream(self, connection: HTTPConnection, endpoint: str, body: Mapping[str, Any]) -> HTTPResponse:
        """Sends the request; returns the answer once its head is there.

        Raises:
            WorkerError: the server refuses the request, fails, or does not stream its answer.
            OSError, HTTPException: the connection ends before.
        """
        answer = self._answered(connection, endpoint, body)
        if answer.headers.get_content_type() != "text/event-stream":
            raise _no_stream(answer)
        return answer

    def _answered(self, connection: HTTPConnection, endpoint: str, body: Mapping[str, Any]) -> HTTPResponse:
        connection.request("POST", f"{self.path}/{endpoint}", json.dumps(body), self._all_headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise self._failure(answer)
        return answer

    @property
    def _all_headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **self._headers}

    def _failure(self, answer: HTTPResponse) -> WorkerError:
        said = message_of(content_of(answer.read(MOST_PLAIN_BYTES)))[:500]
        what = f"{answer.status} {answer.reason}".strip()
        message = f"the server answered {what}: {said}" if said else f"the server answered {what}"
        if answer.status in CANNOT:
            later = answer.headers.get("Retry-After")
            asked = f" (it asks for {later} s)" if later else ""
            return WorkerError(
                "refused", message, f"let nobody else use it during the run: parity does not wait and retry{asked}"
            )
        if answer.status in (401, 403):
            return WorkerError("refused", message, "name the variable that holds its key as `api_key_env`")
        if answer.status == 404:
            names = ", ".join(str(model.get("id")) for model in self.models()) or "none"
            return WorkerError(
                "refused", message, f"set `model_name` to one of the models that it lists ({names}), or correct `url`"
            )
        if answer.status >= 500:
            return WorkerError("failed", message, failure=f"http:{answer.status}")
        return WorkerError("refused", message)


def pieces(answer: HTTPResponse) -> Iterator[bytes]:
    """What arrives, when it arrives."""
    while piece := answer.read1(PIECE_BYTES):
        yield piece


def _whole_body(answer: HTTPResponse) -> bytes:
    data = answer.read(MOST_WHOLE_BYTES + 1)
    if len(data) > MOST_WHOLE_BYTES:
        raise StreamError(f"it has more than {MOST_WHOLE_BYTES} bytes")
    # Where the head says how long it is, reading a part of it does not tell that it ends before.
    if answer.length:
        raise IncompleteRead(data, answer.length)
    return data


def _error_in(content: Any) -> WorkerError | None:
    """That an answer with the status 200 reports an error, as some servers do."""
    if not isinstance(content, dict) or content.get("choices") or not any(content.get(key) for key in ERRORS):
        return None
    message = f"the server answered 200 with an error: {message_of(content)[:500]}"
    return WorkerError("failed", message, failure=CRASH)


def _no_stream(answer: HTTPResponse) -> WorkerError:
    """Of an answer with the status 200."""
    content = content_of(answer.read(MOST_PLAIN_BYTES))
    if (error := _error_in(content)) is not None:
        return error
    message = f"the server was asked for a stream of events, and answered with {answer.headers.get_content_type()}"
    said = f": {content[:200]}" if isinstance(content, str) and content else ""
    return WorkerError("failed", message + said, failure="parse")
