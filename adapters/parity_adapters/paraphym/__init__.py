"""paraphym's `fluent_builder`, built from a checkout and run unchanged. It prints no figures of its own, its whole
answer arrives at once, and a timed trial ends with the answer although the program goes on."""

from collections.abc import Iterator
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
    RefusedError,
    Transcript,
    Written,
)
from parity.adapter.events import Event
from parity_adapters.paraphym import building, models
from parity_adapters.paraphym.building import EXAMPLE
from parity_adapters.paraphym.launch import launch
from parity_adapters.paraphym.prompt import compose
from parity_adapters.paraphym.reading import read_events
from parity_adapters.paraphym.settings import ParaphymSettings

__all__ = ["Paraphym", "ParaphymSettings"]


class Paraphym(Adapter[ParaphymSettings]):
    """Probes, builds, launches and reads paraphym."""

    name: ClassVar[str] = "paraphym"
    Settings: ClassVar[type[AdapterSettings]] = ParaphymSettings

    @property
    def device_asked(self) -> str | None:
        """The program falls back on the CPU without failing."""
        return next((name for name in ("cuda", "metal") if name in self.settings.features), None)

    @property
    def needs_tokenizer(self) -> bool:
        return True

    @property
    def no_proof(self) -> str:
        return "paraphym loads the model that its source names, and takes no path of a different one"

    @property
    def needs(self) -> tuple[Need, ...]:
        return models.needs(self.settings, self.host)

    @staticmethod
    def prompt_as(prompt: str) -> str:
        """The user turn that paraphym makes of a query, so that other runtimes can be given the same."""
        return compose(prompt)

    @property
    def checkout(self) -> str:
        """The clone that is built."""
        return self.settings.path

    def probe(self) -> Command:
        return building.probe(self.settings)

    def read_probe(self, transcript: Transcript) -> Availability:
        return building.read_probe(self.settings, transcript, self.host)

    def build(self) -> Command:
        return building.build(self.settings)

    @property
    def build_writes(self) -> Written:
        return building.writes(self.settings)

    def read_build(self, transcript: Transcript) -> Build:
        return building.read_build(transcript)

    def launch(self, job: Job, build: Build | None) -> Launch:
        if build is None or EXAMPLE not in build.executables:
            raise RefusedError(f"{EXAMPLE} was not built")
        return launch(job, self.settings, build.executables[EXAMPLE], self.host)

    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        return read_events(transcript, job, self.settings)
