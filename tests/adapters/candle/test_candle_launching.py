"""How Candle's examples and the reference are launched, and which jobs and settings they refuse."""

import json
import re
from typing import Any

import pytest
from candle_trials import BUILT, ECHO, PREAMBLE, TURN, a_job, adapter, printed, read, statistics, text
from pydantic import ValidationError

from parity.adapter import PROTOCOL_MARKERS, Build
from parity.errors import RefusedError
from parity.records import Job


def test_an_example_gets_paths_budget_and_sampling_and_no_penalty() -> None:
    job = a_job(sampling={"temperature": 0.5, "seed": 3, "top_k": 4, "top_p": 0.9})
    launch = adapter(threads=2).launch(job, BUILT)
    assert launch.argv == (
        "/bin/quantized-qwen3",
        "--cpu",
        "--model=/m.gguf",
        "--tokenizer=/t.json",
        "--prompt=What is 2+2?",
        "--sample-len=50",
        "--temperature=0.5",
        "--seed=3",
        "--repeat-penalty=1.0",
        "--top-k=4",
        "--top-p=0.9",
    )
    assert launch.env == {"RAYON_NUM_THREADS": "2", "CANDLE_NUM_THREADS": "2"}


@pytest.mark.parametrize(
    ("settings", "cpu"),
    [
        ({}, True),
        ({"features": ["metal"]}, False),
        ({"features": ["cuda"], "cpu": True}, True),
        ({"features": ["mkl"]}, True),
    ],
)
def test_the_cpu_is_asked_for_unless_a_gpu_is_built_in(settings: dict[str, Any], cpu: bool) -> None:
    assert ("--cpu" in adapter(**settings).launch(a_job(), BUILT).argv) == cpu


def test_threads_are_candles_own_choice_unless_set() -> None:
    assert adapter().launch(a_job(), BUILT).env == {}


@pytest.mark.parametrize(
    ("architecture", "tokenizer", "program", "which"),
    [
        ("llama", "gpt2/smollm", "quantized", "SmoLM2-360M-Instruct"),
        ("llama", "gpt2/qwen2", "quantized", "SmoLM2-360M-Instruct"),
        ("llama", "gpt2/llama-bpe", "quantized", "llama3-8b"),
        ("llama", "llama/default", "quantized", "7b"),
        ("phi3", "gpt2/gpt-4o", "quantized-phi", "phi-4"),
        ("phi3", "llama/default", "quantized-phi", "phi-3"),
        ("phi2", "gpt2/gpt-2", "quantized-phi", "phi-2"),
    ],
)
def test_example_and_end_token_fit_the_model(architecture: str, tokenizer: str, program: str, which: str) -> None:
    launch = adapter().launch(a_job(architecture, tokenizer=tokenizer, raw=True), BUILT)
    assert launch.argv[0] == f"/bin/{program}"
    assert f"--which={which}" in launch.argv


def test_which_can_be_set() -> None:
    launch = adapter(which="deepseekr1-llama8b").launch(a_job("llama", tokenizer="gpt2/other", raw=True), BUILT)
    assert "--which=deepseekr1-llama8b" in launch.argv


@pytest.mark.parametrize(("architecture", "tokenizer"), [("llama", "gpt2/smollm"), ("phi3", "gpt2/dbrx")])
def test_an_example_that_knows_no_template_is_given_the_engines_turn(architecture: str, tokenizer: str) -> None:
    job = a_job(architecture, tokenizer=tokenizer, prompt="Hi").model_copy(update={"chat_turn": "<user>Hi<answer>"})
    assert "--prompt=<user>Hi<answer>" in adapter().launch(job, BUILT).argv


def test_a_raw_prompt_that_is_a_turn_already_is_unwrapped_for_the_example_that_wraps() -> None:
    job = a_job(prompt=TURN.format("Hi") + "\n", raw=True)
    assert "--prompt=Hi" in adapter().launch(job, BUILT).argv
    assert text(read(printed(PREAMBLE, ECHO.replace("What is 2+2?", "Hi"), "yes", statistics()), job)) == "yes"


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (a_job(format="folder"), "read GGUF files only"),
        (a_job("gemma3"), "none of the examples .* runs the architecture gemma3"),
        (a_job(None), "runs the architecture None"),
        (a_job(raw=True), "can't take a raw one"),
        (a_job("llama"), "quantized knows no chat template, and the model has none .* set raw = true"),
        (a_job("phi3"), "quantized-phi knows no chat template"),
        (a_job("llama", tokenizer="gpt2/other", raw=True), "none that fits gpt2/other: set `which`"),
        (a_job("llama", path="/blobs/ab12", raw=True), r"only if its name ends in \.gguf"),
        (a_job("llama", prompt="chat", raw=True), "waits for input if the prompt is 'chat'"),
        (a_job("llama", prompt="word " * 1000, raw=True), "silently truncates the prompt .* can reach 5050"),
        (a_job(tokenizer_json=None), "needs the model's tokenizer.json"),
    ],
)
def test_what_an_example_cannot_do_is_refused_with_the_reason(job: Job, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        adapter().launch(job, BUILT)


def test_an_example_that_was_not_built_is_refused() -> None:
    with pytest.raises(RefusedError, match="phi3 needs quantized-phi, which is not among `examples`"):
        adapter(examples=["quantized"]).launch(
            a_job("phi3", raw=True), Build(executables={"quantized": "/bin/quantized"})
        )


def test_the_load_deadline_ends_with_the_echo_and_a_first_token_has_no_marker() -> None:
    markers = adapter().launch(a_job(), BUILT).markers
    assert markers.ready is not None
    assert re.search(markers.ready.pattern, ECHO)
    assert markers.first_token is None
    raw = adapter().launch(a_job("llama", raw=True), BUILT).markers
    assert raw.ready is not None
    assert re.search(raw.ready.pattern, "model built")


def test_the_reference_gets_its_own_settings_alone_and_speaks_the_protocol() -> None:
    reference = adapter(source="reference", path="/ref", threads=2, cpu=True, rope_dtype="f32")
    launch = reference.launch(a_job(tokenizer_json=None), Build(executables={"candle-reference": "/bin/ref"}))
    assert launch.argv == ("/bin/ref", "--job", "/scratch/job.json")
    assert json.loads(launch.files["job.json"])["settings"] == {
        "threads": 2,
        "device": "cpu",
        "rope_dtype": "f32",
        "accept_deviations": False,
    }
    assert launch.markers == PROTOCOL_MARKERS
    assert not reference.needs_tokenizer
    assert adapter().needs_tokenizer
    assert reference.tasks == {"generate", "score"}
    assert adapter().tasks == {"generate"}


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"source": "checkout"}, "needs the path"),
        ({"path": "/candle"}, "takes no path"),
        ({"source": "checkout", "path": "/c", "version": "0.11.1"}, "version has no effect"),
        ({"source": "reference", "path": "/c", "which": "phi-4"}, "which has no effect"),
        ({"rope_dtype": "f32"}, "rope_dtype has no effect"),
        ({"version": "^0.11"}, "version"),
        ({"features": ["dep/feature"]}, "features"),
        ({"features": ["--release"]}, "features"),
        ({"examples": []}, "examples"),
        ({"examples": ["qwen"]}, "examples"),
        ({"threads": 0}, "threads"),
        ({"thread": 1}, "thread"),
    ],
)
def test_settings_that_have_no_effect_are_refused_by_name(settings: dict[str, Any], about: str) -> None:
    with pytest.raises(ValidationError, match=about):
        adapter(**settings)
