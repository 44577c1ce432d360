"""paraphym's `fluent_builder`, built from a checkout and driven as it stands: it prints no figures of its own, all of
its answer comes at once, and what it runs after the answer is not waited for."""

from collections.abc import Iterator
from typing import ClassVar

from parity.adapter import AdapterSettings, Availability, Build, Command, Job, Launch, Transcript
from parity.errors import RefusedError
from parity.events import Event
from parity_adapters.paraphym.build import EXAMPLE, build_command, commit_command, read_commit
from parity_adapters.paraphym.cargo import read_cargo
from parity_adapters.paraphym.launch import launch
from parity_adapters.paraphym.prompt import compose
from parity_adapters.paraphym.reading import read_events
from parity_adapters.paraphym.settings import ParaphymSettings

__all__ = ["Paraphym", "ParaphymSettings"]


class Paraphym:
    """Probes, builds, launches and reads paraphym."""

    name: ClassVar[str] = "paraphym"
    needs_tokenizer: ClassVar[bool] = True
    Settings: ClassVar[type[AdapterSettings]] = ParaphymSettings

    def __init__(self, settings: AdapterSettings) -> None:
        assert isinstance(settings, ParaphymSettings)
        self.settings = settings

    @staticmethod
    def prompt_as(query: str) -> str:
        """The user turn that paraphym makes of a query, for other runtimes to be given the same."""
        return compose(query)

    def probe(self) -> Command:
        return commit_command(self.settings)

    def read_probe(self, transcript: Transcript) -> Availability:
        return read_commit(transcript)

    def build(self) -> Command | None:
        return build_command(self.settings)

    def read_build(self, transcript: Transcript) -> Build:
        return read_cargo(transcript, EXAMPLE)

    def launch(self, job: Job, build: Build | None) -> Launch:
        if build is None or EXAMPLE not in build.executables:
            raise RefusedError(f"{EXAMPLE} was not built")
        return launch(job, self.settings, build.executables[EXAMPLE])

    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        return read_events(transcript, job, self.settings)
