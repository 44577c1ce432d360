"""The base class of adapters: what each must say, and defaults for the rest."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, ValidationInfo

from parity.adapter.commands import Availability, Build, Command, Example, Launch, Need, Written
from parity.adapter.events import Event
from parity.adapter.protocol import read_protocol
from parity.adapter.warned import looks_like_a_warning
from parity.records import HostFacts, Job, ModelFacts, Record, Task
from parity.transcript import Transcript


class AdapterSettings(Record):
    """Base of an adapter's own table in the config; unknown keys are refused."""

    @property
    def ends_at_mark(self) -> bool:
        """Whether parity ends a timed trial at a mark in the program's output (`Markers.stop`), so that only a whole
        trial shows whether the program ends by itself."""
        return False


def _beside_config(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder")
    expanded = Path(path).expanduser()
    return str(folder.resolve() / expanded) if folder is not None else str(expanded)


def _program(path: str, info: ValidationInfo) -> str:
    return _beside_config(path, info) if "/" in path or path.startswith("~") else path


InputPath = Annotated[str, AfterValidator(_beside_config)]
"""A file or folder named in the config: relative to the config's folder, `~` expanded."""

Program = Annotated[str, AfterValidator(_program)]
"""An executable: a bare name is looked up on PATH, anything with a `/` is an `InputPath`."""

SettingsT = TypeVar("SettingsT", bound=AdapterSettings)


class Adapter(ABC, Generic[SettingsT]):
    """Knows how to probe, build, launch and read one runtime.

    All methods are pure: an adapter describes and reads, it spawns, hashes and creates nothing. What it needs to know
    of the machine on which the runtime runs is in `host`.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[AdapterSettings]]

    def __init__(self, settings: SettingsT, host: HostFacts) -> None:
        self.settings = settings
        self.host = host

    @classmethod
    def example(cls, host: HostFacts) -> Example | None:
        """A table for `parity init` to write as a comment, of an adapter that no config can have without settings."""
        return None

    @property
    def tasks(self) -> frozenset[Task]:
        """What a trial can ask of this runtime: `generate`, and `score` where it gives the likelihood of given ids."""
        return frozenset({"generate"})

    @property
    def scores_own(self) -> bool:
        """Whether a trial of the task `score` gives the likelihood of the runtime's own answer alone, which it
        generates once more, and not that of given ids. It then sends the text of that answer too."""
        return False

    @property
    def checkout(self) -> str | None:
        """The folder of the source tree that `build` compiles; parity records its commit. None: there is none."""
        return None

    @property
    def device_asked(self) -> str | None:
        """The device that the runtime's table asks for, such as `metal`, or `gpu` for any that isn't the CPU; a trial
        on a different one did not run what was asked. None where the runtime chooses."""
        return None

    def untold(self, job: Job) -> frozenset[str]:
        """Facts of the job that nothing tells the program, so that only its own report can prove them: `sampling`,
        `prompt`."""
        return frozenset()

    @property
    def needs_tokenizer(self) -> bool:
        """Whether jobs need a `tokenizer.json`."""
        return False

    @property
    def figures_by(self) -> str | None:
        """The program whose own figures `read` reports, for an adapter that drives several programs: figures are
        compared only where one program reports both. None: all figures are by one."""
        return None

    @property
    def reads_patterns(self) -> bool:
        """Whether `read` searches for regular expressions that a config gives. It then runs in a child with limits of
        time and memory, which makes the adapter anew of its class and its settings; `note` says what it searches
        for."""
        return False

    @property
    def no_proof(self) -> str | None:
        """Why the runtime can't be asked to run a tiny model before the first trial; None where it can."""
        return None

    @property
    def exact(self) -> AdapterSettings | None:
        """Settings under which the runtime computes weights of F32 in F32 throughout (activations, cache of keys and
        values, RoPE; no fused attention, on the CPU), and can score ids. It must be what `build` builds with the
        adapter's own settings. None where it has none."""
        return None

    @property
    def needs(self) -> tuple[Need, ...]:
        """Files that must be there before a build or a trial."""
        return ()

    @staticmethod
    def prompt_as(prompt: str) -> str | None:
        """The text that the runtime really sends as the user's turn for `prompt`, for other runtimes to be given the
        same; None where it sends the prompt as it is."""
        return None

    @abstractmethod
    def probe(self) -> Command:
        """What to run to learn version and device. It must be cheap, and must not download or compile."""

    @abstractmethod
    def read_probe(self, transcript: Transcript) -> Availability:
        """Ready, or why not. A program that isn't there is a transcript too (`no_spawn`)."""

    def build(self) -> Command | None:
        """What to run before the first trial, outside every timed one; None where nothing is built."""
        return None

    @property
    def build_writes(self) -> Written | None:
        """What `build` writes, so that parity can ask for room on the disk first; None where nobody knows."""
        return None

    def read_build(self, transcript: Transcript) -> Build:
        """What came of `build`. Called only where `build` returned a command."""
        raise NotImplementedError(f"{self.name} has a build and no read_build")

    def conversion(self, model: ModelFacts, to: str) -> Command | None:
        """What to run to convert a model that the runtime can't read as it is stored, into the folder `to`, which is
        there and empty; None where it can. It runs once, before the trials and outside every timed one, and must leave
        the proof that nothing of the weights changed in `to` as `conversion.json`. Jobs then name the folder as
        `converted`. The command depends on nothing but the model, the settings and the machine."""
        return None

    def explain(self, failure: str, transcript: Transcript) -> str | None:
        """A sentence with cause and remedy for a failed trial or proof whose failure class (such as `crash:SIGSEGV`)
        has a cause that this adapter knows; None otherwise."""
        return None

    def warns(self, line: str) -> bool:
        """Whether a line that a good trial printed on standard error is a warning that a person should read. Reports
        show each kind of them once."""
        return looks_like_a_warning(line)

    @abstractmethod
    def launch(self, job: Job, build: Build | None) -> Launch:
        """How to start the job. Raises `RefusedError` for a job that this runtime can't do."""

    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        """The events of a transcript, in order; by default those of the event protocol on standard output.

        Raises `ReadError` where the transcript can't be read: never a zero."""
        return read_protocol(transcript)
