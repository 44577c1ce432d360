"""The run folder: the log of a run, and the only place where it lives. Every number can be computed again from it.

`run.json` says what the run is to do, `prepared/` holds what was learnt before the first trial, `trials/` a transcript
of each trial. What to do next follows from config and transcripts alone; all other files are derived.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from parity.errors import RunFolderError
from parity.hosts.clocks import since_boot
from parity.private import OWNER_ALONE, for_owner, write_private_pieces
from parity.records import Slot, Trial
from parity.redaction import known, redact_json, redact_lines
from parity.run.earlier import read_run_text
from parity.run.folders import inode, made, make_unused, not_stored, runs_folder
from parity.run.keeping import without_secrets
from parity.run.locking import LockedError, locked
from parity.run.record import RunEnd, RunRecord
from parity.transcript import Transcript, pack, read_begun, transcripts_in

CONFIG = "config.toml"
"""The config of a run that was given a model alone, for which parity wrote it."""

LOCK = ".lock"
"""Of a run folder: whoever writes into it holds it."""

CHAT_TURNS = "prepared/chat-turns.json"
"""The prompts in their models' chat templates, each rendered once a run: a template may print the time."""

LONGEST_NAME = 60
"""Of a part of a file's name: systems allow 255 bytes in all, and the number alone tells trials apart."""


class RunFolder:
    """A run on disk, named by its folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode: tuple[int, int] | None = None
        self._last: int | None = None
        self._tokenizers: dict[str, Path] = {}

    @classmethod
    def create(cls, path: Path | None, name: str) -> "RunFolder":
        """Makes a new folder: `path`, or one under `.parity/runs` named by time and config.

        Raises:
            RunFolderError: it exists with something in it, or can't be made.
        """
        try:
            if path is None:
                path = make_unused(runs_folder() / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}")
            elif not made(path) and (not path.is_dir() or any(path.iterdir())):
                raise RunFolderError(f"{path}: exists already and is not an empty folder; name a new one")
            for part in ("trials", "prepared"):
                # Of two runs that find the folder empty at once, one alone makes these.
                (path / part).mkdir(OWNER_ALONE)
        except FileExistsError as error:
            raise RunFolderError(f"{path}: a different run has just begun in it; name a new one") from error
        except OSError as error:
            raise RunFolderError(f"{path}: can't be created ({error.strerror})") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run folder. Raises RunFolderError where there is none, or one that holds a pipe or a device: to
        read these might never end."""
        if not (path / "run.json").is_file():
            raise RunFolderError(f"{path}: is not a run folder (it has no run.json); runs are under {runs_folder()}")
        if (odd := next(not_stored(path), None)) is not None:
            raise RunFolderError(f"{odd}: is a pipe or a device, which no run folder holds; remove it")
        return cls(path)

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @contextmanager
    def held(self, *, sure: bool = False) -> Iterator[None]:
        """Nobody writes into it meanwhile but this process; where locks are not known, unless it must be `sure`.

        Raises:
            RunFolderError: somebody does already.
            OSError: nothing can be written into it, or nobody can be sure.
        """
        try:
            with locked(self.path / LOCK, sure=sure):
                self._inode = inode(self.path)
                yield
        except LockedError as error:
            raise RunFolderError(f"{self.path}: {error.holder} is at work in it; wait for its end") from error

    def check(self) -> None:
        """Raises OSError where the folder that is held is not at its path any more."""
        if self._inode is not None and (inode(self.path) != self._inode or not (self.path / "run.json").is_file()):
            why = "the run folder was moved, deleted or changed while the run was at work"
            raise OSError(errno.ENOENT, why, str(self.path))

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
        boot, since_boot_s = since_boot() or (None, None)
        end = RunEnd(finished=now(), interrupted=interrupted, boot=boot, since_boot_s=since_boot_s)
        self.write("end.json", end.model_dump_json() + "\n")

    def discard(self) -> None:
        """Removes a folder in which nothing was measured."""
        for part in ("trials", "prepared"):
            shutil.rmtree(self.path / part, ignore_errors=True)
        for name in ("run.json", CONFIG, LOCK):
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def reopen(self) -> None:
        """Takes the mark of the end away, and the report, which would be taken for that of the whole run."""
        for name in ("report.json", "end.json"):
            (self.path / name).unlink(missing_ok=True)

    @property
    def interrupted(self) -> bool:
        """Whether the run stopped before its plan was done."""
        end = self._end()
        return end is None or end.interrupted

    @property
    def ended_s_ago(self) -> float | None:
        """How long ago it ended, by a clock that nobody can set; None where the machine was started anew since, or
        nobody knows."""
        end, now = self._end(), since_boot()
        if end is None or end.since_boot_s is None or now is None or end.boot != now[0]:
            return None
        # A container may have a clock of its own.
        return now[1] - end.since_boot_s if now[1] >= end.since_boot_s else None

    def _end(self) -> RunEnd | None:
        try:
            return RunEnd.model_validate_json((self.path / "end.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def prepared_path(self, runtime: str, step: str) -> Path:
        """The transcript of a step of a runtime's preparation: probe, checkout, build or proof."""
        of_name = (self.path / f"{step}s" / f"{runtime}.jsonl", self.path / "prepared" / runtime / f"{step}.jsonl")
        earlier = next(filter(_is_there, of_name), None)
        return earlier or self.path / "prepared" / _distinct(runtime) / f"{step}.jsonl"

    def tokenizer_path(self, model: str) -> Path:
        """The model's `tokenizer.json`, kept with the run because numbers are computed by it."""
        if model not in self._tokenizers:
            earlier = self.path / "tokenizers" / f"{model}.json"
            self._tokenizers[model] = earlier if _is_there(earlier) else earlier.with_name(f"{_distinct(model)}.json")
        return self._tokenizers[model]

    def new_trial_path(self, slot: Slot) -> Path:
        """Where the transcript of the next trial goes."""
        if self._last is None:
            # Counted on from here: nobody else writes into the folder.
            self._last = max((_number(path) for path in self.transcripts()), default=0)
        self._last += 1
        return self.path / "trials" / f"{self._last:04d}-{_file_name(slot)}.jsonl"

    def trials(self) -> Iterator[tuple[str, Slot, Transcript]]:
        """File name, slot and transcript of each trial in the order in which they ran, with every attempt at a slot. A
        file without a whole first line is of a trial that never began."""
        for path in self.transcripts():
            transcript = read_begun(path)
            if transcript is None:
                continue
            if transcript.head.slot is None:
                raise RunFolderError(f"{path}: its head names no slot, so it is not a trial of this run")
            yield path.name, transcript.head.slot, transcript

    def transcripts(self) -> list[Path]:
        """The transcripts of all trials by their names in reports, in the order in which they ran."""
        return sorted(transcripts_in(self.path / "trials"), key=_number)

    def pack(self) -> None:
        """Packs the transcripts of a run that is over. Raises OSError where one can't be."""
        for path in self.transcripts():
            pack(path)

    def append_result(self, trial: Trial) -> None:
        """Adds a finished trial to `results.jsonl` and syncs it to disk, so that a crash loses nothing."""
        with open(self.path / "results.jsonl", "a", encoding="utf-8", opener=for_owner) as file:
            file.write(redact_lines(trial.model_dump_json(), known()) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write_results(self, trials: Sequence[Trial]) -> None:
        """Writes `results.jsonl` anew from the trials of the log."""
        lines = (redact_lines(trial.model_dump_json(), known()) + "\n" for trial in trials)
        self.write_pieces("results.jsonl", lines)

    def write(self, name: str, text: str) -> Path:
        """Writes a file of the folder whole or not at all, without secrets, for its owner alone."""
        hidden = redact_lines if name.endswith(".jsonl") else redact_json
        return self.write_pieces(name, (hidden(text, known()),))

    def write_pieces(self, name: str, pieces: Iterable[str]) -> Path:
        """The same of a large text, of which no piece holds a secret any more."""
        path = self.path / name
        partial = path.with_name(f".{path.name}.partial")
        write_private_pieces(partial, pieces)
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
