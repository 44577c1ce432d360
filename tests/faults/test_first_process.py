"""parity as the first process of a container, to which the orphans of everybody in it come."""

import subprocess
import sys
from pathlib import Path

import pytest
from runs import PARITY, WriteConfig, config_text, speaker_table

from parity.run.log import RunFolder

pytestmark = pytest.mark.slow

APART = ("unshare", "--pid", "--fork", "--mount-proc")
STRANGER = "(setsid sh -c 'for k in $(seq 40); do (setsid sleep 4321 &); sleep 0.2; done' &)"
"""What somebody else does in the container: again and again, a program of theirs is an orphan in its own session."""


def may_be_apart() -> bool:
    if sys.platform != "linux":
        return False
    try:
        return subprocess.run([*APART, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def apart() -> None:
    if not may_be_apart():
        pytest.skip("no process can be the first of a namespace here")


@pytest.mark.usefixtures("apart")
def test_an_orphan_of_somebody_else_is_no_part_of_a_trial(own: str, write_config: WriteConfig, tmp_path: Path) -> None:
    slow = speaker_table("base", ["--load", "0.3"]) + speaker_table("other", ["--load", "0.3"])
    case = write_config(config_text(slow))
    script = f"{STRANGER}; exec {PARITY} run {case} --out run"
    done = subprocess.run(
        [*APART, "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ends = [transcript.end for _, _, transcript in RunFolder(tmp_path / "run").trials()]
    assert len(ends) >= 10
    assert [(end.left_behind, end.signals) for end in ends if end is not None] == [(0, ())] * len(ends)


@pytest.mark.usefixtures("apart")
def test_the_first_process_ends_on_ctrl_c_as_any(own: str, write_config: WriteConfig, tmp_path: Path) -> None:
    slow = speaker_table("base", ["--load", "0.3"]) + speaker_table("other", ["--load", "0.3"])
    case = write_config(config_text(slow))
    later = "while ! ls run/trials/0002-* >/dev/null 2>&1; do sleep 0.1; done"
    script = f"({later}; kill -INT 1) & exec {PARITY} run {case} --out run"
    done = subprocess.run(
        [*APART, "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 130, done.stdout + done.stderr
    again = subprocess.run(
        [*APART, PARITY, "run", "--resume", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert again.returncode == 0, again.stdout + again.stderr
