"""What parity costs the program that it measures: generation speed of one worker, bare and under parity.

    .venv/bin/python benchmarks/overhead.py [--rounds 10] [--tokens 200] [--runtime llama-cpp-python]

Both sides run the same command on the same job, interleaved, the order drawn anew each round. Bare, the worker writes
its events into a file and nobody watches; under parity, `supervise` drains, stamps, matches and samples. The rate is
(N − 1) ÷ (tN − t1) by the worker's own stamps on both sides. Aim: ratio ≥ 0.99 on an idle machine.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from parity import stats
from parity.adapter import Adapter, Job, Launch
from parity.adapter.events import EVENT, Token
from parity.config import LoadedConfig, load_config, test_spec
from parity.hosts.local import supervise
from parity.models import model_facts, silent
from parity.records import ModelFacts
from parity.registry import settings_of
from parity.run.score import make_adapters
from parity.transcript import Head

ROOT = Path(__file__).resolve().parent.parent
SIDES = ("bare", "under parity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--runtime", default="llama-cpp-python", help="a runtime of configs/quickstart.toml")
    options = parser.parse_args()
    loaded = load_config(ROOT / "configs" / "quickstart.toml", settings_of)
    adapter = make_adapters(loaded)[options.runtime]
    model = loaded.config.models[0]
    facts = model_facts(model.name, model.name, model.source, base=loaded.folder, watch=silent)
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    draw = random.Random(0)
    for number in range(1, options.rounds + 1):
        for side in draw.sample(SIDES, len(SIDES)):
            with tempfile.TemporaryDirectory(prefix="parity-") as scratch:
                job = make_job(loaded, facts, options.runtime, options.tokens, scratch)
                measure = bare if side == "bare" else supervised
                rates[side].append(measure(adapter, job, Path(scratch)))
        print(f"round {number} of {options.rounds}", file=sys.stderr)
    report(rates, options.runtime, options.tokens)


def make_job(loaded: LoadedConfig, facts: ModelFacts, runtime: str, tokens: int, scratch: str) -> Job:
    test = test_spec(loaded, loaded.config.tests[-1]).model_copy(update={"max_tokens": tokens})
    return Job(
        runtime=runtime,
        adapter=loaded.config.runtimes[runtime].adapter,
        settings=loaded.settings[runtime],
        model=facts,
        test=test,
        round=1,
        scratch=scratch,
    )


def prepare(adapter: Adapter, job: Job) -> Launch:
    launch = adapter.launch(job, None)
    for name, content in launch.files.items():
        (Path(job.scratch) / name).write_text(content, encoding="utf-8")
    return launch


def bare(adapter: Adapter, job: Job, scratch: Path) -> float:
    launch = prepare(adapter, job)
    with (scratch / "events").open("wb") as out:
        subprocess.run(launch.argv, env={**os.environ, **launch.env}, stdout=out, stderr=subprocess.DEVNULL, check=True)
    return rate((scratch / "events").read_text(encoding="utf-8").splitlines())


def supervised(adapter: Adapter, job: Job, scratch: Path) -> float:
    transcript = supervise(
        prepare(adapter, job),
        head=Head(purpose="trial", runtime=job.runtime, job=job),
        path=scratch / "trial.jsonl",
        limits=load_config(ROOT / "configs" / "quickstart.toml", settings_of).config.limits,
    )
    return rate([line.text for line in transcript.lines("out")])


def rate(lines: list[str]) -> float:
    """(N − 1) ÷ (tN − t1), in token/s."""
    tokens = [event for line in lines if isinstance(event := EVENT.validate_json(line), Token)]
    return (len(tokens) - 1) / ((tokens[-1].t_ns - tokens[0].t_ns) * 1e-9)


def report(rates: dict[str, list[float]], runtime: str, tokens: int) -> None:
    ratio = stats.paired_ratio(rates["under parity"], rates["bare"])
    rows = [(side, f"{stats.geometric_mean(rates[side]).centre:.2f}", len(rates[side])) for side in SIDES]
    print(f"\n{runtime}, {tokens} tokens, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.2f}\n")
    print(tabulate(rows, headers=("Side", "gen_tps [token/s]", "Rounds"), tablefmt="github", disable_numparse=True))
    print(f"\nunder parity ÷ bare: {ratio.centre:.4f} [{ratio.low:.4f}, {ratio.high:.4f}] (95 %)")


if __name__ == "__main__":
    main()
