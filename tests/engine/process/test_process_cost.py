"""What supervision costs, and what it measures of a program."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from supervised import READY, TOKEN, Run, end_of, python

from parity.adapter import Markers
from parity.hosts.sighting import Sighting
from parity.transcript import read_transcript


@pytest.mark.slow
def test_the_supervisor_is_idle_while_nothing_happens(run: Run) -> None:
    used = time.process_time()
    run(python("import time; time.sleep(2)"))
    assert time.process_time() - used < 0.1


def test_peak_memory_holds_what_was_freed_before_the_first_sample(run: Run) -> None:
    end = end_of(run(python("held = bytearray(b'1') * 200_000_000; del held; import time; time.sleep(0.5)")))
    assert end.peak_rss_bytes is not None
    assert 200e6 < end.peak_rss_bytes < 300e6


@pytest.mark.slow
def test_peak_memory_is_the_childs_own_and_not_what_its_parent_had(run: Run) -> None:
    ballast = bytearray(b"1") * 300_000_000
    end = end_of(run(python("import time; time.sleep(0.5)")))
    assert len(ballast) == 300_000_000
    assert end.peak_rss_bytes is not None
    assert end.peak_rss_bytes < 100e6


@pytest.mark.slow
def test_memory_and_cpu_of_descendants_count(run: Run) -> None:
    work = "held = bytearray(b'1') * 150_000_000\nimport time\nwhile time.process_time() < 0.8: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    transcript = run(python(code))
    end = end_of(transcript)
    assert end.peak_rss_bytes is not None
    assert end.cpu_s is not None
    assert 150e6 < end.peak_rss_bytes < 300e6
    assert 0.8 <= end.cpu_s < 3
    assert [sample.cpu_s for sample in transcript.samples] == sorted(sample.cpu_s for sample in transcript.samples)


@pytest.mark.slow
def test_cpu_of_a_daemon_counts_while_it_lives(run: Run) -> None:
    work = "import time\nwhile time.process_time() < 1: pass"
    spawn = f"subprocess.Popen([sys.executable, '-c', {work!r}], start_new_session=True)"
    code = f"import subprocess, sys, time; {spawn}; time.sleep(1)"
    cpu_s = end_of(run(python(code))).cpu_s
    assert cpu_s is not None
    assert cpu_s > 0.3


def test_what_was_seen_is_on_disk_while_the_program_runs(run: Run, tmp_path: Path) -> None:
    seen: list[bytes] = []
    code = "import time\nprint('ready'); time.sleep(1); print('token')"

    def watch(sighting: Sighting) -> None:
        if sighting.kind == "first-token":
            seen.append(read_transcript(tmp_path / "transcript.jsonl").data("out"))

    run(python(code), markers=Markers(ready=READY, first_token=TOKEN), watch=watch)
    assert seen == [b"ready\n"]


@pytest.mark.slow
def test_nothing_is_warned_of_in_development_mode() -> None:
    code = """if True:
        import pathlib, tempfile
        from parity.adapter import Launch
        from parity.hosts.cancel import Cancel
        from parity.hosts.local import supervise
        from parity.records import Limits
        from parity.transcript import Head
        with tempfile.TemporaryDirectory() as folder, Cancel() as cancel:
            for argv in (("true",), ("no-such-runtime",)):
                path = pathlib.Path(folder) / argv[0]
                head = Head(purpose="trial", runtime="test")
                supervise(Launch(argv=argv), head=head, path=path, limits=Limits(), cancel=cancel)
    """
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
