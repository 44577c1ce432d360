"""Every fault that a program can commit in a trial ends in its named class and in time, leaves no process and no file
behind, and leaves the next trial alone."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import builders
import psutil
import pytest
from runs import FAULTY
from supervised import alive_with, limits

from parity.bounded import child_pid
from parity.hosts.host import Request
from parity.hosts.local import LocalHost
from parity.hosts.local.guardian import GUARDIAN
from parity.hosts.machine import host_facts
from parity.reading.trial import read_trial
from parity.records import Limits, Slot, Trial
from parity.transcript import Head, Transcript
from parity_adapters.command import CommandLine, CommandSettings

pytestmark = pytest.mark.slow

LOAD_S, FIRST_TOKEN_S, STALL_S, TOTAL_S = 3.0, 3.0, 1.2, 7.0
TIGHT = limits(
    load_s=LOAD_S,
    first_token_s=FIRST_TOKEN_S,
    stall_s=STALL_S,
    total_s=TOTAL_S,
    max_output_bytes=4 << 20,
    grace_s=0.2,
)
LATER_S = 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
"""How long after its deadline the supervisor may be busy with a program; longer where others keep the machine busy."""

HANGS = {
    "hangs_at_once": "stall",
    "hangs_in_load": "stall",
    "hangs_before_the_first_token": "stall",
    "hangs_between_tokens": "stall",
    "hangs_after_bye": "stall",
    "spins_in_load": "timeout:load",
    "spins_before_the_first_token": "timeout:first-token",
    "spins_after_bye": "timeout:total",
    "ignores_signals_and_sleeps": "stall",
    "ignores_signals_and_spins": "timeout:load",
    "stops_itself": "stall",
    "closes_its_streams_and_hangs": "stall",
    "answers_and_then_closes_its_streams_and_hangs": "stall",
    "waits_for_a_child_in_vfork": "stall",
    "drips_without_end": "timeout:load",
    "forks_fifty": "stall",
    "leaves_a_daemon_without_environment_and_hangs": "stall",
    "starts_a_daemon_when_it_is_interrupted": "stall",
}
GOOD = (
    "good",
    "leaves_a_child_on_its_pipes",
    "leaves_a_daemon",
    "leaves_a_daemon_on_its_pipes",
    "leaves_a_daemon_without_environment",
    "leaves_a_daemon_in_a_group_of_its_own",
    "forks_and_exits_without_end",
    "locks_its_scratch_folder",
    "removes_its_scratch_folder",
)
OTHERS = {
    "gets_no_memory_and_says_so": "oom",
    "exits_with_3": "exit:3",
    "dies_in_the_middle_of_a_line": "crash:SIGKILL",
    "reports_that_it_failed": "exit:1",
    "refuses": "refused",
    "prints_one_line_without_end": "output-limit",
    "prints_lines_on_stderr_without_end": "output-limit",
    "prints_nothing": "silent",
    "prints_blank_lines": "silent",
    "prints_no_events": "parse",
    "prints_bytes_that_are_no_text": "parse",
    "prints_deeply_nested_json": "parse",
    "ends_without_bye": "parse",
    "says_bye_and_nothing_else": "parse",
    "numbers_its_tokens_wrongly": "parse",
}
CRASHES = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS),
    *(signal.SIGFPE, signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV, signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM),
)


class Cells:
    """Runs trials on this machine as a run does, one after another, and reads them."""

    def __init__(self, folder: Path, tag: str) -> None:
        self._folder, self._tag, self._count = folder, tag, 0

    def perform(self, fault: str, bounds: Limits, number: int = 1) -> tuple[Trial, Transcript]:
        self._count += 1
        host, path = LocalHost(), self._folder / f"{self._count}.jsonl"
        settings = {"program": sys.executable, "args": (str(FAULTY), fault, "{round}", "{scratch}/job.json")}
        adapter = CommandLine(CommandSettings.model_validate({**settings, "events": True}), host_facts())
        with host.scratch() as scratch:
            fields = {"scratch": scratch, "round": number}
            job = builders.job(max_tokens=4, fields=fields)
            slot = Slot(model="m", test="t", runtime="one", round=number)
            launch = adapter.launch(job, None).but(env={"TEST_TAG": self._tag})
            head = Head(purpose="trial", runtime="one", slot=slot, job=job)
            transcript = host.run(Request(launch, head, bounds), path)
        return read_trial(adapter, slot, path.name, transcript, None, lambda path: None), transcript


@pytest.fixture
def cells(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Trials, and afterwards: no process, no file, and a good trial that comes next is good."""
    (tmp_path / "scratch").mkdir()
    (tmp_path / "transcripts").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    GUARDIAN.ready()
    tag = f"{os.getpid()}:{request.node.name}"
    cells = Cells(tmp_path / "transcripts", tag)
    yield cells
    # By a marker in the environment, and whatever its environment: every orphan comes to this process.
    assert alive_with("TEST_TAG", tag) == []
    alive = {child.pid for child in psutil.Process().children(recursive=True)}
    assert alive - {child_pid()} == {GUARDIAN.pid}
    assert list((tmp_path / "scratch").iterdir()) == []
    following, _ = cells.perform("good", limits())
    assert following.failure is None


def kind_of(trial: Trial) -> str | None:
    return trial.failure.kind if trial.failure is not None else None


@pytest.mark.parametrize(("fault", "kind"), HANGS.items())
def test_a_program_that_hangs_ends_in_its_class_and_in_time(cells: Cells, fault: str, kind: str) -> None:
    began = time.monotonic()
    trial, transcript = cells.perform(fault, TIGHT)
    took_s = time.monotonic() - began
    assert kind_of(trial) == kind
    assert transcript.spawn is not None
    output_ns = max((piece.t_ns for piece in transcript.pieces), default=transcript.spawn.t_ns)
    silent_after_s = (output_ns - transcript.spawn.t_ns) / 1e9
    due_s = {
        "stall": silent_after_s + STALL_S,
        "timeout:load": LOAD_S,
        "timeout:first-token": LOAD_S + FIRST_TOKEN_S,
        "timeout:total": TOTAL_S,
    }
    assert took_s < due_s[kind] + LATER_S


@pytest.mark.parametrize("fault", GOOD)
def test_a_good_answer_counts_whatever_the_program_leaves_behind(cells: Cells, fault: str) -> None:
    began = time.monotonic()
    trial, transcript = cells.perform(fault, TIGHT)
    assert kind_of(trial) is None, trial.failure
    assert time.monotonic() - began < TOTAL_S + LATER_S
    assert transcript.end is not None
    assert (transcript.end.left_behind > 0) == fault.startswith(("leaves", "forks"))


@pytest.mark.parametrize(("fault", "kind"), OTHERS.items())
def test_a_program_that_fails_ends_in_its_class(cells: Cells, fault: str, kind: str) -> None:
    began = time.monotonic()
    trial, _ = cells.perform(fault, TIGHT)
    assert kind_of(trial) == kind, trial.failure
    assert time.monotonic() - began < TOTAL_S + LATER_S


@pytest.mark.parametrize("kept_by", ["the kernel, where it can", "parity"])
@pytest.mark.parametrize("fault", ["takes_memory_without_end", "its_child_takes_memory_without_end"])
def test_too_much_memory_is_a_class_of_its_own(
    cells: Cells, fault: str, kept_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept_by == "parity":
        monkeypatch.setattr("parity.hosts.local.group.parents", dict)
    most = 200 << 20
    began = time.monotonic()
    trial, transcript = cells.perform(fault, limits(total_s=20.0, max_memory_bytes=most))
    assert kind_of(trial) == "memory-limit", trial.failure
    assert time.monotonic() - began < 20.0
    assert transcript.end is not None
    assert (transcript.end.peak_rss_bytes or 0) < 2 * most
    if kept_by == "parity":
        assert transcript.end.group is None


def test_memory_within_the_limit_is_no_failure(cells: Cells) -> None:
    trial, _ = cells.perform("good", limits(max_memory_bytes=1 << 30))
    assert trial.failure is None


@pytest.mark.parametrize("number", CRASHES)
def test_a_crash_is_named_by_its_signal(cells: Cells, number: signal.Signals) -> None:
    trial, _ = cells.perform(f"dies_by_{number.name}", TIGHT)
    assert kind_of(trial) == f"crash:{number.name}"


@pytest.mark.parametrize("status", [1, 2, 77, 126, 127, 128, 255])
def test_a_status_is_no_success_whatever_was_answered(cells: Cells, status: int) -> None:
    trial, _ = cells.perform("exits_with_its_round_after_a_good_answer", TIGHT, number=status)
    assert kind_of(trial) == f"exit:{status}"
