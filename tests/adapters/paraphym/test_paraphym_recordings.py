"""Every recorded run of the program, read as a trial that parity would have ended where its markers say."""

from collections.abc import Callable
from typing import Any

import pytest

from parity.adapter.events import Error, Prompt

ANSWER_OF_51_TOKENS = 279
"""Characters of the same greedy-like answer in several recordings."""


@pytest.mark.parametrize(
    ("name", "query", "ready_s", "lm_load_s", "start_s", "end_s"),
    [
        ("complete-8-threads", "What is 2+2?", 2.1966, 2.1708, 2.2237, 2.5301),
        ("default-hang", "What is 2+2?", 7.3410, 7.2955, 7.3910, 7.7113),
        ("short", "hello there", 0.0681, 0.0411, 0.0942, 0.3221),
        ("streamed-once", "hello there", 0.0864, 0.0512, 0.1007, 0.4492),
        ("temperature-0", "What is 2+2?", 7.8547, 7.7739, 7.8773, 8.3456),
    ],
)
def test_instants_are_those_of_the_marks(
    recorded: Callable[..., Any], name: str, query: str, ready_s: float, lm_load_s: float, start_s: float, end_s: float
) -> None:
    trial = recorded(name, query=query)
    assert (trial.failure, trial.end.by) == (None, "stop")
    assert trial.value("load_s") == pytest.approx(ready_s)
    assert trial.value("load_lm_s") == pytest.approx(ready_s - lm_load_s)
    assert trial.value("total_s") == pytest.approx(end_s - start_s)
    assert trial.phases_s[("generate", "end")] == pytest.approx(end_s)
    assert trial.phases_s[("header", "end")] <= trial.phases_s[("weights", "end")]
    assert trial.phases_s[("weights", "end")] <= trial.phases_s[("tokenizer", "end")]
    assert [e.t_ns for e in trial.events] == sorted(e.t_ns for e in trial.events)


def test_a_trial_that_downloads_has_no_load_time(recorded: Callable[..., Any]) -> None:
    trial = recorded("download", query="What is 2+2?")
    assert (trial.failure, trial.end.by) == (None, "stop")
    assert trial.value("total_s") == pytest.approx(36.3375 - 36.0359)
    [load] = trial.measured("load_s")
    assert (load.value, load.reason) == (None, "the program downloaded files in this trial")


@pytest.mark.parametrize(
    ("name", "query", "characters", "begins", "ends", "chunks", "reads"),
    [
        ("complete-8-threads", "What is 2+2?", ANSWER_OF_51_TOKENS, " shika brushi 3", "terka terol", 9, 4),
        ("default-hang", "What is 2+2?", ANSWER_OF_51_TOKENS, " shika brushi 3", "terka terol", 1, 1),
        ("download", "What is 2+2?", ANSWER_OF_51_TOKENS, " shika brushi 3", "terka terol", 1, 1),
        ("short", "hello there", 11, " gare terol", "terol", 1, 1),
        ("streamed-once", "hello there", 258, " gare terol terol", "nire 27 kare", 1, 1),
        ("temperature-0", "What is 2+2?", 153, " 98 97 99 99", " 99 99", 1, 1),
    ],
)
def test_the_answer_is_what_stands_between_the_headings(
    recorded: Callable[..., Any],
    name: str,
    query: str,
    characters: int,
    begins: str,
    ends: str,
    chunks: int,
    reads: int,
) -> None:
    trial = recorded(name, query=query)
    assert (len(trial.text), trial.text.startswith(begins), trial.text.endswith(ends)) == (characters, True, True)
    assert "".join(trial.chunks) == trial.text
    # Some of the nine pieces came in one instant.
    assert (len(trial.chunks), trial.settings["text_reads"]) == (chunks, reads)


def test_a_burst_has_no_rate_by_its_chunks(recorded: Callable[..., Any]) -> None:
    for name in ("default-hang", "complete-8-threads"):
        [rate] = [m for m in recorded(name).measured("gen_tps") if m.definition == "chunk-interval"]
        assert (rate.value, rate.reason) == (None, "all text came in one burst")
    streamed = recorded("streamed-once", query="hello there")
    [rate] = [m for m in streamed.measured("gen_tps") if m.definition == "chunk-interval"]
    assert rate.value is None


@pytest.mark.parametrize(("query", "name"), [("What is 2+2?", "default-hang"), ("hello there", "short")])
def test_the_prompt_is_the_one_known_with_its_template(recorded: Callable[..., Any], query: str, name: str) -> None:
    [prompt] = [event for event in recorded(name, query=query).events if isinstance(event, Prompt)]
    assert prompt.text == (
        "<|im_start|>user\nYou are a helpful AI assistant. Think step-by-step and be concise.\n\n"
        f"Personality: assistant (creativity: 0.5, formality: 0.7, empathy: 0.6)\n\nUser: {query}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_prompt_of_another_length_is_a_complaint_with_both_lengths(recorded: Callable[..., Any]) -> None:
    trial = recorded("default-hang", query="What is 2+2? ")
    assert trial.failure is not None
    assert trial.failure.kind == "parse"
    assert "158 bytes" in trial.failure.message
    assert "159" in trial.failure.message


def test_what_was_in_force_is_told(recorded: Callable[..., Any]) -> None:
    settings = recorded("default-hang").settings
    assert (
        settings.items()
        >= {
            "device": "cpu",
            "crate": "cyrup_candle",
            "tokio_worker_threads": 3,
            "rayon_num_threads": 2,
            "samples_at_most": 51,
            "temperature_passed": 0.001,
            "sampling": "greedy in effect",
            "workers_loaded": 2,
            "loads_while_generating": False,
            "other_models": "dunzhang/stella_en_400M_v5",
            "end_token_id": 678,
            "top_p": 0.9,
        }.items()
    )
    assert str(settings["weights_file"]).endswith("/Qwen3-1.7B-Q4_K_M.gguf")


def test_a_second_worker_that_loads_during_generation_is_told(recorded: Callable[..., Any]) -> None:
    assert recorded("temperature-0").settings["loads_while_generating"] is True
    assert recorded("streamed-once", query="hello there").settings["loads_while_generating"] is True


def test_a_query_without_a_second_model_names_none(recorded: Callable[..., Any]) -> None:
    assert "other_models" not in recorded("short", query="hello there").settings


@pytest.mark.parametrize(
    ("section", "query", "cause", "advice", "ended_s"),
    [
        ("empty model cache", "What is 2+2?", "error sending request for url", "Hugging Face cache", 0.3210),
        ("truncated GGUF", "hello there", "failed to fill whole buffer", "download it again", 0.2561),
    ],
)
def test_a_worker_that_failed_to_load_ends_the_trial_at_once(
    recorded: Callable[..., Any], section: str, query: str, cause: str, advice: str, ended_s: float
) -> None:
    trial = recorded("failures", section, query=query)
    assert (trial.end.by, trial.since_spawn_s(trial.end.t_ns)) == ("fail", pytest.approx(ended_s))
    assert trial.failure is not None
    assert trial.failure.kind == "unavailable"
    assert cause in trial.failure.message
    assert advice in trial.failure.message


@pytest.mark.parametrize("section", ["unwritable cache folder", "too little memory"])
@pytest.mark.parametrize(("kind", "by"), [("full", "stop"), ("whole", "exit")])
def test_no_text_is_silent_whatever_the_status(recorded: Callable[..., Any], section: str, kind: str, by: str) -> None:
    trial = recorded("failures", section, kind=kind)
    assert trial.end.by == by
    assert trial.failure is not None
    assert trial.failure.kind == "silent"


def test_errors_of_the_memory_search_mean_nothing(recorded: Callable[..., Any]) -> None:
    trial = recorded("default-hang")
    assert "ERROR" in trial.transcript.text("err")
    assert not [event for event in trial.events if isinstance(event, Error)]


def test_a_whole_trial_that_ends_well_is_no_failure(recorded: Callable[..., Any]) -> None:
    trial = recorded("complete-8-threads", kind="whole")
    assert (trial.end.by, trial.end.exit_code, trial.failure) == ("exit", 0, None)
    assert len(trial.text) == ANSWER_OF_51_TOKENS


def test_a_whole_trial_that_hangs_in_example_2_is_one(recorded: Callable[..., Any]) -> None:
    trial = recorded("default-hang", kind="whole")
    assert trial.failure is not None
    assert trial.failure.kind == "timeout:total"
