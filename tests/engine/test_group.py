"""Control groups: on this machine where it lets us make one, and by files as the kernel writes them."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from parity import cgroups
from parity.cgroups import parents
from parity.hosts.local.group import Group

TAKES_MEMORY = "a = []\nwhile True: a.append(bytearray(b'x') * (8 << 20))"
SLEEPS = "import time; time.sleep(600)"


def started(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.fixture
def machine() -> None:
    with closing(Group.make("probe-of-tests", 1 << 30)) as group:
        if not group.limited:
            pytest.skip("this machine lets us make no control group with a limit of memory")


@pytest.mark.usefixtures("machine")
def test_the_kernel_keeps_a_limit_of_memory_and_tells_of_it() -> None:
    with closing(Group.make("a-limit", 64 << 20)) as group:
        with started(TAKES_MEMORY) as process:
            group.add(process.pid)
            assert process.wait(60) == -9
        usage = group.usage()
        assert usage.oom_kills >= 1
        assert usage.limited
        assert 32 << 20 < (usage.memory_peak_bytes or 0) <= 64 << 20


@pytest.mark.usefixtures("machine")
def test_all_in_a_group_is_killed_at_once_and_its_folders_are_removed() -> None:
    with closing(Group.make("a-tree")) as group, started(SLEEPS) as process:
        group.add(process.pid)
        assert process.pid in group.members()
        group.kill()
        assert process.wait(10) == -9
        assert group.members() == set()
    assert [folder for folder in group.folders.values() if Path(folder).exists()] == []


@pytest.mark.usefixtures("machine")
def test_the_kernel_counts_the_cpu_time_of_a_group() -> None:
    with closing(Group.make("cpu")) as group:
        with started("import time\nwhile time.process_time() < 0.3: pass") as process:
            group.add(process.pid)
        assert (group.usage().cpu_s or 0.0) > 0.2


V2 = {
    "cgroup.procs": "",
    "cgroup.kill": "",
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "memory.peak": "4096",
    "memory.events": "low 0\noom 3\noom_kill 2",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1",
    "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 total=1",
}


def kernel(folder: Path, monkeypatch: pytest.MonkeyPatch, membership: str, mounts: str) -> None:
    (folder / "membership").write_text(membership)
    (folder / "mounts").write_text(mounts)
    monkeypatch.setattr(cgroups, "MEMBERSHIP", folder / "membership")
    monkeypatch.setattr(cgroups, "MOUNTS", folder / "mounts")


def test_version_2_is_read_and_written_as_its_documentation_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v2" / "user").mkdir(parents=True)
    mounts = f"30 24 0:26 / {tmp_path}/v2 rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
    kernel(tmp_path, monkeypatch, "0::/user", mounts)
    real = Path.mkdir

    def mkdir(path: Path, *args: object, **kwargs: object) -> None:
        # As in the kernel's file system, a new folder has its files at once.
        real(path)
        for name, content in V2.items():
            (path / name).write_text(content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", mkdir)
        group = Group.make("x", 1000)
    folder = tmp_path / "v2" / "user" / "parity-x"
    assert group.limited
    assert (folder / "memory.max").read_text() == "1000"
    assert (folder / "memory.swap.max").read_text().startswith("0")
    assert (folder / "memory.oom.group").read_text() == "1"
    group.add(os.getpid())
    assert (folder / "cgroup.procs").read_text() == str(os.getpid())
    group.kill()
    assert (folder / "cgroup.kill").read_text() == "1"
    usage = group.usage()
    assert (usage.cpu_s, usage.memory_peak_bytes, usage.oom_kills) == (1.5, 4096, 2)
    assert usage.pressure_s == {"memory": 2.5}


def test_our_own_group_is_found_below_what_is_mounted_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    membership = "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/elsewhere\n"
    mounts = (
        "31 24 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "32 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
        "33 24 0:29 /docker/abc /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "34 24 0:30 / /proc rw - proc proc rw\n"
    )
    kernel(tmp_path, monkeypatch, membership, mounts)
    assert parents() == {
        "memory": Path("/sys/fs/cgroup/memory"),
        "cpuacct": Path("/sys/fs/cgroup/cpu/docker/abc"),
    }


def test_a_mount_point_with_a_blank_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(tmp_path, monkeypatch, "0::/user", r"30 24 0:26 / /my\040groups\134v2 rw shared:9 - cgroup2 cgroup2 rw")
    assert parents() == {"": Path("/my groups\\v2/user")}


@pytest.mark.parametrize("membership", ["0::/../other", "0::/.."])
def test_a_group_outside_of_what_a_namespace_shows_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str
) -> None:
    """cgroup_namespaces(7): a process that was moved out of its namespace; `/other` there is a different group."""
    kernel(tmp_path, monkeypatch, membership, "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate")
    assert parents() == {}


def test_a_group_that_may_not_limit_memory_is_a_group_without_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cgroup-v2.rst, "No Internal Process Constraint": a group that holds processes hands no controller on to those
    below it, so that they have the files of the core alone."""
    (tmp_path / "v2" / "user").mkdir(parents=True)
    kernel(tmp_path, monkeypatch, "0::/user", f"30 24 0:26 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw,nsdelegate")
    real = Path.mkdir

    def mkdir(path: Path, *args: object, **kwargs: object) -> None:
        real(path)
        for name in ("cgroup.procs", "cgroup.kill", "cpu.stat", "memory.pressure"):
            (path / name).write_text(V2[name])

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", mkdir)
        group = Group.make("x", 1000)
    assert (group.exists, group.limited, group.counts_memory) == (True, False, False)
    assert not (tmp_path / "v2" / "user" / "parity-x" / "memory.max").exists()
    usage = group.usage()
    assert (usage.cpu_s, usage.memory_peak_bytes, usage.oom_kills, usage.limited) == (1.5, None, 0, False)


@pytest.mark.parametrize("membership", ["", "nonsense", "0::/x"])
def test_where_no_group_can_be_made_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str
) -> None:
    kernel(tmp_path, monkeypatch, membership, f"30 24 0:26 / {tmp_path}/nowhere rw - cgroup2 cgroup2 rw")
    with closing(Group.make("x", 1000)) as group:
        assert not group.exists
        assert not group.limited
        group.add(os.getpid())
        group.kill()
        assert group.members() == set()
        assert group.usage().cpu_s is None
