"""The guardian: told in time of trees of any size, and started again where it is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psutil
import pytest
from supervised import Run, end_of, python

from parity.hosts.local import starting
from parity.hosts.local import tree as trees
from parity.hosts.local.group import Group
from parity.hosts.local.guardian import GUARDIAN, Guardian
from parity.hosts.local.starting import MOST_GUARDIANS
from parity.hosts.local.tree import Tree
from parity.hosts.sighting import Sighting

SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def guardian() -> Iterator[Guardian]:
    found = Guardian()
    found.ready()
    yield found
    found.close()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(python(SLEEPS), start_new_session=True) as process:
        yield process
        process.kill()


def told_of(pid: int, before: set[int]) -> dict[str, object]:
    with closing(Group({})) as group:
        return Tree(pid, "a-tag-of-tests", before, group).known()


def ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(10) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        return False


def test_a_line_longer_than_a_pipe_holds_is_told(guardian: Guardian, sleeper: subprocess.Popen[bytes]) -> None:
    """Of a machine with tens of thousands of processes."""
    crowd = set(range(10_000_000, 10_040_000))
    guardian.tell(**told_of(sleeper.pid, crowd), folders=[])
    assert not guardian.lost()
    guardian.close()
    assert ended(sleeper)


def test_a_guardian_that_reads_nothing_is_ended_and_costs_no_pause(guardian: Guardian) -> None:
    assert guardian.pid is not None
    os.kill(guardian.pid, signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(3):
        guardian.tell(before=list(range(10_000_000, 10_040_000)))
    assert time.monotonic() - began < 1.0
    time.sleep(0.1)
    assert guardian.lost()


def test_a_guardian_that_is_gone_is_started_again(guardian: Guardian) -> None:
    first = guardian.pid
    assert first is not None
    psutil.Process(first).kill()
    time.sleep(0.1)
    assert guardian.lost()
    guardian.ready()
    assert not guardian.lost()
    assert guardian.pid != first


@pytest.mark.slow
def test_one_that_is_started_in_the_middle_of_a_trial_is_no_part_of_it(run: Run) -> None:
    def kill(sighting: Sighting) -> None:
        if sighting.kind == "spawn":
            assert GUARDIAN.pid is not None
            psutil.Process(GUARDIAN.pid).kill()

    end = end_of(run(python("import time; time.sleep(3)"), watch=kill))
    assert (end.by, end.left_behind, end.signals) == ("exit", 0, ())
    assert not GUARDIAN.lost()


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells of its end")
def test_one_that_is_killed_is_started_again_before_the_next_look(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the tree do not ask for it here, so that nothing but its end can tell."""
    pids: list[int | None] = []

    def kill(sighting: Sighting) -> None:
        if sighting.kind == "spawn":
            assert GUARDIAN.pid is not None
            pids.append(GUARDIAN.pid)
            psutil.Process(GUARDIAN.pid).kill()

    def without_looks(*args: Any, **options: Any) -> Tree:
        return Tree(*args, **{**options, "untold": lambda: False, "changed": lambda: None})

    monkeypatch.setattr(starting, "Tree", without_looks)
    told = []
    monkeypatch.setattr(GUARDIAN, "tell", lambda **what: told.append((GUARDIAN.pid, what)))
    assert end_of(run(python("import time; time.sleep(1)"), watch=kill)).by == "exit"
    [(first, _), (second, what), (_, nothing)] = told
    assert (first, nothing) == (pids[0], {})
    assert second != first
    assert what["tag"]
    assert not GUARDIAN.lost()


@pytest.mark.slow
def test_one_that_can_not_live_is_started_a_few_times_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = []
    monkeypatch.setattr(GUARDIAN, "lost", lambda: True)
    monkeypatch.setattr(GUARDIAN, "ready", lambda: starts.append(1))
    assert end_of(run(python("import time; time.sleep(7)"))).by == "exit"
    # Before the trial, and within it.
    assert len(starts) == 1 + MOST_GUARDIANS


def test_the_tree_is_known_to_the_guardian_also_if_the_wall_clock_was_set(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_of(sleeper.pid, set())
    told["sessions"] = []  # so that its members are known by their start alone
    boot_time = psutil.boot_time()
    if sys.platform == "linux":
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot_time + 3600)
    with closing(Group({})) as group:
        found = Tree(0, "another-tag", set(psutil.pids()) - {sleeper.pid}, group)
        found.remember(told["members"], told["sessions"])  # type: ignore[arg-type]
        assert set(found._members) == {sleeper.pid}


def test_a_session_that_is_over_does_not_claim_who_gets_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a trial of hours, the system gives numbers out again."""
    child = "subprocess.Popen(['sleep', '0.3'], start_new_session=True).wait()"
    code = f"import subprocess, time; {child}; time.sleep(9)"
    with subprocess.Popen(python(code), start_new_session=True) as process, closing(Group({})) as group:
        tree = Tree(process.pid, "a-tag-of-tests", set(psutil.pids()) - {process.pid}, group)
        sessions: set[int] = set()
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up and not (over := sessions - {process.pid}):
            tree.measure()
            sessions |= set(tree.known()["sessions"])  # type: ignore[call-overload]
        [session] = over
        while time.monotonic() < give_up and psutil.pid_exists(session):
            time.sleep(0.02)
        for _ in range(2):
            tree.measure()
        stranger = os.getpid()
        monkeypatch.setattr(trees.os, "getsid", lambda pid: session if pid == stranger else pid)
        assert not tree._belongs(stranger, thorough=True)
        assert process.pid in tree.known()["sessions"]  # type: ignore[operator]
        process.kill()
