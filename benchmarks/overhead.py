"""What parity costs the program that it measures: generation speed of one worker, watched and unwatched by turns.

    .venv/bin/python benchmarks/overhead.py [--rounds 24] [--tokens 1500] [--runtime llama-cpp-python]

Each round is one trial, supervised by a process of its own that is stopped (SIGSTOP) in every other half second: the
worker is as good as bare then, for nobody reads, matches or samples. Each span is compared with the geometric mean of
those right before and after it, so that neither where memory lies, nor what the machine does for minutes, nor a KV
cache that grows is in the ratio. Rates are by the worker's own stamps. The result is the median of these ratios with an
interval from their order (Conover, Practical Nonparametric Statistics, 3.2), because a machine that others share gives
a few spans that are far off. Aims: watched ÷ unwatched ≥ 0.99, and parity's own CPU time ≤ 5 % of a core.
"""

import argparse
import math
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from parity.adapter import Job
from parity.adapter.events import EVENT, Token
from parity.config import LoadedConfig, load_config, test_spec
from parity.hosts.local import supervise
from parity.hosts.machine import host_facts
from parity.models import model_facts, silent
from parity.records import ModelFacts
from parity.registry import settings_of
from parity.run.score import make_adapters
from parity.transcript import Head, read_transcript

ROOT = Path(__file__).resolve().parent.parent
SPAN_S = 0.5
EDGE_NS = 50_000_000
"""Left out after each change: a process that goes on reads what waited for it."""

NORMAL_97_5 = 1.959964
"""The 97.5th percentile of the normal distribution."""

AIM, AIM_CPU = 0.99, 0.05


@dataclass(frozen=True)
class Span:
    """A stretch of time in which parity watched or was stopped, and the CPU time in s that it used in it."""

    watched: bool
    begin_ns: int
    end_ns: int
    cpu_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=1500)
    parser.add_argument("--runtime", default="llama-cpp-python", help="a runtime of configs/quickstart.toml")
    options = parser.parse_args()
    loaded = load()
    model = loaded.config.models[0]
    facts = model_facts(model.name, model.name, model.source, base=loaded.folder, watch=silent)
    ratios: list[float] = []
    shares: list[float] = []
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="parity-") as scratch:
            job = make_job(loaded, facts, options.runtime, options.tokens, scratch)
            found, cpu = one_round(job, Path(scratch), watched_first=number % 2 == 0)
        ratios += found
        shares += cpu
        print(f"round {number} of {options.rounds}: {len(found)} ratios", file=sys.stderr)
    report(ratios, shares, options.runtime, options.tokens)


def load() -> LoadedConfig:
    return load_config(ROOT / "configs" / "quickstart.toml", settings_of)


def make_job(loaded: LoadedConfig, facts: ModelFacts, runtime: str, tokens: int, scratch: str) -> Job:
    test = test_spec(loaded, loaded.config.tests[-1]).model_copy(update={"max_tokens": tokens, "ignore_end": True})
    return Job(
        runtime=runtime,
        adapter=loaded.config.runtimes[runtime].adapter,
        settings=loaded.settings[runtime],
        model=facts,
        test=test,
        round=1,
        scratch=scratch,
    )


def one_round(job: Job, scratch: Path, *, watched_first: bool) -> tuple[list[float], list[float]]:
    """The rate watched ÷ unwatched of each three neighbouring spans; parity's share of a core in watched spans."""
    parity = multiprocessing.get_context("spawn").Process(target=supervised, args=(job, scratch))
    parity.start()
    assert parity.pid is not None
    spans = list(alternating(parity, watched_first))
    parity.join()
    stamps = [
        event.t_ns
        for line in read_transcript(scratch / "trial.jsonl").lines("out")
        if isinstance(event := EVENT.validate_json(line.text), Token)
    ]
    within = [span for span in spans if stamps[0] <= span.begin_ns and span.end_ns <= stamps[-1]]
    ratios = [ratio(*three, stamps) for three in zip(within[::3], within[1::3], within[2::3], strict=False)]
    return ratios, [span.cpu_s / ((span.end_ns - span.begin_ns) / 1e9) for span in within if span.watched]


def ratio(before: Span, span: Span, after: Span, stamps: list[int]) -> float:
    """Watched ÷ unwatched: a span against the two around it, which are of the other side."""
    found = rate(span, stamps) / math.sqrt(rate(before, stamps) * rate(after, stamps))
    return found if span.watched else 1 / found


def supervised(job: Job, scratch: Path) -> None:
    loaded = load()
    launch = make_adapters(loaded, host_facts())[job.runtime].launch(job, None)
    for name, content in launch.files.items():
        (scratch / name).write_text(content, encoding="utf-8")
    head = Head(purpose="trial", runtime=job.runtime, job=job)
    supervise(launch, head=head, path=scratch / "trial.jsonl", limits=loaded.config.limits)


def alternating(parity: multiprocessing.process.BaseProcess, watched: bool) -> Iterator[Span]:
    """Stops the process and lets it go on by turns, until it ends."""
    assert parity.pid is not None
    process = psutil.Process(parity.pid)
    begin_ns, used_s = time.monotonic_ns(), 0.0
    while parity.is_alive():
        os.kill(parity.pid, signal.SIGCONT if watched else signal.SIGSTOP)
        time.sleep(SPAN_S)
        end_ns, times = time.monotonic_ns(), process.cpu_times()
        cpu_s = times.user + times.system
        yield Span(watched, begin_ns, end_ns, cpu_s - used_s)
        begin_ns, used_s, watched = end_ns, cpu_s, not watched


def rate(span: Span, stamps: list[int]) -> float:
    """Of the tokens in a span, in token/s."""
    inside = [t_ns for t_ns in stamps if span.begin_ns + EDGE_NS <= t_ns <= span.end_ns]
    return (len(inside) - 1) / ((inside[-1] - inside[0]) * 1e-9)


def report(ratios: list[float], shares: list[float], runtime: str, tokens: int) -> None:
    centre, (low, high) = statistics.median(ratios), interval(ratios)
    share = statistics.fmean(shares)
    print(f"\n{runtime}, {tokens} tokens, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.2f}\n")
    met = "met" if low >= AIM else "not shown" if high >= AIM else "missed"
    print(f"watched ÷ unwatched: {centre:.4f} [{low:.4f}, {high:.4f}] (95 %, {len(ratios)} ratios), aim ≥ {AIM}: {met}")
    print(f"parity's own CPU: {share:.2%} of a core, aim ≤ {AIM_CPU:.0%}: {'met' if share <= AIM_CPU else 'missed'}")


def interval(values: list[float]) -> tuple[float, float]:
    """Two of the values between which the median of what they were drawn from lies, with 95 % confidence."""
    ordered, count = sorted(values), len(values)
    below = max(0, math.floor((count - NORMAL_97_5 * math.sqrt(count)) / 2) - 1)
    return ordered[below], ordered[count - 1 - below]


if __name__ == "__main__":
    main()
