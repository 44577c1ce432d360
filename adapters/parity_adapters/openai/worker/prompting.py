"""The prompt as it is sent, and what is known of its ids.

As ids where the server takes them: those that the server itself gives the text, so that it puts no second begin token
ahead of a text that has one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity_worker import Events, WorkerError

from .asking import Asker, UnansweredError
from .dialects import DIALECTS
from .request import Prompt, once_begun, text_of


@dataclass(frozen=True)
class Sent:
    """`text`: None where the server renders the prompt itself. `ids`: those that are sent in its place."""

    text: str | None
    ids: list[int] | None

    @property
    def prompt(self) -> Prompt | None:
        return self.text if self.ids is None else self.ids

    def tell(self, events: Events, asker: Asker, kind: str, counted: int | None) -> None:
        """Says what the prompt was. `counted`: how many tokens the server's answer says that it had."""
        text, ids, endpoint = self.text, self.ids, DIALECTS[kind].tokenize
        if ids is not None and counted != len(ids):
            # It may have put a token ahead of them. A count of more says that it did, so that the text says nothing of
            # its ids either.
            text, ids = text if counted is None else None, None
        elif ids is None and text is not None and endpoint is not None:
            with contextlib.suppress(UnansweredError):
                ids = asker.tokens(endpoint, {"input": text})
            ids = ids if ids is not None and counted in (None, len(ids)) else None
        if text is not None or counted is not None:
            events.send("prompt", text=text, ids=ids, count=counted)


def to_send(job: Mapping[str, Any], asker: Asker, model: str | None) -> Sent:
    """Raises WorkerError where the prompt can't be sent as the config asks, and UnansweredError where the server does
    not say now whether it gives ids: by text instead, rounds of one server might differ in their prompt."""
    settings, text = job["settings"], text_of(job)
    wanted = settings["prompt_as"]
    if text is None or wanted == "text":
        return Sent(text, None)
    ids = _ids(asker, settings["server"], text, model)
    if ids is None and wanted == "ids":
        message = "the server gives no ids of the prompt, as which it is to be sent"
        raise WorkerError("refused", message, 'set `prompt_as = "text"` in the runtime\'s table')
    return Sent(text, ids)


def _ids(asker: Asker, kind: str, text: str, model: str | None) -> list[int] | None:
    how = DIALECTS[kind].prompt_ids
    if how is None:
        return None
    named = {} if model is None else {"model": model}
    whole, bare = (
        asker.tokens(how.path, {how.text: text, how.begin: begin, **how.more, **named}) for begin in (True, False)
    )
    return once_begun(whole, bare) or None if whole is not None and bare is not None else None
