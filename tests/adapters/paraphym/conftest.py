"""Recorded runs of the program, and runs of its stand-in: built by cargo, supervised as trials are."""

import itertools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from builders import SPAWN_NS, job

from parity.adapter import Build
from parity.adapter.events import Chunk, Event, Phase, Settings, Text
from parity.errors import ReadError
from parity.hosts.local import supervise
from parity.hosts.local.markers import search_for
from parity.hosts.machine import host_facts
from parity.reading.measure import measure
from parity.reading.outcome import classify
from parity.records import Failure, Job, Limits, Measurement, Scalar
from parity.transcript import End, EndedBy, Head, Launched, Piece, Spawned, Transcript
from parity_adapters.paraphym import Paraphym, ParaphymSettings

RECORDINGS = Path(__file__).parent / "recordings"
STAND_IN = Path(__file__).parents[2] / "standins" / "paraphym"
FAR = 60.0
"""A limit that no test may reach."""


@dataclass(frozen=True)
class Played:
    """A trial, and what was made of it. `side`: what the stand-in says it did, and when, in ns."""

    transcript: Transcript
    job: Job
    events: Sequence[Event]
    complaint: str | None
    side: Sequence[tuple[str, int]] = ()

    @property
    def failure(self) -> Failure | None:
        return classify(self.transcript, self.events, self.complaint)

    @property
    def end(self) -> End:
        assert self.transcript.end is not None
        return self.transcript.end

    @property
    def text(self) -> str:
        [text] = [event.text for event in self.events if isinstance(event, Text)]
        return text

    @property
    def chunks(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Chunk)]

    @property
    def settings(self) -> dict[str, Scalar]:
        return {k: v for event in self.events if isinstance(event, Settings) for k, v in event.values.items()}

    @property
    def phases_s(self) -> dict[tuple[str, str], float]:
        """Seconds from the spawn."""
        return {(e.name, e.edge): self.since_spawn_s(e.t_ns) for e in self.events if isinstance(e, Phase)}

    def since_spawn_s(self, t_ns: int) -> float:
        assert self.transcript.spawn is not None
        return (t_ns - self.transcript.spawn.t_ns) / 1e9

    def did_s(self, name: str) -> list[float]:
        """When the stand-in did something, in seconds from the spawn."""
        return [self.since_spawn_s(t_ns) for done, t_ns in self.side if done == name]

    def measured(self, metric: str) -> list[Measurement]:
        words = measure(self.transcript, self.events, lambda text: len(text.split()))
        return [m for m in words if m.metric == metric]

    def value(self, metric: str, definition: str | None = None) -> float:
        """The only value of a metric, or the one by a definition."""
        found = [m for m in self.measured(metric) if definition in (None, m.definition)]
        [value] = [m.value for m in found if m.value is not None]
        return value


ATTEMPTS = 4


def quietly(check: Callable[[], None]) -> None:
    """Holds if a claim about times holds in one of a few attempts: others may have the CPU between a write and the
    read of it, for longer than any tolerance. What is wrong every time still fails."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            check()
            return
        except AssertionError:
            if attempt == ATTEMPTS:
                raise


Recorded = Callable[..., Played]
Play = Callable[..., Played]


def adapter(**settings: Any) -> Paraphym:
    given = {"path": "/checkout", "greedy_temperature": 0.001, "tokio_threads": 3, "rayon_threads": 2, **settings}
    return Paraphym(ParaphymSettings.model_validate_json(json.dumps(given)), host_facts())


def asking(query: str, *, max_tokens: int = 51, scratch: str = "/scratch", **changes: Any) -> Job:
    asked = job(max_tokens=max_tokens)
    return asked.model_copy(
        update={"test": asked.test.model_copy(update={"prompt": query}), "scratch": scratch, **changes}
    )


def read(paraphym: Paraphym, transcript: Transcript, asked: Job) -> tuple[list[Event], str | None]:
    events: list[Event] = []
    try:
        for event in paraphym.read(transcript, asked):
            events.append(event)  # noqa: PERF402 - what was read before a complaint counts
    except ReadError as error:
        return events, str(error)
    return events, None


def rows(name: str, section: str | None) -> list[tuple[int, str, str]]:
    """Instant in ns, stream and content of every row of a recording, or of one section of it."""
    found = []
    wanted = section is None
    for line in (RECORDINGS / f"{name}.tsv").read_text(encoding="utf-8").splitlines():
        if line.startswith("# --- ") and section is not None:
            wanted = line.removeprefix("# --- ").startswith(section)
        if wanted and not line.startswith("#"):
            seconds, stream, content = line.split("\t", 2)
            found.append((SPAWN_NS + round(float(seconds) * 1e9), stream, content))
    return found


@pytest.fixture
def in_a_quiet_moment() -> Callable[[Callable[[], None]], None]:
    """`quietly`, for tests that compare times."""
    return quietly


@pytest.fixture
def recordings() -> Path:
    """The folder of the recordings."""
    return RECORDINGS


@pytest.fixture
def recorded() -> Recorded:
    """A recording as a trial: up to where the markers of its launch would have ended it."""

    def play(name: str, section: str | None = None, *, query: str = "What is 2+2?", kind: str = "full") -> Played:
        paraphym, asked = adapter(), asking(query, kind=kind)
        launch = paraphym.launch(asked, Build(executables={"fluent_builder": "/fluent_builder"}))
        search = search_for(launch.markers, watched=False)
        pieces: list[Piece] = []
        by: EndedBy = "deadline:total"
        exit_code = None
        for t_ns, stream, content in rows(name, section):
            ended_ns = t_ns
            if stream == "exit" and not content.startswith("-"):
                by, exit_code = "exit", int(content.split()[0])
            if stream not in ("out", "err"):
                continue
            piece = Piece(t_ns, "out" if stream == "out" else "err", json.loads(content).encode())
            pieces.append(piece)
            found = [kind for kind, _, _ in search.feed(piece)]
            if "stop" in found or "fail" in found:
                by = "stop" if "stop" in found else "fail"
                break
        transcript = Transcript(
            head=Head(purpose="trial", runtime="one", job=asked),
            launch=Launched(argv=launch.argv, env=launch.env),
            spawn=Spawned(t_ns=SPAWN_NS, pid=1, wall=""),
            pieces=tuple(pieces),
            end=End(t_ns=ended_ns, by=by, exit_code=exit_code, signal=None if by == "exit" else 2),
        )
        return Played(transcript, asked, *read(paraphym, transcript, asked))

    return play


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paraphym, Build]:
    """The stand-in, built as the adapter builds."""
    folder = tmp_path_factory.mktemp("stand-in")
    checkout = shutil.copytree(STAND_IN, folder / "checkout", ignore=shutil.ignore_patterns("target"))
    paraphym = adapter(path=str(checkout), default_features=False, hf_home=str(folder / "hub"))
    return paraphym, build(paraphym, folder / "build.jsonl")


def build(paraphym: Paraphym, path: Path) -> Build:
    command = paraphym.build()
    assert command is not None
    head = Head(purpose="build", runtime="paraphym")
    return paraphym.read_build(supervise(command, head=head, path=path, limits=Limits()))


@pytest.fixture
def play(built: tuple[Paraphym, Build], tmp_path: Path) -> Play:
    """Runs the stand-in as a trial. Words in capitals set `STANDIN_…` variables."""
    paraphym, executables = built
    numbers = itertools.count(1)

    def play(
        query: str = "hello there",
        *,
        tokens: int = 20,
        bounds: Mapping[str, float] | None = None,
        **options: Any,
    ) -> Played:
        scratch = tmp_path / f"trial-{next(numbers)}"
        scratch.mkdir()
        variables = {f"STANDIN_{name}": str(value) for name, value in options.items() if name.isupper()}
        job_fields = {name: value for name, value in options.items() if not name.isupper()}
        asked = asking(query, max_tokens=tokens, scratch=str(scratch), **job_fields)
        launch = paraphym.launch(asked, executables)
        side = scratch / "side"
        transcript = supervise(
            launch.model_copy(update={"env": {**launch.env, **variables, "STANDIN_SIDE": str(side)}}),
            head=Head(purpose="trial", runtime="one", job=asked),
            path=scratch / "transcript.jsonl",
            limits=Limits.model_validate(
                {"load_s": FAR, "first_token_s": FAR, "stall_s": FAR, "total_s": FAR, "grace_s": 0.5, **(bounds or {})}
            ),
        )
        done = [line.split() for line in side.read_text(encoding="utf-8").splitlines()]
        return Played(
            transcript, asked, *read(paraphym, transcript, asked), side=[(name, int(t_ns)) for name, t_ns in done]
        )

    return play
