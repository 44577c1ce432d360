"""Faults of known size, each run in a real runtime that is said to run the original: which verdict on outputs they get.

The size of each faulty file is measured by a forward pass in f64, and not by what judges it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exact_forward import logprobs
from mutants import MUTANTS, RUN_FAULTS, Mutant

from parity.adapter import Adapter, Build, Job, Launch
from parity.hosts.machine import host_facts
from parity.outputs import Compared, judge_outputs
from parity.reading.trial import read_trial
from parity.records import OWN, OutputVerdict, ScoreRequest, Slot, Task, Trial
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings

pytestmark = pytest.mark.slow

PROMPT, TOKENS = "the 123 in a the 12 and the", 48
FAULTY = Path(__file__).parents[1] / "support" / "faulty_llama"
SMALLEST = 1e-6
"""Mean KL in nats of a mutant that is one: above what F32 and f64 differ by."""

RunJob = Callable[..., Any]


class Faulty(LlamaCpp):
    """llama-cpp-python with a fault of a run, or none."""

    fault: str | None = None

    def launch(self, job: Job, build: Build | None) -> Launch:
        launch = super().launch(job, build)
        if self.fault is None or job.task == "score":
            return launch
        return launch.model_copy(update={"env": {"PYTHONPATH": str(FAULTY), "LLAMA_FAULT": self.fault}})


def llama_cpp(fault: str | None = None) -> Faulty:
    adapter = Faulty(LlamaCppSettings(threads=1, kv_type="f32"), host_facts())
    adapter.fault = fault
    return adapter


def trial(runtime: str, task: Task, adapter: Adapter[Any], ran: Any, number: int = 1) -> Trial:
    slot = Slot(model="m", test="t", runtime=runtime, round=number, task=task)
    found = read_trial(adapter, slot, "x", ran.transcript, None, lambda path: None)
    assert found.failure is None, found.failure
    return found


def answer_of(found: Trial) -> ScoreRequest:
    prompt, output = found.prompt_ids or (), found.output_ids or ()
    return ScoreRequest(ids=(*prompt, *output), prompt_tokens=len(prompt))


def judged(run_job: RunJob, original: Path, other: Path, fault: str | None = None) -> tuple[OutputVerdict, list[int]]:
    """The verdict on a runtime that runs `other` and is said to run the original, and the ids that both scored."""
    sides = {"base": (llama_cpp(), original), "other": (llama_cpp(fault), other)}
    test = {"prompt": PROMPT, "max_tokens": TOKENS}
    answers = [trial(name, "generate", a, run_job(a, model, **test)) for name, (a, model) in sides.items()]
    asked, own = (answer_of(trial) for trial in answers)
    scores = [trial(name, "score", a, run_job(a, model, score=asked)) for name, (a, model) in sides.items()]
    if own != asked:
        scores.append(trial("other", "score", sides["other"][0], run_job(*sides["other"], score=own), OWN))
    found = judge_outputs(Compared("m", "t", "base", answers, scores, quantisation={"F32": 1}), "other")
    assert found is not None
    return found, list(asked.ids)


def mean_kl(original: Path, mutant: Path, ids: list[int]) -> float:
    """Of the mutant's distribution from the original's, in nats, by the forward pass in f64."""
    one, other = logprobs(original, ids), logprobs(mutant, ids)
    return float((np.exp(one) * (one - other)).sum(axis=1).mean())


CASES = [(architecture, mutant) for mutant in MUTANTS for architecture in mutant.architectures]


@pytest.mark.parametrize(("architecture", "mutant"), CASES, ids=[f"{a}-{m.name}" for a, m in CASES])
def test_a_faulty_file_is_not_taken_for_the_original(
    run_job: RunJob, tiny_gguf: Callable[..., Path], tmp_path: Path, architecture: str, mutant: Mutant
) -> None:
    original = tiny_gguf(architecture)
    changed = mutant.write(original, tmp_path / "mutant.gguf")
    found, ids = judged(run_job, original, changed)
    assert found.verdict in ("DRIFT", "WRONG"), found.sentence
    if mutant.name != "rope-scaling":  # which the forward pass does not know
        exact = mean_kl(original, changed, ids)
        assert exact > SMALLEST
        assert found.distances is not None
        # What is outside the likeliest tokens is one bucket, so that the judge's figure is never above the exact one.
        assert found.distances.mean_kl < exact * 1.5


@pytest.mark.parametrize("fault", RUN_FAULTS)
def test_a_faulty_run_is_not_taken_for_a_good_one(run_job: RunJob, tiny_gguf: Callable[..., Path], fault: str) -> None:
    original = tiny_gguf("qwen3")
    found, _ = judged(run_job, original, original, fault)
    assert found.verdict == "WRONG", found.sentence


def test_the_original_beside_itself_is_identical(run_job: RunJob, tiny_gguf: Callable[..., Path]) -> None:
    original = tiny_gguf("qwen3")
    found, _ = judged(run_job, original, original)
    assert found.verdict == "IDENTICAL"
