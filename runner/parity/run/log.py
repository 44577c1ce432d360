"""The run folder: the log of a run, and the only place where it lives. Every number can be computed again from it.

`run.json` says what the run is to do, `prepared/` holds what was learnt before the first trial, `trials/` a transcript
of each trial. What to do next follows from config and transcripts alone; all other files are derived.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from parity.config import LoadedConfig
from parity.errors import RunFolderError
from parity.records import SCHEMA_VERSION, HostFacts, Job, ModelFacts, Record, Scalar, Slot, Trial
from parity.redaction import REDACTED, SECRET, redact_all, redact_lines, secrets_of
from parity.run.earlier import read_run_text
from parity.transcript import Transcript, has_begun, read_transcript

RUNS = Path(".parity") / "runs"
SAME_MACHINE = ("host", "cpu", "arch", "platform")
"""Facts by which two runs are known to be of one machine."""

CHAT_TURNS = "prepared/chat-turns.json"
"""The prompts in their models' chat templates, each rendered once a run: a template may print the time."""

LONGEST_NAME = 60
"""Of a part of a file's name: systems allow 255 bytes in all, and the number alone tells trials apart."""


class RunRecord(Record):
    """`run.json`: what the run was to do, on what; written when it begins, and again when its `models` are there."""

    schema_version: int = SCHEMA_VERSION
    started: str
    parity_version: str
    loaded: LoadedConfig
    models: tuple[ModelFacts, ...]
    hosts: dict[str, HostFacts] = Field(description="label → what adapters know of the host")
    machine: dict[str, Scalar]
    forced: bool = Field(
        default=False, description="the config that it requires had not passed, and `--force` was given"
    )
    authorised_by: str | None = Field(default=None, description="the run that let this one go ahead")


class RunEnd(Record):
    """`end.json`: written when a run ends by itself or is interrupted; missing when parity was killed."""

    finished: str
    interrupted: bool


class RunFolder:
    """A run on disk, named by its folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path | None, name: str) -> "RunFolder":
        """Makes a new folder: `path`, or one under `.parity/runs` named by time and config.

        Raises:
            RunFolderError: it exists with something in it, or can't be made.
        """
        try:
            if path is None:
                path = _make_unused(RUNS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}")
            elif path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise RunFolderError(f"{path}: exists already and is not an empty folder; name a new one")
            for part in ("trials", "prepared"):
                (path / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{path}: can't be created ({error.strerror})") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run folder. Raises RunFolderError where there is none."""
        if not (path / "run.json").is_file():
            raise RunFolderError(f"{path}: is not a run folder (it has no run.json); runs are under {RUNS}")
        return cls(path)

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody writes into it meanwhile but this process; a lock of the system, which a killed process lets go.

        Raises:
            RunFolderError: somebody does already.
        """
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            # A file system that knows no locks is no reason not to run.
            with suppress(OSError):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise RunFolderError(f"{self.path}: a `parity run` is at work in it; wait for its end") from error
            yield
        finally:
            os.close(descriptor)

    def write_run(self, run: RunRecord) -> None:
        """Writes `run.json`; secrets among environment values are left out."""
        kept = run.but(loaded=without_secrets(run.loaded))
        self.write("run.json", kept.model_dump_json(indent=2) + "\n")

    def read_run(self) -> RunRecord:
        """Reads `run.json`, of this schema version or an earlier one.

        Raises:
            RunFolderError: a newer version or a different program wrote it.
        """
        path = self.path / "run.json"
        try:
            return RunRecord.model_validate_json(read_run_text(path))
        except OSError as error:
            raise RunFolderError(f"{path}: can't be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise RunFolderError(f"{path}: is not the record of a run ({error})") from error

    def end(self, *, interrupted: bool) -> None:
        """Marks the run as over."""
        self.write("end.json", RunEnd(finished=now(), interrupted=interrupted).model_dump_json() + "\n")

    def discard(self) -> None:
        """Removes a folder in which nothing was measured."""
        for part in ("trials", "prepared"):
            shutil.rmtree(self.path / part, ignore_errors=True)
        (self.path / "run.json").unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def reopen(self) -> None:
        """Takes the mark of the end away."""
        (self.path / "end.json").unlink(missing_ok=True)

    @property
    def interrupted(self) -> bool:
        """Whether the run stopped before its plan was done."""
        try:
            return RunEnd.model_validate_json((self.path / "end.json").read_bytes()).interrupted
        except (OSError, ValidationError):
            return True

    def prepared_path(self, runtime: str, step: str) -> Path:
        """The transcript of a step of a runtime's preparation: probe, checkout, build or proof."""
        of_name = (self.path / f"{step}s" / f"{runtime}.jsonl", self.path / "prepared" / runtime / f"{step}.jsonl")
        earlier = next(filter(_is_there, of_name), None)
        return earlier or self.path / "prepared" / _distinct(runtime) / f"{step}.jsonl"

    def tokenizer_path(self, model: str) -> Path:
        """The model's `tokenizer.json`, kept with the run because numbers are computed by it."""
        earlier = self.path / "tokenizers" / f"{model}.json"
        return earlier if _is_there(earlier) else self.path / "tokenizers" / f"{_distinct(model)}.json"

    def new_trial_path(self, slot: Slot) -> Path:
        """Where the transcript of the next trial goes."""
        number = 1 + max((_number(path) for path in self._trial_files()), default=0)
        return self.path / "trials" / f"{number:04d}-{_file_name(slot)}.jsonl"

    def trials(self) -> Iterator[tuple[str, Slot, Transcript]]:
        """File name, slot and transcript of each trial in the order in which they ran, with every attempt at a slot. A
        file without a whole first line is of a trial that never began."""
        for path in sorted(self._trial_files(), key=_number):
            if not has_begun(path):
                continue
            transcript = read_transcript(path)
            if transcript.head.slot is None:
                raise RunFolderError(f"{path}: its head names no slot, so it is not a trial of this run")
            yield path.name, transcript.head.slot, transcript

    def _trial_files(self) -> list[Path]:
        return list((self.path / "trials").glob("*.jsonl"))

    def append_result(self, trial: Trial) -> None:
        """Adds a finished trial to `results.jsonl` and syncs it to disk, so that a crash loses nothing."""
        with (self.path / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(trial.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write_results(self, trials: Sequence[Trial]) -> None:
        """Writes `results.jsonl` anew from the trials of the log."""
        self.write("results.jsonl", "".join(trial.model_dump_json() + "\n" for trial in trials))

    def write(self, name: str, text: str) -> Path:
        """Writes a file of the folder whole or not at all."""
        path = self.path / name
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
        return path

    def read_json(self, name: str) -> Any:
        """What a JSON file of the folder holds; None where there is none."""
        try:
            return json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return None


def now() -> str:
    """This instant, ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def without_secrets(loaded: LoadedConfig) -> LoadedConfig:
    """A config as it may be kept: without the values that came from, or are given to, secret-looking variables."""
    given = [value for runtime in loaded.config.runtimes.values() for value in secrets_of(runtime.env)]
    secrets = {*loaded.secrets, *given}
    texts = {where: redact_lines(text, secrets) for where, text in loaded.texts.items()}
    masked = tuple(where for where, text in loaded.texts.items() if texts[where] != text)
    tree = loaded.but(texts=texts, masked=masked).model_dump(mode="json")
    kept = LoadedConfig.model_validate_json(json.dumps(redact_all(tree, secrets)))
    runtimes = {name: runtime.but(env=_hidden(runtime.env)) for name, runtime in kept.config.runtimes.items()}
    return kept.but(config=kept.config.but(runtimes=runtimes))


def job_without_secrets(job: Job, secrets: Iterable[str]) -> Job:
    """A job as it may be kept."""
    return Job.model_validate_json(json.dumps(redact_all(job.model_dump(mode="json"), secrets)))


def _hidden(env: Mapping[str, str]) -> dict[str, str]:
    return {name: REDACTED if SECRET.search(name) else value for name, value in env.items()}


def _file_name(slot: Slot) -> str:
    turn = f"w{slot.round}" if slot.warmup else f"r{slot.round}"
    parts = [*(name[:LONGEST_NAME] for name in slot.cell), turn]
    parts += [slot.kind] if slot.kind != "full" else []
    parts += [slot.task] if slot.task != "generate" else []
    parts += [f"attempt{slot.attempt}"] if slot.attempt > 1 else []
    return "-".join(parts)


def _distinct(name: str) -> str:
    """A file name for `name` that no other name shares where the disk takes `A` and `a` for the same."""
    return name if name == name.lower() else f"{name}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _is_there(path: Path) -> bool:
    """Whether this very path exists, with these capitals."""
    if not path.exists():
        return False
    return all(any(found.name == here.name for found in here.parent.iterdir()) for here in (path.parent, path))


def _number(path: Path) -> int:
    digits = path.name.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0


def _make_unused(path: Path) -> Path:
    """Creates the folder, under a name that no run has; two runs that start at once get two folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    k, candidate = 2, path
    while True:
        try:
            candidate.mkdir()
        except FileExistsError:
            k, candidate = k + 1, path.with_name(f"{path.name}-{k}")
        else:
            return candidate
