"""Programs that hang are ended at their deadline, one step of the ladder after another."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from supervised import READY, TOKEN, Run, end_of, fault, lasted_s, limits, python

from parity.adapter import Command, Markers
from parity.hosts.local import supervise
from parity.hosts.local.deadlines import Deadlines, ns
from parity.hosts.local.loop import Supervision
from parity.transcript import Head


def test_a_load_that_hangs_ends_at_its_deadline(run: Run) -> None:
    transcript = run(fault("hangs_in_load"), limits(load_s=0.7), markers=Markers(ready=READY, first_token=TOKEN))
    end = end_of(transcript)
    assert (end.by, end.signals) == ("deadline:load", ("SIGINT",))
    assert 0.7 <= lasted_s(transcript) < 2


def test_a_first_token_that_never_comes_ends_at_its_deadline(run: Run) -> None:
    transcript = run(
        fault("hangs_before_first_token"),
        limits(first_token_s=0.4),
        markers=Markers(ready=READY, first_token=TOKEN),
    )
    assert end_of(transcript).by == "deadline:first-token"
    [ready] = transcript.lines("out")
    assert 0.4 <= (end_of(transcript).t_ns - ready.t_ns) / 1e9 < 2


def test_without_a_ready_marker_the_first_token_is_due_from_spawn(run: Run) -> None:
    transcript = run(
        fault("hangs_before_first_token"),
        limits(load_s=0.1, first_token_s=0.6),
        markers=Markers(first_token=TOKEN),
    )
    assert end_of(transcript).by == "deadline:first-token"
    assert 0.6 <= lasted_s(transcript) < 2


def test_a_deadline_that_was_met_is_over(run: Run) -> None:
    code = "import time; print('ready'); print('token'); time.sleep(0.8)"
    transcript = run(
        python(code), limits(load_s=0.5, first_token_s=0.2), markers=Markers(ready=READY, first_token=TOKEN)
    )
    assert (end_of(transcript).by, end_of(transcript).exit_code) == ("exit", 0)


def test_a_program_that_ignores_signals_is_killed_after_two_graces(run: Run) -> None:
    transcript = run(fault("ignores_signals"), limits(total_s=0.5, grace_s=0.3))
    end = end_of(transcript)
    assert (end.by, end.signal) == ("deadline:total", signal.SIGKILL)
    assert end.signals == ("SIGINT", "SIGTERM", "SIGKILL")
    assert transcript.text("out") == "ready\nignored SIGINT\nignored SIGTERM\n"
    interrupted, terminated = list(transcript.lines("out"))[1:]
    assert (terminated.t_ns - interrupted.t_ns) / 1e9 > 0.25


def test_silence_without_cpu_is_a_stall(run: Run) -> None:
    transcript = run(fault("sleeps_silently"), limits(stall_s=0.8))
    assert end_of(transcript).by == "stall"
    assert 0.8 <= lasted_s(transcript) < 3


def test_silence_with_cpu_in_the_tree_is_no_stall(run: Run) -> None:
    transcript = run(fault("spins_silently"), limits(stall_s=0.4, total_s=1.2))
    assert end_of(transcript).by == "deadline:total"


def test_output_without_cpu_is_no_stall(run: Run) -> None:
    code = "import time\nfor _ in range(10): time.sleep(0.1); print('.', end='')"
    assert end_of(run(python(code), limits(stall_s=0.6))).by == "exit"


def test_a_command_may_be_silent_until_its_own_deadline(tmp_path: Path) -> None:
    transcript = supervise(
        Command(argv=fault("sleeps_silently"), deadline_s=0.5),
        head=Head(purpose="probe", runtime="test"),
        path=tmp_path / "probe.jsonl",
        limits=limits(stall_s=0.2, total_s=0.1),
    )
    assert end_of(transcript).by == "deadline:total"
    assert lasted_s(transcript) >= 0.5


SPAWNED_NS = 5_000_000_000


@pytest.mark.parametrize(
    ("seen", "due"),
    [
        ([], (2.0, "deadline:load")),
        (["ready"], (1.0 + 3.0, "deadline:first-token")),
        (["ready", "token"], (1.0 + 4.0, "stall")),
        (["token"], (1.0 + 4.0, "stall")),
        (["ready", "token", "cpu"], (1.0 + 4.0, "stall")),
        (["ready", "token", "much cpu"], (1.5 + 4.0, "stall")),
    ],
)
def test_the_next_deadline_follows_from_what_was_seen(seen: list[str], due: tuple[float, str]) -> None:
    deadlines = Deadlines(SPAWNED_NS, load_s=2.0, first_token_s=3.0, stall_s=4.0, total_s=9.0)
    for what in seen:
        match what:
            case "ready":
                deadlines.output(SPAWNED_NS + ns(1.0))
                deadlines.ready(SPAWNED_NS + ns(1.0))
            case "token":
                deadlines.output(SPAWNED_NS + ns(1.0))
                deadlines.first_token()
            case "cpu":
                deadlines.cpu(SPAWNED_NS + ns(1.5), 0.01)
            case "much cpu":
                deadlines.cpu(SPAWNED_NS + ns(1.5), 0.1)
    t_ns, by = deadlines.next()
    assert ((t_ns - SPAWNED_NS) / 1e9, by) == due


def test_a_deadline_is_not_charged_for_time_that_nobody_watched() -> None:
    deadlines = Deadlines(SPAWNED_NS, load_s=2.0, first_token_s=3.0, stall_s=4.0, total_s=9.0)
    deadlines.postpone(ns(5.0))
    assert deadlines.next() == (SPAWNED_NS + ns(7.0), "deadline:load")
    deadlines.ready(SPAWNED_NS + ns(6.0))
    deadlines.first_token()
    deadlines.output(SPAWNED_NS + ns(6.0))
    deadlines.postpone(ns(1.0))
    assert deadlines.next() == (SPAWNED_NS + ns(6.0 + 1.0 + 4.0), "stall")


STOPPED = """if True:
    import os, pathlib, signal, sys
    from parity.adapter import Launch, Marker, Markers
    from parity.hosts.local import supervise
    from parity.records import Limits
    from parity.transcript import Head
    code = "import time; print('started'); time.sleep({ready_s}); print('ready'); time.sleep(2.5)"
    found = supervise(
        Launch(argv=(sys.executable, "-c", code), markers=Markers(ready=Marker(pattern="^ready$"))),
        head=Head(purpose="trial", runtime="test"),
        path=pathlib.Path(sys.argv[1]) / "t.jsonl",
        limits=Limits(load_s={load_s}, stall_s=20.0, total_s=4.0),
        watch=lambda sighting: sighting.kind == "spawn" and print("spawned", flush=True),
    )
    print(found.end.by, found.end.paused_s > 2.0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ready_s", "load_s", "by"),
    # Ready while parity is stopped; ready in time after that; never ready in the time that was watched.
    [(1.0, 1.5, "exit"), (3.4, 2.0, "exit"), (9.0, 1.0, "deadline:load")],
)
def test_parity_itself_may_be_stopped_for_longer_than_a_deadline(
    tmp_path: Path, ready_s: float, load_s: float, by: str
) -> None:
    code = STOPPED.format(ready_s=ready_s, load_s=load_s)
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "spawned\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3.0)
    os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=30)
    assert said == f"{by} True\n"


STOPPED_WITHIN_A_TURN = """if True:
    import os, pathlib, signal, sys
    from parity.adapter import Launch
    from parity.hosts.local import supervise
    from parity.hosts.local.loop import Supervision
    from parity.records import Limits
    from parity.transcript import Head
    take = Supervision._take
    def take_and_stop(self, piece):
        Supervision._take = take
        take(self, piece)
        os.kill(os.getpid(), signal.SIGSTOP)
    Supervision._take = take_and_stop
    found = supervise(
        Launch(argv=(sys.executable, "-c", "import time; print('here', flush=True); time.sleep(0.1)")),
        head=Head(purpose="trial", runtime="test"),
        path=pathlib.Path(sys.argv[1]) / "t.jsonl",
        limits=Limits(load_s=2.0, stall_s=2.0, total_s=2.0),
    )
    print(found.end.by, found.end.paused_s > 2.0)
"""


@pytest.mark.slow
def test_parity_itself_may_be_stopped_within_a_turn_of_its_loop(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED_WITHIN_A_TURN, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    time.sleep(3.0)
    os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=30)
    assert said == "exit True\n"


def test_a_deadline_is_judged_after_what_waits_was_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Supervision._take_all
    waited: list[float] = []

    def take_all_and_wait(self: Supervision, ready: Iterable[selectors.SelectorKey]) -> bool:
        # After its first reads, this thread doesn't get to run for a while.
        came = real(self, ready)
        if not waited:
            waited.append(0.9)
            time.sleep(0.9)
        return came

    monkeypatch.setattr(Supervision, "_take_all", take_all_and_wait)
    code = "import time; time.sleep(0.3); print('ready'); time.sleep(0.8)"
    transcript = run(python(code), limits(load_s=0.6), markers=Markers(ready=READY))
    assert end_of(transcript).by == "exit"
