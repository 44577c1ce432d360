"""What a run does next, as a pure function of its config and of the trials that ran."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import islice

from parity.config import Config, TestConfig
from parity.judging.evidence import Pair
from parity.judging.scored import asks_for_truth, is_scored
from parity.reading.outcome import NEVER_RAN
from parity.records import OWN, SHARED, Cell, Slot, Task, Trial, TrialKind
from parity.run.order import orders
from parity.run.sequences import sequence_of, texts_of

Turn = tuple[Slot, ...]
"""Trials that belong together: all runtimes of one model and test in one round."""

Undecided = Callable[[Pair, Sequence[Trial]], Sequence[str]]
"""The required gates that more rounds of a model and test may decide, by the trials of whole rounds."""

SHARE_OF_VOIDS = 0.5
"""How many turns of a model and test may run again because they were void, for each round that it may have."""

TRIES_OF_SCORES = 2
"""How often a trial that scores may run in one go where each misses a deadline on a busy machine."""

NONE: frozenset[str] = frozenset()

Arms = Mapping[str, Sequence[str]]
"""Model → the runtimes whose twins are its exact arm; a model that is left out has none."""

NO_ARMS: Arms = {}


def nothing_open(pair: Pair, trials: Sequence[Trial]) -> Sequence[str]:
    """For runs of which no gate is judged before they end."""
    return ()


def next_turn(
    config: Config,
    trials: Sequence[Trial],
    *,
    unset: Sequence[str] = (),
    given_up: Mapping[Cell, object] | None = None,
    undecided: Undecided = nothing_open,
    scorers: Set[str] = NONE,
    arms: Arms = NO_ARMS,
    earlier: int = 0,
) -> Turn | None:
    """The slots to fill next, or None when nothing is left to do.

    A slot whose trial was interrupted comes again under the next attempt, and so does every slot of a void turn; of a
    turn that scores, those that are void alone. `unset` are optional runtimes that are not set here, `given_up` the
    cells that are not tried any more, `scorers` the runtimes that can score a sequence. `earlier`: how many of the
    trials ran before the run was resumed; those that the machine kept from scoring then come again."""
    due = next(_turns_left(config, trials, unset, given_up or {}, undecided, scorers, arms, earlier), None)
    if due is None:
        return None
    attempts: Counter[tuple[object, ...]] = Counter()
    for trial in trials:
        attempts[trial.place] = max(attempts[trial.place], trial.attempt)
    return tuple(slot.but(attempt=attempts[slot.place] + 1) for slot in due)


def schedule(
    config: Config, unset: Sequence[str] = (), scorers: Set[str] = NONE, arms: Arms = NO_ARMS
) -> Iterator[Turn]:
    """Every turn that a run may have: warm-up rounds first, then the measured ones, up to the most that there may be.

    A round takes each model × test once, and in each all runtimes in the order of the round; a test with two budgets
    has both in the same turn. Then, where a gate reads that, each of the `scorers` scores one answer, its own where
    that is different, and the texts of runtimes that show no ids; where one asks for the truth, the exact arm scores
    the one answer too. Whole trials come last: nothing is measured beside what they may leave hanging."""
    runtimes = tuple(name for name in config.runtimes if name not in unset)
    pairs = list(pairs_of(config))
    seed, rounds = config.rounds.seed, config.rounds
    floor = config.baseline if config.floor else None
    for warmup, count in ((True, rounds.warmup), (False, rounds.looks.last)):
        turns = [
            _turns(seed, model, test.name, runtimes, floor, test.short_tokens is not None, warmup, count)
            for model, test in pairs
        ]
        for number in range(count):
            yield from (of_pair[number] for of_pair in turns)
    for model, test in pairs:
        able = [name for name in runtimes if name in scorers] if is_scored(config, test.name, unset) else []
        texts = texts_of(config, test.name, scorers, unset)
        for number in (SHARED, OWN, *texts) if able else ():
            yield tuple(_slot(model, test.name, name, number, "full", task="score") for name in able)
        arm = arms.get(model, ()) if asks_for_truth(config, test.name, unset) else ()
        if arm:
            yield tuple(_slot(model, test.name, name, SHARED, "exact", task="score") for name in arm)
    for model, test in pairs:
        for runtime in runtimes:
            whole = config.runtimes[runtime].whole_trials
            if whole:
                yield tuple(_slot(model, test.name, runtime, k, "whole") for k in range(1, whole + 1))


def planned(config: Config, unset: Sequence[str] = ()) -> dict[Cell, int]:
    """Cell → how many trials that generate the schedule holds for it at most, warm-up included; in the order of the
    config."""
    counts = Counter(slot.cell for turn in schedule(config, unset) for slot in turn)
    runtimes = [name for name in config.runtimes if name not in unset]
    cells = [(model, test.name, runtime) for model, test in pairs_of(config) for runtime in runtimes]
    return {cell: counts[cell] for cell in cells}


def slots_left(
    config: Config,
    trials: Sequence[Trial],
    *,
    unset: Sequence[str] = (),
    given_up: Mapping[Cell, object],
    undecided: Undecided = nothing_open,
    scorers: Set[str] = NONE,
    arms: Arms = NO_ARMS,
    earlier: int = 0,
) -> list[Slot]:
    """Every slot that is known to be still due, in order. How many rounds follow these depends on what they show."""
    left = _turns_left(config, trials, unset, given_up, undecided, scorers, arms, earlier)
    return [slot for turn in left for slot in turn]


def estimate_s(slots: Sequence[Slot], mean_s: Mapping[Cell, float]) -> float | None:
    """How long trials will take, from mean seconds per cell; None while nothing is known of any of them."""
    if not mean_s:
        return None
    typical = sum(mean_s.values()) / len(mean_s)
    return sum(mean_s.get(slot.cell, typical) for slot in slots)


def interrupted(trial: Trial) -> bool:
    """Whether parity ended before the trial did, so that it says nothing."""
    return trial.failure is not None and trial.failure.kind == "interrupted"


def rounds_of(pair: Pair, trials: Sequence[Trial]) -> int:
    """How many measured rounds of a model and test have begun."""
    return max((t.round for t in trials if (t.model, t.test) == pair and t.is_measured), default=0)


def _turns_left(
    config: Config,
    trials: Sequence[Trial],
    unset: Sequence[str],
    given_up: Mapping[Cell, object],
    undecided: Undecided,
    scorers: Set[str],
    arms: Arms,
    earlier: int,
) -> Iterator[Turn]:
    """Each turn with the slots of it that are due; turns without any are left out.

    Of the rounds beyond the least ones, only the next is known to be due, and only while a gate is undecided by all of
    the rounds before it."""
    ran: dict[tuple[object, ...], list[Trial]] = {}
    for number, trial in enumerate(trials):
        if not interrupted(trial) and not (number < earlier and _kept_from_scoring(trial)):
            ran.setdefault(_turn_of(trial), []).append(trial)
    voids = _void_passes(ran.values())
    waiting: set[Pair] = set()
    over: set[Pair] = set()
    for turn in schedule(config, unset, scorers, arms):
        first, mine = turn[0], ran.get(_turn_of(turn[0]), [])
        pair, is_measured = (first.model, first.test), first.is_measured
        if first.task == "score":
            asked = tuple(slot for slot in turn if sequence_of(config, slot, trials) is not None)
            due = _due_scores(asked, mine, given_up)
        else:
            due = _due(turn, mine, given_up, may_repeat=voids[pair] <= _most_voids(config))
        if not due or (is_measured and pair in over):
            continue
        if is_measured and not _is_certain(config, first.round):
            over.add(pair)
            if not mine and (pair in waiting or not _goes_on(config, pair, first.round, trials, undecided)):
                continue
        if is_measured:
            waiting.add(pair)
        yield due


def _goes_on(config: Config, pair: Pair, number: int, trials: Sequence[Trial], undecided: Undecided) -> bool:
    """Whether a round beyond the least ones is due, by the whole rounds before it."""
    earlier = [t for t in trials if not t.is_measured or t.round < number]
    return not _time_is_up(config, trials) and bool(undecided(pair, earlier))


def _due(turn: Turn, ran: Sequence[Trial], given_up: Mapping[Cell, object], may_repeat: bool) -> Turn:
    """The slots of a turn that are still to be filled, in its latest pass. A void pass is followed by a new one."""
    wanted = [slot for slot in turn if slot.cell not in given_up]
    counts = Counter(trial.place for trial in ran)
    passes = max((counts[slot.place] for slot in wanted), default=0)
    missing = tuple(slot for slot in wanted if counts[slot.place] < max(passes, 1))
    if missing or not may_repeat:
        return missing
    latest: dict[tuple[object, ...], Trial] = {trial.place: trial for trial in ran}
    return tuple(wanted) if any(trial.void is not None for trial in latest.values()) else ()


def _due_scores(turn: Turn, ran: Sequence[Trial], given_up: Mapping[Cell, object]) -> Turn:
    """The slots of a turn that scores which have no result yet, those that were tried least first. Nothing is compared
    in time, so that no other comes again with one that is void."""
    tries = Counter(trial.place for trial in ran)
    done = {trial.place for trial in ran if trial.void is None}
    wanted = [slot for slot in turn if slot.cell not in given_up and slot.place not in done]
    fewest = min((tries[slot.place] for slot in wanted), default=TRIES_OF_SCORES)
    return tuple(slot for slot in wanted if tries[slot.place] == fewest < TRIES_OF_SCORES)


def _kept_from_scoring(trial: Trial) -> bool:
    """Whether a trial scored nothing for a reason that may be gone: a busy machine, a program or a file that was not
    there."""
    if trial.task != "score" or trial.failure is None:
        return False
    return trial.void is not None or trial.failure.kind in NEVER_RAN


def _void_passes(turns: Iterable[Sequence[Trial]]) -> Counter[Pair]:
    """How many passes over turns of each model and test were void; of those that generate."""
    voids: Counter[Pair] = Counter()
    for ran in turns:
        if ran[0].task == "score":
            continue
        passes: Counter[tuple[object, ...]] = Counter()
        void = set()
        for trial in ran:
            passes[trial.place] += 1
            if trial.void is not None:
                void.add(passes[trial.place])
        voids[ran[0].model, ran[0].test] += len(void)
    return voids


def _turn_of(place: Slot | Trial) -> tuple[object, ...]:
    """What the slots of one turn have in common."""
    alone = place.runtime if place.kind == "whole" else None
    of_arm = place.kind == "exact"
    return place.model, place.test, place.task, of_arm, place.warmup, alone, place.round if alone is None else None


def _is_certain(config: Config, number: int) -> bool:
    """Whether a round is due whatever the earlier ones show."""
    return config.rounds.looks.fixed or number <= config.rounds.least


def _most_voids(config: Config) -> int:
    return max(1, int(SHARE_OF_VOIDS * config.rounds.looks.last))


def _time_is_up(config: Config, trials: Sequence[Trial]) -> bool:
    """By the wall time of all trials that got a process, the only time that a run folder is sure to hold."""
    if config.rounds.max_s is None:
        return False
    return sum(_wall_s(trial) for trial in trials) >= config.rounds.max_s


def _wall_s(trial: Trial) -> float:
    """How long a trial took. Records of earlier versions say so only of those that gave a result."""
    if trial.wall_s is not None:
        return trial.wall_s
    return sum(m.value for m in trial.measurements if m.metric == "wall_s" and m.value is not None)


@lru_cache(maxsize=256)
def _turns(
    seed: int,
    model: str,
    test: str,
    runtimes: tuple[str, ...],
    floor: str | None,
    two_budgets: bool,
    warmup: bool,
    count: int,
) -> tuple[Turn, ...]:
    """The turns of a model and test. Of a runtime with two budgets, both come one after the other; their order is
    reversed with that of the runtimes. `floor`: the runtime that has a second place in each round. Kept, for the
    schedule is walked before every trial."""
    draw = random.Random(f"{seed} {model} {test} {warmup}")
    kinds: tuple[TrialKind, ...] = ("full", "short") if two_budgets else ("full",)
    again: tuple[TrialKind, ...] = ("floor", "floor-short") if two_budgets else ("floor",)
    places = [(name, kinds) for name in runtimes] + ([(floor, again)] if floor is not None else [])
    kind_orders: dict[tuple[str, tuple[TrialKind, ...]], tuple[TrialKind, ...]] = {}
    turns = []
    for number, order in enumerate(islice(orders(places, draw), count), start=1):
        if number % 2:
            kind_orders = {place: tuple(draw.sample(place[1], len(place[1]))) for place in order}
        else:
            kind_orders = {place: found[::-1] for place, found in kind_orders.items()}
        slots = [(place[0], kind) for place in order for kind in kind_orders[place]]
        turns.append(tuple(_slot(model, test, name, number, kind, warmup=warmup) for name, kind in slots))
    return tuple(turns)


def _slot(
    model: str,
    test: str,
    runtime: str,
    number: int,
    kind: TrialKind,
    *,
    warmup: bool = False,
    task: Task = "generate",
) -> Slot:
    return Slot(model=model, test=test, runtime=runtime, task=task, round=number, warmup=warmup, kind=kind)


def pairs_of(config: Config) -> Iterator[tuple[str, TestConfig]]:
    """Each model with each test that runs on it, in the order of the config."""
    for model in config.models:
        for test in config.tests:
            if test.models is None or model.name in test.models:
                yield model.name, test
