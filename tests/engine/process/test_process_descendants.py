"""What a program leaves behind is counted and killed."""

import subprocess
import sys
import time

import psutil
import pytest
from supervised import READY, TOKEN, Run, end_of, fault, limits, python

from parity.adapter import Markers
from parity.hosts.sighting import Sighting


def test_a_grandchild_that_holds_the_pipe_is_counted_and_killed(run: Run) -> None:
    began = time.monotonic()
    transcript = run(fault("leaves_grandchild_on_pipe"))
    end = end_of(transcript)
    assert (end.by, end.exit_code, end.left_behind, end.signals) == ("exit", 0, 1, ("SIGKILL",))
    assert transcript.text("out") == "done\n"
    assert time.monotonic() - began < 10


def test_a_grandchild_in_a_session_of_its_own_is_counted_and_killed(run: Run) -> None:
    transcript = run(fault("leaves_grandchild_in_own_session"))
    assert (end_of(transcript).exit_code, end_of(transcript).left_behind) == (0, 1)
    daemon = int(transcript.text("out").split()[1])
    assert not psutil.pid_exists(daemon) or psutil.Process(daemon).status() == psutil.STATUS_ZOMBIE


def test_a_grandchild_that_ends_in_time_is_not_left_behind(run: Run) -> None:
    code = "import subprocess; subprocess.Popen(['sh', '-c', 'sleep 0.1; echo late'])"
    transcript = run(python(code))
    assert (end_of(transcript).left_behind, end_of(transcript).signals) == (0, ())
    assert transcript.text("out") == "late\n"


def test_a_grandchild_in_a_session_of_its_own_is_signalled_too(run: Run) -> None:
    worker = "trap 'echo asked; exit' INT; echo ready; while :; do sleep 0.05; done"
    code = f"import subprocess; subprocess.run(['sh', '-c', {worker!r}], start_new_session=True)"
    transcript = run(python(code), limits(grace_s=20.0), markers=Markers(stop=READY))
    assert end_of(transcript).by == "stop"
    assert "SIGKILL" not in end_of(transcript).signals
    assert transcript.text("out") == "ready\nasked\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to a process that asks for them")
def test_orphans_that_come_to_us_are_reaped_while_their_program_still_runs(run: Run) -> None:
    """A program of hours may leave one after another, and the system has room for so many."""
    orphan = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(0.3)\n    os._exit(0)"
    )
    code = f"{orphan}\nos.wait()\ntime.sleep(3.0)\nprint('token', flush=True)\ntime.sleep(0.2)"
    zombies: list[list[int]] = []
    before = {child.pid for child in psutil.Process().children()}

    def watch(sighting: Sighting) -> None:
        if sighting.kind == "token":
            children = [child for child in psutil.Process().children() if child.pid not in before]
            zombies.append([child.pid for child in children if child.status() == psutil.STATUS_ZOMBIE])

    transcript = run(python(code), markers=Markers(token=TOKEN), watch=watch)
    assert (end_of(transcript).by, end_of(transcript).exit_code) == ("exit", 0)
    assert zombies == [[]]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to a process that asks for them")
def test_orphans_that_come_to_us_are_reaped() -> None:
    code = f"""if True:
        import pathlib, psutil, tempfile
        from parity.adapter import Launch
        from parity.hosts.local import supervise
        from parity.hosts.local.guardian import GUARDIAN
        from parity.records import Limits
        from parity.transcript import Head
        with tempfile.TemporaryDirectory() as folder:
            supervise(
                Launch(argv={fault("leaves_grandchild_in_own_session")}),
                head=Head(purpose="trial", runtime="test"),
                path=pathlib.Path(folder) / "t.jsonl",
                limits=Limits(),
            )
        print([child.pid for child in psutil.Process().children() if child.pid != GUARDIAN.pid])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
