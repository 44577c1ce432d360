"""What Candle's examples print, read as events."""

from typing import Any

import pytest
from candle_trials import (
    ECHO,
    PREAMBLE,
    SPAWN_NS,
    TURN,
    a_job,
    a_transcript,
    chunks,
    count,
    figure,
    phases,
    printed,
    read,
    recorded,
    seconds,
    statistics,
    text,
    until_complaint,
)

from parity.adapter.events import Bye, Hello, Prompt, Settings, Token
from parity.records import Job
from parity.transcript import End, Piece


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
    assert "echoed something other than its prompt" in complaint


def test_a_run_cut_off_in_its_echo_keeps_its_load_and_shows_no_text() -> None:
    events, complaint = until_complaint(printed(PREAMBLE, ECHO[:30]), a_job())
    assert phases(events)[-1] == ("tokenizer", "begin")
    assert not chunks(events)
    assert "no statistics" in complaint


def test_a_program_that_printed_nothing_has_no_events_nor_has_a_job_that_was_refused() -> None:
    assert read(printed(), a_job()) == []
    assert read(printed(), a_job("gemma3")) == []


@pytest.mark.parametrize(("asked", "shown"), [(0.704, 0.704), (0.7, 0.7), (0.3, 0.7)])
def test_a_temperature_that_is_printed_short_is_the_one_that_was_asked(asked: float, shown: float) -> None:
    job = a_job()
    job = job.but(test=job.test.but(sampling=job.test.sampling.but(temperature=asked)))
    whole = printed(PREAMBLE.replace("temp: 0.00", "temp: 0.70") + ECHO, " a" * 10 + statistics())
    [settings] = [event for event in read(whole, job) if isinstance(event, Settings)]
    assert settings.values["temperature"] == shown
