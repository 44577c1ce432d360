"""How often parity wakes while a program runs."""

import pytest
from supervised import Run, python

from parity.adapter import Launch
from parity.hosts.local.deadlines import HELD_BACK_S, Deadlines, ns
from parity.hosts.local.pace import BREATH_S, BRISK_S, BURST, SAMPLE_EVERY_S, SAMPLE_SELDOM_S, Pace
from parity.records import Limits
from parity_worker import HOLD_S

FLOOD = """if True:
    import os, time
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        os.write(1, b"%d\\n" % time.monotonic_ns())
"""


def test_samples_are_dense_after_each_mark_and_seldom_in_between() -> None:
    pace, now = Pace(0), ns(0.05)
    assert pace.sample_due_ns == now
    pace.sampled(now)
    assert pace.sample_due_ns == now + ns(SAMPLE_EVERY_S)
    late = ns(BRISK_S + 1)
    pace.sampled(late)
    assert pace.sample_due_ns == late + ns(SAMPLE_SELDOM_S)
    pace.mark(late + 5)
    assert pace.sample_due_ns == late + 5 + ns(SAMPLE_EVERY_S)


def test_samples_stay_dense_where_parity_keeps_a_limit_of_memory_itself() -> None:
    pace = Pace(0, always_every_s=0.05)
    pace.sampled(ns(BRISK_S + 1))
    assert pace.sample_due_ns == ns(BRISK_S + 1.05)


def test_parity_waits_for_more_only_where_a_program_prints_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("parity.hosts.local.pace.time.sleep", slept.append)
    pace = Pace(0)
    for _ in range(BURST):
        pace.breathe(0)
    assert slept == []
    pace.breathe(0)
    pace.breathe(0)
    assert slept == [BREATH_S, BREATH_S]
    pace.breathe(ns(2 * BREATH_S))
    pace.breathe(0)
    assert slept == [BREATH_S, BREATH_S]
    pace.breathe(0)
    assert slept == [BREATH_S] * 3


def test_a_program_that_prints_without_a_pause_wakes_parity_no_more_than_a_thousand_times_a_second(run: Run) -> None:
    transcript = run(python(FLOOD))
    lines = list(transcript.lines("out"))
    assert len(lines) > 3 * len(transcript.pieces)
    assert len(transcript.pieces) <= BURST + 1000 * (lines[-1].t_ns - lines[0].t_ns) / 1e9 + 20
    stamps = [int(line.text) for line in lines]
    assert stamps == sorted(stamps)


def test_a_stall_is_no_stall_before_what_a_worker_holds_back_must_be_out() -> None:
    assert HELD_BACK_S >= HOLD_S
    deadlines = Deadlines.of(Launch(argv=("p",)), Limits(stall_s=3.0, total_s=9.0), 0)
    assert deadlines.next() == (ns(3.0 + HELD_BACK_S), "stall")
