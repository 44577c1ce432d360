"""The wall clock is set while parity is at work, by a time server or by a person: nothing that is measured, judged,
ordered or removed follows it, and the run says so."""

import json
import os
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from scripted_host import HANGS, SPEED, Meanwhile, Program, config, table

from parity.run import log
from parity.transcript import Head

CASE = config(table("base") + table("other"), rounds=5, gates=HANGS + SPEED)
DAY_S = 24 * 3600.0


@pytest.fixture
def jumps(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on, the wall clock is a day earlier whenever anything asks for it again."""
    real, asked = time.time, [0]

    def wall() -> float:
        asked[0] += 1
        return real() - asked[0] * DAY_S

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.fromtimestamp(wall(), tz)

    def start() -> None:
        monkeypatch.setattr(time, "time", wall)
        monkeypatch.setattr(time, "time_ns", lambda: int(wall() * 1e9))
        monkeypatch.setattr(log, "datetime", Jumping)

    return start


def test_a_run_on_a_clock_that_jumps_is_the_same_run(program: Program, jumps: Callable[[], None]) -> None:
    program.write(CASE)
    assert program("run", "case.toml", "--out", "quiet").code == 0
    jumps()
    host = program.host()
    host.interrupt_at = 5
    assert program("run", "case.toml", "--out", "run", host=host).code == 130
    assert program("run", "--resume", "run").code == 0
    quiet, stepped = program.report("quiet"), program.report("run")
    assert stepped["started"] < quiet["started"]
    for key in ("verdicts", "exit", "interrupted"):
        assert stepped[key] == quiet[key]
    order = [[(t["round"], t["runtime"], t["warmup"]) for t in r["trials"]] for r in (quiet, stepped)]
    assert order[0] == order[1]
    scored = program("score", "run")
    assert scored.code == 0


def test_a_run_says_that_the_clock_was_set_and_counts_the_trial(program: Program) -> None:
    def meanwhile(head: Head) -> Meanwhile:
        hit = head.slot is not None and (head.slot.runtime, head.slot.round, head.slot.warmup) == ("other", 3, False)
        return Meanwhile(wall_step_s=-3600.0 if hit else 0.0)

    host = program.host()
    program.write(CASE)
    program("run", "case.toml", "--out", "quiet", host=program.host())
    host.meanwhile = meanwhile
    done = program("run", "case.toml", "--out", "run", host=host)
    assert done.code == 0
    [warning] = [line for line in program.report()["warnings"] if "the clock of the machine was set" in line]
    assert "while 1 trial ran, by -3,600.0 s in" in warning
    assert "no duration is" in warning
    assert "the clock of the machine was set" in done.out
    assert program.report()["verdicts"] == program.report("quiet")["verdicts"]
    assert program.report()["void"] == []


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        ({2: Meanwhile(wall_step_before_s=7200.0)}, "before 1 trial, by +7,200.0 s ahead of trials/00"),
        (
            {2: Meanwhile(wall_step_before_s=0.2), 4: Meanwhile(wall_step_s=-60.0)},
            "while 1 trial ran and before 1 trial, by -60.0 s in trials/00",
        ),
    ],
)
def test_a_run_says_that_the_clock_was_set_between_two_trials(
    program: Program, meanwhile: dict[int, Meanwhile], said: str
) -> None:
    host = program.host()
    program.write(CASE)

    def happens(head: Head) -> Meanwhile:
        mine = head.slot is not None and head.slot.runtime == "other" and not head.slot.warmup
        return meanwhile.get(head.slot.round, Meanwhile()) if mine and head.slot is not None else Meanwhile()

    host.meanwhile = happens
    assert program("run", "case.toml", "--out", "run", host=host).code == 0
    [warning] = [line for line in program.report()["warnings"] if "the clock of the machine was set" in line]
    assert f"set or corrected {said}" in warning
    scored = json.loads(program("score", "run", "--json").out)
    assert warning in scored["warnings"]


def test_clocks_of_two_starts_of_the_machine_are_not_held_against_each_other(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes on after the machine was started anew, an hour later: its clock counts from a different instant."""
    host = program.host()
    host.meanwhile = lambda head: Meanwhile()
    host.interrupt_at = 5
    assert program("run", program.write(CASE), "--out", "run", host=host).code == 130
    again = program.host()
    again.clock, again.wall_offset_s = "the next start", host.wall_offset_s + 3600
    again.meanwhile = host.meanwhile
    assert program("run", "--resume", "run", host=again).code == 0
    assert [line for line in program.report()["warnings"] if "clock" in line] == []


def test_a_run_on_a_quiet_clock_says_nothing_of_it(program: Program) -> None:
    host = program.host()
    host.meanwhile = lambda head: Meanwhile()
    program("run", program.write(CASE), "--out", "run", host=host)
    assert [line for line in program.report()["warnings"] if "clock" in line] == []


@pytest.mark.skipif(log.since_boot() is None, reason="this system doesn't name its starts")
@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_was_set_makes_no_run_older_or_newer(
    program: Program, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """A run of a minute ago, whose end was written, or is looked at, by a clock that is a year ahead or behind."""
    monkeypatch.setenv("PARITY_CACHE", str(program.folder / "parity-cache"))
    program("run", program.write(CASE), "--out", "runs/one")
    then = time.time() - days * DAY_S
    os.utime(program.folder / "runs" / "one" / "end.json", (then, then))
    [kept] = [one for one in json.loads(program("clean", "runs", "--json").out) if one["kind"] == "run"]
    assert kept["age_s"] < 600
    done = program("clean", "runs", "--runs-older-than", "30", "--yes")
    assert "no run ended more than 30 days ago" in done.out
    assert (program.folder / "runs" / "one" / "run.json").exists()


@pytest.mark.skipif(log.since_boot() is None, reason="this system doesn't name its starts")
def test_a_run_that_ended_long_ago_is_old_whatever_the_clock_says(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(program.folder / "parity-cache"))
    program("run", program.write(CASE), "--out", "runs/one")
    boot, now_s = log.since_boot() or ("", 0.0)
    monkeypatch.setattr(log, "since_boot", lambda: (boot, now_s + 40 * DAY_S))
    program("clean", "runs", "--runs-older-than", "30", "--yes")
    assert not Path(program.folder / "runs" / "one").exists()
