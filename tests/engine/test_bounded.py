"""Whatever a function does in the child, parity gets an answer or the limit that it broke, and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parity.bounded import LimitError, RaisedError, call

GIB = 1024**3


def test_a_value_comes_back_and_one_child_serves_many_calls() -> None:
    assert call("json:loads", '{"a": [1, "é\\u0000"]}') == {"a": [1, "é\0"]}
    assert call("os:getpid") == call("os:getpid") != os.getpid()


def test_an_exception_is_told_with_its_class() -> None:
    with pytest.raises(RaisedError, match="Expecting value") as raised:
        call("json:loads", "[1,")
    assert raised.value.kind == "JSONDecodeError"
    with pytest.raises(RaisedError):
        call("no.such.module:function")


@pytest.mark.parametrize(
    ("function", "arguments", "wrong"),
    [
        ("re:search", ("(a+)+$", "a" * 40 + "b"), "it took more than 1 s"),
        ("operator:pow", (10, 10**9), "it took more than 1 s"),
        ("time:sleep", (60,), "it took more than 1 s"),
        ("operator:mul", ("a", 2 * GIB), "it needed more than 1 GiB of memory"),
        ("os:abort", (), r"its process ended \(SIGABRT\)"),
        ("os:_exit", (3,), r"its process ended \(exit code 3\)"),
    ],
)
def test_what_breaks_a_limit_is_ended_and_the_next_call_has_a_child_of_its_own(
    function: str, arguments: tuple[object, ...], wrong: str
) -> None:
    with pytest.raises(LimitError, match=wrong):
        call(function, *arguments, cpu_s=1, memory_bytes=GIB)
    assert call("operator:add", 1, 2) == 3


def test_a_child_that_was_killed_between_two_calls_is_no_failure() -> None:
    os.kill(call("os:getpid"), signal.SIGKILL)
    time.sleep(0.2)
    assert call("operator:add", 1, 2) == 3


def test_what_a_function_prints_is_no_answer() -> None:
    assert call("builtins:print", '{"value": 7}') is None
    assert call("os:system", "echo '{}'") == 0


def test_the_child_has_none_of_paritys_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    os.kill(call("os:getpid"), signal.SIGKILL)
    time.sleep(0.2)
    assert call("os:getenv", "HF_TOKEN") is None
    assert call("os:getenv", "PATH") == os.environ["PATH"]


def test_the_child_does_not_outlive_parity(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = (
        "import os, re, sys; from parity.bounded import call; "
        "open(sys.argv[1], 'w').write(str(call('os:getpid'))); "
        "call('re:search', '(a+)+$', 'a' * 40 + 'b')"
    )
    parity = subprocess.Popen([sys.executable, "-c", program, str(told)])
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parity.kill()
    parity.wait()
    child = int(told.read_text())
    # Linux kills it at once; elsewhere its CPU limit ends it.
    deadline = time.monotonic() + (5 if sys.platform == "linux" else 60)
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())
