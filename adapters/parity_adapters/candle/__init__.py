"""Candle: its own examples, published or from a checkout, and parity's reference program, which uses its library."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from parity.adapter import (
    Adapter,
    AdapterSettings,
    Availability,
    Build,
    Command,
    Job,
    Launch,
    Need,
    Task,
    Transcript,
    Written,
    read_protocol,
)
from parity.adapter.events import Event
from parity_adapters.candle import building, launching, reading
from parity_adapters.candle.settings import CandleSettings


class Candle(Adapter[CandleSettings]):
    """Builds, launches and reads Candle's examples and the Candle reference."""

    name: ClassVar[str] = "candle"
    Settings: ClassVar[type[AdapterSettings]] = CandleSettings

    @property
    def tasks(self) -> frozenset[Task]:
        """The examples take a prompt, and no ids."""
        return frozenset({"generate", "score"}) if self.settings.source == "reference" else super().tasks

    @property
    def device_asked(self) -> str:
        """That of its features: an example falls back on the CPU without failing."""
        return self.settings.device

    @property
    def needs_tokenizer(self) -> bool:
        """The examples read no tokenizer from a GGUF; the reference does."""
        return self.settings.source != "reference"

    @property
    def no_proof(self) -> str | None:
        """Every program takes a model's path. Only an end token that was chosen for one model stands in the way."""
        if self.settings.which is None:
            return None
        return f'`which = "{self.settings.which}"` fits the run\'s own model, whose end token a tiny model may lack'

    @property
    def needs(self) -> tuple[Need, ...]:
        return building.needs(self.settings)

    @property
    def exact(self) -> CandleSettings | None:
        """The examples take no ids. The reference keeps keys and values in F32 by itself. What Candle computes
        otherwise than the file says is no truth, whatever the runtime's own table accepts."""
        if self.settings.source != "reference":
            return None
        return self.settings.but(rope_dtype="f32", cpu=True, accept_deviations=False)

    @property
    def checkout(self) -> str | None:
        """The user's own Candle tree."""
        return self.settings.folder if self.settings.source == "checkout" else None

    def probe(self) -> Command:
        return building.probe(self.settings)

    def read_probe(self, transcript: Transcript) -> Availability:
        return building.read_probe(self.settings, transcript, self.host)

    def build(self) -> Command:
        return building.build(self.settings, Path(self.host.cache))

    @property
    def build_writes(self) -> Written:
        return building.writes(self.settings, Path(self.host.cache))

    def read_build(self, transcript: Transcript) -> Build:
        return building.read_build(self.settings, transcript, Path(self.host.cache))

    def launch(self, job: Job, build: Build | None) -> Launch:
        assert build is not None, "every source is built"
        launch = launching.launch_reference if self.settings.source == "reference" else launching.launch_example
        return launch(self.settings, job, build)

    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        if self.settings.source == "reference":
            return read_protocol(transcript)
        return reading.read_example(self.settings, transcript, job)
