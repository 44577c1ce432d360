"""llama-cpp-python: what its adapter launches and reads, and real runs of its worker."""

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import job
from pydantic import ValidationError

import parity_worker
from parity.adapter import PROTOCOL_MARKERS, Adapter, Transcript
from parity.adapter.events import Aside, Event, Hello, Phase, Sampling, Text, Token
from parity.errors import RefusedError
from parity.hosts.machine import host_facts
from parity.reading.dictionary import METRICS
from parity.reading.notices import notices_of
from parity.transcript import Head, Launched, NoSpawn, read_transcript
from parity_adapters.llama_cpp import WORKER, LlamaCpp, LlamaCppSettings

TRANSCRIPTS = Path(__file__).parent / "transcripts"


def adapter(**settings: Any) -> LlamaCpp:
    return LlamaCpp(LlamaCppSettings.model_validate(settings), host_facts())


def golden(name: str) -> tuple[Transcript, list[Event]]:
    transcript = read_transcript(TRANSCRIPTS / name)
    assert transcript.head.job is not None
    return transcript, list(adapter().read(transcript, transcript.head.job))


def test_a_job_is_launched_with_its_record_as_a_file_and_without_a_shell() -> None:
    asked = job()
    launch = adapter(python="/opt/py").launch(asked, None)
    assert launch.argv == ("/opt/py", parity_worker.__file__, str(WORKER), "--job", "/nowhere/job.json")
    assert json.loads(launch.files["job.json"]) == json.loads(asked.model_dump_json())
    assert launch.markers == PROTOCOL_MARKERS


def test_the_interpreter_is_paritys_own_unless_named() -> None:
    assert adapter().probe().argv == (sys.executable, parity_worker.__file__, str(WORKER), "--probe")


def test_a_folder_is_refused_before_anything_is_started() -> None:
    with pytest.raises(RefusedError, match=r"GGUF files only.*/m is a folder"):
        adapter().launch(job(format="folder", path="/m"), None)


def test_nothing_is_built() -> None:
    assert adapter().build() is None


def test_it_generates_and_scores() -> None:
    assert adapter().tasks == {"generate", "score"}


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"thread": 2}, "thread"),
        ({"threads": 0}, "threads"),
        ({"context": -1}, "context"),
        ({"gpu_layers": -2}, "gpu_layers"),
        ({"kv_type": "q4_0"}, "kv_type"),
        ({"kv_type": "q8_0"}, "flash_attention"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(settings: dict[str, Any], about: str) -> None:
    with pytest.raises(ValidationError, match=about):
        LlamaCppSettings.model_validate(settings)


@pytest.mark.parametrize("failure", ["crash:SIGSEGV", "crash:SIGILL"])
def test_a_crash_on_a_cpu_with_amx_names_the_cause_and_both_remedies(failure: str) -> None:
    said = explained(failure, ("avx2", "amx_tile"))
    assert said is not None
    assert "AMX" in said
    assert "`extra_buffers = false`" in said
    assert "CXXFLAGS='-mno-amx-tile -mno-amx-int8 -mno-amx-bf16' /opt/py -m pip install" in said


@pytest.mark.parametrize(
    ("failure", "cpu_flags", "settings"),
    [
        ("crash:SIGSEGV", ("avx2",), {}),
        ("crash:SIGKILL", ("amx_tile",), {}),
        ("timeout:load", ("amx_tile",), {}),
        ("crash:SIGSEGV", ("amx_tile",), {"extra_buffers": False}),
    ],
)
def test_amx_is_not_blamed_for_what_it_cannot_have_done(
    failure: str, cpu_flags: tuple[str, ...], settings: dict[str, Any]
) -> None:
    assert explained(failure, cpu_flags, **settings) is None


def explained(failure: str, cpu_flags: tuple[str, ...], **settings: Any) -> str | None:
    host = host_facts().model_copy(update={"cpu_flags": cpu_flags})
    ran = LlamaCpp(LlamaCppSettings(python="/opt/py", **settings), host)
    return ran.explain(failure, Transcript(head=Head(purpose="trial", runtime="llama-cpp-python")))


def test_a_recorded_run_reads_as_phases_then_tokens_then_text() -> None:
    _, events = golden("llama_cpp-smollm2.jsonl")
    assert isinstance(events[0], Hello)
    assert [(e.name, e.edge) for e in events if isinstance(e, Phase)] == [
        ("import", "begin"),
        ("import", "end"),
        ("weights", "begin"),
        ("weights", "end"),
        ("tokenizer", "begin"),
        ("tokenizer", "end"),
        ("ready", "end"),
        ("prefill", "begin"),
        ("prefill", "end"),
    ]
    tokens = [e for e in events if isinstance(e, Token)]
    assert [token.k for token in tokens] == list(range(1, 13))
    assert [token.end for token in tokens] == [False] * 11 + [True]
    assert [e.text for e in events if isinstance(e, Text)] == ["The answer to this classic math problem is 4."]
    assert events[-1].ev == "bye"


def test_the_first_token_is_stamped_when_prefill_ends() -> None:
    _, events = golden("llama_cpp-smollm2.jsonl")
    [end] = [e.t_ns for e in events if isinstance(e, Phase) and (e.name, e.edge) == ("prefill", "end")]
    first = next(e for e in events if isinstance(e, Token))
    assert first.t_ns == end


def test_an_interpreter_that_is_not_there_is_said_with_what_to_set() -> None:
    transcript = Transcript(
        head=Head(purpose="probe", runtime="llama_cpp"),
        launch=Launched(argv=("/no/python", "worker.py"), env={}),
        no_spawn=NoSpawn(t_ns=1, errno=2, message="No such file or directory"),
    )
    availability = adapter(python="/no/python").read_probe(transcript)
    assert not availability.ready
    assert availability.reason == "/no/python: No such file or directory"
    assert availability.remedy is not None
    assert "`python`" in availability.remedy


@pytest.mark.slow
def test_what_llama_cpp_warns_of_in_a_good_trial_is_kept_and_its_frames_are_not(
    run_job: Any, tiny_gguf: Callable[..., Path]
) -> None:
    large, own = adapter(context=4096, threads=1), adapter(threads=1)
    model = tiny_gguf("llama", keys={"tokenizer.ggml.pre": None})
    ran = run_job(large, model, max_tokens=2)
    assert ran.failure is None
    found = [notice.text for notice in notices_of(ran.transcript, large.warns)]
    for words in ("missing pre-tokenizer", "GENERATION QUALITY WILL BE DEGRADED", "possible training context overflow"):
        assert [words in text for text in found].count(True) == 1
    assert not [text for text in found if "***" in text]
    assert notices_of(run_job(own, tiny_gguf("llama"), max_tokens=2).transcript, own.warns) == ()


@pytest.mark.slow
def test_smollm2_answers_and_stops_at_its_end_token(run_job: Callable[..., Any], smollm2: Path) -> None:
    ran = run_job(adapter(threads=1), smollm2, max_tokens=40, ignore_end=False)
    assert "4" in ran.text
    assert "<|" not in ran.text
    assert ran.ends == [False] * (len(ran.ids) - 1) + [True]
    assert ran.ended == "end-token"
    assert ran.transcript.end.exit_code == 0


@pytest.mark.slow
def test_a_speed_run_goes_on_past_end_tokens_and_shows_the_text_before_the_first(
    run_job: Callable[..., Any], smollm2: Path
) -> None:
    ran = run_job(adapter(threads=1), smollm2, max_tokens=40, ignore_end=True)
    assert len(ran.ids) == 40
    assert True in ran.ends[:-1]
    assert ran.text.endswith("4.")
    assert ran.ended == "length"


@pytest.mark.slow
def test_settings_used_are_llama_cpps_own(run_job: Callable[..., Any], smollm2: Path) -> None:
    asked = adapter(
        threads=1,
        context=512,
        batch=64,
        ubatch=32,
        kv_type="q8_0",
        flash_attention=True,
        gpu_layers=0,
        extra_buffers=False,
    )
    ran = run_job(asked, smollm2, max_tokens=2)
    expected = {
        "threads": 1,
        "threads_batch": 1,
        "context": 512,
        "batch": 64,
        "ubatch": 32,
        "kv_type": "q8_0",
        "flash_attention": "enabled",
        "device": "cpu",
        "extra_buffers": False,
        "mmap": False,
    }
    assert {name: ran.settings[name] for name in expected} == expected


@pytest.mark.slow
def test_a_prompt_in_several_batches_gives_the_same_ids(run_job: Callable[..., Any], smollm2: Path) -> None:
    whole = run_job(adapter(threads=1), smollm2)
    pieces = run_job(adapter(threads=1, batch=8, ubatch=8), smollm2)
    assert pieces.prompt.ids == whole.prompt.ids
    assert pieces.ids == whole.ids


@pytest.mark.slow
def test_a_seeded_draw_repeats_and_another_seed_draws_otherwise(run_job: Callable[..., Any], smollm2: Path) -> None:
    def draw(seed: int) -> list[int]:
        ids: list[int] = run_job(
            adapter(threads=1),
            smollm2,
            prompt="Once",
            raw=True,
            max_tokens=8,
            sampling={"temperature": 1.5, "seed": seed},
        ).ids
        return ids

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.slow
def test_own_figures_say_what_they_mean_and_a_prompt_of_one_token_has_no_prompt_rate(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    ran = run_job(adapter(), tiny_gguf("qwen3"), prompt="a", raw=True)
    assert ran.prompt.count == 1
    rate = ran.figure("prompt_tps")
    assert rate.value is None
    assert rate.raw == "inf"
    assert ran.figure("gen_tps").value > 0
    assert ran.figure("load_s").value > 0
    assert {event.metric for event in ran.events if event.ev == "report"} <= set(METRICS)
    assert ran.settings["extra_buffers"] is True


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["the", "<|endoftext|>the"])
def test_the_begin_token_comes_once_where_the_metadata_want_it(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path], prompt: str
) -> None:
    ran = run_job(adapter(), tiny_gguf("qwen3", add_bos=True), prompt=prompt, raw=True, max_tokens=1)
    assert len(ran.prompt.ids) == 2
    assert ran.prompt.text == prompt
    assert ran.settings["begin_token"] == f"token {ran.prompt.ids[0]}"


@pytest.mark.slow
def test_a_context_that_is_too_small_is_refused_with_the_size_that_would_do(
    run_job: Callable[..., Any], smollm2: Path
) -> None:
    ran = run_job(adapter(context=40), smollm2)
    assert ran.error.kind == "refused"
    assert ran.error.remedy == "set `context = 45` or more, or leave it out"
    assert ran.transcript.end.exit_code == 1


@pytest.mark.slow
def test_a_model_without_a_template_is_refused_unless_the_prompt_is_raw(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    model = tiny_gguf("qwen3", template=None)
    refused = run_job(adapter(), model)
    assert refused.error.kind == "refused"
    assert "raw = true" in refused.error.remedy
    assert run_job(adapter(), model, raw=True).ended == "length"


@pytest.mark.slow
@pytest.mark.parametrize("template", ["{% for m in messages %}{{ m.content }", "{{ raise_exception('no') }}"])
def test_a_template_that_cannot_be_rendered_is_refused(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path], template: str
) -> None:
    refused = run_job(adapter(), tiny_gguf("qwen3", template=template))
    assert refused.error.kind == "refused"
    assert "chat template can't render a user turn" in refused.error.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "said"), [(b"", "can't be loaded"), (b"GARBAGE" * 99, "invalid magic"), (None, "No such file")]
)
def test_a_model_that_cannot_be_read_ends_in_one_sentence_and_the_cause(
    run_job: Callable[..., Any], tmp_path: Path, content: bytes | None, said: str
) -> None:
    model = tmp_path / "broken.gguf"
    if content is not None:
        model.write_bytes(content)
    ran = run_job(adapter(), model)
    assert ran.error.kind == "refused"
    assert said in ran.error.message
    assert ran.ended == "error"
    assert ran.phases[-1] == ("weights", "begin")


@pytest.mark.slow
def test_the_probe_says_version_and_device(ask: Callable[[Adapter], Transcript]) -> None:
    availability = adapter().read_probe(ask(adapter()))
    assert availability.ready
    assert availability.version is not None
    assert availability.version.startswith("llama-cpp-python 0.")
    assert availability.device


@pytest.mark.slow
def test_an_interpreter_without_the_package_gets_the_command_that_installs_it_there(
    ask: Callable[[Adapter], Transcript], bare_python: Path
) -> None:
    bare = adapter(python=str(bare_python))
    availability = bare.read_probe(ask(bare))
    assert not availability.ready
    assert availability.remedy is not None
    assert f"{bare_python} -m pip install 'llama-cpp-python>=" in availability.remedy
    assert "vendor-scripts/prepare-python-env.sh" in availability.remedy


@pytest.mark.slow
@pytest.mark.alone
def test_the_prompt_is_computed_again_with_the_same_speed_and_the_share_of_sampling_is_known(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    ran = run_job(adapter(), tiny_gguf("qwen3"), prompt="the 123 " * 60, raw=True, further_prefills=3)
    [aside] = [event for event in ran.events if isinstance(event, Aside)]
    [first] = [
        end.t_ns - begin.t_ns
        for begin, end in itertools.pairwise(e for e in ran.events if isinstance(e, Phase) and e.name == "prefill")
    ]
    assert 1 <= len(aside.prefills_ns) <= 3
    # A cache that still holds the prompt would compute one token, or none.
    assert min(end - begin for begin, end in aside.prefills_ns) > first / 20
    [sampling] = [event for event in ran.events if isinstance(event, Sampling)]
    tokens = [event for event in ran.events if isinstance(event, Token)]
    assert 0 < sampling.seconds < (tokens[-1].t_ns - tokens[0].t_ns) / 1e9


@pytest.mark.slow
@pytest.mark.parametrize("further_prefills", [0, 3])
def test_the_stamps_of_a_real_generation_are_beyond_doubt(
    run_job: Callable[..., Any], smollm2: Path, further_prefills: int
) -> None:
    ran = run_job(adapter(), smollm2, max_tokens=24, further_prefills=further_prefills)
    assert ran.doubts(smollm2) == []


@pytest.mark.parametrize(("layers", "asked"), [(None, None), (0, None), (-1, "gpu"), (10, "gpu")])
def test_layers_on_a_gpu_ask_for_one(layers: int | None, asked: str | None) -> None:
    assert adapter(gpu_layers=layers).device_asked == asked
