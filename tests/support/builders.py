"""Transcripts and trials made by hand, for tests of what is computed from them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from parity.adapter.events import Event, Hello, Phase, Prompt, Token
from parity.records import Identity, Job, Measurement, ModelFacts, TestSpec, Trial
from parity.transcript import End, Head, Launched, Piece, Sample, Spawned, Transcript

MS = 1_000_000
SPAWN_NS = 1_000 * MS

MODEL = ModelFacts(name="m", title="M", source="m.gguf", path="/m.gguf", format="gguf", sha256="ab" * 32, size_bytes=1)


def job(
    *,
    max_tokens: int = 5,
    runtime: str = "one",
    test: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    **model: Any,
) -> Job:
    """A job for a small GGUF file; `model` changes what is known of it, `test` its test, `fields` the job itself."""
    whole = {"name": "t", "title": "T", "prompt": "hi", "max_tokens": max_tokens, **(test or {})}
    return Job(
        **{
            "runtime": runtime,
            "adapter": "command",
            "model": ModelFacts.model_validate({**MODEL.model_dump(), **model}),
            "test": TestSpec.model_validate(whole),
            "round": 1,
            "scratch": "/nowhere",
            **(fields or {}),
        }
    )


def timeline(
    *, ready_ms: int = 100, prefill_ms: int = 110, token_ms: Sequence[int] = (150, 160, 170), prompt_ids: int = 4
) -> list[Event]:
    """Events at instants counted in ms from the spawn."""
    at = {"ready": SPAWN_NS + ready_ms * MS, "prefill": SPAWN_NS + prefill_ms * MS}
    return [
        Hello(t_ns=SPAWN_NS + MS, protocol=1, runtime="r", version="1"),
        Phase(t_ns=at["ready"], name="weights", edge="end"),
        Phase(t_ns=at["ready"], name="ready", edge="end"),
        Prompt(t_ns=at["prefill"], ids=list(range(prompt_ids))),
        Phase(t_ns=at["prefill"], name="prefill", edge="begin"),
        *(Token(t_ns=SPAWN_NS + ms * MS, k=k, id=k) for k, ms in enumerate(token_ms, start=1)),
    ]


def transcript(
    events: Sequence[Event] = (),
    *,
    out: bytes | None = None,
    err: bytes = b"",
    end: End | None = None,
    samples: Sequence[Sample] = (),
    spawned: bool = True,
) -> Transcript:
    """A transcript that printed the events (or `out`), each piece arriving 10 µs after its stamp."""
    pieces = [
        Piece(event.t_ns + 10_000, "out", json.dumps(event.model_dump()).encode() + b"\n")
        for event in (events if out is None else ())
    ]
    if out is not None:
        pieces.append(Piece(SPAWN_NS + 500 * MS, "out", out))
    if err:
        pieces.append(Piece(SPAWN_NS + 500 * MS, "err", err))
    return Transcript(
        head=Head(purpose="trial", runtime="one", job=job()),
        launch=Launched(argv=("prog",), env={}),
        spawn=Spawned(t_ns=SPAWN_NS, pid=1, wall="2026-01-01T00:00:00Z") if spawned else None,
        pieces=tuple(pieces),
        samples=tuple(samples),
        end=end or End(t_ns=SPAWN_NS + 1000 * MS, by="exit", exit_code=0, peak_rss_bytes=1000, cpu_s=0.5),
    )


def also(good: Trial, definition: str, values: dict[str, float]) -> Trial:
    """The trial with further metrics, by another definition."""
    more = (
        Measurement(metric=k, unit="u", definition=definition, provenance="observed", value=v)
        for k, v in values.items()
    )
    return good.but(measurements=(*good.measurements, *more))


def trial(
    runtime: str,
    round: int,
    values: dict[str, float],
    *,
    definition: str = "token-stamps",
    identity: Identity | None = None,
    **fields: object,
) -> Trial:
    """A good trial with the given metrics, all by one definition."""
    return Trial.model_validate(
        {
            "file": f"trials/{runtime}-{round}.jsonl",
            "model": "m",
            "test": "t",
            "runtime": runtime,
            "round": round,
            "warmup": False,
            "measurements": tuple(
                Measurement(metric=k, unit="u", definition=definition, provenance="observed", value=v)
                for k, v in values.items()
            ),
            "identity": identity
            or Identity(weights_sha256="ab" * 32, prompt_ids_sha256="p", prompt_tokens=4, generated_tokens=50),
            **(fields or {}),
        }
    )
