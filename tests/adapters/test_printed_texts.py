"""Real runtimes that show text alone, judged by what others score for it: on the same weights, and on faulty ones that
are said to be the same."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from candle_trials import PATIENT, tokenizer_of
from gguf_editing import edited
from runs import MODEL

from parity.adapter import Adapter, Build, Transcript
from parity.adapter.events import Event, Token
from parity.hosts.local import supervise
from parity.hosts.machine import host_facts
from parity.models import model_facts, parse_source, silent
from parity.models.pieces import load_pieces
from parity.models.template import chat_turn
from parity.models.tokenizer import load_encoder
from parity.outputs import Compared, judge_outputs
from parity.reading.trial import read_trial
from parity.records import Job, OutputVerdict, ScoreRequest, Slot, Task, TestSpec, Trial
from parity.transcript import Head
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings

pytestmark = pytest.mark.slow

BUDGET = 48
BASE, PRINTER, WITNESS = "llama.cpp", "printer", "witness"

Runtime = tuple[Adapter[Any], Build | None]
Perform = Callable[..., Trial]


class Silent(LlamaCpp):
    """llama-cpp-python, of which nothing but the text is read."""

    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        return (event for event in super().read(transcript, job) if not isinstance(event, Token))


def llama_cpp(cls: type[LlamaCpp] = LlamaCpp, **settings: Any) -> Runtime:
    return cls(LlamaCppSettings(threads=1, **settings), host_facts()), None


@pytest.fixture(scope="module")
def model() -> Path:
    return parse_source(MODEL, Path()).fetch(silent)


@pytest.fixture(scope="module")
def runtimes() -> dict[str, Runtime]:
    """The baseline, a runtime that shows text alone, and a second one that scores: llama.cpp, set up in three ways."""
    printer, witness = llama_cpp(Silent, flash_attention=True), llama_cpp(kv_type="f32")
    return {BASE: llama_cpp(), PRINTER: printer, WITNESS: witness}


@pytest.fixture
def perform(tmp_path: Path, model: Path, runtimes: dict[str, Runtime]) -> Perform:
    """One trial, read as a run reads it. `file`: the weights that it is given as if they were the model's."""
    facts = model_facts("m", "M", str(model), base=tmp_path)
    tokenizer = tokenizer_of(model)
    encode, piece_of = load_encoder(tokenizer), load_pieces(tokenizer)
    numbers = itertools.count(1)

    def perform(
        runtime: str, prompt: str, *, score: ScoreRequest | None = None, file: Path | None = None, number: int = 1
    ) -> Trial:
        by, build = runtimes[runtime]
        scratch = tmp_path / f"trial-{next(numbers)}"
        scratch.mkdir()
        task: Task = "generate" if score is None else "score"
        job = Job(
            runtime=runtime,
            adapter=by.name,
            settings=by.settings.model_dump(),
            model=facts.but(path=str(file)) if file is not None else facts,
            task=task,
            test=TestSpec(name="t", title="T", prompt=prompt, max_tokens=BUDGET),
            round=number,
            tokenizer=str(tokenizer),
            chat_turn=chat_turn(facts, prompt),
            score=score,
            scratch=str(scratch),
        )
        launch = by.launch(job, build)
        for name, content in launch.files.items():
            (scratch / name).write_text(content, encoding="utf-8")
        head = Head(purpose="trial", runtime=runtime, job=job)
        transcript = supervise(launch, head=head, path=scratch / "transcript.jsonl", limits=PATIENT)
        slot = Slot(model="m", test="t", runtime=runtime, round=number, task=task)
        found = read_trial(by, slot, "x", transcript, encode, lambda path: None, piece_of)
        assert found.failure is None, found.failure
        return found

    return perform


def judged(perform: Perform, prompt: str, file: Path | None = None) -> tuple[OutputVerdict, Trial, Trial]:
    """The verdict on what shows text alone beside llama.cpp, and the trial of each: two score what either wrote."""
    base, text = perform(BASE, prompt), perform(PRINTER, prompt, file=file)
    assert (text.output_ids, text.prompt_ids) == (None, base.prompt_ids)
    prompt_ids = base.prompt_ids or ()
    scored = []
    for number, ids in ((1, base.output_ids), (4, text.text_ids)):
        asked = ScoreRequest(ids=(*prompt_ids, *(ids or ())), prompt_tokens=len(prompt_ids))
        scored += [perform(by, prompt, score=asked, number=number) for by in (BASE, WITNESS)]
    found = judge_outputs(Compared("m", "t", BASE, [base, text], scored, quantisation={"Q4_1": 1}), PRINTER)
    assert found is not None
    return found, base, text


@pytest.mark.parametrize("prompt", ["What is 2+2?", "Name three red fruits, one on each line."])
def test_a_text_of_the_same_weights_is_not_wrong_and_can_be_declared_where_it_is_the_same(
    perform: Perform, prompt: str
) -> None:
    found, base, text = judged(perform, prompt)
    assert found.verdict == "UNPROVEN", found.sentence
    assert found.acceptable == (found.first_difference is None)
    assert text.text_ids is not None
    assert len(text.text_ids) > 5
    if found.first_difference is None:
        # The ids of the text are those that were generated.
        assert (base.output_ids or ())[: len(text.text_ids)] == text.text_ids
    else:
        # They are one engine, which vouches for itself alone.
        assert "no engine but that of printer, by the scores of llama.cpp and witness, is shown" in found.sentence


def test_a_text_of_faulty_weights_is_wrong(perform: Perform, model: Path, tmp_path: Path) -> None:
    fault = {"llama.attention.layer_norm_rms_epsilon": 0.1}
    faulty = edited(model, tmp_path / "faulty.gguf", fields=fault)
    found, _, text = judged(perform, "Explain in one sentence what a compiler does.", faulty)
    assert found.verdict == "WRONG", (found.sentence, text.text)
    assert "of printer has" in found.sentence
    assert "llama.cpp prefers" in found.sentence
    assert "witness prefers" in found.sentence
