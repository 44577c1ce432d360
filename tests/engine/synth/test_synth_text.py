"""What runtimes generate of synthetic models: text with clear margins, the same in every quantisation."""

from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import loaded

from parity.models import model_facts
from parity_synth import PRESETS, QUANTS
from parity_synth.tokenizer import Tokenizer

PROMPTS = ("What is 2+2?", "Explain quantum physics", "hello there", "Write a short poem", "def f(x): return x")


def chat(prompt: str) -> str:
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


Choice = namedtuple("Choice", "token margin")


def greedy(model: Any, prompt: str, tokens: int) -> list[Choice]:
    """Greedy decoding: each token, and how far its logit is above the next best."""
    import numpy as np

    model.reset()
    model.eval(model.tokenize(prompt.encode(), add_bos=False, special=True))
    steps = []
    for _ in range(tokens):
        logits = np.ctypeslib.as_array(model._ctx.get_logits(), shape=(model.n_vocab(),))
        second, best = np.argsort(logits)[-2:]
        steps.append(Choice(int(best), float(logits[best] - logits[second])))
        model.eval([steps[-1].token])
    return steps


@pytest.mark.slow
@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("tiny")])
@pytest.mark.parametrize("quant", QUANTS)
def test_greedy_text_has_clear_margins_and_goes_on(
    preset: str, quant: str, made: Callable[[str, str], Path], tiny_tokenizer: Tokenizer
) -> None:
    model = loaded(made(preset, quant))
    words = set(tiny_tokenizer.words())
    for prompt in PROMPTS[:3]:
        steps = greedy(model, chat(prompt), 60)
        ids = [step.token for step in steps]
        assert len(set(ids)) == 60, "one long cycle of words: none comes again within it"
        assert set(ids) <= words
        assert model.tokenize(model.detokenize(ids), add_bos=False) == ids
        assert min(step.margin for step in steps[1:]) > 1
        assert steps[0].margin > 0.1


@pytest.mark.slow
def test_text_depends_on_the_prompt(made: Callable[[str, str], Path]) -> None:
    model = loaded(made("tiny-qwen3", "F16"))
    assert len({greedy(model, chat(prompt), 1)[0].token for prompt in PROMPTS}) >= 4


@pytest.mark.slow
def test_quantisations_of_one_seed_say_the_same(made: Callable[[str, str], Path]) -> None:
    texts = {
        tuple(step.token for step in greedy(loaded(made("tiny-llama", quant)), chat("hello there"), 60))
        for quant in QUANTS
    }
    assert len(texts) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quant", "kinds"), [("Q4_K_M", {"Q4_K", "Q6_K"}), ("Q5_K_M", {"Q5_K", "Q6_K"}), ("Q6_K", {"Q6_K"})]
)
def test_k_quants_are_those_of_llama_cpp(quant: str, kinds: set[str], made: Callable[[str, str], Path]) -> None:
    facts = model_facts("m", "M", str(made("tiny-qwen3", quant)), base=Path())
    assert set(facts.quantisation) == {"F32", *kinds}
    assert facts.synthetic
    assert {path.name for path in Path(facts.path).parent.iterdir()} == {
        *(f"tiny-qwen3-{quant}.gguf", "tokenizer.json", "tokenizer_config.json")
    }
