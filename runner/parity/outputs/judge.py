"""The verdict on what one implementation computed beside the baseline, from all rungs that both sides show. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from parity.outputs.answers import by_ids, by_ids_of_a_sampler
from parity.outputs.distances import PRINTED, largest_delta
from parity.outputs.findings import Finding, change_of_odds, grows, of_distances, of_texts, prompt_rung, worst_first
from parity.outputs.pair import Pair
from parity.outputs.scored_texts import is_contradicted, is_scored, of_scored_texts
from parity.outputs.sides import Compared, Side
from parity.outputs.texts import TextsCompared, compare_texts, differ, holds
from parity.outputs.tolerance import multiple, span_of
from parity.records import Distances, FirstDifference, OutputVerdict, Rung, RungName, Span, Tolerance, Widest


def judge_outputs(compared: Compared, runtime: str) -> OutputVerdict | None:
    """The verdict on a runtime; None where it or the baseline gave no result."""
    theirs, ours = (compared.sides.get(name) for name in (compared.baseline, runtime))
    if theirs is None or ours is None or not theirs.trials or not ours.trials:
        return None
    pair = Pair(compared, theirs, ours)
    ladder = _Ladder(pair)
    climbed = [ladder.prompt, ladder.greedy, *ladder.text, ladder.scores]
    findings = [finding for step in climbed for finding in step.findings]
    if pair.fault is not None:
        findings = [_unblamed(finding) for finding in findings]
    worst, *_ = ordered = worst_first(findings)
    # What is as it should be is said in the order in which it was compared.
    speaking = findings if worst.verdict in ("EQUIVALENT", "IDENTICAL") else ordered
    found = [step.difference for step in climbed if step.difference is not None]
    return OutputVerdict(
        model=compared.model,
        test=compared.test,
        runtime=runtime,
        baseline=compared.baseline,
        verdict=worst.verdict,
        sentence=_joined([finding.sentence for finding in speaking]),
        acceptable=worst.verdict == "UNPROVEN" and all(f.acceptable for f in findings if f.verdict == "UNPROVEN"),
        declared=ours.declared.get("outputs"),
        rungs=tuple(step.rung for step in climbed),
        first_difference=found[0] if found else None,
        distances=pair.distances,
        widest=_widest(pair),
        tolerance=pair.tolerance,
        needed=_needed(pair.distances, found, pair.tolerance),
        would_pass=_would_pass(pair.distances, found, pair.tolerance),
        exact=pair.arbiter.record(ladder.differs) if pair.arbiter is not None else None,
        no_exact=pair.arm if isinstance(pair.arm, str) else None,
    )


def drifting(compared: Compared, one: str, other: str) -> str | None:
    """Which of two runtimes the exact arm names as the one that drifts, by its distances, whichever is the baseline;
    None where it names neither, or there is none."""
    arbiter = Pair(compared, compared.sides[one], compared.sides[other]).arbiter
    return arbiter.drifts if arbiter is not None else None


def _unblamed(finding: Finding) -> Finding:
    """Of two sides of which one is known to be at fault, a difference between them shows nothing."""
    if finding.alone or finding.verdict not in ("WRONG", "DRIFT"):
        return finding
    return replace(finding, verdict="UNPROVEN", acceptable=False)


def _joined(sentences: Sequence[str]) -> str:
    """Each once, and none that another one holds."""
    unique = dict.fromkeys(sentences)
    return "; ".join(said for said in unique if not any(said != other and said in other for other in unique))


@dataclass(frozen=True)
class _Step:
    """A rung as it is shown, with what it means for the verdict."""

    rung: Rung
    findings: tuple[Finding, ...] = ()
    difference: FirstDifference | None = None


@dataclass(frozen=True)
class _Ladder:
    """The rungs of one implementation beside the baseline, each judged once."""

    pair: Pair

    @cached_property
    def prompt(self) -> _Step:
        theirs, ours = self.pair.theirs, self.pair.ours
        rung = prompt_rung(theirs, ours)
        unsound = next((side.unsound for side in (theirs, ours) if side.unsound), self.pair.other_model)
        findings = [Finding("UNPROVEN", unsound)] if unsound is not None else []
        declared = ours.declared.get("prompt")
        if rung.state == "differs" and declared is None:
            by_ids = None not in (side.identity and side.identity.prompt_ids_sha256 for side in (theirs, ours))
            findings.append(Finding("WRONG" if by_ids else "UNPROVEN", rung.detail))
        elif rung.state == "differs":
            said = f"{rung.detail}, which is declared ({declared}), so that what follows them can't be compared"
            findings.append(Finding("UNPROVEN", said, acceptable=True))
        elif rung.state == "not shown" and (other := self._other_prompt()) is not None:
            findings.append(Finding("UNPROVEN", other))
        return _Step(rung, tuple(findings))

    def _other_prompt(self) -> str | None:
        """That a side is known to have run a different prompt than the test's, where not both show its ids."""
        for side in (self.pair.theirs, self.pair.ours):
            odd = (d for trial in side.trials for d in trial.departures if d.fact == "prompt" and not d.unproven)
            if "prompt" not in side.declared and (departure := next(odd, None)) is not None:
                return f"{side.runtime}: {departure.sentence}"
        return None

    @cached_property
    def greedy(self) -> _Step:
        """The continuations by their ids, and whether the runtime's own scores agree with its choices."""
        alone = list(self.pair.alone())
        reason = self._no_greedy
        if reason is None:
            found, difference = by_ids(self.pair)
        elif self._sampled_ids:
            found, difference = by_ids_of_a_sampler(self.pair, reason)
        else:
            return self._without_ids(reason, alone)
        findings = worst_first([*alone, found])
        state = {"IDENTICAL": "same", "EQUIVALENT": "within"}.get(findings[0].verdict, "differs")
        if difference is None and findings[0] is found and found.verdict == "UNPROVEN":
            state = "within"
        return _Step(_rung("greedy", state, findings[0].sentence), tuple(findings), difference)

    def _without_ids(self, reason: str, alone: list[Finding]) -> _Step:
        if alone:
            worst = worst_first(alone)
            return _Step(_rung("greedy", "differs", worst[0].sentence), tuple(worst))
        # Where the prompts or the texts are compared instead, these have findings of their own.
        findings: tuple[Finding, ...] = ()
        if (fault := self.pair.baseline_at_fault) is not None:
            findings = (Finding("UNPROVEN", fault),)
        elif self.pair.theirs.not_greedy or self.pair.ours.not_greedy:
            findings = (Finding("UNPROVEN", reason, acceptable=True),)
        return _Step(_rung("greedy", "not shown", reason), findings)

    @cached_property
    def _no_greedy(self) -> str | None:
        """Why the two continuations can't be compared as greedy ones, by their ids; None where they can."""
        theirs, ours = self.pair.theirs, self.pair.ours
        for side in (ours, theirs):
            if side.not_greedy is not None:
                return side.not_greedy
        silent = [side.runtime for side in (theirs, ours) if not side.ids]
        if silent:
            return f"{' and '.join(silent)} show{'' if len(silent) > 1 else 's'} no token ids"
        if self.prompt.rung.state == "differs":
            return "the prompts differ"
        return self.pair.baseline_at_fault

    @cached_property
    def _sampled_ids(self) -> bool:
        """Whether the ids of a side that samples can be compared, though the test is greedy."""
        theirs, ours = self.pair.theirs, self.pair.ours
        samples = self.pair.compared.greedy and bool(theirs.not_greedy or ours.not_greedy)
        shown = bool(theirs.ids and ours.ids) and self.prompt.rung.state != "differs"
        return samples and shown and self.pair.baseline_at_fault is None

    @cached_property
    def text(self) -> tuple[_Step, ...]:
        """The texts, where ids can't be compared, the test is greedy, and the prompts are not known to differ."""
        pair = self.pair
        if self._no_greedy is None or self._sampled_ids or not pair.compared.greedy:
            return ()
        if self.prompt.rung.state == "differs" or pair.baseline_at_fault is not None:
            return ()
        found = compare_texts(pair.theirs, pair.ours)
        if found is None:
            silent = self._no_text
            return (_Step(_rung("text", "not shown", silent.sentence), (silent,)),)
        finding = self._of_texts(found)
        if finding.verdict in ("WRONG", "DRIFT") and pair.arbiter is not None and pair.arbiter.names_baseline:
            drifts = f"by the exact arm {pair.theirs.runtime}, the baseline, is the one that drifts"
            finding = Finding("UNPROVEN", f"{finding.sentence}; {drifts}")
        state = "differs" if not finding.acceptable else "same" if found.at is None else "within"
        return (_Step(_rung("text", state, finding.sentence), (finding,), found.difference),)

    @property
    def _no_text(self) -> Finding:
        """Of two sides of which one shows no text. An answer of white space is one, which words differ from."""
        sides = (self.pair.theirs, self.pair.ours)
        silent = [side.runtime for side in sides if not side.texts]
        blank = [side.runtime for side in sides if any(not text.split() for text in side.printed.values())]
        if len(blank) == 1:
            return Finding("UNPROVEN", f"{blank[0]} gave an answer without a word")
        return Finding("UNPROVEN", f"nothing shows the text of {' and '.join(silent)}", acceptable=True)

    def _of_texts(self, found: TextsCompared) -> Finding:
        pair = self.pair
        finding = of_texts(found, pair.theirs, pair.ours)
        if finding.acceptable:
            return finding
        finding = of_scored_texts(pair, finding, parted=found.at is not None)
        if finding.verdict != "UNPROVEN" or not self._is_led(found):
            return finding
        prefers = f"{pair.theirs.runtime} prefers each of its tokens by at least {pair.lead:.3g} nats"
        return Finding("WRONG", f"{finding.sentence}, and {prefers}: no near-tie explains it")

    def _is_led(self, found: TextsCompared) -> bool:
        """Whether the text can't differ for an honest runtime, for the baseline is sure of each of its tokens; where no
        scores say anything of it, and it differs in more than white space and what is printed around an answer."""
        pair = self.pair
        if found.at is None or self.prompt.rung.state != "same" or pair.lead is None:
            return False
        if is_scored(pair.compared, pair.ours) or is_contradicted(pair.compared, pair.theirs):
            return False
        first = next(iter(pair.theirs.texts.values()))
        return all(not holds(first, text) for text in pair.ours.texts.values() if differ(first, text))

    @cached_property
    def scores(self) -> _Step:
        pair = self.pair
        # A runtime that gave no answer, for whatever reason, may be at fault in what it would have answered.
        missing = tuple(Finding("UNPROVEN", said) for side in (pair.theirs, pair.ours) for said in self._missing(side))
        if pair.distances is None or pair.tolerance is None or pair.both_scored is None:
            return _Step(_rung("scores", "not shown", self._not_scored()), missing)
        one, other = pair.both_scored
        # All that both list is gone through only where the sequence's own ids don't tell them apart.
        apart = pair.distances.largest_delta
        largest = apart if apart > 2 * PRINTED else largest_delta(one, other)
        finding = of_distances(pair.distances, largest, pair.tolerance, pair.ours.runtime)
        if pair.arbiter is not None:
            finding = pair.arbiter.of_distances(finding, between=pair.between)
        words = {"IDENTICAL": "same", "EQUIVALENT": "within"}
        return _Step(_rung("scores", words.get(finding.verdict, "differs"), finding.sentence), (finding, *missing))

    @property
    def differs(self) -> bool:
        """Whether anything stands to be decided: continuations, texts or scores differ beyond what honest ones do."""
        steps = (self.greedy, *self.text, self.scores)
        return any(step.rung.state == "differs" for step in steps)

    def _not_scored(self) -> str:
        silent = [side for side in (self.pair.theirs, self.pair.ours) if side.runtime not in self.pair.scored]
        return "; ".join(self._odd(side) or side.not_scored for side in silent)

    def _missing(self, side: Side) -> list[str]:
        odd = self._odd(side)
        return [*(found.said for found in side.missing), *([odd] if odd is not None else [])]

    def _odd(self, side: Side) -> str | None:
        """That it scored something, and not what the others did."""
        if not side.scores or side.runtime in self.pair.scored:
            return None
        return f"{side.runtime} scored a different sequence"


def _rung(name: RungName, state: str, detail: str) -> Rung:
    return Rung.model_validate({"name": name, "state": state, "detail": detail})


def _widest(pair: Pair) -> Widest | None:
    if pair.distances is None or pair.both_scored is None:
        return None
    theirs, ours = (next(s for s in side if s.position == pair.distances.largest_at) for side in pair.both_scored)
    return Widest(
        position=theirs.position,
        id=theirs.id,
        theirs=theirs.logprob,
        ours=ours.logprob,
        their_top=theirs.top,
        our_top=ours.top,
    )


def _needed(
    found: Distances | None, differences: Sequence[FirstDifference], tolerance: Tolerance | None
) -> float | None:
    if tolerance is None:
        return None
    return max(_multiples(found, differences, tolerance), default=None)


def _would_pass(
    found: Distances | None, differences: Sequence[FirstDifference], tolerance: Tolerance | None
) -> Span | None:
    """The figures themselves; of the margins at a flip, half of what they add up to, too."""
    if tolerance is None or (found is None and not differences):
        return None
    figures = span_of(found) if found is not None else Span(mean_kl=0, p99_kl=0, delta=0)
    mean = max(figures.mean_kl, found.late_kl) if found is not None and grows(found) else figures.mean_kl
    return figures.but(mean_kl=mean, delta=max([figures.delta, *(change_of_odds(at) / 2 for at in differences)]))


def _multiples(
    found: Distances | None, differences: Sequence[FirstDifference], tolerance: Tolerance
) -> Iterator[float]:
    if found is not None:
        yield multiple(found, tolerance.allowed)
        if grows(found):
            yield found.late_kl / tolerance.allowed.mean_kl
    for difference in differences:
        if (difference.their_margin, difference.our_margin) != (None, None):
            yield change_of_odds(difference) / tolerance.allowed.odds
