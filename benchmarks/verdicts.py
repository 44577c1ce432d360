"""How often parity's verdicts are wrong, by simulated runs through its own scheduler and judge.

    .venv/bin/python benchmarks/verdicts.py                 # the whole table, some 20 minutes on two cores
    .venv/bin/python benchmarks/verdicts.py --runs 200      # a quick look; bounds are checked loosely
    .venv/bin/python benchmarks/verdicts.py --only spread   # the rows on consistency, in the page that is there

Each scenario is a machine and two runtimes whose true ratio is known: the geometric mean of their rates. A run takes
its turns from the scheduler and gets a made-up trial for each slot; its verdict is the one that the report would show.
A verdict follows from the rounds up to the one that decided it, so that the end of a run need not be simulated round by
round: all turns are filled, and the verdict says after which round the run would have ended. Of each row, the first
runs are also made round by round with `Due`, and must come to the same. Writes the table into
benchmarks/verdicts.md, and exits with 1 if an error rate is above its bound, or a power below it. The upper limits are
exact binomial ones of 97.5 % (Clopper and Pearson).
"""

import argparse
import math
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from scipy.special import bdtr, bdtri

from parity.config import Config, LoadedConfig
from parity.judging.evidence import Circumstances, Pair, evidence_of, standings
from parity.judging.verdict import verdicts
from parity.records import Cell, Identity, Measurement, Slot, Trial
from parity.run.due import Due
from parity.run.schedule import schedule
from parity.stats import LEAST

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "verdicts.md"
CAP = 20
CELL: Cell = ("m", "t", "port")
AROUND = Circumstances("linux")
IDENTITY = Identity(weights_sha256="ab" * 32, prompt_ids_sha256="p", prompt_tokens=4, generated_tokens=50)
DECIMALS_AWAY = 0.5

# machines


@dataclass(frozen=True)
class At:
    """The place of a trial in its run. `index`: of all trials; `place`: in its turn; `baseline`: whose it is."""

    index: int
    place: int
    round: int
    baseline: bool
    short: bool = False


Noise = Callable[[random.Random], Callable[[At], float]]
"""For one run: the logarithm by which the rate of a trial is off."""


def normal(sd: float) -> Noise:
    """Each trial on its own."""
    return lambda draw: lambda at: draw.gauss(0, sd)


def both(*parts: Noise) -> Noise:
    """Several at once."""

    def noise(draw: random.Random) -> Callable[[At], float]:
        made = [part(draw) for part in parts]
        return lambda at: sum(one(at) for one in made)

    return noise


def linear(trials: int) -> Noise:
    """The machine slows down by 30 % over so many trials, and stays slow."""
    return lambda draw: lambda at: math.log(1 - 0.3 * min(1.0, at.index / trials))


def sinusoidal(period: float) -> Noise:
    """The machine speeds up and slows down by 30 % between its ends, with a period in trials and any phase."""

    def noise(draw: random.Random) -> Callable[[At], float]:
        phase = draw.uniform(0, 2 * math.pi)
        return lambda at: math.log(1 + 0.15 * math.sin(2 * math.pi * at.index / period + phase))

    return noise


def outliers(draw: random.Random) -> Callable[[At], float]:
    """5 % of the trials take twice as long."""
    return lambda at: -math.log(2) if draw.random() < 0.05 else 0.0


def bimodal(*, one_side: bool) -> Noise:
    """Each trial is in one of two modes 1.5× apart, as a coin falls."""

    def noise(draw: random.Random) -> Callable[[At], float]:
        return lambda at: 0.0 if one_side and at.baseline else draw.choice((-0.5, 0.5)) * math.log(1.5)

    return noise


def autoregressive(sd: float, *, by_side: bool) -> Noise:
    """AR(1) with coefficient 0.5, of the machine from trial to trial, or of each side from round to round."""

    def noise(draw: random.Random) -> Callable[[At], float]:
        state: dict[bool, float] = {}

        def at_trial(at: At) -> float:
            key = at.baseline if by_side else False
            fresh = draw.gauss(0, sd)
            state[key] = 0.5 * state[key] + math.sqrt(0.75) * fresh if key in state else fresh
            return state[key]

        return at_trial

    return noise


def second_is_slower(draw: random.Random) -> Callable[[At], float]:
    """Whoever does not run first is 5 % slower."""
    return lambda at: math.log(0.95) if at.place else 0.0


# scenarios


@dataclass(frozen=True)
class Scenario:
    """`wrong`: the most of false verdicts beside the bound. `printed`: figures have no decimals, and the baseline gives
    so many tokens a second. `sequence`: all trials of the baseline first. `budgets`: by two budgets, 50 and 10."""

    name: str
    noise: Noise
    wrong: float | None = 0.025
    printed: float | None = None
    sequence: bool = False
    budgets: bool = False
    power: bool = False
    few_rounds: bool = False
    """`power` and `few_rounds`: it has bounds on power, and on the rounds that it takes."""


SCENARIOS = (
    Scenario("noise 2 %", normal(0.02), few_rounds=True),
    Scenario("noise 5 %", normal(0.05), power=True, few_rounds=True),
    Scenario("noise 10 %", normal(0.10)),
    Scenario("drift 30 %, linear over 20 rounds, noise 5 %", both(linear(40), normal(0.05))),
    Scenario("drift 30 %, sinusoidal over 20 rounds, noise 5 %", both(sinusoidal(40), normal(0.05))),
    Scenario("drift 30 %, sinusoidal over 7 rounds, noise 5 %", both(sinusoidal(14), normal(0.05))),
    Scenario("5 % outliers of 2×, noise 5 %", both(outliers, normal(0.05))),
    Scenario("bimodal 1.5× on both sides, noise 2 %", both(bimodal(one_side=False), normal(0.02))),
    Scenario("bimodal 1.5× on one side, noise 2 %", both(bimodal(one_side=True), normal(0.02))),
    Scenario("AR(1) 0.5, shared, 5 %", both(autoregressive(0.05, by_side=False), normal(0.02))),
    Scenario("AR(1) 0.5, each side its own, 5 %", autoregressive(0.05, by_side=True), wrong=0.08),
    Scenario("whoever runs second 5 % slower, noise 2 %", both(second_is_slower, normal(0.02))),
    Scenario("10 t/s printed without decimals, noise 5 %", normal(0.05), printed=10.0),
    Scenario("two budgets, 50 and 10, noise 5 %", normal(0.05), budgets=True),
    Scenario("in sequence: noise 5 %", normal(0.05), wrong=None, sequence=True),
    Scenario(
        "in sequence: drift 30 %, linear over 20 rounds, noise 5 %",
        both(linear(40), normal(0.05)),
        wrong=None,
        sequence=True,
    ),
    Scenario(
        "in sequence: drift 30 %, sinusoidal over 20 rounds, noise 5 %",
        both(sinusoidal(40), normal(0.05)),
        wrong=None,
        sequence=True,
    ),
)

TRUTHS = (0.79, 0.81, 1.0, 0.70)
WRONG_AT_ONE = 0.002
POWER = 0.95
MEDIAN_ROUNDS = 9
SHARE_OF_FIXED = 0.5

# runs


@cache
def loaded(budgets: bool = False, gates: tuple[tuple[tuple[str, Any], ...], ...] = ()) -> LoadedConfig:
    """A config of two runtimes; with one gate of 0.8 on `gen_tps` unless others are given."""
    speed = {"name": "speed", "kind": "ratio", "metric": "gen_tps", "min_ratio": 0.8}
    config = Config.model_validate(
        {
            "name": "simulated",
            "baseline": "base",
            "models": ({"name": "m", "source": "m"},),
            "tests": ({"name": "t", "prompt": "p", "max_tokens": 50, **({"short_tokens": 10} if budgets else {})},),
            "runtimes": {"base": {"adapter": "command"}, "port": {"adapter": "command"}},
            "rounds": {"warmup": 0, "max": CAP},
            "gates": tuple(dict(gate) for gate in gates) or (speed,),
        }
    )
    settings = {name: {"program": name} for name in config.runtimes}
    return LoadedConfig(file="", text="", sha256="0" * 64, config=config, settings=settings, not_set=())


MeasureSlot = Callable[[Slot, At], Sequence[Measurement]]


def simulate(config: LoadedConfig, measured: MeasureSlot) -> list[Trial]:
    """The trials of all turns that a run may have."""
    trials: list[Trial] = []
    for turn in schedule(config.config):
        for place, slot in enumerate(turn):
            at = At(len(trials), place, slot.round, slot.runtime == "base", slot.kind == "short")
            trials.append(made(slot, measured(slot, at)))
    return trials


def ended(config: LoadedConfig, trials: Sequence[Trial], cells: Sequence[Cell] = (CELL,)) -> tuple[str, int]:
    """The verdict of a run, FAIL if any required gate fails, and the round after which it ended."""
    found = [v for v in verdicts(config.config, evidence_of(config, trials, cells, AROUND)) if v.required]
    words = {verdict.verdict for verdict in found}
    [*_, word] = [word for word in ("PASS", "INCONCLUSIVE", "FAIL") if word in words]
    return word, max(CAP if v.verdict == "INCONCLUSIVE" else (v.rounds or 0) for v in found)


def round_by_round(config: LoadedConfig, trials: Sequence[Trial]) -> int:
    """After which of the given rounds the scheduler ends the run."""
    by_slot = {(t.test, t.runtime, t.round, t.kind): t for t in trials}
    ran: list[Trial] = []
    while (turn := Due(config.config, ran, undecided=partial(_undecided, config)).next_turn()) is not None:
        ran += [by_slot[slot.test, slot.runtime, slot.round, slot.kind] for slot in turn]
    return max(trial.round for trial in ran)


def _undecided(config: LoadedConfig, pair: Pair, trials: Sequence[Trial]) -> list[str]:
    return [standing.gate for standing in standings(config, trials, pair, AROUND, {}) if standing.judgement.open]


def made(slot: Slot, measurements: Sequence[Measurement]) -> Trial:
    """A trial without the cost of validating it."""
    return Trial.model_construct(
        file="",
        model=slot.model,
        test=slot.test,
        runtime=slot.runtime,
        round=slot.round,
        warmup=slot.warmup,
        kind=slot.kind,
        attempt=slot.attempt,
        measurements=tuple(measurements),
        identity=IDENTITY,
    )


def value(metric: str, number: float, definition: str = "token-stamps", resolution: float | None = None) -> Measurement:
    """A measurement, likewise."""
    return Measurement.model_construct(
        metric=metric, unit="", definition=definition, provenance="observed", value=number, resolution=resolution
    )


Run = tuple[LoadedConfig, list[Trial]]


def gate_run(scenario: Scenario, truth: float, seed: str) -> Run:
    """One run of a scenario."""
    draw = random.Random(seed)
    off = scenario.noise(draw)
    config = loaded(scenario.budgets)
    if scenario.sequence:
        return config, in_sequence(scenario, truth, off)
    return config, simulate(config, lambda slot, at: measure(scenario, truth, off(at), at))


def measure(scenario: Scenario, truth: float, off: float, at: At) -> Sequence[Measurement]:
    """What one trial shows."""
    rate = (scenario.printed or 100.0) * (1.0 if at.baseline else truth) * math.exp(off)
    if scenario.budgets:
        tokens = 10 if at.short else 50
        # Prefill takes as long as ten tokens.
        return (value("total_s", (10 + tokens) / rate), value("generated_tokens", tokens))
    if scenario.printed is not None:
        return (value("gen_tps", float(max(1, round(rate))), resolution=DECIMALS_AWAY),)
    return (value("gen_tps", rate),)


def in_sequence(scenario: Scenario, truth: float, off: Callable[[At], float]) -> list[Trial]:
    """All trials of the baseline, then all of the port, judged as if they had been rounds."""
    trials = []
    for side, runtime in enumerate(("base", "port")):
        for number in range(1, CAP + 1):
            slot = Slot(model="m", test="t", runtime=runtime, round=number)
            at = At(side * CAP + number - 1, 0, number, runtime == "base")
            trials.append(made(slot, measure(scenario, truth, off(at), at)))
    return sorted(trials, key=lambda trial: trial.round)


# consistency

STEADY = ((("name", "steady"), ("kind", "consistency"), ("max_cv", 0.10)),)

SPREADS = (
    ("drift 30 %, linear over 20 rounds", linear(40)),
    ("drift 30 %, sinusoidal over 20 rounds", sinusoidal(40)),
)
STEADY_PASS, STEADY_FAIL = 0.90, 0.95


def spread_run(drift: Noise, cv: float, seed: str) -> Run:
    """One run of a gate on the consistency of a port with a known coefficient of variation; the baseline has 5 %."""
    draw = random.Random(seed)
    shared, config = drift(draw), loaded(gates=STEADY)

    def measured(slot: Slot, at: At) -> Sequence[Measurement]:
        own = math.sqrt(math.log1p((0.05 if at.baseline else cv) ** 2))
        return (value("gen_tps", 100 * math.exp(shared(at) + draw.gauss(0, own))),)

    return config, simulate(config, measured)


# all gates of qwen3.toml

FAMILY = ROOT / "configs" / "qwen3.toml"
FAMILY_BOUND = 0.05
JUST_INSIDE = 1.01
"""How far within its bound each truth is."""


@cache
def family() -> LoadedConfig:
    """The gates of qwen3.toml on its two tests, by token stamps."""
    import tomllib

    text = FAMILY.read_text(encoding="utf-8").replace("${GPU:-metal}", "metal").replace("${CANDLE}", "c")
    tree = tomllib.loads(text.replace("${PARAPHYM}", "p"))
    tests = tuple({"name": t["name"], "prompt": "p", "max_tokens": 50} for t in tree["tests"])
    gates = tuple({k: v for k, v in gate.items() if k != "when"} | _names(gate) for gate in tree["gates"])
    config = Config.model_validate(
        {
            "name": "family",
            "baseline": "base",
            "models": ({"name": "m", "source": "m"},),
            "tests": tests,
            "runtimes": {"base": {"adapter": "command"}, "port": {"adapter": "command"}},
            "rounds": {"warmup": 0, "max": CAP},
            "gates": gates,
        }
    )
    settings = {name: {"program": name} for name in config.runtimes}
    return LoadedConfig(file="", text="", sha256="0" * 64, config=config, settings=settings, not_set=())


def _names(gate: dict[str, Any]) -> dict[str, Any]:
    return {"runtimes": ("port",)} if "runtimes" in gate else {}


def family_run(seed: str) -> Run:
    """One run of a port whose every truth is just inside its bound."""
    draw, config = random.Random(seed), family()

    def measured(slot: Slot, at: At) -> Sequence[Measurement]:
        sd = math.sqrt(math.log1p((0.099 if not at.baseline else 0.05) ** 2))
        rate = 70.0 * JUST_INSIDE * (1.0 if not at.baseline else 1 / (0.8 * JUST_INSIDE))
        load = 2.0 / JUST_INSIDE
        return (
            value("load_s", load * math.exp(draw.gauss(0, 0.05))),
            value("gen_tps", rate * math.exp(draw.gauss(0, sd))),
        )

    return config, simulate(config, measured)


# the tables


@dataclass(frozen=True)
class Job:
    """So many runs of one row. `kind`: `gate`, `spread` or `family`; `row`: its place in the list of its kind."""

    kind: str
    row: int
    truth: float
    runs: int
    first: int


@dataclass(frozen=True)
class Counted:
    """What came of the runs of a row: verdicts, and rounds."""

    verdicts: Counter[str] = field(default_factory=Counter)
    rounds: Counter[int] = field(default_factory=Counter)

    @property
    def runs(self) -> int:
        return sum(self.verdicts.values())

    def share(self, verdict: str) -> float:
        return self.verdicts[verdict] / self.runs

    @property
    def mean_rounds(self) -> float:
        return sum(number * count for number, count in self.rounds.items()) / self.runs

    @property
    def median_rounds(self) -> int:
        return sorted(self.rounds.elements())[self.runs // 2]


Key = tuple[str, int, float]


def perform(job: Job) -> tuple[Key, Counted]:
    """Every run has a seed of its own, so that a table can be made again from any number of processes."""
    counted = Counted()
    for number in range(job.first, job.first + job.runs):
        seed = f"{job.kind} {job.row} {job.truth} {number}"
        if job.kind == "gate":
            config, trials = gate_run(SCENARIOS[job.row], job.truth, seed)
        elif job.kind == "spread":
            config, trials = spread_run(SPREADS[job.row][1], job.truth, seed)
        else:
            config, trials = family_run(seed)
        verdict, rounds = ended(config, trials, [("m", test.name, "port") for test in config.config.tests])
        if number < STEPPED:
            assert round_by_round(config, trials) == max(rounds, LEAST), f"{seed}: the scheduler ends it elsewhere"
        counted.verdicts[verdict] += 1
        counted.rounds[rounds] += 1
    return (job.kind, job.row, job.truth), counted


def jobs(runs: int, rare: int) -> Iterator[Job]:
    """`rare`: the number of runs where a bound below 1 % is checked."""
    wanted: dict[Key, int] = {}
    for row, scenario in enumerate(SCENARIOS):
        for truth in TRUTHS:
            wanted["gate", row, truth] = rare if truth == 1.0 and scenario.wrong is not None else runs
    wanted |= {("spread", row, cv): runs for row in range(len(SPREADS)) for cv in (0.05, 0.20)}
    wanted["family", 0, 1.0] = runs
    for (kind, row, truth), count in wanted.items():
        for first in range(0, count, PIECE):
            yield Job(kind, row, truth, min(PIECE, count - first), first)


PIECE = 250

STEPPED = 20
"""Of each row, so many runs are made round by round as well."""


def run_all(runs: int, rare: int, processes: int, only: str | None = None) -> dict[Key, Counted]:
    """Every row with what its runs came to. `only`: the rows of one kind."""
    found: dict[Key, Counted] = {}
    with multiprocessing.Pool(processes) as pool:
        pieces = [job for job in jobs(runs, rare) if only in (None, job.kind)]
        for number, (key, counted) in enumerate(pool.imap_unordered(perform, pieces), start=1):
            print(f"\r{number} of {len(pieces)} pieces", end="", file=sys.stderr, flush=True)
            whole = found.setdefault(key, Counted())
            whole.verdicts.update(counted.verdicts)
            whole.rounds.update(counted.rounds)
    return found


def upper(count: int, runs: int) -> float:
    """The upper end of the exact interval of a share: at 97.5 % on this side."""
    return 1.0 if count >= runs else float(bdtri(count, runs, 0.025))


@dataclass(frozen=True)
class Check:
    """One bound. An error rate above it counts as broken if chance does not explain it in so few runs; a power below it
    likewise. The full table has so many runs that `share` itself must hold."""

    what: str
    share: float
    bound: float
    runs: int
    at_most: bool = True

    @property
    def broken(self) -> bool:
        if self.runs >= FULL:
            return self.share > self.bound if self.at_most else self.share < self.bound
        count = round(self.share * self.runs)
        if self.at_most:
            return count > 0 and 1 - float(bdtr(count - 1, self.runs, self.bound)) < BY_CHANCE
        return float(bdtr(count, self.runs, self.bound)) < BY_CHANCE


FULL = 2000
BY_CHANCE = 1e-4


def checks(found: dict[Key, Counted]) -> Iterator[Check]:
    """Every bound that the table claims."""
    few = []
    for row, scenario in enumerate(SCENARIOS):
        if ("gate", row, 1.0) not in found:
            continue
        by_truth = {truth: found["gate", row, truth] for truth in TRUTHS}
        if scenario.wrong is None:
            continue
        for truth, verdict in ((0.79, "PASS"), (0.81, "FAIL")):
            counted = by_truth[truth]
            name = f"{scenario.name}: false {verdict} at {truth}"
            yield Check(name, counted.share(verdict), scenario.wrong, counted.runs)
        yield Check(f"{scenario.name}: FAIL at 1.0", by_truth[1.0].share("FAIL"), WRONG_AT_ONE, by_truth[1.0].runs)
        if scenario.power:
            for truth, verdict in ((0.70, "FAIL"), (1.0, "PASS")):
                counted = by_truth[truth]
                yield Check(
                    f"{scenario.name}: {verdict} at {truth}", counted.share(verdict), POWER, counted.runs, False
                )
                late = sum(count for number, count in counted.rounds.items() if number > MEDIAN_ROUNDS) / counted.runs
                yield Check(f"{scenario.name}: more than {MEDIAN_ROUNDS} rounds at {truth}", late, 0.5, counted.runs)
        if scenario.few_rounds:
            few += [by_truth[truth].mean_rounds / CAP for truth in (0.70, 1.0)]
    if few:
        yield Check("rounds ÷ fixed twenty, at 0.70 and 1.0 with 2 and 5 %", sum(few) / len(few), SHARE_OF_FIXED, FULL)
    for row, (name, _) in enumerate(SPREADS):
        for cv, verdict, bound in ((0.05, "PASS", STEADY_PASS), (0.20, "FAIL", STEADY_FAIL)):
            if counted := found.get(("spread", row, cv)):
                yield Check(
                    f"consistency, {name}: {verdict} at {cv:.0%}", counted.share(verdict), bound, counted.runs, False
                )
    if counted := found.get(("family", 0, 1.0)):
        yield Check("gates of qwen3.toml: any false FAIL", counted.share("FAIL"), FAMILY_BOUND, counted.runs)


def table(found: dict[Key, Counted]) -> str:
    """The page of the results."""
    usual, rare = (max(found["gate", row, at].runs for row in range(len(SCENARIOS))) for at in (0.79, 1.0))
    lines = [
        HEAD,
        "",
        f"Runs of each cell: {usual}, and {rare} at 1.00.",
        "",
        "| Machine | " + " | ".join(f"at {truth:.2f}" for truth in TRUTHS) + " |",
    ]
    lines.append("| --- |" + " ---: |" * len(TRUTHS))
    for row, scenario in enumerate(SCENARIOS):
        cells = [_cell(found["gate", row, truth], truth) for truth in TRUTHS]
        lines.append(f"| {scenario.name} | {' | '.join(cells)} |")
    lines += ["", CONSISTENCY, "", "| Drift | a true 5 % | a true 20 % |", "| --- | ---: | ---: |", *spread_rows(found)]
    family_counts = found["family", 0, 1.0]
    count, runs = family_counts.verdicts["FAIL"], family_counts.runs
    lines += [
        "",
        f"{FAMILY_TEXT} {count / runs:.2%} of {runs} runs (at most {upper(count, runs):.2%}).",
        "",
        "## Bounds",
        "",
    ]
    lines += ["| Bound | found | | asked |", "| --- | ---: | --- | ---: |"]
    lines += [bound_row(check) for check in checks(found)]
    return "\n".join(lines) + "\n"


def spread_rows(found: dict[Key, Counted]) -> Iterator[str]:
    """The rows on consistency."""
    for row, (name, _) in enumerate(SPREADS):
        five, twenty = found["spread", row, 0.05], found["spread", row, 0.20]
        passed = f"PASS {five.share('PASS'):.1%} ({five.mean_rounds:.1f})"
        failed = f"FAIL {twenty.share('FAIL'):.1%} ({twenty.mean_rounds:.1f})"
        yield f"| {name} | {passed} | {failed} |"


def bound_row(check: Check) -> str:
    """What a bound asks, and what was found."""
    word = "≤" if check.at_most else "≥"
    state = "**broken**" if check.broken else "holds"
    return f"| {check.what} | {check.share:.2%} | {state} | {word} {check.bound:.1%} |"


def with_spread_rows(page: str, found: dict[Key, Counted]) -> str:
    """The page with its rows on consistency replaced, and with their bounds."""
    before, rest = page.split(CONSISTENCY)
    of_spread, after = rest.split(FAMILY_TEXT)
    for row in spread_rows(found):
        of_spread = _replaced(of_spread, row)
    for check in checks(found):
        after = _replaced(after, bound_row(check))
    return before + CONSISTENCY + of_spread + FAMILY_TEXT + after


def _replaced(text: str, row: str) -> str:
    """With `row` in place of the one that has the same first column."""
    first = row[: row.index(" |", 2) + 2]
    return "".join(f"{row}\n" if line.startswith(first) else line for line in text.splitlines(keepends=True))


def _cell(counted: Counted, truth: float) -> str:
    """Both verdicts in percent, an upper limit of the wrong one, and the mean number of rounds."""
    wrong = "PASS" if truth < 0.8 else "FAIL"
    limit = upper(counted.verdicts[wrong], counted.runs)
    shares = f"{100 * counted.share('PASS'):.2f} / {100 * counted.share('FAIL'):.2f}"
    return f"{shares} (≤ {100 * limit:.2f}; {counted.mean_rounds:.1f})"


HEAD = """# How often verdicts are wrong

Simulated runs through parity's own scheduler and judge, at most 20 rounds, one gate of 0.8 on `gen_tps`. The truth is
the ratio of the geometric means. Each cell: PASS / FAIL in percent of the runs (upper limit of the wrong verdict, exact
binomial at 97.5 %; mean rounds). What is neither is INCONCLUSIVE. `benchmarks/verdicts.py` writes this page.

Rows that begin with "in sequence" have all trials of the baseline first, as separate benchmark runs do: no interval
corrects that, and no bound is claimed for them."""

CONSISTENCY = """## Consistency

Asked: a coefficient of variation of at most 10 %; the machine drifts by 30 %, and the baseline varies by 5 %. In
brackets the mean rounds."""

FAMILY_TEXT = """## All gates of a config

The gates of `configs/qwen3.toml` on both of its tests, every truth 1 % inside its bound. At least one required gate
FAILs in"""


def main() -> int:
    """Prints and writes the table; 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000, help="runs of each row")
    parser.add_argument(
        "--rare", type=int, default=None, help="runs where a bound below 1 %% is checked; five times --runs"
    )
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        help="where the page goes; without it, a full run's replaces the one in benchmarks/",
    )
    parser.add_argument(
        "--only", choices=("spread",), default=None, help="make the rows on consistency alone, and leave the others"
    )
    asked = parser.parse_args()
    began = time.monotonic()
    found = run_all(asked.runs, asked.rare or 5 * asked.runs, asked.processes, asked.only)
    page = with_spread_rows(TABLE.read_text(encoding="utf-8"), found) if asked.only else table(found)
    print(page)
    print(f"{sum(c.runs for c in found.values())} runs in {time.monotonic() - began:.0f} s", file=sys.stderr)
    target = asked.out or (TABLE if asked.runs >= FULL else None)
    if target is not None:
        target.write_text(page, encoding="utf-8")
    broken = [check for check in checks(found) if check.broken]
    for check in broken:
        print(f"broken: {check.what}: {check.share:.2%}, asked {check.bound:.1%}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
