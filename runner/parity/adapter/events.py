"""The event protocol, version 1: typed facts that a runtime's worker prints, one JSON object a line.

`t_ns` is the system's monotonic clock. The first event is `hello`, the last `bye`. Adapters for programs that
don't speak the protocol derive the same events from what those programs print.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from parity.records import Scalar

PROTOCOL_VERSION = 1

MOST_TOKENS = 1_000_000_000
"""A larger count is a mistake of who counted."""


class EventBase(BaseModel):
    """What every event has: the instant at which its fact became true, in ns of the monotonic clock."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    t_ns: int = Field(gt=0)


class Hello(EventBase):
    """First event: who speaks, and which protocol. `device` is where the runtime computes by default."""

    ev: Literal["hello"] = "hello"
    protocol: int
    runtime: str
    version: str
    device: str | None = None


class Phase(EventBase):
    """A phase begins or ends. `weights` ends when they are resident; `ready` (only `end`) when a prompt could be
    taken; `prefill` begins when the request is accepted (t0) and ends when the first token is available (t1);
    `generate` ends when a program that shows no token's instant is done generating; `lm-load` is the language model's
    own share of the load, in a program that loads other models first; `download` is each file that it fetches
    by itself."""

    ev: Literal["phase"] = "phase"
    name: Literal["import", "header", "weights", "tokenizer", "lm-load", "ready", "prefill", "generate", "download"]
    edge: Literal["begin", "end"]


class Prompt(EventBase):
    """The prompt as the runtime took it: its ids where it shows them, else their number, else only the text."""

    ev: Literal["prompt"] = "prompt"
    ids: list[int] | None = None
    count: int | None = Field(default=None, ge=0, le=MOST_TOKENS)
    text: str | None = None


class Token(EventBase):
    """Sampled token number `k` (from 1) is available. `end` marks an end-of-generation token."""

    ev: Literal["token"] = "token"
    k: int = Field(ge=1)
    id: int = Field(ge=0)
    end: bool = False


class Chunk(EventBase):
    """A piece of generated text became visible; how many tokens it holds is not known."""

    ev: Literal["chunk"] = "chunk"
    text: str


class Count(EventBase):
    """How many tokens were sampled, as the runtime counted them and parity corrected it (a first token left out …)."""

    ev: Literal["count"] = "count"
    generated: int = Field(ge=0, le=MOST_TOKENS)


class Text(EventBase):
    """The generated text, decoded by the runtime from all ids up to the first end token."""

    ev: Literal["text"] = "text"
    text: str


class RuntimeFigure(EventBase):
    """A figure of the runtime's own, kept as a cross-check. `definition` says what it means, in the runtime's terms;
    two figures are compared only if they name the same definition. `raw` holds what is no finite number."""

    ev: Literal["report"] = "report"
    metric: str
    definition: str
    value: float | None = None
    unit: str = ""
    raw: str | None = None


class Settings(EventBase):
    """Settings in force, as the runtime itself reports them (threads, context, KV type, device, …)."""

    ev: Literal["settings"] = "settings"
    values: dict[str, Scalar]


class Error(EventBase):
    """The runtime can't go on. `refused`: it won't do this job; `unavailable`: it isn't installed here."""

    ev: Literal["error"] = "error"
    kind: Literal["refused", "unavailable", "oom", "failed"]
    message: str
    remedy: str | None = None


class Bye(EventBase):
    """Last event: generation ended because the budget was spent (`length`), an end token came, or nothing was asked."""

    ev: Literal["bye"] = "bye"
    reason: Literal["length", "end-token", "probe", "error"]


Event = Hello | Phase | Prompt | Token | Chunk | Count | Text | RuntimeFigure | Settings | Error | Bye

EVENT: TypeAdapter[Event] = TypeAdapter(
    Annotated[Event, Field(discriminator="ev")], config=ConfigDict(defer_build=True)
)
"""Parses one line: `EVENT.validate_json(line)`; raises pydantic's `ValidationError`."""
