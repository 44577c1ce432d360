"""How much memory parity may use: that of the machine, or of the container that it is in."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from parity import cgroups
from parity.cgroups import free_memory_bytes, usable_memory_bytes

TOTAL, AVAILABLE = 16 << 30, 12 << 30
UNLIMITED = "9223372036854771712\n"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 16 GiB with both versions of control groups, without a limit; parity is in `/box/inner`."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=TOTAL, available=AVAILABLE))
    monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mounts")
    (tmp_path / "membership").write_text("4:memory:/box/inner\n0::/box/inner\n")
    (tmp_path / "mounts").write_text(
        f"31 24 0:27 / {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
        f"33 24 0:29 / {tmp_path}/unified rw - cgroup2 cgroup2 rw\n"
    )
    put(tmp_path / "unified" / "box" / "inner" / "memory.max", "max\n")
    put(tmp_path / "memory" / "box" / "inner" / "memory.limit_in_bytes", UNLIMITED)
    put(tmp_path / "memory" / "memory.limit_in_bytes", UNLIMITED)
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_a_limit_it_is_the_memory_of_the_machine(kernel: Path) -> None:
    assert (usable_memory_bytes(), free_memory_bytes()) == (TOTAL, AVAILABLE)


@pytest.mark.parametrize("where", ["unified/box/inner", "unified/box"])
def test_a_limit_of_version_2_holds_also_for_the_groups_below(kernel: Path, where: str) -> None:
    put(kernel / where / "memory.max", f"{4 << 30}\n")
    put(kernel / where / "memory.current", f"{3 << 30}\n")
    assert (usable_memory_bytes(), free_memory_bytes()) == (4 << 30, 1 << 30)


@pytest.mark.parametrize("where", ["memory/box/inner", "memory/box", "memory"])
def test_a_limit_of_version_1_holds_also_for_the_groups_below(kernel: Path, where: str) -> None:
    put(kernel / where / "memory.limit_in_bytes", f"{4 << 30}\n")
    put(kernel / where / "memory.usage_in_bytes", f"{3 << 30}\n")
    assert (usable_memory_bytes(), free_memory_bytes()) == (4 << 30, 1 << 30)


def test_files_that_the_kernel_can_drop_count_as_free(kernel: Path) -> None:
    put(kernel / "unified" / "box" / "memory.max", f"{4 << 30}\n")
    put(kernel / "unified" / "box" / "memory.current", f"{3 << 30}\n")
    put(kernel / "unified" / "box" / "memory.stat", f"anon 5\ninactive_file {2 << 30}\n")
    assert free_memory_bytes() == 3 << 30


def test_a_limit_above_the_memory_of_the_machine_adds_none(kernel: Path) -> None:
    put(kernel / "unified" / "box" / "memory.max", f"{64 << 30}\n")
    assert (usable_memory_bytes(), free_memory_bytes()) == (TOTAL, AVAILABLE)


def test_a_system_without_control_groups_has_no_limit(kernel: Path) -> None:
    (kernel / "membership").unlink()
    assert usable_memory_bytes() == TOTAL
