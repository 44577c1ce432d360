"""A scripted program for each fault: `program.py FAULT ROUND JOB`. It speaks the event protocol and computes nothing.

Each function is a fault, named for what it does. All marks of a good answer come from `good` and its parts.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

FAULTS: dict[str, Callable[[], None]] = {}


def fault(function: Callable[[], None]) -> Callable[[], None]:
    FAULTS[function.__name__] = function
    return function


def raw(data: str | bytes, fd: int = 1) -> None:
    left = memoryview(data.encode() if isinstance(data, str) else data)
    while left:
        left = left[os.write(fd, left) :]


def send(ev: str, **fields: object) -> None:
    raw(json.dumps({"ev": ev, "t_ns": time.monotonic_ns(), **fields}) + "\n")


def hello() -> None:
    send("hello", protocol=1, runtime="scripted", version="1", device="scripted cpu")


def load() -> None:
    send("phase", name="weights", edge="begin")
    send("phase", name="weights", edge="end")
    send("phase", name="ready", edge="end")


def prompt() -> None:
    send("settings", values={"threads": 1, "device": "scripted cpu"})
    send("prompt", ids=[1, 2, 3])
    send("phase", name="prefill", edge="begin")


def tokens(first: int = 1, last: int = 4) -> None:
    for k in range(first, last + 1):
        time.sleep(0.003)
        send("token", k=k, id=100 + k)


def bye() -> None:
    send("text", text="scripted text")
    send("bye", reason="length")


@fault
def good() -> None:
    hello()
    load()
    prompt()
    tokens()
    bye()


def deaf() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def forever() -> NoReturn:
    while True:
        time.sleep(3600)


def spin() -> NoReturn:
    while True:
        pass


def close_streams() -> None:
    os.close(1)
    os.close(2)


def to_null() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


# It hangs, in each phase.


@fault
def hangs_at_once() -> None:
    forever()


@fault
def hangs_in_load() -> None:
    hello()
    send("phase", name="weights", edge="begin")
    forever()


@fault
def hangs_before_the_first_token() -> None:
    hello()
    load()
    prompt()
    forever()


@fault
def hangs_between_tokens() -> None:
    hello()
    load()
    prompt()
    tokens(last=2)
    forever()


@fault
def hangs_after_bye() -> None:
    good()
    forever()


@fault
def spins_in_load() -> None:
    hello()
    spin()


@fault
def spins_before_the_first_token() -> None:
    hello()
    load()
    prompt()
    spin()


@fault
def spins_after_bye() -> None:
    good()
    spin()


@fault
def ignores_signals_and_sleeps() -> None:
    deaf()
    hello()
    forever()


@fault
def ignores_signals_and_spins() -> None:
    deaf()
    hello()
    spin()


@fault
def stops_itself() -> None:
    hello()
    os.kill(os.getpid(), signal.SIGSTOP)
    forever()


@fault
def closes_its_streams_and_hangs() -> None:
    hello()
    close_streams()
    forever()


@fault
def answers_and_then_closes_its_streams_and_hangs() -> None:
    good()
    close_streams()
    forever()


@fault
def waits_for_a_child_in_vfork() -> None:
    """In the kernel, uninterruptible but for SIGKILL, as after a fault of a driver."""
    import ctypes

    hello()
    library = ctypes.CDLL(None)
    if library.vfork() == 0:
        library.sleep(3600)
        library._exit(0)


@fault
def drips_without_end() -> None:
    hello()
    while True:
        raw("x")
        time.sleep(0.02)


# It leaves something behind.


def daemon(*, empty: bool = False, holds: bool = False) -> None:
    """A process in a session of its own whose parent is gone, deaf, with an empty environment where that is asked."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            deaf()
            if not holds:
                to_null()
            if empty:
                os.execve("/bin/sleep", ["sleep", os.environ.get("TEST_SLEEP_S", "1234")], {})
            forever()
        os._exit(0)
    os.wait()


@fault
def leaves_a_child_on_its_pipes() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1234)"])
    good()


@fault
def leaves_a_daemon() -> None:
    daemon()
    good()


@fault
def leaves_a_daemon_on_its_pipes() -> None:
    daemon(holds=True)
    good()


@fault
def leaves_a_daemon_without_environment() -> None:
    daemon(empty=True)
    good()


@fault
def leaves_a_daemon_without_environment_and_hangs() -> None:
    daemon(empty=True)
    hello()
    forever()


@fault
def leaves_a_daemon_in_a_group_of_its_own() -> None:
    if os.fork() == 0:
        os.setpgid(0, 0)
        deaf()
        forever()
    time.sleep(0.05)
    good()


@fault
def forks_and_exits_without_end() -> None:
    """Each process of the chain lives for milliseconds and starts the next."""
    if os.fork() == 0:
        to_null()
        deaf()
        for k in range(20_000):
            if os.fork():
                os._exit(0)
            if k % 3 == 0:
                os.setsid()
            time.sleep(0.002)
        os._exit(0)
    good()


@fault
def forks_fifty() -> None:
    deaf()
    hello()
    for k in range(50):
        if os.fork() == 0:
            if k % 2:
                os.setsid()
            forever()
    forever()


@fault
def starts_a_daemon_when_it_is_interrupted() -> None:
    def answer(number: int, frame: object) -> None:
        daemon(empty=True)

    signal.signal(signal.SIGINT, answer)
    signal.signal(signal.SIGTERM, answer)
    hello()
    while True:
        time.sleep(1)


@fault
def locks_its_scratch_folder() -> None:
    folder = Path(sys.argv[3]).parent
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").write_text("left")
    (folder / "a" / "b").chmod(0)
    good()


@fault
def removes_its_scratch_folder() -> None:
    import shutil

    shutil.rmtree(Path(sys.argv[3]).parent)
    good()


# It runs out of memory.


@fault
def takes_memory_without_end() -> None:
    hello()
    load()
    kept = []
    while True:
        kept.append(bytearray(b"x") * (8 << 20))
        time.sleep(0.005)


@fault
def its_child_takes_memory_without_end() -> None:
    hello()
    load()
    if os.fork() == 0:
        takes_memory_without_end()
    os.wait()
    forever()


@fault
def gets_no_memory_and_says_so() -> None:
    hello()
    resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))
    kept = []
    try:
        while True:
            kept.append(bytearray(64 << 20))
    except MemoryError:
        kept.clear()
        send("error", kind="oom", message="no memory")
        send("bye", reason="error")
        sys.exit(1)


# It crashes.


def dies_by(number: signal.Signals) -> None:
    hello()
    load()
    prompt()
    tokens(last=2)
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    forever()


for each in (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS),
    *(signal.SIGFPE, signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV, signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM),
):
    # Bound as a default: the loop goes on to the next.
    FAULTS[f"dies_by_{each.name}"] = lambda number=each: dies_by(number)  # type: ignore[misc]


@fault
def exits_with_3() -> None:
    hello()
    raw("something is wrong\n", 2)
    sys.exit(3)


@fault
def exits_with_its_round_after_a_good_answer() -> None:
    good()
    os._exit(int(sys.argv[2]))


@fault
def dies_in_the_middle_of_a_line() -> None:
    hello()
    load()
    prompt()
    tokens(last=2)
    raw('{"ev":"token","t_ns":')
    os.kill(os.getpid(), signal.SIGKILL)


@fault
def reports_that_it_failed() -> None:
    hello()
    send("error", kind="failed", message="the weights have the wrong shape")
    send("bye", reason="error")
    sys.exit(1)


@fault
def refuses() -> None:
    hello()
    send("error", kind="refused", message="the architecture is unknown", remedy="use a different model")
    send("bye", reason="error")
    sys.exit(1)


# It prints too much, nothing, or no events.


@fault
def prints_one_line_without_end() -> None:
    deaf()
    hello()
    block = b"x" * (1 << 20)
    while True:
        raw(block)


@fault
def prints_lines_on_stderr_without_end() -> None:
    deaf()
    hello()
    block = b"warning: something odd\n" * 10_000
    while True:
        raw(block, 2)


@fault
def prints_nothing() -> None:
    pass


@fault
def prints_blank_lines() -> None:
    raw("\n \n\t\n")


@fault
def prints_no_events() -> None:
    raw("this is no event\n")


@fault
def prints_bytes_that_are_no_text() -> None:
    hello()
    raw(b"\xff\xfe\x80\n")


@fault
def prints_deeply_nested_json() -> None:
    hello()
    raw("[" * 200_000 + "\n")
    bye()


@fault
def ends_without_bye() -> None:
    hello()
    load()
    prompt()
    tokens()


@fault
def says_bye_and_nothing_else() -> None:
    hello()
    send("bye", reason="length")


@fault
def numbers_its_tokens_wrongly() -> None:
    hello()
    load()
    prompt()
    tokens(first=1, last=1)
    tokens(first=3, last=4)
    bye()


if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
