"""Candle: which example runs what, how what it prints is read, and what is said when Cargo builds nothing."""

import hashlib
import itertools
import json
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from parity.adapter import PROTOCOL_MARKERS, Build, Transcript
from parity.adapter.events import Bye, Chunk, Count, Event, Hello, Phase, Prompt, RuntimeFigure, Settings, Text, Token
from parity.cache import cache_folder
from parity.errors import ReadError, RefusedError
from parity.hosts.local import supervise
from parity.hosts.machine import host_facts
from parity.models.inspect import inspect_gguf
from parity.models.template import chat_turn
from parity.models.tokenizer import load_encoder, write_tokenizer
from parity.reading.measure import measure
from parity.records import Job, Limits, Measurement, ModelFacts, TestSpec
from parity.transcript import End, Head, Launched, NoSpawn, Piece, Spawned, Stream
from parity_adapters.candle import Candle
from parity_adapters.candle.settings import CandleSettings
from parity_synth import synthesise

RECORDED = Path(__file__).parent / "candle"
SPAWN_NS = 10**12
TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant"
EXAMPLES = ("quantized-qwen3", "quantized", "quantized-phi")
BUILT = Build(executables={name: f"/bin/{name}" for name in EXAMPLES})


def adapter(**settings: Any) -> Candle:
    return Candle(CandleSettings.model_validate(settings, strict=False), host_facts())


def a_job(architecture: str | None = "qwen3", *, tokenizer: str = "gpt2/qwen2", **fields: Any) -> Job:
    """A job for a GGUF at /m.gguf; `fields` of the test, and `path`, `format` and `tokenizer_json` of the model."""
    path, form = fields.pop("path", "/m.gguf"), fields.pop("format", "gguf")
    tokenizer_json = fields.pop("tokenizer_json", "/t.json")
    return Job(
        runtime="candle",
        adapter="candle",
        model=ModelFacts(
            name="m",
            title="M",
            source="s",
            path=path,
            format=form,
            sha256="0",
            size_bytes=1,
            architecture=architecture,
            tokenizer=tokenizer,
        ),
        test=TestSpec.model_validate({"name": "t", "title": "T", "prompt": "What is 2+2?", "max_tokens": 50, **fields}),
        tokenizer=tokenizer_json,
        round=1,
        scratch="/scratch",
    )


def recorded(name: str, section: str | None = None) -> Transcript:
    """A recorded run: of a file with sections, the one whose heading begins with `section`."""
    pieces: list[Piece] = []
    end: End | None = None
    reading = section is None
    for line in (RECORDED / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("# --- "):
            reading = section is not None and line.startswith(f"# --- {section}")
        if line.startswith("#") or not reading:
            continue
        at, stream, value = line.split("\t", 2)
        t_ns = SPAWN_NS + round(float(at) * 1e9)
        if stream == "exit":
            end = End(t_ns=t_ns, by="exit", exit_code=int(value))
        else:
            pieces.append(Piece(t_ns, "out" if stream == "out" else "err", json.loads(value).encode()))
    assert end is not None, f"{name} has no section {section!r}"
    return a_transcript(pieces, end)


def a_transcript(pieces: list[Piece], end: End) -> Transcript:
    return Transcript(
        head=Head(purpose="trial", runtime="candle"),
        launch=Launched(argv=("example",), env={}),
        spawn=Spawned(t_ns=SPAWN_NS, pid=1, wall="2026-01-01T00:00:00Z"),
        pieces=tuple(pieces),
        end=end,
    )


def printed(*reads: str, exit_code: int = 0, stream: Stream = "out") -> Transcript:
    """A program whose reads arrive a second apart."""
    pieces = [Piece(SPAWN_NS + (k + 1) * 10**9, stream, read.encode()) for k, read in enumerate(reads)]
    return a_transcript(pieces, End(t_ns=SPAWN_NS + 99 * 10**9, by="exit", exit_code=exit_code))


PREAMBLE = (
    "avx: true, neon: false, simd128: false, f16c: true\n"
    "temp: 0.00 repeat-penalty: 1.00 repeat-last-n: 64\n"
    "loaded 3 tensors (1.50KB) in 0.10s\nmodel built\n"
)
ECHO = "formatted prompt: <|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"


def statistics(prompt: object = 15, prompt_rate: str = "5.00", generated: object = 9, rate: str = "6.00") -> str:
    return (
        f"\n\n{prompt:>4} prompt tokens processed: {prompt_rate} token/s\n{generated:>4} tokens generated: "
        f"{rate} token/s\n"
    )


def read(transcript: Transcript, job: Job, **settings: Any) -> list[Event]:
    return list(adapter(**settings).read(transcript, job))


def until_complaint(transcript: Transcript, job: Job) -> tuple[list[Event], str]:
    events: list[Event] = []
    with pytest.raises(ReadError) as complaint:
        events.extend(adapter().read(transcript, job))
    return events, str(complaint.value)


def seconds(events: list[Event], name: str, edge: str) -> float:
    """When a phase's edge was, counted from the spawn."""
    [at] = [event.t_ns for event in events if isinstance(event, Phase) and (event.name, event.edge) == (name, edge)]
    return (at - SPAWN_NS) / 1e9


def phases(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.edge) for event in events if isinstance(event, Phase)]


def figure(events: list[Event], metric: str) -> RuntimeFigure:
    [found] = [event for event in events if isinstance(event, RuntimeFigure) and event.metric == metric]
    return found


def text(events: list[Event]) -> str:
    [found] = [event.text for event in events if isinstance(event, Text)]
    return found


def count(events: list[Event]) -> int:
    [found] = [event.generated for event in events if isinstance(event, Count)]
    return found


def chunks(events: list[Event]) -> list[Chunk]:
    return [event for event in events if isinstance(event, Chunk)]


def test_the_printed_load_is_the_header_and_a_tenth_of_what_the_weights_took() -> None:
    events = read(recorded("quantized-qwen3.cpu.tsv"), a_job())
    header = figure(events, "load_header_s")
    assert header.value == 0.51
    assert header.definition == "device opened and file header parsed, no weights"
    assert seconds(events, "header", "end") == pytest.approx(0.514)
    assert seconds(events, "weights", "end") == pytest.approx(5.4295)


def test_a_run_is_ready_when_the_echo_comes_and_the_prompt_is_tokenised_after_that() -> None:
    events = read(recorded("quantized-qwen3.cpu.tsv"), a_job())
    assert phases(events) == [
        ("header", "begin"),
        ("header", "end"),
        ("weights", "begin"),
        ("weights", "end"),
        ("tokenizer", "begin"),
        ("tokenizer", "end"),
        ("ready", "end"),
        ("prefill", "begin"),
        ("generate", "end"),
    ]
    assert seconds(events, "ready", "end") == seconds(events, "prefill", "begin") == pytest.approx(5.7783)
    assert seconds(events, "generate", "end") == pytest.approx(16.3294)


def test_text_is_cut_exactly_where_the_last_read_holds_text_and_statistics() -> None:
    events = read(recorded("quantized-qwen3.cpu.tsv"), a_job())
    assert text(events) == "\n" + "ถนน" * 49
    assert "".join(chunk.text for chunk in chunks(events)) == text(events)
    assert chunks(events)[0].t_ns == chunks(events)[1].t_ns == SPAWN_NS + 8_976_300_000


def test_the_printed_count_leaves_the_first_token_out_and_no_token_is_invented() -> None:
    events = read(recorded("quantized-qwen3.cpu.tsv"), a_job())
    assert count(events) == 50
    assert not [event for event in events if isinstance(event, Token)]
    assert [event.count for event in events if isinstance(event, Prompt)] == [15]
    assert figure(events, "prompt_tps").value == 5.17
    assert figure(events, "gen_tps").value == 6.46
    assert isinstance(events[-1], Bye)
    assert events[-1].reason == "length"


def test_events_come_in_order_and_hello_is_first() -> None:
    events = read(recorded("quantized-qwen3.cpu.tsv"), a_job())
    assert [event.t_ns for event in events] == sorted(event.t_ns for event in events)
    assert isinstance(events[0], Hello)
    assert (events[0].runtime, events[0].version, events[0].device) == ("quantized-qwen3", "0.11.1", "cpu")


def test_settings_say_what_was_printed_and_what_the_source_fixes() -> None:
    [settings] = [e for e in read(recorded("quantized-qwen3.cpu.tsv"), a_job(), threads=2) if isinstance(e, Settings)]
    expected = {
        "threads": 2,
        "device": "cpu",
        "candle": "0.11.1",
        "temperature": 0.8,
        "repeat_penalty": 1.1,
        "kv_cache_dtype": "f32",
        "rope_table_dtype": "f16 unless the file's general.dtype is 0",
        "tensors": 310,
        "weights_bytes_nominal": 633_500_000,
        "cpu_avx2": True,
        "cpu_neon": False,
    }
    assert {name: settings.values[name] for name in expected} == expected


def test_text_that_was_held_back_to_the_end_is_one_late_chunk() -> None:
    events = read(recorded("quantized-qwen3.held-back.tsv"), a_job())
    assert text(events) == "\n" * 50
    [chunk] = chunks(events)
    assert chunk.t_ns == SPAWN_NS + 6_766_200_000
    assert seconds(events, "generate", "end") == pytest.approx(6.7663)
    assert count(events) == 50


@pytest.mark.parametrize(("section", "prompt", "prompt_tokens"), [("-n 1", "What is 2+2?", 15), ("-n 0", "", 8)])
def test_one_token_has_no_rate(section: str, prompt: str, prompt_tokens: int) -> None:
    events = read(recorded("quantized-qwen3.edges.tsv", section), a_job(prompt=prompt, max_tokens=1))
    rate = figure(events, "gen_tps")
    assert rate.value is None
    assert rate.raw == "0 tokens generated: 0.00 token/s"
    assert count(events) == 1
    assert text(events) == "\n"
    assert [event.count for event in events if isinstance(event, Prompt)] == [prompt_tokens]


def test_a_build_without_a_gpu_says_that_it_fell_back() -> None:
    events = read(recorded("quantized-qwen3.edges.tsv", "no --cpu on a build"), a_job(max_tokens=5), features=["metal"])
    assert isinstance(events[0], Hello)
    assert events[0].device == "cpu"
    assert [e.values["device"] for e in events if isinstance(e, Settings)] == ["cpu"]


@pytest.mark.parametrize(
    ("section", "last"),
    [
        ("--model names no file", ("header", "begin")),
        ("no --model", ("header", "begin")),
        ("truncated", ("header", "begin")),
    ],
)
def test_a_run_that_failed_keeps_what_it_reached(section: str, last: tuple[str, str]) -> None:
    events, complaint = until_complaint(recorded("quantized-qwen3.edges.tsv", section), a_job())
    assert phases(events)[-1] == last
    assert complaint == "quantized-qwen3 did not say that its model was built"


def llama_job(prompt: str, max_tokens: int, **fields: Any) -> Job:
    return a_job("llama", tokenizer="gpt2/smollm", prompt=prompt, raw=True, max_tokens=max_tokens, **fields)


def test_the_lines_of_a_prompt_are_echoed_at_once_and_mark_ready() -> None:
    events = read(recorded("quantized.smollm2.tsv", "-n 60"), llama_job(TURN.format("Explain quantum physics"), 60))
    assert seconds(events, "weights", "end") == pytest.approx(0.4234)
    assert seconds(events, "ready", "end") == pytest.approx(0.5695)
    assert text(events).startswith("\nQuantum physics is a branch of physics")
    assert text(events).endswith("the concept of quantum mechanics")
    assert chunks(events)[0].t_ns == SPAWN_NS + 1_497_800_000
    assert count(events) == 60
    assert figure(events, "gen_tps").value == 28.49


def test_an_echo_that_ends_with_the_first_text_is_no_part_of_it() -> None:
    events = read(recorded("quantized.smollm2.tsv", "-n 50"), llama_job(TURN.format("What is 2+2?"), 50))
    assert text(events).startswith("\nThe answer is: 4\nsystem\n\nuser\nI'm planning")
    assert [chunk.text for chunk in chunks(events)[:3]] == ["\n", "The", " answer"]


def test_a_prompt_of_one_line_marks_nothing_because_it_is_not_flushed() -> None:
    events, complaint = until_complaint(recorded("quantized.wrong-which-panic.tsv"), llama_job("Hi there", 50))
    assert phases(events)[-2:] == [("weights", "end"), ("tokenizer", "begin")]
    assert [chunk.text for chunk in chunks(events)] == ["'s"]
    assert complaint == "quantized printed no statistics at its end"


IMITATION = "  99 prompt tokens processed: 999.00 token/s\n  99 tokens generated: 999.00 token/s\n"


def test_text_that_imitates_the_statistics_is_text() -> None:
    events = read(printed(PREAMBLE, ECHO, f"\n\n{IMITATION}", "so there", statistics()), a_job())
    assert text(events) == f"\n\n{IMITATION}so there"
    assert figure(events, "gen_tps").value == 6.0
    assert count(events) == 10


def test_an_imitation_just_before_the_statistics_is_text_too() -> None:
    events = read(printed(PREAMBLE, ECHO, f"\n\n{IMITATION}" + statistics()), a_job())
    assert text(events) == f"\n\n{IMITATION}"
    assert figure(events, "prompt_tps").value == 5.0


def test_text_that_imitates_the_preamble_moves_no_mark() -> None:
    events = read(printed(PREAMBLE, ECHO, "yes\n" + PREAMBLE + ECHO, "no", statistics()), a_job())
    assert seconds(events, "weights", "end") == 1.0
    assert seconds(events, "ready", "end") == 2.0
    assert text(events) == "yes\n" + PREAMBLE + ECHO + "no"


def test_a_prompt_that_imitates_everything_is_cut_off_exactly() -> None:
    prompt = "model built\n" + IMITATION + "formatted prompt: x"
    echo = f"formatted prompt: <|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    assert text(read(printed(PREAMBLE, echo, "yes", statistics()), a_job(prompt=prompt))) == "yes"


def test_characters_that_two_reads_share_stay_whole() -> None:
    data = "né🖖".encode()
    pieces = [Piece(SPAWN_NS + 1, "out", (PREAMBLE + ECHO).encode())]
    pieces += [Piece(SPAWN_NS + 2 + k, "out", data[k : k + 1]) for k in range(len(data))]
    pieces.append(Piece(SPAWN_NS + 50, "out", statistics().encode()))
    events = read(a_transcript(pieces, End(t_ns=SPAWN_NS + 99, by="exit", exit_code=0)), a_job())
    assert [chunk.text for chunk in chunks(events)] == ["n", "é", "🖖"]
    assert text(events) == "né🖖"


def test_any_cut_into_reads_gives_the_same_text_and_figures() -> None:
    whole = PREAMBLE + ECHO + "One, two.\n\n" + statistics()
    expected = text(read(printed(whole), a_job()))
    assert expected == "One, two.\n\n"
    for cut in range(1, len(whole)):
        events = read(printed(whole[:cut], whole[cut:]), a_job())
        assert text(events) == expected
        assert (count(events), figure(events, "load_header_s").value) == (10, 0.1)


@pytest.mark.parametrize("rate", ["inf", "NaN"])
def test_what_is_no_number_is_kept_as_it_was_printed(rate: str) -> None:
    found = figure(read(printed(PREAMBLE, ECHO, "a", statistics(rate=rate)), a_job()), "gen_tps")
    assert (found.value, found.raw) == (None, rate)


def test_fewer_tokens_than_the_budget_mean_an_end_token() -> None:
    [*_, last] = read(printed(PREAMBLE, ECHO, "a", statistics(generated=9)), a_job(max_tokens=11))
    assert isinstance(last, Bye)
    assert last.reason == "end-token"


def test_another_prompt_than_the_jobs_is_a_complaint() -> None:
    _, complaint = until_complaint(printed(PREAMBLE, ECHO.replace("2+2", "3+3"), "a", statistics()), a_job())
    assert "echoed something else than its prompt" in complaint


def test_a_run_cut_off_in_its_echo_keeps_its_load_and_shows_no_text() -> None:
    events, complaint = until_complaint(printed(PREAMBLE, ECHO[:30]), a_job())
    assert phases(events)[-1] == ("tokenizer", "begin")
    assert not chunks(events)
    assert "no statistics" in complaint


def test_a_program_that_printed_nothing_has_no_events_nor_has_a_job_that_was_refused() -> None:
    assert read(printed(), a_job()) == []
    assert read(printed(), a_job("gemma3")) == []


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
        (a_job("llama", tokenizer="gpt2/other", raw=True), "gpt2/other is not known: set `which`"),
        (a_job("llama", path="/blobs/ab12", raw=True), r"only if its name ends in \.gguf"),
        (a_job("llama", prompt="chat", raw=True), "as an order to wait for input"),
        (a_job("llama", prompt="word " * 1000, raw=True), "drops most of a prompt unsaid .* could be 5050"),
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


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"source": "checkout"}, "needs the path"),
        ({"path": "/candle"}, "takes no path"),
        ({"source": "checkout", "path": "/c", "version": "0.11.1"}, "version means nothing"),
        ({"source": "reference", "path": "/c", "which": "phi-4"}, "which means nothing"),
        ({"rope_dtype": "f32"}, "rope_dtype means nothing"),
        ({"version": "^0.11"}, "version"),
        ({"features": ["dep/feature"]}, "features"),
        ({"features": ["--release"]}, "features"),
        ({"examples": []}, "examples"),
        ({"examples": ["qwen"]}, "examples"),
        ({"threads": 0}, "threads"),
        ({"thread": 1}, "thread"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(settings: dict[str, Any], about: str) -> None:
    with pytest.raises(ValidationError, match=about):
        adapter(**settings)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in CandleSettings.model_fields.values())


def test_the_crate_is_built_into_a_folder_of_its_version_and_features() -> None:
    command = adapter(features=["metal"], examples=["quantized"]).build()
    folder = cache_folder() / "candle" / "0.11.1-metal"
    assert command.argv == (
        "cargo",
        "install",
        "candle-examples",
        "--version=0.11.1",
        "--example=quantized",
        f"--root={folder}",
        "--locked",
        "--features=metal",
    )
    assert command.env["CARGO_TARGET_DIR"] == f"{folder}/target"
    assert command.deadline_s >= 3600


def test_two_builds_that_differ_share_no_folder() -> None:
    builds: list[dict[str, Any]] = [
        {},
        {"version": "0.11.0"},
        {"features": ["mkl"]},
        {"toolchain": "nightly"},
        {"target_cpu": "native"},
        {"source": "reference", "path": "/a"},
        {"source": "reference", "path": "/b"},
        {"source": "reference", "path": "/b", "features": ["mkl"]},
    ]
    folders = [adapter(**build).settings.build_folder(cache_folder()) for build in builds]
    assert len(set(folders)) == len(builds)


@pytest.mark.parametrize("source", [{}, {"source": "checkout", "path": "/c"}, {"source": "reference", "path": "/c"}])
def test_a_cpu_to_compile_for_is_handed_to_the_compiler(source: dict[str, Any]) -> None:
    assert adapter(**source, target_cpu="native").build().env["RUSTFLAGS"] == "-C target-cpu=native"
    assert "RUSTFLAGS" not in adapter(**source).build().env


def test_the_order_of_features_changes_nothing() -> None:
    one, other = adapter(features=["cuda", "cudnn"]), adapter(features=["cudnn", "cuda"])
    assert one.settings.build_folder(cache_folder()) == other.settings.build_folder(cache_folder())


def test_a_checkout_is_built_where_it_lies_and_the_reference_outside_its_clone() -> None:
    checkout = adapter(source="checkout", path="/candle").build()
    assert checkout.cwd == "/candle"
    assert "CARGO_TARGET_DIR" not in checkout.env
    assert adapter(source="checkout", path="/candle").checkout == "/candle"
    assert {"--release", "--locked", "--message-format=json-render-diagnostics"} <= set(checkout.argv)
    reference = adapter(source="reference", path="/clone/reference").build()
    assert reference.env["CARGO_TARGET_DIR"].startswith(str(cache_folder()))
    assert adapter(source="reference", path="/clone/reference").checkout is None


def test_two_clones_share_what_is_compiled_of_others_crates_and_not_the_executable() -> None:
    one, other = (adapter(source="reference", path=path).build().env for path in ("/a", "/b"))
    assert one["CARGO_BUILD_BUILD_DIR"] == other["CARGO_BUILD_BUILD_DIR"]
    assert one["CARGO_TARGET_DIR"] != other["CARGO_TARGET_DIR"]


PATIENT = Limits(load_s=300.0, first_token_s=300.0, stall_s=300.0, total_s=600.0)
Cargo = Callable[..., Transcript]


@pytest.fixture
def cargo(tmp_path: Path) -> Cargo:
    """Runs an adapter's probe or build."""
    runs = iter(range(1000))

    def run(candle: Candle, purpose: str = "build", **env: str) -> Transcript:
        command = candle.build() if purpose == "build" else candle.probe()
        command = command.model_copy(update={"env": {**command.env, **env}})
        head = Head.model_validate({"purpose": purpose, "runtime": "candle"})
        return supervise(command, head=head, path=tmp_path / f"{next(runs)}.jsonl", limits=PATIENT)

    return run


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A workspace in the form of a Candle checkout, without dependencies."""
    member = tmp_path / "candle" / "candle-examples"
    (member / "src").mkdir(parents=True)
    (member / "src" / "lib.rs").write_text("pub fn nothing() {}\n")
    for name in EXAMPLES:
        (member / "examples" / name).mkdir(parents=True)
        (member / "examples" / name / "main.rs").write_text("fn main() {}\n")
    (member / "Cargo.toml").write_text(
        '[package]\nname = "candle-examples"\nversion = "0.1.2"\nedition = "2021"\n[features]\nmkl = []\n'
    )
    (tmp_path / "candle" / "Cargo.toml").write_text('[workspace]\nmembers = ["candle-examples"]\nresolver = "2"\n')
    (tmp_path / "candle" / "Cargo.lock").write_text(
        'version = 4\n\n[[package]]\nname = "candle-examples"\nversion = "0.1.2"\n'
    )
    return tmp_path / "candle"


def of(checkout: Path, **settings: Any) -> Candle:
    return adapter(source="checkout", path=str(checkout), **settings)


def refusal(candle: Candle, transcript: Transcript) -> tuple[str, str]:
    build = candle.read_build(transcript)
    assert build.executables == {}
    assert build.reason is not None
    assert build.remedy is not None
    return build.reason, build.remedy


def test_a_checkouts_executables_are_those_of_cargos_messages_also_when_nothing_is_left_to_do(
    cargo: Cargo, checkout: Path
) -> None:
    candle = of(checkout, features=["mkl"])
    first, second = candle.read_build(cargo(candle)), candle.read_build(cargo(candle))
    assert set(first.executables) == set(EXAMPLES)
    assert all(Path(path).is_file() for path in first.executables.values())
    assert second == first


def test_a_checkout_is_ready_with_its_version_before_it_is_built(cargo: Cargo, checkout: Path) -> None:
    found = of(checkout).read_probe(cargo(of(checkout), "probe"))
    assert (found.ready, found.version, found.device) == (True, "candle-examples 0.1.2", "cpu")


def test_cargo_that_is_not_there_is_said_with_how_to_get_it(cargo: Cargo, checkout: Path, tmp_path: Path) -> None:
    candle = adapter()
    found = candle.read_probe(cargo(candle, "probe", PATH=str(tmp_path)))
    assert not found.ready
    assert found.reason == "cargo can't be started: No such file or directory"
    assert found.remedy is not None
    assert "install Rust" in found.remedy


def test_a_folder_that_is_not_there_is_named(cargo: Cargo, tmp_path: Path) -> None:
    candle = of(tmp_path / "nowhere")
    found = candle.read_probe(cargo(candle, "probe"))
    assert not found.ready
    assert found.reason is not None
    assert "nowhere" in found.reason
    assert found.remedy is not None
    assert "vendor-scripts/prepare-candle.sh GIT_URL" in found.remedy


def test_a_folder_without_a_cargo_toml_is_the_wrong_one(cargo: Cargo, tmp_path: Path) -> None:
    candle = of(tmp_path)
    found = candle.read_probe(cargo(candle, "probe"))
    assert not found.ready
    assert found.reason is not None
    assert "could not find `Cargo.toml`" in found.reason
    assert found.remedy is not None
    assert "set `path` to a checkout of Candle" in found.remedy
    assert refusal(candle, cargo(candle)) == (found.reason, found.remedy)


def test_another_projects_folder_is_the_wrong_one(cargo: Cargo, checkout: Path) -> None:
    candle = adapter(source="reference", path=str(checkout))
    found = candle.read_probe(cargo(candle, "probe"))
    assert not found.ready
    assert found.reason == f"{checkout} has no package candle-reference; it has candle-examples"


def test_an_example_that_the_checkout_does_not_have_is_named(cargo: Cargo, checkout: Path) -> None:
    (checkout / "candle-examples" / "examples" / "quantized-qwen3" / "main.rs").unlink()
    found = of(checkout).read_probe(cargo(of(checkout), "probe"))
    assert found.reason == f"{checkout} has no example quantized-qwen3"
    reason, remedy = refusal(of(checkout), cargo(of(checkout)))
    assert "no example target named `quantized-qwen3`" in reason
    assert "leave out of `examples`" in remedy


def test_a_missing_lock_file_is_never_written_unasked(cargo: Cargo, checkout: Path) -> None:
    (checkout / "Cargo.lock").unlink()
    reason, remedy = refusal(of(checkout), cargo(of(checkout)))
    assert "cannot create the lock file" in reason
    assert f"vendor-scripts/prepare-candle.sh {checkout} makes the Cargo.lock" in remedy
    assert not (checkout / "Cargo.lock").exists()


def test_a_feature_that_does_not_exist_is_named(cargo: Cargo, checkout: Path) -> None:
    candle = of(checkout, features=["metall"])
    reason, remedy = refusal(candle, cargo(candle))
    assert "metall" in reason
    assert "correct `features`" in remedy


def test_the_first_compiler_error_comes_with_its_crate_and_place(cargo: Cargo, checkout: Path) -> None:
    source = checkout / "candle-examples" / "src" / "lib.rs"
    source.write_text("pub fn nothing() {}\npub fn five() -> u32 { missing }\n")
    reason, _ = refusal(of(checkout), cargo(of(checkout)))
    assert reason == (
        "crate `candle-examples`: error[E0425]: cannot find value `missing` in this scope "
        "(candle-examples/src/lib.rs:2:24)"
    )


def test_a_build_script_that_fails_is_quoted(cargo: Cargo, checkout: Path) -> None:
    (checkout / "candle-examples" / "build.rs").write_text('fn main() { panic!("nvcc not found"); }\n')
    reason, remedy = refusal(of(checkout), cargo(of(checkout)))
    assert "failed to run custom build command for `candle-examples v0.1.2" in reason
    assert reason.endswith("nvcc not found")
    assert "CUDA toolkit" in remedy


def test_a_toolchain_file_that_asks_for_what_is_not_installed_is_told_and_nothing_is_installed(
    cargo: Cargo, checkout: Path
) -> None:
    (checkout / "rust-toolchain.toml").write_text('[toolchain]\nchannel = "nightly-2020-01-01"\n')
    candle = of(checkout)
    found = candle.read_probe(cargo(candle, "probe"))
    assert not found.ready
    assert found.reason is not None
    assert "toolchain 'nightly-2020-01-01" in found.reason
    assert found.remedy is not None
    assert found.remedy.startswith("rustup toolchain install nightly-2020-01-01")


def test_source_that_only_nightly_compiles_is_told_with_the_setting_for_it(cargo: Cargo, checkout: Path) -> None:
    source = checkout / "candle-examples" / "src" / "lib.rs"
    source.write_text("#![feature(never_type)]\npub fn nothing() {}\n")
    candle = of(checkout, toolchain="stable")
    reason, remedy = refusal(candle, cargo(candle))
    assert "may not be used on the stable release channel" in reason
    assert 'toolchain = "nightly"' in remedy


def test_a_compiler_that_is_too_old_is_told(cargo: Cargo, checkout: Path) -> None:
    manifest = checkout / "candle-examples" / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace('edition = "2021"', 'edition = "2021"\nrust-version = "1.999"'))
    reason, remedy = refusal(of(checkout), cargo(of(checkout)))
    assert "is not supported by the following packages: candle-examples@0.1.2 requires rustc 1.999" in reason
    assert "rustup update" in remedy


def test_a_feature_of_another_platform_is_told_before_anything_is_built(cargo: Cargo) -> None:
    candle = adapter(features=["metal"])
    probe = cargo(candle, "probe")
    found = candle.read_probe(probe)
    on_apple = "-apple-" in probe.text("out")
    assert found.ready == on_apple
    if not on_apple:
        assert found.reason is not None
        assert found.reason.startswith("the feature `metal` exists on Apple machines only, and this is ")
        assert found.remedy == "leave `metal` out of `features`"


METAL_ON_LINUX = """   Compiling objc2 v0.6.5
error: `objc2` only works on Apple platforms. Pass `--target aarch64-apple-darwin` or similar to compile for macOS.
       (If you're absolutely certain that you're using GNUStep, you can specify that with another feature instead).
   --> /home/me/.cargo/registry/src/index-1949cf8c6b5b557f/objc2-0.6.5/src/lib.rs:219:1
    |

error: could not compile `objc2` (lib) due to 1 previous error
warning: build failed, waiting for other jobs to finish...
"""


def test_metal_elsewhere_is_known_by_its_first_crate() -> None:
    reason, remedy = refusal(adapter(), printed(METAL_ON_LINUX, exit_code=101, stream="err"))
    assert reason.startswith("crate `objc2`: error: `objc2` only works on Apple platforms.")
    assert reason.endswith("(objc2-0.6.5/src/lib.rs:219:1)")
    assert "leave the feature `metal` out" in remedy


def test_the_crates_executables_are_known_without_looking() -> None:
    build = adapter(examples=["quantized"]).read_build(
        printed("     Ignored package `candle-examples v0.11.1` is already installed\n", stream="err")
    )
    assert build.executables == {"quantized": str(cache_folder() / "candle" / "0.11.1-cpu" / "bin" / "quantized")}


def test_a_probe_that_could_not_be_started_is_not_ready() -> None:
    transcript = Transcript(
        head=Head(purpose="probe", runtime="candle"),
        launch=Launched(argv=("cargo",), env={}),
        no_spawn=NoSpawn(t_ns=1, errno=13, message="Permission denied"),
    )
    assert adapter().read_probe(transcript).reason == "cargo can't be started: Permission denied"


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
REFERENCE = str(Path(__file__).parents[2] / "vendor-scripts" / "candle-reference")


def tokenizer_of(model: Path) -> Path:
    with model.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    facts = a_job(path=str(model)).model.model_copy(update={"sha256": sha256})
    return write_tokenizer(facts, Path(tempfile.gettempdir()) / f"parity-tests-{sha256}.json")


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


def build_of(candle: Candle, folder: Path) -> Build:
    """Compiles what isn't compiled yet, which can take a quarter of an hour and more."""
    head = Head(purpose="build", runtime="candle")
    build = candle.read_build(supervise(candle.build(), head=head, path=folder / "build.jsonl", limits=PATIENT))
    assert build.executables, (build.reason, build.remedy)
    return build


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
        turn = None if job.test.raw else chat_turn(job.model, tokenizer_json, job.test.prompt)
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
    assert ran.value("load_s", "spawn-to-ready") > ran.value("load_weights_s", "spawn-to-weights")
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
