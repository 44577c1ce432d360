"""`proofs/disks.py`: a small part of it, where disks can be mounted."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def may_mount(folder: Path) -> bool:
    """Whether this user may mount a disk here: root may, outside most containers."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "parity-test", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return False
    subprocess.run(["umount", str(folder)], check=True)
    return True


@pytest.mark.slow
def test_a_run_of_scripted_programs_survives_two_full_disks(
    tmp_path: Path, prove_twice: Callable[[str, str], None]
) -> None:
    (tmp_path / "disk").mkdir()
    if not may_mount(tmp_path / "disk"):
        pytest.skip("no disk can be mounted here")
    prove_twice("disks", "--tries")
