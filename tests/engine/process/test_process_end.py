"""Programs that end by themselves, and what is kept of them."""

import signal
import statistics
import sys
import threading
from pathlib import Path

import pytest
from supervised import Run, end_of, fault, limits, python

from parity.hosts.local import loop
from parity.hosts.local.leader import oom_kills


def test_an_exit_status_is_kept(run: Run) -> None:
    transcript = run(fault("exits_with_1"))
    end = end_of(transcript)
    assert (end.by, end.exit_code, end.signal, end.signals) == ("exit", 1, None, ())
    assert transcript.text("err") == "the weights have the wrong shape\n"
    assert transcript.data("out") == b""


def test_a_death_by_signal_is_kept(run: Run) -> None:
    end = end_of(run(fault("dies_of_sigkill")))
    assert (end.by, end.exit_code, end.signal, end.signals, end.oom) == ("exit", None, signal.SIGKILL, (), False)


def test_a_kill_while_the_kernel_ran_out_of_memory_is_oom(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = iter([7, 8])
    monkeypatch.setattr(loop, "oom_kills", lambda: next(counter))
    assert end_of(run(fault("dies_of_sigkill"))).oom


def test_our_own_kill_is_never_oom(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = iter([7, 8])
    monkeypatch.setattr(loop, "oom_kills", lambda: next(counter))
    end = end_of(run(fault("ignores_signals"), limits(total_s=0.5, grace_s=0.1)))
    assert (end.signal, end.oom) == (signal.SIGKILL, False)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels don't count")
def test_the_kernels_counter_of_oom_kills_is_read() -> None:
    vmstat = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    assert oom_kills() == int(vmstat["oom_kill"])


def test_invalid_utf8_survives_to_the_byte(run: Run) -> None:
    transcript = run(fault("prints_invalid_utf8"))
    assert transcript.data("out") == bytes(range(256)) + b"\ncaf\xc3\xa9\n\xc0\x80\n"
    assert not transcript.valid_utf8
    assert [line.text for line in transcript.lines("out")][-2:] == ["café", "��"]


def test_both_streams_are_kept_apart_whatever_they_hold(run: Run) -> None:
    code = "import os\nfor k in range(200): os.write(1 + k % 2, b'%d ' % k * 2000)"
    transcript = run(python(code))
    expected = [b"".join(b"%d " % k * 2000 for k in range(start, 200, 2)) for start in (0, 1)]
    assert [transcript.data("out"), transcript.data("err")] == expected


@pytest.mark.slow
def test_pieces_are_stamped_when_they_arrive(run: Run) -> None:
    code = "import os, time\nfor _ in range(5): time.sleep(0.05); os.write(1, b'%d\\n' % time.monotonic_ns())"
    lines = list(run(python(code)).lines("out"))
    assert len(lines) == 5
    assert all(0 <= line.t_ns - int(line.text) < 50e6 for line in lines)


@pytest.mark.slow
def test_a_busy_thread_of_ours_delays_no_stamp(run: Run) -> None:
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            pass

    before = sys.getswitchinterval()
    code = "import os, time\nfor _ in range(50): time.sleep(0.02); os.write(1, b'%d\\n' % time.monotonic_ns())"
    spinner = threading.Thread(target=spin)
    spinner.start()
    try:
        lines = list(run(python(code)).lines("out"))
    finally:
        over.set()
        spinner.join()
    assert len(lines) == 50
    # A thread that keeps the interpreter keeps it for 5 ms each time, unless it is asked to hand it over earlier. A
    # busy machine delays some stamps as well, but not the quickest quarter.
    quickest, *_ = statistics.quantiles((line.t_ns - int(line.text) for line in lines), n=4)
    assert quickest < 3e6
    assert sys.getswitchinterval() == before


@pytest.mark.slow
def test_the_end_is_stamped_when_the_program_exits(run: Run) -> None:
    code = "import os, time; time.sleep(0.2); os.write(1, b'%d\\n' % time.monotonic_ns()); os._exit(0)"
    transcript = run(python(code))
    assert 0 <= end_of(transcript).t_ns - int(transcript.text("out")) < 50e6
