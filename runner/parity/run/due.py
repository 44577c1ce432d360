"""What a run does next, as a pure function of its config and of the trials that ran."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from parity.config import Config
from parity.judging.evidence import Pair
from parity.reading.outcome import NEVER_RAN
from parity.records import Cell, Place, ScoreRequest, Slot, Trial, by_pair
from parity.run.schedule import Arms, Turn, schedule
from parity.run.sequences import NONE, sequence_of

Undecided = Callable[[Pair, Sequence[Trial]], Sequence[str]]
"""The required gates that more rounds of a model and test may decide, by the trials of it in whole rounds."""

SHARE_OF_VOIDS = 0.5
"""How many turns of a model and test may run again because they were void, for each round that it may have."""

TRIES_OF_SCORES = 2
"""How often a trial that scores may run in one go where each misses a deadline on a busy machine."""


def nothing_open(pair: Pair, trials: Sequence[Trial]) -> Sequence[str]:
    """For runs of which no gate is judged before they end."""
    return ()


@dataclass(frozen=True)
class Due:
    """What is still to be filled after the `trials`; found once, in one walk along the schedule.

    A slot whose trial was interrupted comes again under the next attempt, and so does every slot of a void turn; of a
    turn that scores, those that are void alone. `unset` are optional runtimes that are not set here, `given_up` the
    cells that are not tried any more, `scorers` the runtimes that can score a sequence, `own_scorers` those that can
    score their own answer alone. `earlier`: how many of the trials ran before the run was resumed; those that the
    machine kept from scoring then come again."""

    config: Config
    trials: Sequence[Trial]
    unset: Sequence[str] = ()
    given_up: Mapping[Cell, object] = field(default_factory=dict)
    undecided: Undecided = nothing_open
    scorers: Set[str] = NONE
    arms: Arms = field(default_factory=dict)
    earlier: int = 0
    own_scorers: Set[str] = NONE

    def next_turn(self) -> Turn | None:
        """The slots to fill next, or None when nothing is left to do."""
        if not self.turns:
            return None
        due = self.turns[0]
        attempts = Counter({slot.place: 0 for slot in due})
        for trial in self._of_pair(due[0]):
            attempts[trial.place] = max(attempts[trial.place], trial.attempt)
        return tuple(slot.but(attempt=attempts[slot.place] + 1) for slot in due)

    @property
    def slots(self) -> list[Slot]:
        """Every slot that is known to be still due, in order. How many rounds follow these depends on what they
        show."""
        return [slot for turn in self.turns for slot in turn]

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """Each turn with the slots of it that are due; turns without any are left out."""
        return tuple(self._walk())

    def _walk(self) -> Iterator[Turn]:
        """Of the rounds beyond the least ones, only the next is known to be due, and only while a gate is undecided by
        all of the rounds before it."""
        waiting: set[Pair] = set()
        over: set[Pair] = set()
        for turn in schedule(self.config, self.unset, self.scorers, self.arms, self.own_scorers):
            first, mine = turn[0], self._ran.get(_turn_of(turn[0]), ())
            pair, is_measured = (first.model, first.test), first.is_measured
            if first.task == "score":
                of_pair = self._of_pair(first)
                asked = tuple(slot for slot in turn if self._sequence(slot, of_pair) is not None)
                due = _due_scores(asked, mine, self.given_up)
            else:
                due = _due(turn, mine, self.given_up, may_repeat=self._voids[pair] <= _most_voids(self.config))
            if not due or (is_measured and pair in over):
                continue
            if is_measured and not _is_certain(self.config, first.round):
                over.add(pair)
                if not mine and (pair in waiting or not self._goes_on(first)):
                    continue
            if is_measured:
                waiting.add(pair)
            yield due

    def _sequence(self, slot: Slot, trials: Sequence[Trial]) -> ScoreRequest | None:
        return sequence_of(self.config, slot, trials, self.own_scorers)

    def _goes_on(self, first: Slot) -> bool:
        """Whether the round of a slot, beyond the least ones, is due by the whole rounds before it."""
        earlier = [t for t in self._of_pair(first) if not t.is_measured or t.round < first.round]
        return not self._time_is_up and bool(self.undecided((first.model, first.test), earlier))

    def _of_pair(self, slot: Slot) -> Sequence[Trial]:
        """The trials of a slot's model and test."""
        return self._pairs.get((slot.model, slot.test), ())

    @cached_property
    def _pairs(self) -> Mapping[Pair, Sequence[Trial]]:
        return by_pair(self.trials)

    @cached_property
    def _ran(self) -> Mapping[tuple[object, ...], Sequence[Trial]]:
        """The trials of each turn that say something."""
        ran: dict[tuple[object, ...], list[Trial]] = {}
        for number, trial in enumerate(self.trials):
            if not interrupted(trial) and not (number < self.earlier and _kept_from_scoring(trial)):
                ran.setdefault(_turn_of(trial), []).append(trial)
        return ran

    @cached_property
    def _voids(self) -> Counter[Pair]:
        return _void_passes(self._ran.values())

    @cached_property
    def _time_is_up(self) -> bool:
        """By the wall time of all trials that got a process, the only time that a run folder is sure to hold."""
        if self.config.rounds.max_s is None:
            return False
        return sum(_wall_s(trial) for trial in self.trials) >= self.config.rounds.max_s


def interrupted(trial: Trial) -> bool:
    """Whether parity ended before the trial did, so that it says nothing."""
    return trial.failure is not None and trial.failure.kind == "interrupted"


def _due(turn: Turn, ran: Sequence[Trial], given_up: Mapping[Cell, object], may_repeat: bool) -> Turn:
    """The slots of a turn that are still to be filled, in its latest pass. A void pass is followed by a new one."""
    wanted = [slot for slot in turn if slot.cell not in given_up]
    counts = Counter(trial.place for trial in ran)
    passes = max((counts[slot.place] for slot in wanted), default=0)
    missing = tuple(slot for slot in wanted if counts[slot.place] < max(passes, 1))
    if missing or not may_repeat:
        return missing
    latest: dict[Place, Trial] = {trial.place: trial for trial in ran}
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
        passes: Counter[Place] = Counter()
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


def _wall_s(trial: Trial) -> float:
    """How long a trial took. Records of earlier versions say so only of those that gave a result."""
    if trial.wall_s is not None:
        return trial.wall_s
    return sum(m.value for m in trial.measurements if m.metric == "wall_s" and m.value is not None)
