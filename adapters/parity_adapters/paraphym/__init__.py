"""paraphym's `fluent_builder`, built from a checkout and driven as it stands: it prints no figures of its own, all of
its answer comes at once, and what it runs after the answer is not waited for."""

from collections.abc import Iterator
from typing import ClassVar

from parity.adapter import Adapter, AdapterSettings, Availability, Build, Command, Job, Launch, RefusedError, Transcript
from parity.adapter.events import Event
from parity_adapters.paraphym import building
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
    def needs_tokenizer(self) -> bool:
        return True

    @staticmethod
    def prompt_as(prompt: str) -> str:
        """The user turn that paraphym makes of a query, for other runtimes to be given the same."""
        return compose(prompt)

    @property
    def checkout(self) -> str:
        """What is built."""
        return self.settings.path

    def probe(self) -> Command:
        return building.probe(self.settings)

    def read_probe(self, transcript: Transcript) -> Availability:
        return building.read_probe(self.settings, transcript)

    def build(self) -> Command | None:
        return building.build(self.settings)

    def read_build(self, transcript: Transcript) -> Build:
        return building.read_build(transcript)

    def launch(self, job: Job, build: Build | None) -> Launch:
        if build is None or EXAMPLE not in build.executables:
            raise RefusedError(f"{EXAMPLE} was not built")
        return launch(job, self.settings, build.executables[EXAMPLE], self.host)

    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        return read_events(transcript, job, self.settings)
