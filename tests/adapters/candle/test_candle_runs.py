"""Real runs of Candle's examples and of the reference."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from candle_trials import PATIENT, REFERENCE, TURN, a_job, adapter, build_of, count, figure, phases, text, tokenizer_of
from synthetic import synthesise

from parity.adapter import Build, Transcript
from parity.adapter.events import Bye, Event, Prompt, Token
from parity.errors import ReadError
from parity.hosts.local import supervise
from parity.models.inspect import inspect_gguf
from parity.models.template import chat_turn
from parity.models.tokenizer import load_encoder
from parity.reading.measure import measure
from parity.records import Measurement
from parity.transcript import Head
from parity_adapters.candle import Candle

Cargo = Callable[..., Transcript]


@dataclass(frozen=True)
class Ran:
    transcript: Transcript
    events: list[Event]
    measured: dict[tuple[str, str], Measurement]

    def value(self, metric: str, definition: str) -> float:
        found = self.measured[metric, definition]
        assert found.value is not None, found.reason
        return found.value


RunTrial = Callable[..., Ran]


def prompt_ids(ran: Ran, model: Path) -> list[int]:
    """As shown; of a program that shows its prompt as text, what the model's tokenizer makes of that, if its own count
    says the same."""
    [prompt] = [event for event in ran.events if isinstance(event, Prompt)]
    if prompt.ids is not None:
        return prompt.ids
    assert prompt.text is not None
    ids = load_encoder(tokenizer_of(model))(prompt.text)
    assert prompt.count == len(ids)
    return ids


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_of(adapter(), tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def built_reference(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_of(adapter(source="reference", path=REFERENCE), tmp_path_factory.mktemp("build"))


@pytest.fixture
def run_trial(tmp_path: Path) -> RunTrial:
    """Runs a GGUF through what fits it, and measures the trial as a run would."""
    runs = itertools.count(1)

    def run(candle: Candle, build: Build, model: Path, **test: Any) -> Ran:
        facts = inspect_gguf(model)
        job = a_job(facts.architecture, tokenizer=facts.tokenizer or "", path=str(model), **test)
        tokenizer_json = tokenizer_of(model)
        scratch = tmp_path / f"trial-{next(runs)}"
        scratch.mkdir()
        turn = None if job.test.raw else chat_turn(job.model, job.test.prompt)
        job = job.model_copy(update={"tokenizer": str(tokenizer_json), "chat_turn": turn, "scratch": str(scratch)})
        launch = candle.launch(job, build)
        for name, content in launch.files.items():
            (scratch / name).write_text(content, encoding="utf-8")
        head = Head(purpose="trial", runtime="candle", job=job)
        transcript = supervise(launch, head=head, path=scratch / "transcript.jsonl", limits=PATIENT)
        events: list[Event] = []
        with suppress(ReadError):
            events.extend(candle.read(transcript, job))
        encode = load_encoder(tokenizer_json)
        found = measure(transcript, events, lambda text: len(encode(text)))
        return Ran(transcript, events, {(m.metric, m.definition): m for m in found})

    return run


@pytest.fixture
def run_example(built: Build, run_trial: RunTrial) -> RunTrial:
    """Runs a GGUF through the example that fits it."""

    def run(model: Path, *, which: str | None = None, **test: Any) -> Ran:
        return run_trial(adapter(threads=2, which=which), built, model, **test)

    return run


@pytest.mark.slow
def test_what_is_built_is_not_built_again(built: Build, cargo: Cargo) -> None:
    again = cargo(adapter())
    assert "is already installed" in again.text("err")
    assert adapter().read_build(again) == built
    assert all(Path(path).is_file() for path in built.executables.values())


@pytest.mark.slow
def test_smollm2_answers_and_its_printed_rate_is_the_observed_one(run_example: RunTrial, smollm2: Path) -> None:
    ran = run_example(smollm2, prompt=TURN.format("Explain quantum physics") + "\n", raw=True, max_tokens=120)
    assert "physics" in text(ran.events)
    assert count(ran.events) == 120
    assert figure(ran.events, "gen_tps").value == pytest.approx(ran.value("gen_tps", "chunk-interval"), rel=0.03)
    assert 0 < ran.value("load_weights_s", "spawn-to-weights") < ran.value("load_s", "spawn-to-ready")
    assert (header := figure(ran.events, "load_header_s").value) is not None
    assert header < ran.value("load_weights_s", "spawn-to-weights")


@pytest.mark.slow
def test_an_example_without_a_template_runs_the_prompt_ids_of_a_program_that_has_one(
    built: Build, built_reference: Build, run_trial: RunTrial, smollm2: Path
) -> None:
    example = run_trial(adapter(threads=2), built, smollm2, prompt="What is 2+2?", max_tokens=8)
    reference = run_trial(
        adapter(source="reference", path=REFERENCE, threads=2),
        built_reference,
        smollm2,
        prompt="What is 2+2?",
        max_tokens=8,
    )
    assert prompt_ids(example, smollm2) == prompt_ids(reference, smollm2)


@pytest.mark.slow
def test_greedy_text_repeats(run_example: RunTrial, smollm2: Path) -> None:
    texts = {
        text(run_example(smollm2, prompt=TURN.format("What is 2+2?") + "\n", raw=True, max_tokens=12).events)
        for _ in range(2)
    }
    assert len(texts) == 1
    assert "4" in texts.pop()


@pytest.mark.slow
def test_the_wrong_end_token_is_a_panic_and_keeps_what_was_reached(run_example: RunTrial, smollm2: Path) -> None:
    ran = run_example(smollm2, which="7b", prompt="Hi there", raw=True)
    assert ran.transcript.end is not None
    assert ran.transcript.end.exit_code == 101
    assert "panicked at" in ran.transcript.text("err")
    assert phases(ran.events)[-1] == ("tokenizer", "begin")


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["What is 2+2?", "", "--cpu\nmodel built\nnaïve 🖖 \\n 'quoted'\n"])
def test_a_qwen3_takes_any_prompt_and_counts_what_the_tokenizer_counts(run_example: RunTrial, prompt: str) -> None:
    model = synthesise("tiny-qwen3", "Q8_0", 1)
    ran = run_example(model, prompt=prompt, max_tokens=24)
    encode = load_encoder(tokenizer_of(model))
    sent = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    assert ran.value("prompt_tokens", "prompt-count") == len(encode(sent))
    assert count(ran.events) == 24
    # Both lines may come in one read.
    assert ran.value("load_s", "spawn-to-ready") >= ran.value("load_weights_s", "spawn-to-weights")
    assert isinstance(ran.events[-1], Bye)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["llama", "phi3"])
def test_the_other_architectures_run_too(run_example: RunTrial, architecture: str) -> None:
    model = synthesise(f"tiny-{architecture}", "Q8_0", 1)
    ran = run_example(model, prompt="Some words, and some more.\n", raw=True, max_tokens=8)
    assert count(ran.events) <= 8
    assert isinstance(ran.events[-1], Bye)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_example_and_reference_say_the_same_from_the_same_prompt(
    built_reference: Build, run_example: RunTrial, run_trial: RunTrial, smollm2: Path, threads: int
) -> None:
    reference = adapter(source="reference", path=REFERENCE, threads=threads)
    jobs: list[tuple[Path, dict[str, Any]]] = [
        (synthesise("tiny-qwen3", "Q8_0", 1), {"max_tokens": 60}),
        (smollm2, {"prompt": TURN.format("Explain quantum physics") + "\n", "raw": True, "max_tokens": 60}),
    ]
    for model, test in jobs:
        one, other = run_example(model, **test), run_trial(reference, built_reference, model, **test)
        assert text(one.events) == text(other.events)
        ids = [event for event in other.events if isinstance(event, Token)]
        assert count(one.events) == len(ids)
        assert prompt_ids(one, model) == prompt_ids(other, model)
