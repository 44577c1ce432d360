"""Adapters that each break the contract in one way, and one that keeps it. None of them runs anything real."""

import itertools
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from parity.adapter import (
    PROTOCOL_MARKERS,
    Adapter,
    AdapterSettings,
    Availability,
    Build,
    Command,
    Job,
    Launch,
    ReadError,
    Transcript,
    read_protocol,
    read_protocol_probe,
)
from parity.adapter.events import Bye, Event, Phase, RuntimeFigure, Text, Token

COUNTER = itertools.count()


class PlainSettings(AdapterSettings):
    """Settings of an adapter for tests."""

    threads: int = Field(default=1, gt=0, description="threads")


class Good(Adapter[PlainSettings]):
    """Keeps the contract."""

    name: ClassVar[str] = "good"
    Settings: ClassVar[type[AdapterSettings]] = PlainSettings

    def probe(self) -> Command:
        return Command(argv=("program", "--version"))

    def read_probe(self, transcript: Transcript) -> Availability:
        return read_protocol_probe(transcript, install="install it")

    def launch(self, job: Job, build: Build | None) -> Launch:
        return Launch(argv=("program",), files={"job.json": job.model_dump_json()}, markers=PROTOCOL_MARKERS)


class LooseSettings(AdapterSettings):
    """Accept any key."""

    model_config = ConfigDict(extra="allow")


class SettingsLoose(Good):
    Settings: ClassVar[type[AdapterSettings]] = LooseSettings


class HooksTasks(Good):
    tasks: ClassVar[Any] = ["generate"]


class HooksExit(Good):
    def warns(self, line: str) -> bool:
        sys.exit(0)


class HooksRaise(Good):
    @property
    def device_asked(self) -> str:
        raise KeyError("device")


class ProbeMissing(Good):
    def read_probe(self, transcript: Transcript) -> Availability:
        return Availability(ready=True, version="1.0")


class ProbeGarbage(Good):
    def read_probe(self, transcript: Transcript) -> Availability:
        if transcript.no_spawn is not None:
            return Availability(ready=False, reason="gone", remedy="install it")
        return Availability(ready=True, version=transcript.text("out").split()[0])


class LaunchRandom(Good):
    def launch(self, job: Job, build: Build | None) -> Launch:
        return Launch(argv=("program", str(next(COUNTER))))


class LaunchRaises(Good):
    def launch(self, job: Job, build: Build | None) -> Launch:
        return Launch(argv=("program", job.test.prompt.split()[0]))


class ResultNever(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        raise ReadError("no line of its output is known")


class OrderStamps(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        for event in read_protocol(transcript):
            yield event.model_copy(update={"t_ns": event.t_ns - 20_000_000}) if isinstance(event, Text) else event


class OrderPhases(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        for event in read_protocol(transcript):
            yield event
            if isinstance(event, Phase) and event.name == "ready":
                yield event


class TokensNumbers(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        for event in read_protocol(transcript):
            yield event.model_copy(update={"k": event.k + 1}) if isinstance(event, Token) else event


class TokensNoText(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        return (event for event in read_protocol(transcript) if not isinstance(event, Text))


class RepeatableRandom(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        for event in read_protocol(transcript):
            yield event
            if isinstance(event, Text):
                figure = {"metric": "gen_tps", "definition": "d", "value": float(next(COUNTER)), "resolution": 0.5}
                yield RuntimeFigure(t_ns=event.t_ns, **figure)  # type: ignore[arg-type]


class RepeatableByRead(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        """Takes each read for a line."""
        for event in read_protocol(transcript):
            yield event
            if isinstance(event, Phase) and event.name == "ready":
                reads = float(len(transcript.pieces))
                yield RuntimeFigure(t_ns=event.t_ns, metric="load_s", definition="d", value=reads, resolution=0.5)


class TruncatedGood(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        """Makes up the end of an output that has none."""
        last: Event | None = None
        for event in read_protocol(transcript):
            last = event
            yield event
        if isinstance(last, Token):
            yield Text(t_ns=last.t_ns, text="made up")
            yield Bye(t_ns=last.t_ns, reason="length")


class TruncatedHangs(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        while not transcript.data("out").endswith((b"\n", b"\0", b"\xff")):
            pass
        return read_protocol(transcript)


class DamagedRaises(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        if b"\0" in transcript.data("out"):
            raise KeyError("\0")
        return read_protocol(transcript)


class DamagedFigures(Good):
    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        """Counts carriage returns as tokens."""
        for event in read_protocol(transcript):
            yield event
            if isinstance(event, Phase) and event.name == "ready":
                returns = float(transcript.data("out").count(b"\r"))
                yield RuntimeFigure(t_ns=event.t_ns, metric="load_s", definition="d", value=returns, resolution=0.5)


class NeverMade(Good):
    def __init__(self, settings: PlainSettings, host: Any) -> None:
        raise OSError("no")
