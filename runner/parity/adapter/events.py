"""The event protocol, version 1: typed facts that a runtime's worker prints, one JSON object a line.

`t_ns` is the system's monotonic clock. The first event is `hello`, the last `bye`. Adapters for programs that
don't speak the protocol derive the same events from what those programs print.
"""

from itertools import chain, pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from parity.records import Scalar

PROTOCOL_VERSION = 1

MOST_TOKENS = 1_000_000_000
"""A larger count is a mistake of who counted."""


class EventBase(BaseModel):
    """What every event has: the instant at which its fact became true, in ns of the monotonic clock."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    t_ns: int = Field(gt=0)


class Hello(EventBase):
    """The first event: name and version of the runtime, and version of the protocol. `device` is where it computes by
    default."""

    ev: Literal["hello"] = "hello"
    protocol: int
    runtime: str
    version: str
    device: str | None = None


class Phase(EventBase):
    """A phase begins or ends. `weights` ends when the weights are resident in memory. `ready` has only an `end`: the
    program can take a prompt. `prefill` begins when the request is accepted (t0) and ends when the first token is
    available (t1). `generate` ends when generation is done, for programs that don't send a `token` event per token.
    `lm-load` is the loading of the language model, in a program that loads other models too. `download` is a file that
    the program downloads."""

    ev: Literal["phase"] = "phase"
    name: Literal["import", "header", "weights", "tokenizer", "lm-load", "ready", "prefill", "generate", "download"]
    edge: Literal["begin", "end"]


class Prompt(EventBase):
    """The prompt as the runtime tokenised it: the token ids, or their number, or only the text, whichever it knows."""

    ev: Literal["prompt"] = "prompt"
    ids: list[int] | None = None
    count: int | None = Field(default=None, ge=0, le=MOST_TOKENS)
    text: str | None = None


class Token(EventBase):
    """Generated token number `k`, counted from 1, is available. `id` is the one that the runtime chose, known at
    `t_ns`; a program that is shown text alone sends `chunk` events, and no ids that it makes of the text. `end` marks
    an end-of-generation token."""

    ev: Literal["token"] = "token"
    k: int = Field(ge=1)
    id: int = Field(ge=0)
    end: bool = False


class Chunk(EventBase):
    """A piece of generated text was printed. It may hold any number of tokens. parity counts them with the model's own
    tokenizer, where the adapter asks for it (`needs_tokenizer`)."""

    ev: Literal["chunk"] = "chunk"
    text: str


class Count(EventBase):
    """How many tokens the runtime generated, by its own count. An adapter corrects it if it leaves out a token."""

    ev: Literal["count"] = "count"
    generated: int = Field(ge=0, le=MOST_TOKENS)


class Text(EventBase):
    """The generated text, decoded from all token ids before the first end token."""

    ev: Literal["text"] = "text"
    text: str


class Sampling(EventBase):
    """How long the choice of the tokens 2 to N took in all, of the time from t1 to tN. Sent once, after the last token,
    by a runtime that can tell it from the computing."""

    ev: Literal["sampling"] = "sampling"
    seconds: float = Field(ge=0)


class Aside(EventBase):
    """Work after generation that is no part of the answer, from `begin_ns` to `t_ns`: further prefills, or a step that
    the runtime computes and drops. Wall time, CPU time and peak memory leave it out: `cpu_s` is the CPU time of the
    process within it, and `peak_rss_bytes` the highest resident memory of the process before it. `prefills_ns` are the
    begin and the end of each further prefill of the same prompt, with an empty cache, up to a first token."""

    ev: Literal["aside"] = "aside"
    begin_ns: int = Field(gt=0)
    cpu_s: float = Field(ge=0)
    peak_rss_bytes: int = Field(gt=0)
    prefills_ns: list[tuple[int, int]] = []

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        stamps = [self.begin_ns, *chain(*self.prefills_ns), self.t_ns]
        if any(later < earlier for earlier, later in pairwise(stamps)):
            raise ValueError("begin_ns, the instants of prefills_ns and t_ns do not follow each other")
        return self


class ScoredPosition(EventBase):
    """How likely the id at a position of the job's sequence is after all ids before it, as `Scored` says. Sent once for
    every position but the first, in order; by a runtime that scores its own answer, for every token of that."""

    ev: Literal["scored"] = "scored"
    position: int = Field(ge=1)
    id: int = Field(ge=0)
    logprob: float = Field(le=1e-6)
    logsumexp: float | None = None
    top: list[tuple[int, float]]


class RuntimeFigure(EventBase):
    """A figure that the runtime computed itself, kept as a cross-check. `definition` says what it means; two figures
    are compared only if the same program reports both, by the same definition. `raw` holds a value that is not a finite
    number. `resolution`: half of the last digit of a figure that was printed with few digits, in the figure's unit;
    left out, that of the JSON number, so that `8` may be anything from 7.5 to 8.5."""

    ev: Literal["report"] = "report"
    metric: str
    definition: str
    value: float | None = None
    unit: str = ""
    raw: str | None = None
    resolution: float | None = Field(default=None, ge=0)


class Settings(EventBase):
    """The settings that the runtime used, as it reports them itself: threads, context, KV cache type, device, …"""

    ev: Literal["settings"] = "settings"
    values: dict[str, Scalar]


class Error(EventBase):
    """The job failed. `refused`: the runtime can't do this job. `unavailable`: it isn't installed here. `oom`: it ran
    out of memory. `failed`: anything else. `failure` is the class of one that `failed`, where the program that sends
    this is not the one at fault: what it was sent can't be read (`parse`), what computes for it is gone
    (`crash:worker`), or answered with a status of HTTP (`http:500`)."""

    ev: Literal["error"] = "error"
    kind: Literal["refused", "unavailable", "oom", "failed"]
    message: str
    remedy: str | None = None
    failure: str | None = Field(default=None, pattern="^(parse|crash:worker|http:[1-5][0-9]{2})$")


class Bye(EventBase):
    """The last event. Generation ended because `max_tokens` were generated (`length`) or at an end token; or every
    position was scored; or this was only a probe; or there was an error."""

    ev: Literal["bye"] = "bye"
    reason: Literal["length", "end-token", "scored", "probe", "error"]


Event = (
    Hello
    | Phase
    | Prompt
    | Token
    | Chunk
    | Count
    | Text
    | Sampling
    | Aside
    | ScoredPosition
    | RuntimeFigure
    | Settings
    | Error
    | Bye
)

EVENT: TypeAdapter[Event] = TypeAdapter(
    Annotated[Event, Field(discriminator="ev")], config=ConfigDict(defer_build=True)
)
"""Parses one line: `EVENT.validate_json(line)`; raises pydantic's `ValidationError`."""
