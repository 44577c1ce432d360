"""The prompt that a trial ran must hold the prompt of its test, as far as anything shows it."""

from collections.abc import Sequence
from typing import Any

import pytest
from builders import SPAWN_NS, job

from parity.adapter.events import Event, Prompt
from parity.errors import ModelError
from parity.reading.departures import departures_of
from parity.records import Identity
from parity.transcript import Head, Transcript

QUESTION = "What is 2+2?"
FRAME = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def odd(events: Sequence[Event], turn: str | None, **test: Any) -> list[str]:
    asked = job(test={"prompt": QUESTION, **test}, fields={"chat_turn": turn})
    ran = Identity(weights_sha256=asked.model.sha256, generated_tokens=5)
    transcript = Transcript(Head(purpose="trial", runtime="one", job=asked))
    return [d.sentence for d in departures_of(transcript, ran, events, None, None) if d.fact == "prompt"]


def shown(text: str | None) -> list[Event]:
    return [Prompt(t_ns=SPAWN_NS, ids=[1, 2, 3], text=text)]


@pytest.mark.parametrize("text", [None, FRAME.format(QUESTION), "x"])
def test_a_template_that_holds_the_prompt_and_a_text_that_is_left_out_are_what_was_asked(text: str | None) -> None:
    assert odd(shown(text), FRAME.format(QUESTION)) == []


@pytest.mark.parametrize("text", [None, FRAME.format("")])
def test_a_template_that_leaves_the_prompt_out_departs_for_every_runtime(text: str | None) -> None:
    [sentence] = odd(shown(text), FRAME.format(""))
    assert sentence.startswith("the model's chat template leaves the test's prompt out")
    assert "raw = true" in sentence


def test_a_runtime_with_a_template_of_its_own_may_still_show_the_prompt() -> None:
    assert odd(shown(f"User: {QUESTION}\nAssistant:"), FRAME.format("")) == []


@pytest.mark.parametrize("text", [FRAME.format(""), FRAME.format("What was 2+2?"), "hi", "scripted"])
@pytest.mark.parametrize("raw", [False, True])
def test_a_runtime_that_shows_a_different_prompt_departs_however_short_it_is(text: str, raw: bool) -> None:
    [sentence] = odd(shown(text), None if raw else FRAME.format(QUESTION), raw=raw)
    assert sentence.startswith(f"the prompt that it ran does not hold the test's prompt: {text!r}")


def test_a_prompt_that_the_tokenizer_of_the_model_fails_on_is_proven_by_nothing() -> None:
    def fails(text: str) -> list[int]:
        raise ModelError("tokenizer.json: it took more than 10 s", "replace it")

    asked = job(test={"prompt": QUESTION}, fields={"chat_turn": FRAME.format(QUESTION)})
    ran = Identity(weights_sha256=asked.model.sha256, generated_tokens=5)
    transcript = Transcript(Head(purpose="trial", runtime="one", job=asked))
    events = shown(FRAME.format(QUESTION))
    [found] = [d for d in departures_of(transcript, ran, events, fails, None) if d.fact == "prompt"]
    assert "it took more than 10 s" in found.sentence
    assert found.unproven
    assert found.concerns("gen_tps")
    assert not found.concerns(None)


def test_a_raw_prompt_is_sent_as_it_is() -> None:
    assert odd(shown(QUESTION), None, raw=True) == []
    assert odd(shown(f"<s>{QUESTION}"), None, raw=True) == []
    assert len(odd(shown("What was 2+2, then?"), None, raw=True)) == 1
