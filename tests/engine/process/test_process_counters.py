"""What is counted of a program while it runs, and what is not where the system does not tell it."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from supervised import Run, end_of, python

from parity.hosts.local import counters
from parity.transcript import Counters, Transcript

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells it")

BUSY = """if True:
    import ctypes, mmap, threading, time
    def wait():
        ctypes.CDLL(None).prctl(15, b"named-thread", 0, 0, 0)
        for _ in range(100):
            time.sleep(0.002)
        time.sleep(0.5)
    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    with mmap.mmap(-1, 8 << 20) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        memory.write(bytes(8 << 20))
    open("/proc/self/exe", "rb").read()
    for thread in threads:
        thread.join()
"""


def counted(transcript: Transcript) -> Counters:
    found = end_of(transcript).counters
    assert found is not None
    return found


@LINUX
def test_waits_faults_reads_and_threads_are_counted(run: Run) -> None:
    transcript = run(python(BUSY))
    found = counted(transcript)
    assert found.voluntary is not None
    assert found.voluntary >= 300
    assert found.minor_faults is not None
    assert found.minor_faults >= 8 * 256
    assert found.asked_bytes is not None
    assert found.asked_bytes >= Path(sys.executable).stat().st_size
    assert found.threads == 4
    [named] = [seen for seen in end_of(transcript).threads if seen.name == "named-thread"]
    assert named.most == 3
    assert named.voluntary >= 100
    assert end_of(transcript).counters_absent == {}


@LINUX
def test_counters_never_go_back(run: Run) -> None:
    samples = [sample.counters for sample in run(python(BUSY)).samples]
    assert len(samples) > 1
    for name in Counters.model_fields:
        values = [getattr(sample, name) for sample in samples]
        assert values == sorted(values), name


@LINUX
def test_what_a_short_program_reads_is_known_from_its_end(run: Run) -> None:
    found = counted(run(python("import time; time.sleep(0.3); open('/proc/self/exe', 'rb').read()")))
    assert found.asked_bytes is not None
    assert found.asked_bytes >= Path(sys.executable).stat().st_size


@LINUX
def test_so_many_threads_are_looked_at_of_all_processes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST_THREADS", 1)
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(argv) as one, subprocess.Popen(argv) as other:
        tally = counters.Tally()
        alone = tally.look({one.pid: psutil.Process(one.pid)})
        both = tally.look({process.pid: psutil.Process(process.pid) for process in (one, other)})
        # Each process has one thread, whatever its name.
        assert {seen.most for seen in tally.threads} == {1}
        one.kill()
        other.kill()
    assert alone is not None
    assert both is not None
    assert alone.voluntary is not None
    assert both.voluntary is None
    assert "voluntary" in tally.absent


@LINUX
def test_what_a_process_has_read_stays_known_after_it_has_exited(monkeypatch: pytest.MonkeyPatch) -> None:
    """As any user but root sees it: the kernel does not tell others what a process without memory has read."""
    of_living = counters._reads

    def reads(pid: int) -> tuple[int | None, int | None]:
        return (None, None) if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE else of_living(pid)

    monkeypatch.setattr(counters, "_reads", reads)
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(argv) as parent, subprocess.Popen(argv) as child:
        both = {process.pid: psutil.Process(process.pid) for process in (parent, child)}
        tally = counters.Tally()
        before = tally.look(both)
        child.kill()
        while both[child.pid].status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.005)
        after = tally.look(both)
        parent.kill()
    assert before is not None
    assert after is not None
    assert before.asked_bytes is not None
    assert after.asked_bytes is not None
    assert after.asked_bytes >= before.asked_bytes
    assert "asked_bytes" not in tally.absent


@LINUX
def test_what_a_living_process_has_read_is_unknown_where_this_user_may_not_see_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "_reads", lambda _: (None, None))
    transcript = run(python("import time; time.sleep(0.3)"))
    assert counted(transcript).asked_bytes is None
    assert "does not tell this user" in end_of(transcript).counters_absent["asked_bytes"]


def test_without_proc_nothing_is_made_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "PROC", "/nowhere")
    transcript = run(python("import time; time.sleep(0.5)"))
    samples = [sample.counters for sample in transcript.samples if sample.counters is not None]
    assert samples
    for sample in samples:
        assert sample.user_s is not None
        assert sample.threads == 1
        assert (sample.voluntary, sample.involuntary, sample.asked_bytes, sample.read_bytes) == (None,) * 4
    end = end_of(transcript)
    assert end.threads == ()
    assert {"voluntary", "involuntary", "asked_bytes", "read_bytes"} <= end.counters_absent.keys()
    # The kernel itself says at the end how often the whole program had to wait.
    assert counted(transcript).voluntary is not None


def test_a_program_of_very_many_threads_is_not_looked_at_thread_by_thread(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "MOST_THREADS", 2)
    code = "import threading, time\nfor _ in range(4): threading.Thread(target=time.sleep, args=(0.6,)).start()"
    transcript = run(python(code))
    assert transcript.samples[-1].counters is not None
    assert transcript.samples[-1].counters.voluntary is None
    assert "threads" in end_of(transcript).counters_absent["voluntary"]
