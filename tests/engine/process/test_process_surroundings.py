"""What is recorded around a real process, and the page cache of real files."""

import os
import sys
import time
from pathlib import Path

import pytest
from supervised import Run, end_of

from parity.hosts.cancel import Cancel
from parity.hosts.conditions import bring, busyness
from parity.hosts.conditions.page_cache import CannotDropError, resident
from parity.reading.conditions import conditions_of
from parity.records import ConditionLimits, PageCache
from parity.transcript import read_transcript

BUSY_FOR_HALF_A_SECOND = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"


def test_a_trial_is_looked_at_before_and_after(run: Run, tmp_path: Path) -> None:
    run([sys.executable, "-c", BUSY_FOR_HALF_A_SECOND])
    found = read_transcript(tmp_path / "transcript.jsonl")
    assert found.before is not None
    assert found.after is not None
    assert found.spawn is not None
    assert found.before.t_ns <= found.spawn.t_ns < found.after.t_ns
    # What the trial used is in what the machine used; ticks of the system's clock may be charged wrongly.
    assert found.after.busy_s - found.before.busy_s > 0.4
    conditions = conditions_of(found)
    assert conditions is not None
    assert conditions.others_cpu is not None
    assert conditions.usable_cpus == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else True


def test_a_step_of_the_wall_clock_is_seen_and_changes_no_duration(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = time.time, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: real() - (3600.0 if time.monotonic() - begun > 0.25 else 0.0))
    found = run([sys.executable, "-c", BUSY_FOR_HALF_A_SECOND])
    conditions = conditions_of(found)
    assert conditions is not None
    assert conditions.wall_step_s == pytest.approx(-3600.0, abs=0.1)
    assert 0.5 <= conditions.wall_s < 60
    assert (end_of(found).by, end_of(found).paused_s) == ("exit", 0.0)


def test_descendants_that_were_reaped_are_no_others(run: Run, tmp_path: Path) -> None:
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY_FOR_HALF_A_SECOND!r}])"
    run([sys.executable, "-c", child])
    found = read_transcript(tmp_path / "transcript.jsonl")
    assert found.before is not None
    assert found.after is not None
    assert found.end is not None
    assert (found.end.cpu_s or 0.0) >= 0.5
    conditions = conditions_of(found)
    assert conditions is not None
    busy_s = found.after.busy_s - found.before.busy_s + (found.after.steal_s or 0.0) - (found.before.steal_s or 0.0)
    assert (conditions.others_cpu or 0.0) * conditions.wall_s <= max(0.0, busy_s - 0.5) + 0.01


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.gguf"
    path.write_bytes(os.urandom(1 << 20) * 4)
    return path


def test_files_that_are_read_are_resident(file: Path) -> None:
    assert bring([file], "warm") == PageCache(state="warm", resident=1.0)
    assert bring([file], "as-is").resident == 1.0


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system can't drop files")
def test_files_are_dropped_where_cold_is_asked_and_read_where_warm_is(file: Path) -> None:
    try:
        assert bring([file], "cold").resident == 0.0
    except CannotDropError:
        pytest.skip("the file system of the temporary folder keeps its files in memory")
    assert resident([file]) == (0.0, None)
    assert bring([file], "as-is") == PageCache(state="as-is", resident=0.0)
    assert bring([file], "warm") == PageCache(state="warm", resident=1.0)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system can't drop files")
def test_reading_ends_when_the_user_asks_to_stop(file: Path) -> None:
    try:
        bring([file], "cold")
    except CannotDropError:
        pytest.skip("the file system of the temporary folder keeps its files in memory")
    with Cancel() as cancel:
        cancel.request()
        assert bring([file], "warm", cancel).resident == 0.0


def test_cold_is_refused_where_the_system_cannot_drop_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    with pytest.raises(CannotDropError, match="no way to drop a file"):
        bring([file], "cold")


def test_files_larger_than_memory_are_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.hosts.conditions.page_cache.MOST_OF_MEMORY", 0.0)
    found = bring([file], "warm")
    assert found.state == "as-is"
    assert "don't fit" in (found.reason or "")


def test_a_file_that_is_gone_is_no_error_of_the_page_cache(tmp_path: Path) -> None:
    found = bring([tmp_path / "gone"], "warm")
    assert found.state == "as-is"
    assert "No such file" in (found.reason or "")


def test_a_machine_is_busy_by_what_others_use(monkeypatch: pytest.MonkeyPatch) -> None:
    found = busyness(ConditionLimits(others_cpu=1e6))
    assert found.others_cpu >= 0
    assert found.heaviest == ()
