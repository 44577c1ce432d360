"""Scores of real runtimes: right by llama-cpp-python's own interface, alike however they are computed, and near to each
other where two engines hold the same weights."""

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from parity.adapter import Adapter
from parity.adapter.events import ScoredPosition
from parity.hosts.machine import host_facts
from parity.records import ScoreRequest
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings
from parity_adapters.mlx_lm import MlxLm, MlxLmSettings

pytestmark = pytest.mark.slow

TEXT = """The harbour lay quiet before sunrise. Two fishermen mended their nets by lamplight, and a third counted
17 crates of ice: 8 for the morning, 9 for the evening. "If the wind turns," said the eldest, "we sail at six."

def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a

Die Straße war naß, und über den Dächern hing noch der Nebel."""

CLEAR = 0.1
"""Nats between the first and the second token: far above what another batch width changes."""


def llama_cpp(**settings: Any) -> LlamaCpp:
    return LlamaCpp(LlamaCppSettings(**{"threads": 1, "gpu_layers": 0, **settings}), host_facts())


def mlx_lm(**settings: Any) -> MlxLm:
    return MlxLm(MlxLmSettings(**{"device": "cpu", **settings}), host_facts())


BOTH = pytest.mark.parametrize("adapter", [llama_cpp(), mlx_lm()], ids=["llama_cpp", "mlx_lm"])


def scores(
    run_job: Callable[..., Any],
    adapter: Adapter[Any],
    model: Path,
    ids: Sequence[int],
    *,
    prompt: int = 1,
    top: int = 8,
) -> list[ScoredPosition]:
    """What a good trial found for each position but the first."""
    request = ScoreRequest(ids=tuple(ids), prompt_tokens=prompt, top=top)
    ran = run_job(adapter, model, score=request)
    assert ran.failure is None
    assert ran.ended == "scored"
    assert ran.prompt.ids == list(ids[:prompt])
    found: list[ScoredPosition] = ran.scores
    return found


def largest_difference(one: Sequence[ScoredPosition], two: Sequence[ScoredPosition]) -> float:
    return max(abs(a.logprob - b.logprob) for a, b in zip(one, two, strict=True))


def divergence(expected: Any, score: ScoredPosition) -> float:
    """KL of a score from log-probabilities of all tokens, in nats; those that are not in its top are taken as one."""
    ids, theirs = [token for token, _ in score.top], np.array([value for _, value in score.top])
    rest, their_rest = 1 - np.exp(expected[ids]).sum(), 1 - np.exp(theirs).sum()
    named = np.sum(np.exp(expected[ids]) * (expected[ids] - theirs))
    return float(named + rest * math.log(rest / their_rest))


@pytest.fixture(scope="module")
def own(smollm2: Path) -> tuple[list[int], Any]:
    """Ids of the text, and the log-probabilities after each of them by llama-cpp-python's own interface."""
    from llama_cpp import Llama

    model = Llama(str(smollm2), n_ctx=512, n_batch=512, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False)
    ids = model.tokenize(TEXT.encode(), add_bos=False)
    model.eval(ids)
    logits = np.array(model.scores[: len(ids)], dtype=np.float64)
    model.close()
    return ids, logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def test_llama_cpps_scores_are_those_of_its_own_interface(
    run_job: Callable[..., Any], smollm2: Path, own: tuple[list[int], Any]
) -> None:
    ids, expected = own
    found = scores(run_job, llama_cpp(batch=512), smollm2, ids, prompt=7)
    assert [score.position for score in found] == list(range(1, len(ids)))
    for score in found:
        after = expected[score.position - 1]
        assert score.logprob == pytest.approx(after[ids[score.position]], abs=1e-4)
        assert [value for _, value in score.top] == pytest.approx(sorted(after, reverse=True)[:8], abs=1e-4)
        assert score.top[0][1] - score.top[1][1] < CLEAR or score.top[0][0] == after.argmax()


@pytest.mark.parametrize("settings", [{"batch": 8}, {"batch": 64, "ubatch": 16}, {"threads": 2}])
def test_scores_hardly_depend_on_the_width_of_batches_or_on_threads(
    run_job: Callable[..., Any], smollm2: Path, own: tuple[list[int], Any], settings: dict[str, Any]
) -> None:
    ids, expected = own
    for score in scores(run_job, llama_cpp(**settings), smollm2, ids):
        assert score.logprob == pytest.approx(expected[score.position - 1][score.id], abs=0.05)


@BOTH
def test_what_a_runtime_generates_greedily_is_what_it_finds_likeliest(
    run_job: Callable[..., Any], smollm2: Path, adapter: Adapter[Any]
) -> None:
    generated = run_job(adapter, smollm2, max_tokens=24)
    prompt = generated.prompt.ids
    found = scores(run_job, adapter, smollm2, prompt + generated.ids, prompt=len(prompt))
    clear = [score for score in found[len(prompt) - 1 :] if score.top[0][1] - score.top[1][1] > CLEAR]
    assert len(clear) > 12
    assert [score.top[0][0] for score in clear] == [score.id for score in clear]
    assert [score.top[0][1] for score in clear] == [score.logprob for score in clear]


def test_two_engines_with_the_same_weights_differ_as_honest_engines_do(
    run_job: Callable[..., Any], smollm2: Path, own: tuple[list[int], Any]
) -> None:
    ids, expected = own
    found = scores(run_job, mlx_lm(), smollm2, ids, top=500)
    after = [expected[score.position - 1] for score in found]
    divergences = [divergence(row, score) for row, score in zip(after, found, strict=True)]
    differences = [abs(score.logprob - row[score.id]) for row, score in zip(after, found, strict=True)]
    same_first = [row.argmax() == score.top[0][0] for row, score in zip(after, found, strict=True)]
    assert 1e-4 < statistics.fmean(divergences) < 0.01
    assert 0.01 < max(differences) < 1.0
    assert statistics.fmean(same_first) > 0.95


@pytest.mark.parametrize("architecture", ["qwen3", "llama"])
def test_two_engines_agree_on_unquantised_weights(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path], architecture: str
) -> None:
    model = tiny_gguf(architecture)
    ids = [(7 * k * k + 3 * k) % 250 for k in range(600)]
    theirs = scores(run_job, llama_cpp(kv_type="f32"), model, ids)
    assert largest_difference(theirs, scores(run_job, mlx_lm(), model, ids)) < 1e-3
    assert largest_difference(theirs, scores(run_job, mlx_lm(prefill_step=16), model, ids)) < 1e-3


def test_a_quantised_cache_shows_in_the_scores_of_one_forward(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    model, ids = tiny_gguf("qwen3"), list(range(60, 160))
    plain = scores(run_job, mlx_lm(), model, ids)
    assert 1e-4 < largest_difference(plain, scores(run_job, mlx_lm(kv_bits=8), model, ids)) < 0.5


@BOTH
def test_a_score_job_sends_what_a_generation_sends_before_its_prompt(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path], adapter: Adapter[Any]
) -> None:
    model = tiny_gguf("qwen3", template=None)
    scored = run_job(adapter, model, score=ScoreRequest(ids=(1, 2, 3), prompt_tokens=2))
    generated = run_job(adapter, model, raw=True)
    assert scored.failure is None
    assert scored.phases == [phase for phase in generated.phases if phase[0] != "prefill"]
    assert scored.settings == generated.settings
    assert scored.transcript.end.exit_code == 0


def test_the_context_is_as_large_as_that_of_the_answer_that_is_scored(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    request = ScoreRequest(ids=tuple(range(1, 258)), prompt_tokens=256)
    ran = run_job(llama_cpp(), tiny_gguf("qwen3"), score=request)
    assert (ran.failure, ran.settings["context"], len(ran.scores)) == (None, 512, 256)
    small = run_job(llama_cpp(context=256), tiny_gguf("qwen3"), score=request)
    assert small.error.kind == "refused"
    # The test's budget is 8 tokens, of which one is in the sequence.
    assert small.error.remedy == "set `context = 264` or more, or leave it out"


@BOTH
def test_an_id_outside_the_vocabulary_is_refused(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path], adapter: Adapter[Any]
) -> None:
    ran = run_job(adapter, tiny_gguf("qwen3"), score=ScoreRequest(ids=(1, 2, 288), prompt_tokens=2))
    assert ran.failure.kind == "refused"
    assert ran.error.message == "id 288 at position 2 of the sequence is outside the model's vocabulary of 288 tokens"


@BOTH
def test_logits_that_are_not_finite_are_a_failure_of_the_runtime(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path], adapter: Adapter[Any]
) -> None:
    model = tiny_gguf("qwen3")
    [norm] = [tensor for tensor in gguf.GGUFReader(model, "r+").tensors if tensor.name == "output_norm.weight"]
    norm.data[0] = np.nan
    norm.data.base.flush()
    ran = run_job(adapter, model, score=ScoreRequest(ids=(1, 2, 3), prompt_tokens=2))
    assert ran.error.kind == "failed"
    assert ran.error.message == "the logits for position 1 of the sequence hold a value that is not finite"
    assert ran.failure.kind == "exit:1"
