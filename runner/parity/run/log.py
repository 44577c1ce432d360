"""The run folder: the only place where a run lives. Every number can be computed again from what is in it."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from parity.config import LoadedConfig
from parity.errors import RunFolderError
from parity.records import SCHEMA_VERSION, ModelFacts, Record, Scalar, Trial
from parity.redaction import REDACTED, SECRET, redact, secrets_of
from parity.run.schedule import PlannedTrial
from parity.transcript import Transcript, read_transcript

RUNS = Path(".parity") / "runs"


class RunRecord(Record):
    """`run.json`: what the run was to do, on what; written before the first trial."""

    schema_version: int = SCHEMA_VERSION
    started: str
    parity_version: str
    loaded: LoadedConfig
    models: tuple[ModelFacts, ...]
    plan: tuple[PlannedTrial, ...]
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
        if path is None:
            path = _unused(RUNS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}")
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise RunFolderError(f"{path}: is there already and not an empty folder; name a new one")
            for part in ("trials", "probes", "checkouts", "builds"):
                (path / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{path}: can't be made ({error.strerror})") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run folder. Raises RunFolderError where there is none."""
        if not (path / "run.json").is_file():
            raise RunFolderError(f"{path}: is no run folder (it has no run.json); runs are under {RUNS}")
        return cls(path)

    @property
    def name(self) -> str:
        return self.path.resolve().name

    def write_run(self, run: RunRecord) -> None:
        """Writes `run.json`; secrets among environment values are left out."""
        kept = run.model_copy(update={"loaded": without_secrets(run.loaded)})
        self.write("run.json", kept.model_dump_json(indent=2) + "\n")

    def read_run(self) -> RunRecord:
        """Reads `run.json`. Raises RunFolderError when another version or another program wrote it."""
        path = self.path / "run.json"
        try:
            text = path.read_text(encoding="utf-8")
            version = json.loads(text).get("schema_version")
            if version != SCHEMA_VERSION:
                raise RunFolderError(f"{path}: schema version {version}; this parity reads version {SCHEMA_VERSION}")
            return RunRecord.model_validate_json(text)
        except OSError as error:
            raise RunFolderError(f"{path}: can't be read ({error.strerror})") from error
        except (ValueError, AttributeError, ValidationError) as error:
            raise RunFolderError(f"{path}: is not the record of a run ({error})") from error

    def end(self, *, interrupted: bool) -> None:
        """Marks the run as over."""
        self.write("end.json", RunEnd(finished=now(), interrupted=interrupted).model_dump_json() + "\n")

    @property
    def interrupted(self) -> bool:
        """Whether the run stopped before its plan was done."""
        try:
            return RunEnd.model_validate_json((self.path / "end.json").read_bytes()).interrupted
        except (OSError, ValidationError):
            return True

    def write_executables(self, built: Mapping[str, Mapping[str, tuple[str, str | None]]]) -> None:
        """Records what was built or launched: runtime → name → (path, sha256)."""
        self.write("executables.json", json.dumps(built, indent=2) + "\n")

    def executables(self) -> dict[str, dict[str, tuple[str, str | None]]]:
        """What `write_executables` recorded; empty before anything was built or launched."""
        try:
            recorded = json.loads((self.path / "executables.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return {
            runtime: {name: (entry[0], entry[1]) for name, entry in built.items()}
            for runtime, built in recorded.items()
        }

    def note_executable(self, runtime: str, path: str, sha256: str | None) -> None:
        """Adds a program that a runtime launches and didn't build."""
        recorded = self.executables()
        recorded.setdefault(runtime, {})[Path(path).name] = (path, sha256)
        self.write_executables(recorded)

    def trial_path(self, trial: PlannedTrial) -> Path:
        return self.path / "trials" / trial.file

    def probe_path(self, runtime: str) -> Path:
        return self.path / "probes" / f"{runtime}.jsonl"

    def checkout_path(self, runtime: str) -> Path:
        return self.path / "checkouts" / f"{runtime}.jsonl"

    def build_path(self, runtime: str) -> Path:
        return self.path / "builds" / f"{runtime}.jsonl"

    def note_weights(self, path: str, sha256: str) -> None:
        """Records the hash of a weights file that a runtime chose by itself."""
        self.write("weights.json", json.dumps({**self._weights(), path: sha256}, indent=2) + "\n")

    def weights_sha256(self, path: str) -> str | None:
        """What `note_weights` recorded of a file."""
        return self._weights().get(path)

    def _weights(self) -> dict[str, str]:
        try:
            recorded: dict[str, str] = json.loads((self.path / "weights.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return recorded

    def tokenizer_path(self, model: str) -> Path:
        """The model's `tokenizer.json`, kept with the run because numbers are computed by it."""
        return self.path / "tokenizers" / f"{model}.json"

    def trials(self, plan: tuple[PlannedTrial, ...]) -> Iterator[tuple[PlannedTrial, Transcript]]:
        """Every transcript of the plan that is there, in order. An empty one is of a trial that never began."""
        for trial in plan:
            path = self.trial_path(trial)
            if path.exists() and path.stat().st_size:
                yield trial, read_transcript(path)

    def append_result(self, trial: Trial) -> None:
        """Adds a finished trial to `results.jsonl` and syncs it to disk, so that a crash loses nothing."""
        with (self.path / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(trial.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write(self, name: str, text: str) -> Path:
        """Writes a file of the folder whole or not at all."""
        path = self.path / name
        partial = path.with_name(f".{name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
        return path


def now() -> str:
    """This instant, ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def without_secrets(loaded: LoadedConfig) -> LoadedConfig:
    """A config as it may be kept: without the values that came from, or are given to, secret-looking variables."""
    given = [value for runtime in loaded.config.runtimes.values() for value in secrets_of(runtime.env)]
    kept = LoadedConfig.model_validate_json(redact(loaded.model_dump_json(), {*loaded.secrets, *given}))
    runtimes = {
        name: runtime.model_copy(
            update={"env": {k: REDACTED if SECRET.search(k) else v for k, v in runtime.env.items()}}
        )
        for name, runtime in kept.config.runtimes.items()
    }
    return kept.model_copy(update={"config": kept.config.model_copy(update={"runtimes": runtimes})})


def _unused(path: Path) -> Path:
    k, candidate = 2, path
    while candidate.exists():
        candidate = path.with_name(f"{path.name}-{k}")
        k += 1
    return candidate
