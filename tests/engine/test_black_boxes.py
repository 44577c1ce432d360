"""Programs that show text but no tokens: what their text and their two budgets tell, and what they can't."""

import pytest
from builders import MS, SPAWN_NS, transcript, trial
from hypothesis import given
from hypothesis import strategies as st

from parity.adapter.events import Chunk, Count, Event, Phase, Prompt
from parity.reading.measure import measure
from parity.reading.metrics.two_budgets import with_two_budgets
from parity.records import Failure, Measurement, Trial, TrialKind

BUDGETS: dict[tuple[str, TrialKind], int] = {("t", "full"): 50, ("t", "short"): 10}


def words(text: str) -> int:
    return len(text.split())


def printed(*chunks: tuple[int, str], count: int | None = None) -> list[Event]:
    """Prefill at 100 ms, chunks at their ms, the end of generation at 400 ms."""
    events: list[Event] = [
        Phase(t_ns=SPAWN_NS + 100 * MS, name="prefill", edge="begin"),
        Prompt(t_ns=SPAWN_NS + 100 * MS, count=4),
        *(Chunk(t_ns=SPAWN_NS + ms * MS, text=text) for ms, text in chunks),
        Phase(t_ns=SPAWN_NS + 400 * MS, name="generate", edge="end"),
    ]
    return events if count is None else [*events, Count(t_ns=SPAWN_NS + 400 * MS, generated=count)]


def found(events: list[Event], *, tokenizer: bool = True) -> dict[tuple[str, str], Measurement]:
    measured = measure(transcript(events), events, words if tokenizer else None)
    return {(m.metric, m.definition): m for m in measured}


def test_streamed_text_gives_a_rate_by_chunks_and_a_bound_of_the_first_token() -> None:
    seen = found(printed((150, "a b "), (200, "c d e "), (250, "f g"), count=8))
    assert seen["gen_tps", "chunk-interval"].value == pytest.approx(5 / 0.1)
    assert seen["ttft_s", "first-chunk"].value == pytest.approx(0.05)
    assert seen["total_s", "start-to-text"].value == pytest.approx(0.3)
    assert seen["generated_tokens", "runtime-count"].value == 8
    assert seen["generated_tokens", "retokenised-text"].value == 7
    assert seen["ttft_s", "token-stamps"].value is None


@pytest.mark.parametrize(
    ("chunks", "tokenizer", "reason"),
    [
        (((390, "all at once"),), True, "one burst"),
        (((390, "all "), (392, "at once")), True, "one burst"),
        (((150, "a"), (160, "b"), (300, "c")), True, "came in bursts"),
        (((380, "a"), (383, "b"), (386, "c")), True, "less than 5% of the time since prefill began"),
        (((150, "a"), (300, "b")), True, "two pieces of text"),
        (((150, "a"), (225, " "), (300, " ")), True, "holds no token"),
        (((150, "a"), (225, "b"), (300, "c")), False, "no tokenizer"),
    ],
)
def test_a_burst_has_no_rate(chunks: tuple[tuple[int, str], ...], tokenizer: bool, reason: str) -> None:
    rate = found(printed(*chunks), tokenizer=tokenizer)["gen_tps", "chunk-interval"]
    assert rate.value is None
    assert reason in (rate.reason or "")


@pytest.mark.parametrize("ready", [True, False])
def test_text_that_was_held_back_has_no_rate_without_a_start_mark_either(ready: bool) -> None:
    mark = [Phase(t_ns=SPAWN_NS + 10 * MS, name="ready", edge="end")] if ready else []
    held = [Chunk(t_ns=SPAWN_NS + (1500 + 3 * k) * MS, text="w ") for k in range(20)]
    rate = found([*mark, *held])["gen_tps", "chunk-interval"]
    assert rate.value is None
    since = "it was ready" if ready else "its process was started"
    assert f"less than 5% of the time since {since}" in (rate.reason or "")
    shown = [Chunk(t_ns=SPAWN_NS + (500 + 30 * k) * MS, text="w ") for k in range(20)]
    assert found([*mark, *shown])["gen_tps", "chunk-interval"].value == pytest.approx(1000 / 30)


def box(kind: str, n: float, t: float, *, round: int = 1, metric: str = "total_s", prompt: float | None = 8) -> Trial:
    values = {"generated_tokens": n, metric: t, **({"prompt_tokens": prompt} if prompt is not None else {})}
    return trial("one", round, values, definition="start-to-text", kind=kind)


def completed(*trials: Trial) -> dict[str, Measurement]:
    [full] = [t for t in with_two_budgets(trials, BUDGETS) if t.kind == "full"]
    return {m.definition: m for m in full.measurements if m.metric in ("gen_tps", "prompt_tps")}


def test_fixed_work_cancels_in_the_difference() -> None:
    # 0.5 s before the first token, 20 ms a token after it.
    seen = completed(box("full", 50, 0.5 + 49 * 0.02), box("short", 10, 0.5 + 9 * 0.02))
    assert seen["two-budgets"].value == pytest.approx(50)
    assert seen["prefill-short-budget"].value == pytest.approx(8 / 0.5)


@given(st.floats(0.01, 5), st.floats(1e-4, 1), st.integers(2, 100), st.integers(1, 400))
def test_two_budgets_give_the_true_rate_of_a_steady_program(start: float, step: float, n1: int, more: int) -> None:
    trials = (box("full", n1 + more, start + (n1 + more - 1) * step), box("short", n1, start + (n1 - 1) * step))
    budgets = {("t", "full"): n1 + more, ("t", "short"): n1}
    [full] = [t for t in with_two_budgets(trials, budgets) if t.kind == "full"]
    [rate] = [m for m in full.measurements if m.definition == "two-budgets"]
    assert rate.value == pytest.approx(1 / step, rel=1e-6)


@pytest.mark.parametrize(
    ("full", "short", "reason"),
    [
        (box("full", 30, 2.0), box("short", 10, 1.0), "generated 10 and 30 of 10 and 50"),
        (
            box("full", 52, 2.0),
            box("short", 10, 1.0),
            "start-to-text counts 10 and 52 tokens, and the budgets are 10 and 50",
        ),
        (box("full", 50, 2.0), box("short", 11, 1.0), "counts 11 and 50 tokens, and the budgets are 10 and 50"),
        (box("full", 50, 1.0), box("short", 10, 1.0), "took no longer"),
        (box("full", 50, 1.0), box("short", 10, 2.0), "took no longer"),
        (
            box("full", 50, 2.0),
            box("short", 10, 1.0).but(failure=Failure(kind="stall", message="")),
            "trial of 10 tokens failed (stall)",
        ),
        (
            box("full", 50, 2.0),
            trial("one", 1, {"total_s": 1.0}, definition="start-to-text", kind="short"),
            "do not both show",
        ),
    ],
)
def test_a_difference_that_says_nothing_is_absent_with_the_reason(full: Trial, short: Trial, reason: str) -> None:
    rate = completed(full, short)["two-budgets"]
    assert rate.value is None
    assert reason in (rate.reason or "")


def test_without_a_start_mark_there_is_a_rate_and_no_prompt_rate() -> None:
    seen = completed(box("full", 50, 3.0, metric="wall_s"), box("short", 10, 2.0, metric="wall_s"))
    assert seen["two-budgets"].value == pytest.approx(40)
    assert "does not mark the start of prefill" in (seen["prefill-short-budget"].reason or "")


def test_budgets_of_different_rounds_are_never_paired() -> None:
    assert completed(box("full", 50, 2.0, round=1), box("short", 10, 1.0, round=2)) == {}
