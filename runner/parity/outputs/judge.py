"""The verdict on what one implementation computed beside the baseline, from all rungs that both sides show. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from parity.outputs.continuation import Sequenced, difference_at, first_different, sequence_of, worst_choice
from parity.outputs.distances import distances, largest_delta, same_sequence
from parity.outputs.findings import (
    Finding,
    of_distances,
    of_flip,
    of_own_choice,
    of_texts,
    prompt_rung,
    smallest_lead,
    varying,
    worst_first,
)
from parity.outputs.sides import Compared, Side
from parity.outputs.texts import compare_texts
from parity.outputs.tolerance import floor_of, multiple, tolerance_alike, tolerance_of
from parity.reading.facts import facts_in
from parity.records import Distances, FirstDifference, OutputVerdict, Rung, RungName, Scored, Tolerance


def judge_outputs(compared: Compared, runtime: str) -> OutputVerdict | None:
    """The verdict on a runtime; None where it or the baseline gave no result."""
    theirs, ours = (compared.sides.get(name) for name in (compared.baseline, runtime))
    if theirs is None or ours is None or not theirs.trials or not ours.trials:
        return None
    ladder = _Ladder(compared, theirs, ours)
    climbed = [ladder.prompt, ladder.greedy, *ladder.text, ladder.scores]
    findings = [finding for step in climbed for finding in step.findings]
    worst, *_ = ordered = worst_first(findings)
    # What is as it should be is said in the order in which it was compared.
    speaking = findings if worst.verdict in ("EQUIVALENT", "IDENTICAL") else ordered
    sentence = "; ".join(dict.fromkeys(finding.sentence for finding in speaking))
    found = [step.difference for step in climbed if step.difference is not None]
    return OutputVerdict(
        model=compared.model,
        test=compared.test,
        runtime=runtime,
        baseline=compared.baseline,
        verdict=worst.verdict,
        sentence=sentence,
        acceptable=worst.verdict == "UNPROVEN" and all(f.acceptable for f in findings if f.verdict == "UNPROVEN"),
        declared=ours.declared.get("outputs"),
        rungs=tuple(step.rung for step in climbed),
        first_difference=found[0] if found else None,
        distances=ladder.distances,
        tolerance=ladder.tolerance,
        needed=_needed(ladder.distances, found, ladder.tolerance),
    )


@dataclass(frozen=True)
class _Step:
    """A rung as it is shown, with what it means for the verdict."""

    rung: Rung
    findings: tuple[Finding, ...] = ()
    difference: FirstDifference | None = None


@dataclass(frozen=True)
class _Ladder:
    """The rungs of one implementation beside the baseline, each judged once."""

    compared: Compared
    theirs: Side
    ours: Side

    @cached_property
    def sequence(self) -> Sequenced | None:
        return sequence_of(list(self.compared.sides.values()))

    @cached_property
    def scored(self) -> Mapping[str, Sequence[Scored]]:
        """Runtime → its scores, of those that scored the sequence; the baseline first."""
        of = self.sequence
        if of is None:
            return {}
        sides = sorted(self.compared.sides.values(), key=lambda side: side is not self.theirs)
        of_sequence = [s for s in sides if [x.id for x in s.scores] == list(of.ids[1:])]
        first = of_sequence[0].scores
        return {side.runtime: side.scores for side in of_sequence if same_sequence(side.scores, first)}

    @cached_property
    def tolerance(self) -> Tolerance | None:
        """None where nothing was scored."""
        if self.sequence is None or not self.scored:
            return None
        floor, source = floor_of(self.compared.quantisation, (self.theirs.identity, self.ours.identity))
        if self._same_engine():
            return tolerance_alike(floor)
        references = {name: found for name, found in self.scored.items() if name != self.ours.runtime}
        return tolerance_of(floor, source, references, self.sequence.prompt_tokens)

    @cached_property
    def distances(self) -> Distances | None:
        """None where a side did not score the sequence."""
        one, other = (self.scored.get(side.runtime) for side in (self.theirs, self.ours))
        if self.sequence is None or one is None or other is None:
            return None
        return distances(one, other, self.sequence.prompt_tokens)

    @cached_property
    def prompt(self) -> _Step:
        rung = prompt_rung(self.theirs, self.ours)
        unsound = next((side.unsound for side in (self.theirs, self.ours) if side.unsound), None)
        findings = [Finding("UNPROVEN", unsound)] if unsound is not None else []
        declared = self.ours.declared.get("prompt")
        if rung.state == "differs" and declared is None:
            findings.append(Finding("WRONG", rung.detail))
        elif rung.state == "differs":
            said = f"{rung.detail}, which is declared ({declared}), so that what follows them can't be compared"
            findings.append(Finding("UNPROVEN", said, acceptable=True))
        elif rung.state == "not shown" and (other := self._other_prompt()) is not None:
            findings.append(Finding("UNPROVEN", other))
        return _Step(rung, tuple(findings))

    def _other_prompt(self) -> str | None:
        """That a side is known to have run a different prompt than the test's, where not both show its ids."""
        for side in (self.theirs, self.ours):
            odd = (d for trial in side.trials for d in trial.departures if d.fact == "prompt" and not d.unproven)
            if "prompt" not in side.declared and (departure := next(odd, None)) is not None:
                return f"{side.runtime}: {departure.sentence}"
        return None

    @cached_property
    def _baseline_at_fault(self) -> str | None:
        """Why the baseline's own continuation is none to compare with."""
        if (varied := varying(self.theirs)) is not None:
            return varied
        own = self._own_choice(self.theirs)
        return own.sentence if own is not None and own.verdict == "WRONG" else None

    @cached_property
    def greedy(self) -> _Step:
        """The continuations by their ids, and whether the runtime's own scores agree with its choices."""
        varied, own = varying(self.ours), self._own_choice(self.ours)
        alone = [Finding("WRONG", varied)] if varied is not None else [own] if own is not None else []
        if (reason := self._no_greedy) is not None:
            if alone:
                return _Step(_rung("greedy", "differs", alone[0].sentence), tuple(alone))
            # Where the prompts or the texts are compared instead, these have findings of their own.
            if self._baseline_at_fault is not None:
                alone.append(Finding("UNPROVEN", reason))
            elif self.theirs.not_greedy or self.ours.not_greedy:
                alone.append(Finding("UNPROVEN", reason, acceptable=True))
            return _Step(_rung("greedy", "not shown", reason), tuple(alone))
        found, difference = self._by_ids()
        findings = worst_first([*alone, found])
        state = {"IDENTICAL": "same", "EQUIVALENT": "within"}.get(findings[0].verdict, "differs")
        if difference is None and findings[0] is found and found.verdict == "UNPROVEN":
            state = "within"
        return _Step(_rung("greedy", state, findings[0].sentence), tuple(findings), difference)

    def _by_ids(self) -> tuple[Finding, FirstDifference | None]:
        one, other = (next(iter(side.ids.values())) for side in (self.theirs, self.ours))
        place = first_different(one, other)
        if place is None and len(one) == len(other):
            return Finding("IDENTICAL", f"all {len(one)} token ids are the same"), None
        fewest, most = sorted((len(one), len(other)))
        if place is None:
            said = f"the ids agree for all {fewest} tokens that both generated, of {most}"
            return Finding("UNPROVEN", said, acceptable=True), None
        difference = difference_at(place, self.theirs, self.ours, self.sequence)
        flip = of_flip(difference, most, self.theirs, self.ours, self.tolerance)
        if flip.verdict != "WRONG" and self._same_engine():
            said = f"{flip.sentence}; both are the same engine, set up alike, which gives the same ids"
            flip = Finding("DRIFT", said)
        return flip, difference

    @cached_property
    def _no_greedy(self) -> str | None:
        """Why the two continuations can't be compared by their ids; None where they can."""
        for side in (self.ours, self.theirs):
            if side.not_greedy is not None:
                return side.not_greedy
        silent = [side.runtime for side in (self.theirs, self.ours) if not side.ids]
        if silent:
            return f"{' and '.join(silent)} show{'' if len(silent) > 1 else 's'} no token ids"
        if self.prompt.rung.state == "differs":
            return "the prompts differ"
        return self._baseline_at_fault

    def _own_choice(self, side: Side) -> Finding | None:
        if self.sequence is None or self.tolerance is None or side.not_greedy or side.runtime not in self.scored:
            return None
        return of_own_choice(worst_choice(side, self.sequence), side, self.tolerance.floor)

    def _same_engine(self) -> bool:
        """One program of one version under settings of which nothing is declared to differ."""
        one, other = self.theirs.identity, self.ours.identity
        if one is None or other is None or None in (one.runtime, one.version):
            return False
        alike = (one.runtime, one.version) == (other.runtime, other.version)
        declared = self.ours.declared.keys() - {"outputs"}
        return alike and not declared and facts_in(one.settings) == facts_in(other.settings)

    @cached_property
    def text(self) -> tuple[_Step, ...]:
        """The texts, where ids can't be compared, the test is greedy, and the prompts are not known to differ."""
        if self._no_greedy is None or not self.compared.greedy or self.prompt.rung.state == "differs":
            return ()
        if self._baseline_at_fault is not None:
            return ()
        found = compare_texts(self.theirs, self.ours)
        if found is None:
            silent = " and ".join(side.runtime for side in (self.theirs, self.ours) if not side.texts)
            said = f"nothing shows the text of {silent}"
            return (_Step(_rung("text", "not shown", said), (Finding("UNPROVEN", said, acceptable=True),)),)
        finding = of_texts(found)
        if found.agree:
            return (_Step(_rung("text", "same", finding.sentence), (finding,)),)
        if (lead := self._lead_everywhere()) is not None:
            by = f"{self.theirs.runtime} prefers each of its tokens by at least {lead:.3g} nats"
            finding = Finding("WRONG", f"{finding.sentence}, and {by}: no near-tie explains it")
        difference = None
        if found.word is not None:
            difference = FirstDifference(at=found.word, unit="word", theirs=found.theirs, ours=found.ours)
        return (_Step(_rung("text", "differs", finding.sentence), (finding,), difference),)

    def _lead_everywhere(self) -> float | None:
        """By how much the baseline prefers each of its tokens, where that rules out an honest flip of a greedy runtime
        that ran the same prompt."""
        if self.prompt.rung.state != "same" or self.theirs.not_greedy or self.ours.not_greedy:
            return None
        if self.sequence is None or self.tolerance is None or self._baseline_at_fault is not None:
            return None
        lead = smallest_lead(self.theirs, self.sequence)
        return lead if lead is not None and lead > self.tolerance.blamed.delta else None

    @cached_property
    def scores(self) -> _Step:
        if self.distances is None or self.tolerance is None:
            return _Step(_rung("scores", "not shown", self._not_scored()))
        one, other = (self.scored[side.runtime] for side in (self.theirs, self.ours))
        finding = of_distances(self.distances, largest_delta(one, other), self.tolerance, self.ours.runtime)
        words = {"IDENTICAL": "same", "EQUIVALENT": "within"}
        return _Step(_rung("scores", words.get(finding.verdict, "differs"), finding.sentence), (finding,))

    def _not_scored(self) -> str:
        silent = [side for side in (self.theirs, self.ours) if side.runtime not in self.scored]
        reasons = (s.not_scored if not s.scores else f"{s.runtime} scored a different sequence" for s in silent)
        return "; ".join(reasons)


def _rung(name: RungName, state: str, detail: str) -> Rung:
    return Rung.model_validate({"name": name, "state": state, "detail": detail})


def _needed(
    found: Distances | None, differences: Sequence[FirstDifference], tolerance: Tolerance | None
) -> float | None:
    if tolerance is None:
        return None
    return max(_multiples(found, differences, tolerance), default=None)


def _multiples(
    found: Distances | None, differences: Sequence[FirstDifference], tolerance: Tolerance
) -> Iterator[float]:
    if found is not None:
        yield multiple(found, tolerance.allowed)
    for difference in differences:
        for margin in (difference.their_margin, difference.our_margin):
            if margin is not None:
                yield margin.nats / tolerance.allowed.delta
