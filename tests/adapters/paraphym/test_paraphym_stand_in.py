"""The adapter on real processes: a stand-in built by cargo, and what it says it did against what parity saw."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parity.adapter.events import RuntimeFigure
from parity.hosts.local.deadlines import AFTER_FAIL_S

pytestmark = pytest.mark.slow

Quietly = Callable[[Callable[[], None]], None]

WORDS = " ".join(f"word{k}" for k in range(1, 21))


def close(seconds: float) -> Any:
    """Within 5 % or 5 ms of what the stand-in did, whichever is larger."""
    return pytest.approx(seconds, rel=0.05, abs=0.005)


@pytest.mark.parametrize("streamed", [0, 1])
def test_instants_are_what_the_program_did(play: Callable[..., Any], in_a_quiet_moment: Quietly, streamed: int) -> None:
    def check() -> None:
        trial = play("What is 2+2?", SECOND_MODEL_MS=500, LOAD_MS=1000, PREFILL_MS=500, TOKEN_MS=30, STREAMED=streamed)
        assert (trial.failure, trial.end.by) == (None, "stop")
        [start], [end], [ready] = trial.did_s("start"), trial.did_s("end"), trial.did_s("ready")
        [load], [weights] = trial.did_s("load"), trial.did_s("weights")
        assert trial.value("load_s") == close(ready)
        assert trial.value("load_lm_s") == close(ready - load)
        assert trial.value("load_weights_s", "weights-begin-to-end") == close(weights - load)
        assert trial.value("load_weights_s", "spawn-to-weights") == close(weights)
        assert trial.phases_s[("prefill", "begin")] == close(start)
        assert trial.value("total_s") == close(end - start)
        assert trial.value("wall_s") == close(end)
        assert trial.value("ttft_s") == close(trial.did_s("text")[0] - start)
        assert trial.text.strip() == WORDS
        assert trial.value("generated_tokens") == 20

    in_a_quiet_moment(check)


def test_one_burst_at_the_end_is_one_read_and_no_rate(play: Callable[..., Any]) -> None:
    trial = play(TOKEN_MS=5)
    assert (trial.settings["text_reads"], len(trial.did_s("text"))) == (1, 1)
    [rate] = [m for m in trial.measured("gen_tps") if m.definition == "chunk-interval"]
    assert (rate.value, rate.reason) == (None, "all text came in one burst")


def test_streamed_text_has_a_rate(play: Callable[..., Any], in_a_quiet_moment: Quietly) -> None:
    def check() -> None:
        trial = play(tokens=40, TOKEN_MS=25, STREAMED=1)
        first, *_, last = trial.did_s("text")
        assert trial.settings["text_reads"] == 40
        assert trial.value("gen_tps") == close(39 / (last - first))

    in_a_quiet_moment(check)


def test_budgets_differ_by_what_the_tokens_between_them_take(
    play: Callable[..., Any], in_a_quiet_moment: Quietly
) -> None:
    def check() -> None:
        short, full = (play(tokens=tokens, TOKEN_MS=20, PREFILL_MS=300) for tokens in (2, 52))
        assert (short.value("generated_tokens"), full.value("generated_tokens")) == (2, 52)
        did = [trial.did_s("end")[0] - trial.did_s("start")[0] for trial in (short, full)]
        assert full.value("total_s") - short.value("total_s") == close(did[1] - did[0])

    in_a_quiet_moment(check)


def test_the_trial_ends_at_example_2_although_the_program_never_does(
    play: Callable[..., Any], in_a_quiet_moment: Quietly
) -> None:
    def check() -> None:
        trial = play(LOAD_MS=800)
        assert (trial.failure, trial.end.by) == (None, "stop")
        assert trial.did_s("deadlock")
        assert trial.value("wall_s") == close(trial.did_s("end")[0])

    in_a_quiet_moment(check)


def test_a_deadlock_in_example_2_is_seen_by_a_whole_trial(play: Callable[..., Any]) -> None:
    trial = play(kind="whole", bounds={"stall_s": 1.0})
    assert trial.did_s("deadlock")
    assert trial.failure is not None
    assert trial.failure.kind == "stall"


def test_a_whole_trial_without_one_runs_to_its_end(play: Callable[..., Any]) -> None:
    trial = play(kind="whole", AFTER="finish")
    assert (trial.failure, trial.end.by, trial.end.exit_code) == (None, "exit", 0)
    assert trial.text.strip() == WORDS


@pytest.mark.parametrize(("kind", "by"), [("full", "stop"), ("whole", "exit")])
def test_headings_without_an_answer_are_silent(play: Callable[..., Any], kind: str, by: str) -> None:
    trial = play(PLAY="silent", kind=kind)
    assert trial.end.by == by
    assert trial.failure is not None
    assert trial.failure.kind == "silent"


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("failed-load", "failed to fill whole buffer"), ("failed-second-model", "error sending request")],
)
def test_a_failed_load_is_reported_at_once_instead_of_waited_for(
    play: Callable[..., Any], in_a_quiet_moment: Quietly, fault: str, cause: str
) -> None:
    def check() -> None:
        trial = play("What is 2+2?", PLAY=fault, SECOND_MODEL_MS=500, LOAD_MS=500)
        assert trial.end.by == "fail"
        assert trial.since_spawn_s(trial.end.t_ns) == close(trial.did_s("failure")[0] + AFTER_FAIL_S)
        assert trial.failure is not None
        assert trial.failure.kind == "unavailable"
        assert cause in trial.failure.message

    in_a_quiet_moment(check)


def test_a_crash_in_mid_stream_is_a_crash_and_its_text_is_kept(play: Callable[..., Any]) -> None:
    trial = play(PLAY="crash", STREAMED=1, TOKEN_MS=5)
    assert trial.failure is not None
    assert trial.failure.kind == "crash:SIGABRT"
    assert "".join(trial.chunks).strip() == " ".join(f"word{k}" for k in range(1, 11))
    assert any("panicked" in line for line in trial.failure.tail)


def test_a_model_that_imitates_the_statistics_is_not_believed(play: Callable[..., Any]) -> None:
    imitation = " 4\n\n✅ Generation complete!\n   Tokens: 9999\n   Time: 0.10s\n   Speed: 99990.00 tokens/sec\nand 5"
    trial = play(TEXT=imitation)
    assert trial.failure is None
    assert trial.text == imitation
    assert not [event for event in trial.events if isinstance(event, RuntimeFigure)]


def test_real_statistics_are_cut_off_the_answer_and_give_no_figure(play: Callable[..., Any]) -> None:
    trial = play(STATISTICS=1, PREFILL_MS=300, TOKEN_MS=10)
    assert trial.text.strip() == WORDS
    assert not [event for event in trial.events if isinstance(event, RuntimeFigure)]


def test_log_lines_between_pieces_of_text_change_nothing(play: Callable[..., Any], in_a_quiet_moment: Quietly) -> None:
    def check() -> None:
        trial = play(INTERLEAVED=1, STREAMED=1, TOKEN_MS=30, PREFILL_MS=300)
        assert trial.text.strip() == WORDS
        assert len(trial.chunks) == len(trial.did_s("text"))
        assert trial.value("total_s") == close(trial.did_s("end")[0] - trial.did_s("start")[0])

    in_a_quiet_moment(check)


@pytest.mark.parametrize("crate", ["paraphym_candle", "cyrup_candle"])
def test_the_program_is_read_under_both_names_of_its_crate(play: Callable[..., Any], crate: str) -> None:
    trial = play(CRATE=crate)
    assert (trial.failure, trial.settings["crate"]) == (None, crate)


def test_a_query_that_begins_with_a_hyphen_arrives(play: Callable[..., Any]) -> None:
    assert play("--verbose or not").failure is None


@pytest.mark.parametrize(
    ("name", "query", "scale"),
    [
        ("complete-8-threads", "What is 2+2?", 0.4),
        ("default-hang", "What is 2+2?", 0.15),
        ("download", "What is 2+2?", 0.05),
        ("short", "hello there", 4.0),
        ("streamed-once", "hello there", 4.0),
        ("temperature-0", "What is 2+2?", 0.15),
    ],
)
def test_a_replayed_recording_reads_as_the_recording(
    play: Callable[..., Any],
    recorded: Callable[..., Any],
    recordings: Path,
    in_a_quiet_moment: Quietly,
    name: str,
    query: str,
    scale: float,
) -> None:
    original = recorded(name, query=query)
    written = [original.since_spawn_s(piece.t_ns) for piece in original.transcript.pieces]

    def check() -> None:
        trial = play(query, tokens=51, REPLAY=recordings / f"{name}.tsv", SCALE=scale)
        assert (trial.failure, trial.end.by) == (None, "stop")
        assert trial.text == original.text
        assert list(trial.phases_s) == list(original.phases_s)
        replayed = [trial.since_spawn_s(t_ns) for done, t_ns in trial.side if done in ("out", "err")]
        for phase, seconds in original.phases_s.items():
            assert trial.phases_s[phase] == close(replayed[written.index(seconds)])

    in_a_quiet_moment(check)


@pytest.mark.parametrize(
    ("section", "query", "kind"),
    [
        ("empty model cache", "What is 2+2?", "unavailable"),
        ("truncated GGUF", "hello there", "unavailable"),
        ("unwritable cache folder", "What is 2+2?", "silent"),
        ("too little memory", "What is 2+2?", "silent"),
    ],
)
@pytest.mark.parametrize("trial_kind", ["full", "whole"])
def test_a_replayed_failure_is_the_failure_that_it_was(
    play: Callable[..., Any], recordings: Path, section: str, query: str, kind: str, trial_kind: str
) -> None:
    trial = play(query, kind=trial_kind, REPLAY=recordings / "failures.tsv", SECTION=section)
    assert trial.failure is not None
    assert trial.failure.kind == kind
    assert trial.since_spawn_s(trial.end.t_ns) < 20
