"""Every verdict that is no PASS says what would change it: one row a way to come to one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from builders import trial

from parity.compare import Measured, compare
from parity.config import Config
from parity.gates import Evidence
from parity.judging.verdict import verdicts
from parity.records import (
    Departure,
    Failure,
    Identity,
    Measurement,
    NotRun,
    Trial,
    Verdict,
    VerdictKind,
    flattened,
)
from parity.stats import Looks

ONE, TWO = ("m", "t", "one"), ("m", "t", "two")
ADAPTIVE, FIXED = Looks(20), Looks(5, fixed=True)
RATIO: dict[str, object] = {"kind": "ratio", "metric": "gen_tps", "min_ratio": 0.8}
PREFILL: dict[str, object] = {**RATIO, "metric": "prompt_tps"}
LOAD: dict[str, object] = {"kind": "bound", "metric": "load_s", "max": 2.0}
RATE: dict[str, object] = {"kind": "bound", "metric": "gen_tps", "min": 10.0}
STEADY: dict[str, object] = {"kind": "consistency", "metric": "gen_tps", "max_cv": 0.1}
HANGS: dict[str, object] = {"kind": "no-failed-trials"}
ON_METAL: dict[str, object] = {**RATE, "when": {"device": "metal"}}


def of(runtime: str, values: Sequence[float], metric: str = "gen_tps", definition: str = "token-stamps") -> list[Trial]:
    return [trial(runtime, k, {metric: v}, definition=definition) for k, v in enumerate(values, start=1)]


def both(ours: Sequence[float], metric: str = "gen_tps", definition: str = "token-stamps") -> list[Trial]:
    return [*of("one", [100.0] * len(ours), metric, definition), *of("two", ours, metric, definition)]


def failed(kind: str, rounds: int = 5) -> list[Trial]:
    failure = Failure(kind=kind, message="it did so")
    return [
        *of("one", [100.0] * rounds),
        *(t.but(failure=failure, measurements=(), identity=None) for t in of("two", [1.0] * rounds)),
    ]


def on(*devices: str | None) -> list[Trial]:
    found = []
    for k, device in enumerate(devices, start=1):
        settings = {} if device is None else {"device": device}
        ran = Identity(
            weights_sha256="ab" * 32, prompt_ids_sha256="p", prompt_tokens=4, generated_tokens=50, settings=settings
        )
        found.append(trial("two", k, {"gen_tps": 100.0}, identity=ran))
    return found


def contradicted(trials: Sequence[Trial]) -> list[Trial]:
    """Long trials of `two` that show half of that rate from token to token, each with its short trial."""
    found = []
    for good in trials:
        assert good.identity is not None
        short = good.but(kind="short", measurements=(), identity=good.identity.but(generated_tokens=10))
        found += [good.but(gaps_ns=(20_000_000,) * 49) if good.runtime == "two" else good, short]
    return found


def without(metric: str, reason: str, definition: str = "token-stamps") -> list[Trial]:
    absent = Measurement(metric=metric, unit="s", definition=definition, provenance="observed", reason=reason)
    return [t.but(measurements=(absent,)) for t in of("two", [1.0] * 5)]


def gone(kind: str, remedy: str | None = None, ran: int = 0) -> dict[tuple[str, str, str], NotRun]:
    return {
        TWO: NotRun.model_validate(
            {"model": "m", "test": "t", "runtime": "two", "kind": kind, "planned": 3, "ran": ran}
            | {"reason": "no such file", "remedy": remedy}
        )
    }


def odd(departure: Departure) -> list[Trial]:
    return [*of("one", [100.0] * 5), *(t.but(departures=(departure,)) for t in of("two", [100.0] * 5))]


@dataclass(frozen=True)
class Row:
    """`says`: words of the sentence that tell a user what to do, or by how much a bound was missed."""

    gate: dict[str, object]
    trials: list[Trial]
    verdict: VerdictKind
    says: str
    looks: Looks = ADAPTIVE
    not_run: Mapping[tuple[str, str, str], NotRun] = field(default_factory=dict)


SPREAD = [70.0, 92.0, 78.0, 95.0, 80.0, 86.0]
PARTLY = [*both([100.0] * 4), trial("one", 5, {"gen_tps": 100.0}), trial("two", 5, {"load_s": 1.0})]

ROWS = {
    "ratio/near the bound": Row(RATIO, both(SPREAD), "INCONCLUSIVE", r"about \d+ more rounds would decide this"),
    "ratio/more than the cap": Row(
        RATIO, both(SPREAD), "INCONCLUSIVE", r"more rounds would decide this .*: set `rounds.max = \d+`", Looks(6)
    ),
    "ratio/fixed": Row(
        RATIO, both(SPREAD[:5]), "INCONCLUSIVE", r"more rounds would decide this .*: set `rounds.fixed = \d+`", FIXED
    ),
    "ratio/few": Row(RATIO, both([50.0] * 3), "INCONCLUSIVE", "set `rounds.fixed = 5`", Looks(3, fixed=True)),
    "ratio/on the bound": Row(
        RATIO, both([80.0, 79.0, 81.0, 80.0, 80.0, 80.0]), "INCONCLUSIVE", "more rounds would not decide this"
    ),
    "ratio/far too slow": Row(RATIO, both([10.0] * 8), "FAIL", "8 times as much would meet it"),
    "ratio/too slow": Row(RATIO, both([50.0] * 8), "FAIL", "60% more would meet it"),
    "ratio/two definitions": Row(
        RATIO,
        [*of("one", [100.0] * 5), *of("two", [100.0] * 5, definition="chunk-interval")],
        "NOT COMPARABLE",
        "set `short_tokens` in the test",
    ),
    "ratio/a bound only": Row(
        PREFILL, both([100.0] * 5, "prompt_tps", "prefill-short-budget"), "NOT COMPARABLE", "it takes `token` events"
    ),
    "ratio/a round without a value": Row(RATIO, PARTLY, "INCONCLUSIVE", "a verdict needs a value in every round"),
    "ratio/two budgets too close": Row(
        RATIO,
        contradicted(both([100.0] * 5, definition="two-budgets")),
        "INCONCLUSIVE",
        "further apart",
    ),
    "ratio/a departure": Row(
        RATIO, odd(Departure(fact="threads", sentence="it used 3 threads")), "NOT COMPARABLE", "declare it: .*threads"
    ),
    "bound/too slow": Row(LOAD, of("two", [4.0] * 8, "load_s"), "FAIL", "50% less would meet it"),
    "bound/near the bound": Row(
        LOAD, of("two", [1.5, 2.3, 1.8, 2.1, 1.7], "load_s"), "INCONCLUSIVE", r"about \d+ more rounds would decide"
    ),
    "bound/not shown": Row(
        RATE, without("gen_tps", "the program did not show single tokens"), "NOT RUN", "set `short_tokens` in the test"
    ),
    "bound/no mark": Row(
        LOAD, without("load_s", "the program did not show when it was ready"), "NOT RUN", "it takes a mark at which"
    ),
    "bound/two budgets failed": Row(
        RATE,
        without("gen_tps", "the larger budget took no longer", "two-budgets"),
        "NOT RUN",
        "set `max_tokens` and `short_tokens` further apart",
    ),
    "bound/self-reported": Row(
        RATE, of("two", [100.0] * 5, definition="runtime-report:x"), "NOT COMPARABLE", "set `short_tokens` in the test"
    ),
    "bound/a round without a value": Row(RATE, PARTLY, "INCONCLUSIVE", "a verdict needs a value in every round"),
    "consistency/early": Row(STEADY, of("two", [100.0] * 5), "INCONCLUSIVE", "it is judged after 10, 15 and 20 rounds"),
    "consistency/undecided": Row(
        STEADY, of("two", [100.0, 112.0, 88.0, 108.0, 92.0]), "INCONCLUSIVE", "set `rounds", FIXED
    ),
    "consistency/text": Row(
        STEADY,
        [t.but(text=str(t.round)) for t in of("two", [100.0] * 10)],
        "FAIL",
        "rounds gave a different text",
    ),
    "hangs/stall": Row(HANGS, failed("stall"), "FAIL", "set `limits.stall_s` higher if that is no fault"),
    "hangs/too slow": Row(HANGS, failed("timeout:total"), "FAIL", "set `limits.total_s` higher if that is no fault"),
    "hangs/crash": Row(HANGS, failed("crash:SIGSEGV"), "FAIL", "under Failed trials"),
    "hangs/never asked": Row(HANGS, failed("unavailable"), "NOT RUN", "it did so"),
    "hangs/stopped": Row(
        HANGS,
        [t.but(stopped=True) for t in of("two", [100.0] * 5)],
        "INCONCLUSIVE",
        "set `whole_trials = 1` in the table of two",
    ),
    "rounds/lost": Row(
        RATIO, [*both([100.0] * 6), *failed("stall")[-1:]], "INCONCLUSIVE", "a verdict needs all of them"
    ),
    "hangs/interrupted": Row(
        HANGS, of("two", [100.0]), "NOT RUN", "`parity run --resume` runs them", not_run=gone("interrupted", ran=1)
    ),
    "hangs/nothing": Row(HANGS, [], "NOT RUN", "`parity run --resume` runs them"),
    "gone/unavailable": Row(
        RATIO, of("one", [1.0] * 5), "NOT RUN", "to fix it: make two", not_run=gone("unavailable", "make two")
    ),
    "gone/build": Row(RATIO, of("one", [1.0] * 5), "NOT RUN", "to fix it: make two", not_run=gone("build", "make two")),
    "device/not reported": Row(ON_METAL, on(None), "NOT RUN", "make it report the setting `device`"),
    "device/changed": Row(ON_METAL, on("cpu", "metal"), "NOT COMPARABLE", "name one in its table"),
    "device/another": Row(ON_METAL, on("cpu"), "NOT APPLICABLE", "run it on metal, or make the gate advice"),
}


def judged(row: Row) -> Verdict:
    config = Config.model_validate(
        {
            "name": "c",
            "baseline": "one",
            "models": ({"name": "m", "source": "m"},),
            "tests": ({"name": "t", "prompt": "p", "max_tokens": 50},),
            "runtimes": {"one": {"adapter": "command"}, "two": {"adapter": "command"}},
            "gates": ({"name": "g", **row.gate},),
        }
    )
    [found] = verdicts(
        config,
        Evidence(
            baseline="one",
            trials=row.trials,
            comparisons=tuple(compare(Measured(row.trials, row.not_run), [ONE, TWO], "one", looks=row.looks)),
            platform="linux",
            devices={},
            not_run=row.not_run,
            looks=row.looks,
            greedy=frozenset({"t"}),
        ),
    )
    return found


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_verdict_that_is_no_pass_says_what_would_change_it(row: Row) -> None:
    found = judged(row)
    assert found.verdict == row.verdict, found.sentence
    assert re.search(row.says, found.sentence), found.sentence
    assert found.finding
    assert found.advice is not None or row.gate["kind"] == "consistency" or row.says == "it did so", found.sentence
    if found.advice is not None:
        assert found.sentence == f"{found.finding}; {flattened(found.advice)}"
