"""Candle's adapter with jobs and recorded or invented output, and what its events say."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from builders import job

from parity.adapter import Build, Transcript
from parity.adapter.events import Chunk, Count, Event, Phase, RuntimeFigure, Text
from parity.errors import ReadError
from parity.hosts.local import supervise
from parity.hosts.machine import host_facts
from parity.models.tokenizer import write_tokenizer
from parity.records import Job, Limits
from parity.transcript import End, Head, Launched, Piece, Spawned, Stream
from parity_adapters.candle import Candle
from parity_adapters.candle.settings import CandleSettings

REFERENCE = str(Path(__file__).parents[2] / "vendor-scripts" / "candle-reference")
RECORDED = Path(__file__).parents[1] / "adapters" / "candle"
SPAWN_NS = 10**12
TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant"
EXAMPLES = ("quantized-qwen3", "quantized", "quantized-phi")
BUILT = Build(executables={name: f"/bin/{name}" for name in EXAMPLES})


def adapter(**settings: Any) -> Candle:
    return Candle(CandleSettings.model_validate(settings, strict=False), host_facts())


def a_job(architecture: str | None = "qwen3", *, tokenizer: str = "gpt2/qwen2", **fields: Any) -> Job:
    """A job for a GGUF at /m.gguf; `fields` of the test, and `path`, `format` and `tokenizer_json` of the model."""
    path, form = fields.pop("path", "/m.gguf"), fields.pop("format", "gguf")
    tokenizer_json = fields.pop("tokenizer_json", "/t.json")
    return job(
        runtime="candle",
        test={"prompt": "What is 2+2?", "max_tokens": 50, **fields},
        fields={"adapter": "candle", "tokenizer": tokenizer_json, "scratch": "/scratch"},
        path=path,
        format=form,
        architecture=architecture,
        tokenizer=tokenizer,
    )


def recorded(name: str, section: str | None = None) -> Transcript:
    """A recorded run: of a file with sections, the one whose heading begins with `section`."""
    pieces: list[Piece] = []
    end: End | None = None
    reading = section is None
    for line in (RECORDED / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("# --- "):
            reading = section is not None and line.startswith(f"# --- {section}")
        if line.startswith("#") or not reading:
            continue
        at, stream, value = line.split("\t", 2)
        t_ns = SPAWN_NS + round(float(at) * 1e9)
        if stream == "exit":
            end = End(t_ns=t_ns, by="exit", exit_code=int(value))
        else:
            pieces.append(Piece(t_ns, "out" if stream == "out" else "err", json.loads(value).encode()))
    assert end is not None, f"{name} has no section {section!r}"
    return a_transcript(pieces, end)


def a_transcript(pieces: list[Piece], end: End) -> Transcript:
    return Transcript(
        head=Head(purpose="trial", runtime="candle"),
        launch=Launched(argv=("example",), env={}),
        spawn=Spawned(t_ns=SPAWN_NS, pid=1, wall="2026-01-01T00:00:00Z"),
        pieces=tuple(pieces),
        end=end,
    )


def printed(*reads: str, exit_code: int = 0, stream: Stream = "out") -> Transcript:
    """A program whose reads arrive a second apart."""
    pieces = [Piece(SPAWN_NS + (k + 1) * 10**9, stream, read.encode()) for k, read in enumerate(reads)]
    return a_transcript(pieces, End(t_ns=SPAWN_NS + 99 * 10**9, by="exit", exit_code=exit_code))


PREAMBLE = (
    "avx: true, neon: false, simd128: false, f16c: true\n"
    "temp: 0.00 repeat-penalty: 1.00 repeat-last-n: 64\n"
    "loaded 3 tensors (1.50KB) in 0.10s\nmodel built\n"
)
ECHO = "formatted prompt: <|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"


def statistics(prompt: object = 15, prompt_rate: str = "5.00", generated: object = 9, rate: str = "6.00") -> str:
    return (
        f"\n\n{prompt:>4} prompt tokens processed: {prompt_rate} token/s\n{generated:>4} tokens generated: "
        f"{rate} token/s\n"
    )


def read(transcript: Transcript, job: Job, **settings: Any) -> list[Event]:
    return list(adapter(**settings).read(transcript, job))


def until_complaint(transcript: Transcript, job: Job) -> tuple[list[Event], str]:
    events: list[Event] = []
    with pytest.raises(ReadError) as complaint:
        events.extend(adapter().read(transcript, job))
    return events, str(complaint.value)


def seconds(events: list[Event], name: str, edge: str) -> float:
    """When a phase's edge was, counted from the spawn."""
    [at] = [event.t_ns for event in events if isinstance(event, Phase) and (event.name, event.edge) == (name, edge)]
    return (at - SPAWN_NS) / 1e9


def phases(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.edge) for event in events if isinstance(event, Phase)]


def figure(events: list[Event], metric: str) -> RuntimeFigure:
    [found] = [event for event in events if isinstance(event, RuntimeFigure) and event.metric == metric]
    return found


def text(events: list[Event]) -> str:
    [found] = [event.text for event in events if isinstance(event, Text)]
    return found


def count(events: list[Event]) -> int:
    [found] = [event.generated for event in events if isinstance(event, Count)]
    return found


def chunks(events: list[Event]) -> list[Chunk]:
    return [event for event in events if isinstance(event, Chunk)]


PATIENT = Limits(load_s=300.0, first_token_s=300.0, stall_s=300.0, total_s=600.0)


def tokenizer_of(model: Path) -> Path:
    with model.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    facts = a_job(path=str(model)).model.model_copy(update={"sha256": sha256})
    return write_tokenizer(facts, Path(tempfile.gettempdir()) / f"parity-tests-{sha256}.json")


def build_of(candle: Candle, folder: Path) -> Build:
    """Compiles what isn't compiled yet, which can take a quarter of an hour and more."""
    head = Head(purpose="build", runtime="candle")
    build = candle.read_build(supervise(candle.build(), head=head, path=folder / "build.jsonl", limits=PATIENT))
    assert build.executables, (build.reason, build.remedy)
    return build
