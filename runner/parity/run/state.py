"""All that is known of a run at one point. It decides what the run does next, and is what the run reports. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from parity.adapter import Availability
from parity.config import Config, LoadedConfig
from parity.judging.evidence import Circumstances, Pair, Standing, standings
from parity.judging.report import RunFacts, judge
from parity.records import Cell, ModelFacts, Report, ScoreRequest, Slot, Trial
from parity.report.diagnosis import diagnosed
from parity.run.due import Due
from parity.run.exact import Exact, members, twin_of
from parity.run.giving_up import GivenUp, given_up, not_run
from parity.run.prepared import Prepared, absent_of
from parity.run.record import RunRecord
from parity.run.schedule import planned
from parity.run.sequences import sequence_of
from parity.run.session import can_score, can_score_own

Asked = tuple[Pair, tuple[str, ...], tuple[Cell, ...]]
"""A model and test, the files of its trials, and its cells that are given up."""

ENDED = "the run ended before that, and `parity run --resume` goes on"


@dataclass(frozen=True)
class State:
    """`prepared`: runtime → what its preparation came to. `trials`: those that ran, in their order. `spawned`: how many
    of them got a process. `exact`: the models of which the exact arm was asked for. `earlier`: how many of the trials
    ran before the run was resumed."""

    run: RunRecord
    prepared: Mapping[str, Prepared]
    trials: tuple[Trial, ...] = ()
    spawned: int = 0
    exact: Exact = field(default_factory=dict)
    earlier: int = 0
    _judged: dict[Asked, list[Standing]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def config(self) -> Config:
        return self.run.loaded.config

    @cached_property
    def given_up(self) -> dict[Cell, GivenUp]:
        """The cells that get no more trials, with the reason."""
        return given_up(self.config, self.trials, absent_of(self.prepared), unset=self.run.loaded.not_set)

    @property
    def hopeless(self) -> str | None:
        """Why no trial can lead to a verdict, as one sentence; None where some can."""
        if self.due.turns:
            return None
        gone = [f"{name} is not available" for name in absent_of(self.prepared)]
        return f"No trial was run: {' and '.join(gone)}, so that no verdict is possible."

    @cached_property
    def due(self) -> Due:
        """What is still to be filled."""
        return Due(
            self.config,
            self.trials,
            self.run.loaded.not_set,
            self.given_up,
            self.undecided,
            self.scorers,
            self.arms,
            self.earlier,
            self.own_scorers,
        )

    @property
    def not_begun(self) -> list[tuple[Slot, str]]:
        """The trials that score and are due of runtimes that gave a result, of which none was run; with why."""
        gave = {trial.cell for trial in self.trials if trial.is_measured and trial.failure is None}
        silent = {cell: None for cell in planned(self.config) if cell not in gave}
        unset, begun = self.run.loaded.not_set, {trial.place for trial in self.trials}
        left = Due(
            self.config,
            self.trials,
            unset,
            silent,
            scorers=self.scorers,
            arms=self.arms,
            own_scorers=self.own_scorers,
        )
        due = [slot for slot in left.slots if slot.task == "score" and slot.place not in begun]
        return [(slot, self.given_up[slot.cell].reason if slot.cell in self.given_up else ENDED) for slot in due]

    @property
    def lacks_exact(self) -> bool:
        """Whether a model has no F32 file for a reason that may be gone."""
        return any(isinstance(made, str) for made in self.exact.values())

    @cached_property
    def scorers(self) -> frozenset[str]:
        """The runtimes that can score a sequence of ids."""
        return can_score({name: found.adapter for name, found in self.prepared.items()})

    @cached_property
    def own_scorers(self) -> frozenset[str]:
        """Those that can score their own answer alone."""
        return can_score_own({name: found.adapter for name, found in self.prepared.items()})

    @cached_property
    def arms(self) -> dict[str, tuple[str, ...]]:
        """Model → the runtimes whose twins are its exact arm; of those models that have an F32 file."""
        able = members(self.prepared, self.config)
        return {name: able for name, made in self.exact.items() if isinstance(made, ModelFacts)}

    def work_of(self, slot: Slot) -> tuple[Prepared, ModelFacts]:
        """What the trial of a slot runs: a runtime, or its twin in the exact arm, and the model that it is given."""
        if slot.kind == "exact":
            model = self.exact[slot.model]
            assert isinstance(model, ModelFacts), "only models that have an F32 file have such slots"
            return twin_of(self.prepared[slot.runtime]), model
        own = self.run.own_models.get(slot.runtime)
        model = own or next(model for model in self.run.models if model.name == slot.model)
        return self.prepared[slot.runtime], model

    def sequence(self, slot: Slot) -> ScoreRequest | None:
        """What the trial of a slot scores; None for one that generates."""
        return sequence_of(self.config, slot, self.trials, self.own_scorers) if slot.task == "score" else None

    def undecided(self, pair: Pair, trials: Sequence[Trial]) -> list[str]:
        """The required gates that more rounds of a model and test may decide, by the given trials of it:
        `within-20-percent (paraphym)`."""
        standing = self.standings(pair, trials)
        return [f"{gate.gate} ({gate.cell[2]})" for gate in standing if gate.judgement.open]

    def standings(self, pair: Pair, trials: Sequence[Trial]) -> list[Standing]:
        """How the required gates stand by the given trials of a model and test. Judged once for the same trials: the
        run asks before every turn, and of each model and test."""
        lost = tuple(cell for cell in self.given_up if cell[:2] == pair)
        asked = (pair, tuple(trial.file for trial in trials), lost)
        if asked not in self._judged:
            self._judged[asked] = self._standings(pair, trials)
        return self._judged[asked]

    def _standings(self, pair: Pair, trials: Sequence[Trial]) -> list[Standing]:
        devices = {name: found.found.device for name, found in self.prepared.items() if found.found.device is not None}
        around = Circumstances(str(self.run.machine["platform"]), devices, proofs=self._proofs)
        return standings(self.run.loaded, trials, pair, around, self.given_up)

    @property
    def may_grow(self) -> bool:
        """Whether more rounds may follow those that are known to be left."""
        return not self.config.rounds.looks.fixed and any(slot.warmup or slot.is_measured for slot in self.due.slots)

    def after(self, trial: Trial) -> "State":
        """The state once a trial has run."""
        return replace(self, trials=(*self.trials, trial))

    @property
    def _proofs(self) -> dict[str, float | None]:
        """Runtime → the seconds that it took on a tiny model for its first token."""
        return {name: found.proof.first_token_s for name, found in self.prepared.items() if found.proof is not None}

    def report(self, name: str, *, interrupted: bool, chosen: LoadedConfig | None = None) -> Report:
        """Everything that is computed from the run. `name`: of its folder. `chosen`: the config with gates that were
        chosen after the run; the run's own say what was due, and why something was not run."""
        run, unset = self.run, self.run.loaded.not_set
        facts = RunFacts(
            name=name,
            started=run.started,
            parity_version=run.parity_version,
            loaded=chosen or run.loaded,
            models=run.models,
            own_models=run.own_models,
            machine=run.machine,
            runtimes={runtime: _availability(found) for runtime, found in self.prepared.items()},
            cells=tuple(planned(self.config, unset)),
            not_run=tuple(not_run(self.config, self.trials, self.given_up, unset=unset, undecided=self.undecided)),
            spawned=self.spawned,
            proofs=self._proofs,
            libraries={name: found.build.libraries for name, found in self.prepared.items() if found.build},
            interrupted=interrupted,
            not_begun=self.not_begun,
            no_exact={name: made for name, made in self.exact.items() if isinstance(made, str)},
        )
        return diagnosed(judge(facts, self.trials))


def _availability(prepared: Prepared) -> Availability:
    gone = prepared.absent
    if gone is None:
        return prepared.found
    reason = f"the build failed: {gone.reason}" if gone.at == "build" else gone.reason
    return prepared.found.but(ready=False, reason=reason, remedy=gone.remedy)
