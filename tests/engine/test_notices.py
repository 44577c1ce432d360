"""What programs warn of in trials that gave a result reaches the report: each kind of line once, and no more than a
reader can read."""

import pytest
from builders import transcript, trial

from parity.adapter.warned import looks_like_a_warning
from parity.judging.warnings import MOST_NOTICES, notices
from parity.reading.notices import FURTHER, LONGEST, MOST_BYTES, MOST_KINDS, notices_of
from parity.records import Failure, Notice, Trial


def of(err: bytes) -> list[tuple[str, int]]:
    return [(notice.text, notice.count) for notice in notices_of(transcript(err=err), looks_like_a_warning)]


@pytest.mark.parametrize(
    "line",
    [
        "load: missing pre-tokenizer type, using: 'default'",
        "GENERATION QUALITY WILL BE DEGRADED!",
        "llama_context: n_ctx_seq (4096) > n_ctx_train (2048) -- possible training context overflow",
        "[2026-01-01T00:00:00Z WARN candle_core] slow path",
        "lib/x.py:12: UserWarning: the cache is full",
        "FutureWarning: this is deprecated",
        "Metal is not supported here: falling back to the CPU",
        "error: could not pin memory",
    ],
)
def test_a_line_that_says_that_something_is_wrong_is_a_warning(line: str) -> None:
    assert looks_like_a_warning(line)


@pytest.mark.parametrize(
    "line",
    [
        "loading the model",
        "compiled with 0 errors and no warnings",
        "[2026-01-01T00:00:00Z INFO candle_core] missing keys are read from the file",
        "  warnings.warn(",
        "terrorise",
        "",
    ],
)
def test_any_other_line_is_none(line: str) -> None:
    assert not looks_like_a_warning(line)


def test_lines_that_differ_in_numbers_only_are_one_kind_with_its_count() -> None:
    assert of(b"12:00 warning: step 1 is slow\n12:01 warning: step 2 is slow\nwarning: odd\nready\n") == [
        ("12:00 warning: step 1 is slow", 2),
        ("warning: odd", 1),
    ]


def test_what_acts_on_a_terminal_and_what_is_long_is_left_out() -> None:
    assert of(b"\x1b[31mwarning:\x1b[0m\todd\r\n") == [("warning: odd", 1)]
    [(text, _)] = of(b"warning " + b"x" * 10_000 + b"\n")
    assert len(text) == LONGEST
    assert text.endswith("…")


def test_many_kinds_of_lines_are_counted_and_not_shown() -> None:
    names = [bytes([97 + k // 26, 97 + k % 26]) for k in range(MOST_KINDS + 7)]
    found = of(b"".join(b"warning: " + name + b"\n" for name in names) + b"warning: aa\n")
    assert len(found) == MOST_KINDS + 1
    assert found[0] == ("warning: aa", 2)
    assert found[-1] == (FURTHER, 7)


def test_a_flood_is_looked_at_in_its_first_part_only() -> None:
    line = b"warning: odd\n"
    [(_, count)] = of(line * (MOST_BYTES // len(line) * 4))
    assert count == MOST_BYTES // len(line)


def warned(runtime: str, text: str, count: int = 1, **fields: object) -> Trial:
    return trial(runtime, 1, {}, notices=(Notice(text=text, count=count),), **fields)


def test_a_report_says_each_kind_once_with_the_runtimes_and_how_often() -> None:
    trials = [
        warned("one", "odd", 3),
        warned("one", "odd", 2, kind="short"),
        warned("two", "odd"),
        warned("two", "rare"),
    ]
    assert list(notices(str.title, trials)) == [
        "One and Two warned, 6 times in 3 trials: odd",
        "Two warned, 1 time in 1 trial: rare",
    ]


def test_a_trial_that_failed_shows_its_last_lines_instead() -> None:
    assert list(notices(str.title, [warned("one", "odd", failure=Failure(kind="exit:1", message="m"))])) == []


def test_a_report_shows_no_more_kinds_than_can_be_read() -> None:
    found = list(notices(str.title, [warned("one", f"odd {k}") for k in range(MOST_NOTICES + 3)]))
    assert len(found) == MOST_NOTICES + 1
    assert found[-1] == "3 further kinds of warnings are in the transcripts"
