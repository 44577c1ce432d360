"""What is kept of a program that hangs, before it is ended."""

import os
import sys
import threading
from pathlib import Path

import psutil
import pytest
from supervised import READY, TOKEN, Run, end_of, fault, limits, python

from parity.adapter import Markers
from parity.hosts.local import evidence
from parity.reading.hang import MOST_LINES, state_of
from parity.transcript import Hang, Head, Piece, SeenProcess, SeenThread, Transcript

THREADS = """if True:
    import sys, threading, time
    held = open(sys.argv[1])
    threading.Thread(target=threading.Lock().acquire, daemon=True).start()
    lock = threading.Lock(); lock.acquire()
    threading.Thread(target=lock.acquire, daemon=True).start()
    print("on out"); print("on err", file=sys.stderr)
    time.sleep(600)
"""


def hang_of(transcript: Transcript) -> Hang:
    assert transcript.hang is not None
    return transcript.hang


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the threads of a process by name")
def test_what_a_hanging_program_was_at_is_kept(run: Run, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    transcript = run((*python(THREADS), str(tmp_path / "weights.bin")), limits(stall_s=1.0))
    assert end_of(transcript).by == "stall"
    hang = hang_of(transcript)
    [process] = hang.processes
    assert transcript.spawn is not None
    assert process.pid == transcript.spawn.pid
    assert process.command.startswith(sys.executable)
    assert len(process.threads) == 2
    assert {thread.state for thread in process.threads} == {"sleeping"}
    if os.geteuid() == 0:
        assert any("nanosleep" in (thread.waits_in or "") for thread in process.threads)
        assert any("futex" in (thread.waits_in or "") for thread in process.threads)
    assert any(file.endswith("weights.bin") for file in process.files)
    assert bool(hang.stacks) != (hang.stacks_absent is not None)
    shown = state_of(transcript)
    assert shown[:4] == ("standard output ended with:", "  on out", "standard error ended with:", "  on err")
    assert any("2 threads" in line for line in shown)


def test_the_whole_tree_is_looked_at(run: Run) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    hang = hang_of(run(python(code), limits(stall_s=1.0)))
    assert len(hang.processes) == 2


@pytest.mark.parametrize(
    ("name", "bounds"), [("hangs_in_load", {"load_s": 0.7}), ("hangs_before_first_token", {"first_token_s": 0.5})]
)
def test_every_deadline_is_looked_at(run: Run, name: str, bounds: dict[str, float]) -> None:
    found = run(fault(name), limits(**bounds), markers=Markers(ready=READY, first_token=TOKEN))
    assert len(hang_of(found).processes) == 1


def test_the_time_that_a_look_takes_is_no_pause_of_parity(
    run: Run, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "STACKS_S", 2.0)
    tool(tools, "eu-stack", sleeps=True)
    found = run(fault("ignores_signals"), limits(stall_s=0.5))
    assert hang_of(found).stacks_absent == "eu-stack took longer than 2 s"
    assert end_of(found).paused_s < 0.5


def test_a_program_that_ends_by_itself_is_not_looked_at(run: Run) -> None:
    found = run(python("print(1)"))
    assert found.hang is None
    assert state_of(found) == ()


def test_no_secret_gets_into_what_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    argv = (*python("import time; time.sleep(600)"), "--token=hf_0123456789")
    found = run(argv, limits(stall_s=0.8), pass_env=["HF_TOKEN"])
    assert "hf_0123456789" not in hang_of(found).model_dump_json()
    assert "redacted" in hang_of(found).processes[0].command


TOOL = """#!{python}
import sys, time
if {sleeps}: time.sleep(600)
print("Thread 1"); print("#0 waits_here ()"); sys.exit({status})
"""


def tool(folder: Path, name: str, *, status: int = 0, sleeps: bool = False) -> None:
    path = folder / name
    path.write_text(TOOL.format(python=sys.executable, status=status, sleeps=sleeps), encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is searched for programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(evidence, "STACKS_S", 10.0)
    return folder


def test_stacks_are_those_of_the_first_tool_that_gives_any(tools: Path) -> None:
    tool(tools, "py-spy", status=1)
    tool(tools, "gdb")
    found = evidence.evidence([psutil.Process()], str)
    assert found.stacks == ("Thread 1", "#0 waits_here ()")
    assert found.stacks_absent is None


def test_a_tool_that_hangs_is_given_up(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "STACKS_S", 0.3)
    tool(tools, "eu-stack", sleeps=True)
    assert evidence.evidence([psutil.Process()], str).stacks_absent == "eu-stack took longer than 0.3 s"


def test_the_reason_is_kept_where_no_tool_is_there(tools: Path) -> None:
    assert "is there" in (evidence.evidence([psutil.Process()], str).stacks_absent or "")


def test_what_is_shown_is_bounded_and_counts_threads_that_are_alike() -> None:
    thread = SeenThread(name="pool", state="sleeping", waits_in="futex_wait", cpu_s=0.1)
    one = SeenProcess(pid=1, command="a", threads=(thread,) * 8)
    head = Head(purpose="trial", runtime="r")
    shown = state_of(Transcript(head=head, hang=Hang(t_ns=1, processes=(one,))))
    assert "  pool: sleeping in futex_wait (×8)" in shown
    pieces = (Piece(1, "err", b"x\n" * 100),)
    many = Hang(t_ns=1, processes=(one,) * 50, left_out=3, stacks=("#0",) * 200)
    shown = state_of(Transcript(head=head, hang=many, pieces=pieces))
    assert len(shown) == MOST_LINES
    assert "more lines are in the transcript" in shown[-1]


def test_a_command_line_that_is_no_utf8_is_shown_as_far_as_it_can_be(run: Run) -> None:
    found = run((*python("import time; time.sleep(600)"), "mod\udce9le"), limits(stall_s=0.8))
    assert hang_of(found).processes[0].command.endswith("mod\ufffdle")


def test_a_look_that_does_not_come_back_costs_the_look_and_no_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "PATIENCE_S", 0.1)
    monkeypatch.setattr(evidence, "STACKS_S", 0.1)
    back = threading.Event()
    monkeypatch.setattr(evidence, "evidence", lambda processes, mask: back.wait(60))
    found = run(python("import time; time.sleep(600)"), limits(stall_s=0.5))
    assert not back.is_set()
    back.set()
    for thread in threading.enumerate():
        if thread.name == "evidence":
            thread.join(10)
    assert end_of(found).by == "stall"
    assert found.hang is None
