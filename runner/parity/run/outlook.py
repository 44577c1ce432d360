"""What `parity plan` shows: the cells, the order of trials and the time they may take. Runs and fetches nothing."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from tabulate import tabulate

from parity.config import LoadedConfig, test_spec
from parity.judging.scored import asks_for_truth
from parity.models import Watch, silent
from parity.records import OWN, SHARED, Cell, HostFacts, Record, Slot, TrialKind
from parity.run.budgets import Times, budget_warnings
from parity.run.due import Due
from parity.run.exact import patient
from parity.run.folders import earlier_runs
from parity.run.guarding import refuse_broken
from parity.run.request import limits_of_score
from parity.run.schedule import estimate_s, schedule
from parity.run.session import can_score, can_score_own, exact_arm, make_adapters
from parity.run.sources import check_pins, locate_models, locate_own
from parity.units import plural

_Key = TypeVar("_Key")

MOST_LOOKED_AT = 50
"""Runs that are looked through for one of the same config."""

SHOWN_ROUNDS = 2
"""Rounds whose order is printed in full; `--json` has them all."""


class Outlook(Record):
    """A plan with what is known ahead of it. `models`: name → where its file lies, None where it must be fetched.
    `trials`: those that the run may have; `at_least` so many run, whatever they show. `estimate_s`: of these.
    `exact_arm`: what a gate that asks for it will not get, as sentences."""

    name: str
    baseline: str
    models: dict[str, str | None]
    not_set: tuple[str, ...]
    trials: tuple[Slot, ...]
    at_least: int
    estimate_s: float | None
    estimated_from: str | None
    at_most_s: float
    exact_arm: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def outlook(loaded: LoadedConfig, host: HostFacts, watch: Watch = silent) -> Outlook:
    """Looks for models and for earlier runs of the same config on disk. `watch`: what hashing a pinned model tells.

    Raises:
        ConfigError: a model's source is malformed or names a file that isn't there, or one is not what the config pins.
        BrokenAdapterError: an adapter can't be loaded, or fails on its settings.
    """
    found = locate_models(loaded)
    own_models = locate_own(loaded)
    check_pins(loaded, found, watch)
    adapters = make_adapters(loaded, host)
    refuse_broken(adapters.values())
    scorers, arm = can_score(adapters), exact_arm(adapters, loaded.config)
    arms = {model.name: arm for model in loaded.config.models}
    own = can_score_own(adapters)
    plan = tuple(slot for turn in schedule(loaded.config, loaded.not_set, scorers, arms, own) for slot in turn)
    scored = [slot for slot in plan if slot.task == "score" and slot.round == SHARED and slot.kind != "exact"]
    least = [*Due(loaded.config, (), loaded.not_set).slots, *scored]
    seen = _earlier(loaded.sha256)
    located = found | {f"of {name}": path for name, path in own_models.items()}
    return Outlook(
        name=loaded.config.name,
        baseline=loaded.config.baseline,
        models={name: str(path) if path is not None else None for name, path in located.items()},
        not_set=loaded.not_set,
        trials=plan,
        at_least=len(least),
        estimate_s=_estimate_s(least, seen),
        estimated_from=seen.run,
        at_most_s=sum(_at_most_s(loaded, slot) for slot in plan),
        exact_arm=tuple(_lacking(loaded, arm)),
        warnings=tuple(budget_warnings(loaded.config, seen.times)),
    )


def _lacking(loaded: LoadedConfig, arm: Sequence[str]) -> Iterator[str]:
    """What gates that ask for the exact arm are known not to get from it."""
    config = loaded.config
    tests = [test for test in config.tests if asks_for_truth(config, test, loaded.not_set)]
    if any(test.temperature == 0 for test in tests):
        if not arm:
            able = "llama.cpp and the Candle reference can"
            yield f"exact arm: none, because no runtime of the config can compute it; {able}"
        elif len(arm) == 1:
            yield f"exact arm: computed by {arm[0]} alone, so that it is shown and decides nothing"
    for test in tests:
        if test.temperature > 0:
            yield f"exact arm of {test.name}: none, because the test samples its tokens"


@dataclass(frozen=True)
class _Earlier:
    """The newest run of the same config under the working folder. `times`: of trials that generate; `scored`: cell →
    mean seconds of those that score."""

    run: str | None = None
    times: Times = field(default_factory=dict)
    scored: Mapping[Cell, float] = field(default_factory=dict)


def _estimate_s(slots: Sequence[Slot], seen: _Earlier) -> float | None:
    """A score takes its own time: some runtimes compute the ids of a long prompt one by one."""
    scores = [slot for slot in slots if slot.task == "score"]
    by_cell = _by_cell(seen.times)
    generating_s = estimate_s([slot for slot in slots if slot.task != "score"], by_cell)
    scoring_s = estimate_s(scores, seen.scored or by_cell)
    return None if generating_s is None or scoring_s is None else generating_s + scoring_s


def _at_most_s(loaded: LoadedConfig, slot: Slot) -> float:
    """A text has at most as many tokens as bytes; a chat template adds a few."""
    limits = patient(loaded.config.limits) if slot.kind == "exact" else loaded.config.limits
    if slot.task != "score":
        return limits.total_s
    test = loaded.config.test(slot.test)
    return limits_of_score(limits, len(test_spec(loaded, test).prompt.encode()) + test.max_tokens).total_s


def times_of_earlier(config_sha256: str) -> dict[Cell, float]:
    """Cell → mean seconds of its trials in the newest run of the same config under the working folder."""
    return _by_cell(_earlier(config_sha256).times)


def _earlier(config_sha256: str) -> _Earlier:
    for folder in earlier_runs()[:MOST_LOOKED_AT]:
        try:
            run = json.loads((folder / "run.json").read_bytes())
            if run["loaded"]["sha256"] != config_sha256:
                continue
            found = _read_times(folder / "results.jsonl")
        except (OSError, ValueError, KeyError, TypeError):
            # An estimate is a courtesy: a folder that can't be read gives none.
            continue
        if found.times:
            return replace(found, run=folder.name)
    return _Earlier()


def _read_times(path: Path) -> _Earlier:
    """Raises OSError, ValueError, KeyError or TypeError for a file that holds no trials."""
    times: dict[tuple[Cell, TrialKind], list[float]] = {}
    scored: dict[Cell, list[float]] = {}
    for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        trial = json.loads(line)
        cell = (trial["model"], trial["test"], trial["runtime"])
        for m in trial["measurements"]:
            if m["metric"] == "wall_s" and m["value"] is not None:
                times.setdefault((cell, trial.get("kind", "full")), []).append(m["value"])
        if trial.get("task") == "score" and trial["failure"] is None and trial["wall_s"] is not None:
            scored.setdefault(cell, []).append(trial["wall_s"])
    return _Earlier(times=_means(times), scored=_means(scored))


def _means(values_of: Mapping[_Key, Sequence[float]]) -> dict[_Key, float]:
    return {key: sum(values) / len(values) for key, values in values_of.items()}


def _by_cell(times: Times) -> dict[Cell, float]:
    found: dict[Cell, list[float]] = {}
    for (cell, _), seconds in times.items():
        found.setdefault(cell, []).append(seconds)
    return _means(found)


def render(found: Outlook) -> str:
    """The outlook as a person reads it."""
    cells = Counter(slot.cell for slot in found.trials)
    rows = [
        (model, test, f"{runtime} (baseline)" if runtime == found.baseline else runtime, count)
        for (model, test, runtime), count in cells.items()
    ]
    rows.sort(key=lambda row: (row[0], row[1]))
    lines = [
        tabulate(rows, headers=("Model", "Test", "Runtime", "Trials"), tablefmt="simple", disable_numparse=True),
        "",
    ]
    for name, path in found.models.items():
        lines.append(f"model {name}: {path or 'not here yet; the run will fetch it'}")
    lines += [f"not set here: {name} (optional)" for name in found.not_set]
    lines += ["", *_order(found), "", f"{_count(found)}; {_time(found)}"]
    lines += found.exact_arm
    lines += [f"warning: {warning}" for warning in found.warnings]
    return "\n".join(lines)


def _order(found: Outlook) -> list[str]:
    """A line a round; of the measured rounds only the first in full."""
    turns: dict[str, list[str]] = {}
    for trial in found.trials:
        kind = "" if trial.kind in ("full", "exact") else f" ({trial.kind})"
        turns.setdefault(_turn(trial), []).append(f"{trial.test}/{trial.runtime}{kind}")
    rounds = [turn for turn in turns if turn.startswith("round")]
    hidden = set(rounds[SHOWN_ROUNDS:])
    lines = [f"{turn}: {', '.join(names)}" for turn, names in turns.items() if turn not in hidden]
    more = "round" if len(hidden) == 1 else "rounds"
    return [*lines, f"… and {len(hidden)} more {more} (--json has all)"] if hidden else lines


def _turn(trial: Slot) -> str:
    if trial.kind == "exact":
        return "score by the exact arm, if it fits this machine"
    if trial.task == "score":
        named = {SHARED: "score", OWN: "score of its own answer, if that is different"}
        return named.get(trial.round, f"score of text {trial.round - OWN}, if that is different")
    return "at the end" if trial.kind == "whole" else f"{'warm-up' if trial.warmup else 'round'} {trial.round}"


def _count(found: Outlook) -> str:
    if found.at_least == len(found.trials):
        return f"{plural(len(found.trials), 'trial')} in all"
    of_own = sum(slot.task == "score" and slot.round != SHARED for slot in found.trials)
    of_arm = sum(slot.kind == "exact" for slot in found.trials)
    fixed = found.at_least + of_own + of_arm == len(found.trials)
    fits = " and the exact arm fits" if of_arm else ""
    until = f"depending on whether answers differ{fits}" if fixed else "until the required gates are decided"
    return f"{found.at_least} to {len(found.trials)} trials, {until}"


def _time(found: Outlook) -> str:
    if found.estimate_s is None:
        return "how long they take is known after a first run; limits.total_s ends one that hangs"
    least = "about" if found.at_least == len(found.trials) else "at least"
    return f"{least} {_duration(found.estimate_s)}, as in {found.estimated_from}"


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
