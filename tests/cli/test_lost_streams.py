"""Standard output and error that vanish, fill up, or were never there: output is lost, and nothing else is."""

import json
import os
import pty
import re
import subprocess
import time
from pathlib import Path

import pytest
from runs import ANY_MACHINE, PARITY, Parity, WriteConfig, speaker_table

GOOD = f"""
baseline = "base"
models = [{{ name = "m", source = "synth://tiny-llama/Q8_0@0" }}]
tests = [{{ name = "t", prompt = "hello", max_tokens = 4 }}]
rounds = {{ fixed = 1, warmup = 0 }}
gates = [{{ name = "hangs", kind = "no-failed-trials" }}]
{ANY_MACHINE}
{speaker_table("base")}
{speaker_table("other")}
"""
REDIRECTIONS = [">&-", ">/dev/full", "2>&-", "2>/dev/full", ">&- 2>&-", ">/dev/full 2>/dev/full", "<&- >&- 2>&-"]
GONE = ["2>&1 | true", "2> >(true)", "2> >(head -2 >/dev/null)", "> >(true)"]


def shell(line: str, folder: Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def is_whole(run: Path) -> bool:
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return bool(report["trials"]) and not report["not_run"] and (run / "end.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("redirection", [*REDIRECTIONS, *GONE])
def test_a_run_without_its_streams_is_whole_and_keeps_its_exit_code(
    write_config: WriteConfig, tmp_path: Path, redirection: str
) -> None:
    write_config(GOOD)
    done = shell(f"{PARITY} run case.toml --out run {redirection}; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert done.returncode == 0, done
    assert is_whole(tmp_path / "run")


@pytest.mark.slow
def test_every_command_keeps_its_exit_code_without_its_streams(
    parity: Parity, write_config: WriteConfig, tmp_path: Path
) -> None:
    case = write_config(GOOD)
    assert parity("run", case, "--out", "run").code == 0
    commands = {
        "score run": 0,
        "score run --json": 0,
        "report run": 0,
        "explain run": 0,
        "explain run other --json": 0,
        "doctor case.toml": 0,
        "plan case.toml": 0,
        "bisect run other": 2,
        "schema": 0,
        "adapter list": 0,
        "synth tiny-llama": 0,
        "--version": 0,
        "--help": 0,
        "frobnicate": 2,
        "run no-such.toml": 2,
    }
    wrong = {}
    for command, code in commands.items():
        for redirection in (">&-", ">/dev/full", "2>&-", "2>/dev/full", "2>&1 | true"):
            done = shell(f"{PARITY} {command} {redirection}; exit ${{PIPESTATUS[0]}}", tmp_path)
            if done.returncode != code or "Traceback" in done.stderr:
                wrong[f"{command} {redirection}"] = done
    assert wrong == {}


@pytest.mark.slow
def test_output_that_is_lost_is_told_where_it_can_be(write_config: WriteConfig, tmp_path: Path) -> None:
    write_config(GOOD)
    done = shell(f"{PARITY} run case.toml --out run >/dev/full", tmp_path)
    assert "standard output was lost (No space left on device)" in done.stderr
    assert shell(f"{PARITY} report run | true", tmp_path).stderr == ""


@pytest.mark.slow
def test_progress_that_nobody_reads_stops_no_run(write_config: WriteConfig, tmp_path: Path) -> None:
    """The reader holds the pipe open and is asleep; the pipe is full before the run begins."""
    write_config(GOOD)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while os.write(writing, b"x" * 4096):
            pass
    except BlockingIOError:
        os.set_blocking(writing, True)
    try:
        command = [PARITY, "run", "case.toml", "--out", "run"]
        done = subprocess.run(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=writing, text=True, timeout=120, check=False
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == 0
    assert "every required gate passed" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("hung_up", [True, False])
def test_a_terminal_that_goes_away_or_stands_still_costs_no_run(
    write_config: WriteConfig, tmp_path: Path, hung_up: bool
) -> None:
    write_config(GOOD)
    ours, theirs = pty.openpty()
    command = [PARITY, "run", "case.toml", "--out", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    if hung_up:
        os.close(ours)
        code = process.wait(120)
    else:
        # Nobody reads: as a user who pressed Ctrl-S. Only the result waits for the reader.
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "report.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        while process.poll() is None:
            try:
                os.read(ours, 65536)
            except OSError:
                break
        code = process.wait(120)
        os.close(ours)
    assert code == 0
    assert is_whole(tmp_path / "run")


@pytest.mark.slow
def test_colours_that_are_forced_write_no_live_line_into_a_log(write_config: WriteConfig, tmp_path: Path) -> None:
    write_config(GOOD)
    done = shell(f"FORCE_COLOR=1 {PARITY} run case.toml --out run", tmp_path)
    assert done.returncode == 0
    assert re.search(r"\x1b\[[0-9?]*[A-HJKlh]", done.stderr) is None
    assert "[1/" in done.stderr


@pytest.mark.slow
def test_no_file_of_a_run_gets_the_number_of_a_stream_that_was_never_there(
    write_config: WriteConfig, tmp_path: Path
) -> None:
    """A library that writes to standard error would write into it."""
    write_config(GOOD)
    done = shell(f"{PARITY} run case.toml --out run <&- >&- 2>&- & sleep 1; ls -l /proc/$!/fd; wait $!", tmp_path)
    assert done.returncode == 0
    streams = re.findall(r" ([012]) -> (\S+)", done.stdout)
    assert {path for _, path in streams} <= {"/dev/null"}, done.stdout
