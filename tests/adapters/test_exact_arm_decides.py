"""Faulty files in a real runtime, beside an honest one and the exact arm: the verdict names the faulty side, whichever
of the two is the baseline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mutants import MUTANTS, Mutant

from parity.adapter import Adapter
from parity.hosts.machine import host_facts
from parity.outputs import Compared, drifting, judge_outputs
from parity.reading.trial import read_trial
from parity.records import OWN, SHARED, ScoreRequest, Slot, Task, Trial
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings
from parity_adapters.mlx_lm import MlxLm, MlxLmSettings

pytestmark = pytest.mark.slow

PROMPT, TOKENS = "the 123 in a the 12 and the", 24
RunJob = Callable[..., Any]
OF_NUMBERS = [
    mutant
    for mutant in MUTANTS
    if mutant.kind in ("weights", "position")
    and mutant.edit is not None
    and mutant.fits("qwen3", quantised=False)
    and mutant.name not in ("rope-default", "untied")
]
"""Faulty files that change what is computed of the same ids; but for two that are none of this tiny model, which has a
head of its own and the default base."""


class Bench:
    """A llama.cpp that is given another file, and an honest one with smaller batches, both said to run the original."""

    def __init__(self, run_job: RunJob, original: Path, other: Path) -> None:
        facts = host_facts()
        self._run = run_job
        self._original = original
        self.exact = LlamaCpp(LlamaCppSettings(threads=1, kv_type="f32"), facts)
        # MLX, which computes these F32 weights in F32, is the second engine, since it need not be compiled.
        self.arm: dict[str, Adapter[Any]] = {"faulty": self.exact, "mlx": MlxLm(MlxLmSettings(device="cpu"), facts)}
        self.sides: dict[str, tuple[Adapter[Any], Path]] = {
            "honest": (LlamaCpp(LlamaCppSettings(threads=1, kv_type="f32", batch=8), facts), original),
            "faulty": (self.exact, other),
        }
        test = {"prompt": PROMPT, "max_tokens": TOKENS}
        self.answers = {name: self._trial(name, *side, **test) for name, side in self.sides.items()}

    def compared(self, baseline: str) -> Compared:
        asked = _answer(self.answers[baseline])
        (other,) = self.sides.keys() - {baseline}
        scores = [self._trial(name, *side, score=asked) for name, side in self.sides.items()]
        own = _answer(self.answers[other])
        if own != asked:
            scores.append(self._trial(other, *self.sides[other], number=OWN, score=own))
        members = (self._trial(name, adapter, self._original, score=asked) for name, adapter in self.arm.items())
        arm = [trial.but(kind="exact") for trial in members]
        answers = [self.answers[baseline], self.answers[other]]
        return Compared("m", "t", baseline, answers, scores, quantisation={"F32": 1}, exact=arm)

    def _trial(self, name: str, adapter: Adapter[Any], model: Path, number: int = SHARED, **job: Any) -> Trial:
        task: Task = "score" if "score" in job else "generate"
        ran = self._run(adapter, model, **job)
        slot = Slot(model="m", test="t", runtime=name, round=number, task=task)
        found = read_trial(adapter, slot, "x", ran.transcript, None, lambda path: None)
        assert found.failure is None, found.failure
        return found


def _answer(found: Trial) -> ScoreRequest:
    prompt, output = found.prompt_ids or (), found.output_ids or ()
    return ScoreRequest(ids=(*prompt, *output), prompt_tokens=len(prompt))


@pytest.mark.parametrize("mutant", OF_NUMBERS, ids=[m.name for m in OF_NUMBERS])
def test_the_faulty_side_is_named_whichever_is_the_baseline(
    run_job: RunJob, tiny_gguf: Callable[..., Path], tmp_path: Path, mutant: Mutant
) -> None:
    original = tiny_gguf("qwen3")
    bench = Bench(run_job, original, mutant.write(original, tmp_path / "mutant.gguf"))
    compared = bench.compared("honest")
    assert drifting(compared, "honest", "faulty") == "faulty"
    found = judge_outputs(compared, "faulty")
    assert found is not None
    assert found.verdict in ("DRIFT", "WRONG"), found.sentence
    compared = bench.compared("faulty")
    assert drifting(compared, "faulty", "honest") == "faulty"
    found = judge_outputs(compared, "honest")
    assert found is not None
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False), found.sentence
    assert "faulty, the baseline, is" in found.sentence
    assert found.exact is not None
    honest, faulty = found.exact.of("honest"), found.exact.of("faulty")
    assert honest is not None
    assert faulty is not None
    assert faulty.nearness == "far"
    assert honest.distances.mean_kl < faulty.distances.mean_kl
