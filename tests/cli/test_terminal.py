"""What a run ends with as a person sees it: in a terminal of 80, 120 and 200 columns, with and without colour, and in a
pipe. The golden files hold `␛` for the escape character."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from runs import PARITY, config_text, speaker_table

GOLDEN = Path(__file__).parent / "golden"
RECORDED = Path(__file__).parents[1] / "run_folders" / "schema-2"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SCREEN = 40
"""Lines of a terminal."""


def in_terminal(
    command: Sequence[str], folder: Path, columns: int, environ: Mapping[str, str] | None = None, *, both: bool = False
) -> tuple[str, int]:
    """What a command writes to a terminal on standard output, and its exit code. `both`: and on standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", SCREEN, columns, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [PARITY, *command],
        cwd=folder,
        env={**kept, "TERM": "xterm-256color", **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs if both else subprocess.DEVNULL,
    )
    os.close(theirs)
    found = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            # Linux says so of a terminal that nobody holds any more.
            break
        if not piece:
            break
        found += piece
    os.close(ours)
    return found.decode().replace("\r\n", "\n"), process.wait(timeout=60)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return shutil.copytree(RECORDED, tmp_path / "run")


def golden(name: str, text: str) -> None:
    path, text = GOLDEN / name, text.replace("\x1b", "␛")
    if os.environ.get("PARITY_WRITE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path.name} was written: read it, and run without PARITY_WRITE_GOLDEN")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [80, 120, 200])
@pytest.mark.parametrize("colour", [True, False])
def test_the_end_of_a_run_in_a_terminal(run: Path, columns: int, colour: bool) -> None:
    environ = {} if colour else {"NO_COLOR": "1"}
    text, _ = in_terminal(["report", "run", "--format", "brief"], run.parent, columns, environ)
    assert max(len(ESCAPE.sub("", line)) for line in text.splitlines()) <= columns
    assert ("\x1b" in text) == colour
    golden(f"end-{columns}{'-colour' if colour else ''}.txt", text)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_of_runs_in_a_terminal(run: Path, columns: int, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "runs" / "20310101T000000Z-quickstart")
    text, code = in_terminal(["history", "runs"], tmp_path, columns, {"PARITY_CACHE": str(tmp_path / "cache")})
    assert (code, "\x1b" in text) == (0, False)
    golden(f"history-{columns}.txt", text)


def test_the_end_of_a_run_in_a_pipe_is_that_of_a_plain_terminal_of_80_columns(run: Path) -> None:
    command = [PARITY, "report", "run", "--format", "brief"]
    done = subprocess.run(command, cwd=run.parent, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == (GOLDEN / "end-80.txt").read_text(encoding="utf-8")


def test_the_whole_report_uses_the_width_of_the_terminal(run: Path) -> None:
    widths = []
    for columns in (80, 200):
        text, _ = in_terminal(["report", "run"], run.parent, columns)
        widths.append(max(map(len, text.splitlines())))
    assert widths[0] <= 80 < widths[1] <= 200


def test_a_dumb_terminal_gets_no_escapes(run: Path) -> None:
    text, _ = in_terminal(["report", "run", "--format", "brief"], run.parent, 80, {"TERM": "dumb"})
    assert "\x1b" not in text


@pytest.mark.slow
def test_a_run_in_a_terminal_shows_what_runs_and_how_its_gates_stand(tmp_path: Path) -> None:
    tables = speaker_table("base", ["--rate", "40"]) + speaker_table("other", ["--rate", "40"])
    text = config_text(tables, rounds=8, min_ratio=1.0).replace("count = 8", "max = 7")
    (tmp_path / "case.toml").write_text(text, encoding="utf-8")
    text, code = in_terminal(["run", "case.toml", "--out", "run"], tmp_path, 120, both=True)
    assert code in (0, 1, 3)
    plain = ESCAPE.sub("", text)
    assert "token/s" in plain
    assert re.search(r"after \d rounds of t:", plain) or code != 3
    assert plain.rstrip().splitlines()[-1].startswith(("why: ", "all of it: "))
