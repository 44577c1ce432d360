"""Requests to stop, and exceptions: nothing of a program is left."""

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest
from supervised import FAR, READY, Run, end_of, fault, lasted_s, limits, python

from parity.adapter import Marker, Markers
from parity.hosts.cancel import Cancel
from parity.hosts.sighting import Sighting
from parity.transcript import read_transcript

# cancelling


def test_one_request_ends_a_program_politely(run: Run) -> None:
    with Cancel() as cancel:
        transcript = run(
            fault("hangs_before_first_token"),
            markers=Markers(ready=READY),
            cancel=cancel,
            watch=lambda sighting: cancel.request() if sighting.kind == "ready" else None,
        )
    assert (end_of(transcript).by, end_of(transcript).signals) == ("cancel", ("SIGINT",))


def test_a_second_request_kills_at_once(run: Run) -> None:
    with Cancel() as cancel:

        def insist(sighting: Sighting) -> None:
            if sighting.kind in ("ready", "token"):
                cancel.request()

        markers = Markers(ready=READY, token=Marker(pattern="^ignored SIGINT"))
        transcript = run(fault("ignores_signals"), limits(grace_s=FAR), markers=markers, cancel=cancel, watch=insist)
    end = end_of(transcript)
    assert (end.by, end.signals) == ("cancel", ("SIGINT", "SIGKILL"))
    assert lasted_s(transcript) < 10


def test_a_request_from_a_signal_handler_wakes_the_supervisor(run: Run) -> None:
    with Cancel() as cancel:
        previous = signal.signal(signal.SIGUSR1, lambda number, frame: cancel.request())
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        try:
            transcript = run(fault("sleeps_silently"), cancel=cancel)
        finally:
            timer.join()
            signal.signal(signal.SIGUSR1, previous)
    assert end_of(transcript).by == "cancel"
    assert lasted_s(transcript) < 10


def test_after_a_request_nothing_is_started(run: Run, tmp_path: Path) -> None:
    with Cancel() as cancel:
        cancel.request()
        transcript = run(("touch", str(tmp_path / "witness")), cancel=cancel)
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.cause == "cancelled"
    assert not (tmp_path / "witness").exists()


def test_a_request_after_close_does_nothing_but_count() -> None:
    cancel = Cancel()
    cancel.close()
    cancel.request()
    cancel.close()
    assert cancel.count == 1


def test_many_requests_never_block() -> None:
    with Cancel() as cancel:
        for _ in range(100_000):
            cancel.request()
        assert cancel.count == 100_000


# exceptions


def assert_ended(path: Path) -> None:
    transcript = read_transcript(path)
    assert transcript.end is None
    assert transcript.spawn is not None
    assert not psutil.pid_exists(transcript.spawn.pid)


@pytest.mark.parametrize("kind", ["spawn", "ready"])
def test_a_watch_that_raises_leaves_no_process(run: Run, tmp_path: Path, kind: str) -> None:
    def watch(sighting: Sighting) -> None:
        if sighting.kind == kind:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fault("ignores_signals"), markers=Markers(ready=READY), watch=watch)
    assert_ended(tmp_path / "transcript.jsonl")


def test_a_watch_that_raises_at_the_end_leaves_a_whole_transcript(run: Run, tmp_path: Path) -> None:
    def watch(sighting: Sighting) -> None:
        if sighting.kind == "end":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(python("print(1)"), watch=watch)
    assert end_of(read_transcript(tmp_path / "transcript.jsonl")).exit_code == 0


def test_a_keyboard_interrupt_leaves_no_process(run: Run, tmp_path: Path) -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(fault("ignores_signals"), limits(grace_s=FAR))
    finally:
        timer.join()
    assert_ended(tmp_path / "transcript.jsonl")
