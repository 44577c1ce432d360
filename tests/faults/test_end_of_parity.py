"""However parity itself ends, and whatever is done to its signals: nothing of a program is left, and nothing is said
that isn't true."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from runs import OWN, PARITY, WriteConfig, config_text, faulty_table, speaker_table

import parity
import parity_worker

pytestmark = pytest.mark.slow

OWN_CODE = str(Path(parity.__file__).parent)
WAITING = Path(__file__).parents[1] / "scripted" / "waiting_worker.py"
GONE_S = 5.0
AT_ONCE_S = 1.0
SLACK_S = 1.0
"""What a busy machine may add to a time that is measured from outside."""


def config_of(fault: str) -> str:
    """A config whose baseline commits a fault in each trial."""
    table = faulty_table("base", fault, f'pass_env = ["{OWN}", "TEST_SLEEP_S"]')
    limits = "[limits]\nload_s = 60\nstall_s = 60\n"
    return config_text(table + speaker_table("other"), rest=limits)


@pytest.fixture
def sleeps_s(own: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A number of seconds that no other test sleeps for: by it a daemon without an environment is known."""
    monkeypatch.setenv("TEST_SLEEP_S", f"1234.{zlib.crc32(own.encode())}")
    return os.environ["TEST_SLEEP_S"]


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, own: str) -> Iterator[Start]:
    """Starts `parity` or any program; what it leaves is killed afterwards."""
    started = []

    def start(*argv: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            argv,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    for child in psutil.Process().children():
        # Orphans of a killed parity come to this process where it has asked for orphans.
        with suppress(ChildProcessError):
            os.waitpid(child.pid, os.WNOHANG)


def living(own: str, sleeps_s: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            argv = process.cmdline()
            if argv == ["sleep", sleeps_s] or (PARITY not in argv and process.environ().get(OWN) == own):
                found.append(process)
    return found


def wait_for(happened: Callable[[], object], within_s: float) -> bool:
    give_up = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("fault", "processes", "number"),
    [
        ("leaves_a_daemon_without_environment_and_hangs", 2, signal.SIGKILL),
        ("leaves_a_daemon_without_environment_and_hangs", 2, signal.SIGQUIT),
        ("leaves_a_daemon_without_environment_and_hangs", 2, signal.SIGTERM),
        ("ignores_signals_and_spins", 1, signal.SIGKILL),
        ("ignores_signals_and_spins", 1, signal.SIGHUP),
        ("forks_fifty", 51, signal.SIGKILL),
    ],
)
def test_no_process_is_alive_once_parity_is_gone(
    start: Start, own: str, sleeps_s: str, write_config: WriteConfig, fault: str, processes: int, number: signal.Signals
) -> None:
    parity = start(PARITY, "run", str(write_config(config_of(fault))), "--out", "run")
    assert wait_for(lambda: len(living(own, sleeps_s)) >= processes, 60), parity.communicate()
    time.sleep(0.6)  # it is looked at a few times a second
    parity.send_signal(number)
    parity.wait(GONE_S)
    gone = wait_for(lambda: not living(own, sleeps_s), GONE_S)
    left = living(own, sleeps_s)
    for process in left:
        process.kill()
    assert gone, left


def guardians(of: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in of.children():
        with suppress(psutil.Error):  # one that was killed, until it is reaped
            found += [child] if any(word.endswith("guarding.py") for word in child.cmdline()) else []
    return found


def test_a_guardian_that_is_killed_is_started_again_and_ends_the_tree(
    start: Start, own: str, sleeps_s: str, write_config: WriteConfig
) -> None:
    """It is killed first, parity once a new one is there."""
    fault = "leaves_a_daemon_without_environment_and_hangs"
    begun = start(PARITY, "run", str(write_config(config_of(fault))), "--out", "run")
    assert wait_for(lambda: len(living(own, sleeps_s)) >= 2, 60), begun.communicate()
    time.sleep(0.6)
    [first] = guardians(psutil.Process(begun.pid))
    first.kill()
    assert wait_for(lambda: [g for g in guardians(psutil.Process(begun.pid)) if g.pid != first.pid], 2 * GONE_S)
    time.sleep(0.2)
    # A process that is between two programs has no command line for a moment.
    assert wait_for(lambda: len(living(own, sleeps_s)) >= 2, GONE_S)
    begun.kill()
    killed = time.monotonic()
    gone = wait_for(lambda: not living(own, sleeps_s), GONE_S)
    left = living(own, sleeps_s)
    for process in left:
        process.kill()
    assert gone, left
    assert time.monotonic() - killed < AT_ONCE_S + SLACK_S


@pytest.mark.skipif(sys.platform != "linux", reason="no other system ends a process with its parent")
def test_a_worker_ends_with_parity_also_if_its_guardian_is_killed_in_the_same_instant(
    start: Start, own: str, sleeps_s: str, write_config: WriteConfig, tmp_path: Path
) -> None:
    waits = json.dumps([parity_worker.__file__, str(WAITING), "--job", "{scratch}/job.json"])
    table = f"""
[runtimes.base]
adapter = "command"
program = "{sys.executable}"
args = {waits}
events = true
prove = false
pass_env = ["{OWN}"]
"""
    case = write_config(config_text(table + speaker_table("other"), rest="[limits]\nload_s = 60\nstall_s = 60\n"))
    begun = start(PARITY, "run", str(case), "--out", "run")

    def waiting() -> list[psutil.Process]:
        return [p for p in living(own, sleeps_s) if str(WAITING) in p.cmdline()]

    def waits_now() -> bool:
        return any(b"waits " in path.read_bytes() for path in (tmp_path / "run" / "trials").glob("*.jsonl"))

    assert wait_for(waits_now, 60), begun.communicate()
    guards = guardians(psutil.Process(begun.pid))
    assert waiting()
    assert guards
    for process in guards:
        process.kill()
    begun.kill()
    gone = wait_for(lambda: not waiting(), GONE_S)
    left = living(own, sleeps_s)
    for process in left:
        process.kill()
    assert gone, left


def test_the_scratch_folder_of_a_killed_trial_is_removed(
    start: Start, own: str, sleeps_s: str, write_config: WriteConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    parity = start(PARITY, "run", str(write_config(config_of("hangs_in_load"))), "--out", "run")
    assert wait_for(lambda: list((tmp_path / "tmp").glob("parity-*/job.json")), 60), parity.communicate()
    time.sleep(0.6)
    parity.kill()
    assert wait_for(lambda: not list((tmp_path / "tmp").glob("parity-*")), 2 * GONE_S)


STUBBORN = """if True:
    import hashlib, re, sys, time
    from parity import interrupts
    from parity.run.signals import cancelling
    interrupts.begin()
    interrupts.raise_from_now_on()
    def work():
        print("at work", flush=True)
        while True:
            try:
                while True:
                    {work}
            except KeyboardInterrupt:
                print("went on", flush=True)
    if sys.argv[1] == "run":
        with cancelling() as cancel:
            work()
    work()
"""


WORK = {
    "computes": "sum(range(1000))",
    "waits": "time.sleep(1000)",
    "searches": "re.match('(a+)+$', 'a' * 60 + 'b')",
    "hashes": "hashlib.sha256().update(b'x' * (1 << 22))",
}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("within", ["run", "other"])
def test_a_second_ctrl_c_ends_parity_whatever_it_does(start: Start, within: str, work: str) -> None:
    parity = start(sys.executable, "-c", STUBBORN.replace("{work}", WORK[work]), within)
    assert parity.stdout is not None
    assert parity.stdout.readline() == "at work\n"
    time.sleep(0.3)
    parity.send_signal(signal.SIGINT)
    time.sleep(1.2)
    assert parity.poll() is None, parity.communicate()
    parity.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert parity.wait(10) == 130
    assert time.monotonic() - began < AT_ONCE_S + SLACK_S
    assert "what had finished is kept" in parity.communicate()[1]


EARLY = """if True:
    import sys
    sys.argv = ["/bin/parity", "doctor"]
    from parity.__main__ import main
    print("here", flush=True)
    main()
"""


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.15, 0.2])
def test_ctrl_c_before_anything_has_begun_is_quiet(start: Start, after_s: float) -> None:
    parity = start(sys.executable, "-c", EARLY)
    assert parity.stdout is not None
    assert parity.stdout.readline() == "here\n"
    time.sleep(after_s)
    parity.send_signal(signal.SIGINT)
    _, said = parity.communicate(timeout=20)
    assert parity.returncode == 130
    assert said in ("", "parity: interrupted\n")


@pytest.mark.parametrize("program", [(PARITY,), (sys.executable, "-m", "parity")])
def test_ctrl_c_at_no_instant_of_the_start_shows_a_traceback_of_parity(
    start: Start, write_config: WriteConfig, program: tuple[str, ...]
) -> None:
    """Until the interpreter has read parity's first line, Ctrl-C is the interpreter's: its traceback may be shown, and
    names no file of parity."""
    case = str(write_config(config_text(speaker_table("base") + speaker_table("other"))))
    # Coverage begins with the interpreter, ahead of parity, and swallows a Ctrl-C that comes while it is imported.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    for after_ms in range(0, 301, 10):
        begun = start(*program, "plan", case, env=env)
        time.sleep(after_ms / 1000)
        begun.send_signal(signal.SIGINT)
        _, said = begun.communicate(timeout=60)
        if "Traceback" in said or "KeyboardInterrupt" in said:
            assert OWN_CODE not in said, f"after {after_ms} ms: {said}"
        else:
            assert begun.returncode in (0, 130, -signal.SIGINT), f"after {after_ms} ms: {said}"
            assert said in ("", "parity: interrupted\n"), f"after {after_ms} ms"


ENDING = """if True:
    import atexit, sys, time
    sys.argv = ["/bin/parity", "adapter", "list"]
    from parity.__main__ import main
    def late():
        print("late", flush=True)
        time.sleep(60)
    atexit.register(late)
    main()
"""


def test_ctrl_c_once_all_is_done_is_quiet(start: Start) -> None:
    parity = start(sys.executable, "-c", ENDING)
    assert parity.stdout is not None
    assert "late\n" in iter(parity.stdout.readline, "")
    parity.send_signal(signal.SIGINT)
    assert parity.wait(10) == 130
    assert parity.communicate()[1] == ""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_stays_ignored(
    start: Start, own: str, sleeps_s: str, write_config: WriteConfig, number: signal.Signals
) -> None:
    slow = speaker_table("base", ["--load", "0.5"]) + speaker_table("other")
    case = str(write_config(config_text(slow)))
    name = number.name.removeprefix("SIG")
    parity = start("sh", "-c", f"trap '' {name} CHLD; exec {PARITY} run {case} --out run")
    assert wait_for(lambda: living(own, sleeps_s), 60), parity.communicate()
    parity.send_signal(number)
    parity.send_signal(number)
    _, said = parity.communicate(timeout=300)
    assert parity.returncode == 0, said


def test_versions_are_read_where_the_end_of_children_is_ignored(start: Start, write_config: WriteConfig) -> None:
    case = str(write_config(config_text(speaker_table("base") + speaker_table("other"))))
    parity = start("sh", "-c", f"trap '' CHLD; exec {PARITY} doctor {case}")
    out, said = parity.communicate(timeout=60)
    assert parity.returncode == 0, said
    assert out.count("Python 3.") == 2
