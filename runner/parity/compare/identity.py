"""Whether two sides ran the same: every fact of both, what its rule makes of a difference, and what is declared.

What a side did not show never counts as equal.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from parity.compare.measured import Measured
from parity.reading.devices import DEVICE_CLASSES
from parity.reading.dictionary import METRICS
from parity.reading.facts import FACTS, Fact, facts_in
from parity.records import Cell, Declaration, Departure, FactRow, Identity


@dataclass(frozen=True)
class Intent:
    """Which differences the config declares. `named`: runtime → fact → how the config sets it on the two sides, of a
    runtime that is compared with itself. `strict`: facts that are not reported keep sides from being compared. `own`:
    runtimes that load a model of their own."""

    declarations: Sequence[Declaration] = ()
    named: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    strict: bool = False
    own: frozenset[str] = frozenset()

    def reason(self, fact: str, runtime: str, baseline: str | None = None) -> str | None:
        """Why a difference of a runtime in a fact is intended; None where it is not declared. A declaration of the
        baseline alone is one of all others; of the baseline and some runtimes, one of these."""
        return next(
            (
                d.reason
                for d in self.declarations
                if d.fact == fact and (runtime in d.runtimes or d.runtimes == (baseline,))
            ),
            None,
        )


@dataclass(frozen=True)
class Departed:
    """How the trials of a cell departed from what was asked. `undeclared`: the first reason that no declaration
    covers; `declared`: the others, with their reasons."""

    undeclared: Departure | None
    declared: tuple[str, ...] = ()


def departed(departures: Sequence[Departure], runtime: str, metric: str | None, intent: Intent) -> Departed:
    """What the departures of a runtime's trials mean for a metric; None stands for how trials ended."""
    undeclared, declared = None, []
    for departure in dict.fromkeys(d for d in departures if d.concerns(metric)):
        reason = intent.reason(departure.fact, runtime)
        if reason is not None:
            declared.append(f"{_title(departure.fact)}: {departure.sentence} ({reason})")
        else:
            undeclared = undeclared or departure
    return Departed(undeclared, tuple(declared))


Known = Mapping[str, Mapping[str, str]]
"""Runtime → fact → its value, for facts that hold for all trials of a run: version, commit, environment."""


def fact_rows(
    measured: Measured, cell: Cell, base: Cell, intent: Intent, known: Known | None = None
) -> tuple[FactRow, ...]:
    """Every fact of an implementation beside the baseline's, over the rounds in which both gave a result. A fact that
    neither side shows has no row, unless it should be known."""
    sides = [{trial.round: trial.identity for trial in measured.trials(c)} for c in (base, cell)]
    rounds = sorted(sides[0].keys() & sides[1].keys())
    shown = [(one, other) for r in rounds if (one := sides[0][r]) is not None and (other := sides[1][r]) is not None]
    pairs = [pair for k, pair in enumerate(shown) if k == 0 or pair != shown[k - 1]]
    if not pairs:
        return ()
    found = []
    for fact in FACTS.values():
        seen = [_seen(fact, one, other) for one, other in pairs]
        if known is not None and fact.name in _OF_THE_RUN:
            seen = [_of_the_run(*(known.get(side, {}).get(fact.name) for side in (base[2], cell[2])))]
        worst = next((s for word in ("differs", "unproven", "shown") for s in seen if s.state == word), seen[0])
        if worst.state == "none":
            continue
        theirs, ours = _values(s.theirs for s in seen), _values(s.ours for s in seen)
        row = FactRow(
            model=cell[0],
            test=cell[1],
            runtime=cell[2],
            baseline=base[2],
            fact=fact.name,
            theirs=theirs,
            ours=ours,
            state=worst.state,
            reason=worst.reason,
        )
        found.append(_declared(row, intent))
    return tuple(found)


def conflict(metric: str, rows: Sequence[FactRow], intent: Intent) -> str | None:
    """Every reason why two sides can't be compared by a metric, as one sentence; None where there is none."""
    found = [row for row in rows if FACTS[row.fact].concerns(METRICS[metric]) and _blocks(row, intent)]
    return "; ".join(row.reason for row in found if row.reason is not None) or None


def declarable(rows: Sequence[FactRow], intent: Intent) -> list[str]:
    """The facts of which a config can declare that they differ."""
    return [row.fact for row in rows if FACTS[row.fact].rule != "proven" or _is_own_model(row, intent)]


def _is_own_model(row: FactRow, intent: Intent) -> bool:
    """Whether the weights differ because the config names a model for this runtime."""
    return row.fact == "weights" and row.state == "differs" and row.runtime in intent.own


def in_conflict(metric: str, rows: Sequence[FactRow], intent: Intent) -> list[str]:
    """The facts that keep two sides from being compared by a metric."""
    return [row.fact for row in rows if FACTS[row.fact].concerns(METRICS[metric]) and _blocks(row, intent)]


def _blocks(row: FactRow, intent: Intent) -> bool:
    rule = FACTS[row.fact].rule
    unproven = row.state == "unproven" and (rule == "proven" or (intent.strict and rule == "equal"))
    return row.state == "differs" or unproven


def declared_in(metric: str, rows: Sequence[FactRow]) -> tuple[str, ...]:
    """The declared differences that concern a metric: `threads: 1 against 2 (reason)`."""
    return tuple(
        f"{_title(row.fact)}: {row.theirs or 'not reported'} against {row.ours or 'not reported'} ({row.reason})"
        for row in rows
        if row.state == "declared" and FACTS[row.fact].concerns(METRICS[metric])
    )


def unproven_in(metric: str, rows: Sequence[FactRow], *, reported: bool = False) -> tuple[str, ...]:
    """The facts that concern a metric and are not known to be equal, each with the sides that don't report it.
    `reported`: of figures that the runtimes report about themselves, which nothing shows the number of tokens of."""
    found = []
    for row in rows:
        concerns = FACTS[row.fact].concerns(METRICS[metric]) or (reported and row.fact == "tokens")
        if row.state == "unproven" and concerns:
            sides = ((row.baseline, row.theirs), (row.runtime, row.ours))
            silent = [name for name, value in sides if value in (None, "gpu")]
            found.append(f"{_title(row.fact)} ({', '.join(silent)})")
    return tuple(found)


@dataclass(frozen=True)
class _Seen:
    """A fact of one round. `state` `none`: neither side shows it, and neither has to."""

    theirs: str | None
    ours: str | None
    state: Literal["equal", "differs", "unproven", "shown", "none"]
    reason: str | None = None


def _seen(fact: Fact, baseline: Identity, other: Identity) -> _Seen:
    if fact.rule == "proven":
        return _PROVEN[fact.name](baseline, other)
    one, two = _known(fact, baseline), _known(fact, other)
    if fact.name == "device" and _is_any_gpu(one, two):
        return _Seen(one, two, "unproven", "a side did not report which kind of GPU it ran on")
    if one is not None and one == two:
        return _Seen(one, two, "equal")
    if one is None or two is None:
        needed = fact.rule == "equal" and (fact.name not in _OFF_UNLESS_SAID or "on" in (one, two))
        if not needed or (fact.name == "threads" and _on_gpus(baseline, other)):
            return _Seen(one, two, "none" if one is two else "shown")
        return _Seen(one, two, "unproven", f"a side did not report its {fact.title}")
    same_program = baseline.runtime is not None and baseline.runtime == other.runtime
    if fact.name == "threads" and _on_gpus(baseline, other):
        return _Seen(one, two, "shown")
    if fact.rule == "equal" or (fact.rule == "engine" and same_program):
        return _Seen(one, two, "differs", f"the sides differ in {fact.title} ({one} against {two})")
    return _Seen(one, two, "shown")


_OFF_UNLESS_SAID = ("prefix_cache", "warm_up")
"""Facts that a program which doesn't report them has none of, as long as the other side has none either."""

_OF_THE_RUN = ("version", "commit", "env")


def _of_the_run(one: str | None, two: str | None) -> _Seen:
    if one is None and two is None:
        return _Seen(None, None, "none")
    return _Seen(one, two, "equal" if one == two else "shown")


def _known(fact: Fact, identity: Identity) -> str | None:
    if fact.name == "version":
        return identity.version
    if fact.name == "program" and identity.programs:
        return hashlib.sha256(json.dumps(sorted(identity.programs.values())).encode()).hexdigest()[:12]
    return facts_in(identity.settings).get(fact.name)


def _is_any_gpu(one: str | None, two: str | None) -> bool:
    """Whether a side says no more than that it is a GPU, which may be of the other side's class or not."""
    gpus = [device == "gpu" or (device in DEVICE_CLASSES and device != "cpu") for device in (one, two)]
    return "gpu" in (one, two) and all(gpus)


def _on_gpus(baseline: Identity, other: Identity) -> bool:
    """Whether both sides compute on a GPU alone, where CPU threads do no work to speak of."""
    devices = [facts_in(side.settings).get("device") for side in (baseline, other)]
    return all(device in DEVICE_CLASSES and device != "cpu" for device in devices)


def _weights(baseline: Identity, other: Identity) -> _Seen:
    one, two = baseline.weights_sha256, other.weights_sha256
    shown = [sha256[:12] if sha256 is not None else None for sha256 in (one, two)]
    if one is None or two is None:
        return _Seen(shown[0], shown[1], "unproven", "a side did not show which weights it ran")
    if one != two:
        return _Seen(shown[0], shown[1], "differs", "the two sides ran different weights")
    return _Seen(shown[0], shown[1], "equal")


def _begin_tokens(baseline: Identity, other: Identity) -> str:
    """The most frequent cause of prompts that differ, where it is one."""
    one, two = (side.settings.get("begin_token") for side in (baseline, other))
    return f"; begin token: {one} against {two}" if one is not None and two is not None and one != two else ""


def _prompt(baseline: Identity, other: Identity) -> _Seen:
    one, two = _prompt_words(baseline), _prompt_words(other)
    if baseline.prompt_ids_sha256 is not None and other.prompt_ids_sha256 is not None:
        if baseline.prompt_ids_sha256 == other.prompt_ids_sha256:
            return _Seen(one, two, "equal")
        lengths = f"{baseline.prompt_tokens} tokens against {other.prompt_tokens}"
        return _Seen(one, two, "differs", f"the prompt ids differ ({lengths}{_begin_tokens(baseline, other)})")
    if baseline.prompt_tokens is None or other.prompt_tokens is None:
        reason = "a side did not show the tokens of its prompt, so the prompts may differ"
        return _Seen(one, two, "unproven", reason)
    if baseline.prompt_tokens != other.prompt_tokens:
        lengths = f"{baseline.prompt_tokens} tokens against {other.prompt_tokens}"
        return _Seen(one, two, "differs", f"the prompts differ in length ({lengths})")
    return _Seen(one, two, "equal")


def _prompt_words(identity: Identity) -> str | None:
    if identity.prompt_tokens is None:
        return None
    ids = f", ids {identity.prompt_ids_sha256[:12]}" if identity.prompt_ids_sha256 is not None else ""
    return f"{identity.prompt_tokens} tokens{ids}"


def _sampling(baseline: Identity, other: Identity) -> _Seen:
    one, two = baseline.sampling, other.sampling
    if one is None or two is None:
        return _Seen(one, two, "unproven", "a side did not show how it samples, and was not told")
    if one != two:
        return _Seen(one, two, "differs", f"the sides sample differently ({one} against {two})")
    return _Seen(one, two, "equal")


def _tokens(baseline: Identity, other: Identity) -> _Seen:
    one, two = baseline.generated_tokens, other.generated_tokens
    shown = [str(count) if count is not None else None for count in (one, two)]
    if one is None or two is None:
        return _Seen(shown[0], shown[1], "unproven", "a side did not show how many tokens it generated")
    if one != two:
        return _Seen(shown[0], shown[1], "differs", f"the sides generated {one} and {two} tokens")
    return _Seen(shown[0], shown[1], "equal")


_PROVEN: Mapping[str, Callable[[Identity, Identity], _Seen]] = {
    "weights": _weights,
    "prompt": _prompt,
    "sampling": _sampling,
    "tokens": _tokens,
}


def _values(values: Iterable[str | None]) -> str | None:
    """The different values over the rounds."""
    return ", ".join(dict.fromkeys(value for value in values if value is not None)) or None


def _declared(row: FactRow, intent: Intent) -> FactRow:
    if row.state not in ("differs", "unproven"):
        return row
    reason = intent.reason(row.fact, row.runtime, row.baseline) or intent.named.get(row.runtime, {}).get(row.fact)
    return row if reason is None else row.but(state="declared", reason=reason)


def _title(fact: str) -> str:
    return FACTS[fact].title if fact in FACTS else fact
