"""What one look at the machine reads, from files and libraries that stand in for the system's."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from parity.hosts import nvml
from parity.hosts.conditions import busyness, look, surroundings
from parity.records import ConditionLimits
from parity.transcript import Surroundings


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `/sys` and `/proc` of a machine on whose CPUs 0 and 1 parity may run."""
    monkeypatch.setattr(surroundings, "CPUS", tmp_path / "cpu")
    monkeypatch.setattr(surroundings, "PRESSURE", tmp_path / "pressure")
    monkeypatch.setattr(surroundings, "VMSTAT", tmp_path / "vmstat")
    monkeypatch.setattr(surroundings, "usable_cpu_numbers", lambda: (0, 1))
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    return tmp_path


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """NVML is looked for once a process."""
    nvml.library.cache_clear()
    yield
    nvml.library.cache_clear()


def test_what_the_system_does_not_tell_is_absent_with_its_reason(system: Path) -> None:
    found = look()
    assert (found.throttle_events, found.frequency_mhz, found.swapped_bytes, found.on_battery) == (None,) * 4
    assert found.pressure_s == {}
    assert found.absent["frequency_mhz"] == "the system doesn't tell CPU frequencies"
    assert found.absent["throttled_s"] == "the system keeps no count of thermal throttling"
    assert found.absent["on_battery"] == "the machine has no battery that the system knows"
    assert "/proc/pressure" in found.absent["cpu_pressure"]
    assert set(found.absent) <= set(Surroundings.model_fields) | {"cpu_pressure", "io_pressure", "memory_pressure"}


def test_throttling_frequency_pressure_and_swap_are_read_of_the_usable_cpus(system: Path) -> None:
    for cpu, events, ms, khz in ((0, 2, 1500, 3_000_000), (1, 3, 250, 2_000_000), (2, 50, 90_000, 100)):
        put(system / f"cpu/cpu{cpu}/thermal_throttle/core_throttle_count", f"{events}\n")
        put(system / f"cpu/cpu{cpu}/thermal_throttle/core_throttle_total_time_ms", f"{ms}\n")
        put(system / f"cpu/cpu{cpu}/cpufreq/scaling_cur_freq", f"{khz}\n")
    put(system / "pressure/cpu", "some avg10=1.00 avg60=1.00 avg300=1.00 total=2500000\nfull avg10=0 total=7\n")
    put(system / "vmstat", "nr_free_pages 17\npswpin 3\npswpout 4\n")
    found = look()
    assert found.throttle_events == 5
    assert found.throttled_s == {"0": 1.5, "1": 0.25}
    assert found.frequency_mhz == 2500.0
    assert found.pressure_s == {"cpu": 2.5}
    assert found.swapped_bytes == 7 * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("plugged", "expected"), [(True, False), (False, True), (None, None)])
def test_the_source_of_power(
    system: Path, monkeypatch: pytest.MonkeyPatch, plugged: bool | None, expected: bool | None
) -> None:
    monkeypatch.setattr(psutil, "sensors_battery", lambda: SimpleNamespace(power_plugged=plugged), raising=False)
    assert look().on_battery is expected


class Nvml:
    """Stands in for `pynvml` on a machine with two GPUs, on which three processes compute, one of them on both."""

    on_gpus = ((10, 11), (11, 12))

    def nvmlInit(self) -> None:  # noqa: N802 - the library's name
        pass

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the library's name
        return len(self.on_gpus)

    def nvmlDeviceGetHandleByIndex(self, k: int) -> int:  # noqa: N802 - the library's name
        return k

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:  # noqa: N802 - the library's name
        return [SimpleNamespace(pid=pid) for pid in self.on_gpus[handle]]


class Broken(Nvml):
    def nvmlInit(self) -> None:  # noqa: N802 - the library's name
        raise RuntimeError("driver not loaded")


class Fallen(Nvml):
    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the library's name
        raise RuntimeError("GPU is lost")


@pytest.mark.parametrize(
    ("library", "count", "reason"),
    [
        (Nvml(), 3, None),
        (Broken(), None, "NVML can't be used (driver not loaded)"),
        (Fallen(), None, "NVML didn't tell (GPU is lost)"),
        (None, None, "nvidia-ml-py is not installed"),
    ],
)
def test_processes_on_gpus(
    monkeypatch: pytest.MonkeyPatch, library: Nvml | None, count: int | None, reason: str | None
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", library)
    found = look()
    assert found.gpu_processes == count
    assert found.absent.get("gpu_processes") == reason


def test_the_heaviest_processes_of_a_busy_machine_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of two processes that use a whole and half a CPU, and of one that idles."""
    clock = {"now": 100.0}
    shares = {"stress": 1.0, "backup": 0.5, "shell": 0.0}

    def sleep(seconds: float) -> None:
        clock["now"] += seconds

    def processes() -> Iterator[Any]:
        for pid, (name, share) in enumerate(shares.items(), start=900_000):
            yield Process(pid, name, share * clock["now"])

    class Process:
        def __init__(self, pid: int, name: str, cpu_s: float) -> None:
            self.pid, self._name, self._cpu_s = pid, name, cpu_s

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Process) and self.pid == other.pid

        def __hash__(self) -> int:
            return self.pid

        def name(self) -> str:
            return self._name

        def cpu_times(self) -> Any:
            return SimpleNamespace(user=self._cpu_s, system=0.0)

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: clock["now"])
    monkeypatch.setattr("time.process_time", lambda: 0.0)
    monkeypatch.setattr(psutil, "process_iter", processes)
    monkeypatch.setattr("parity.hosts.conditions.busy.busy_s", lambda cpus: 1.5 * clock["now"])
    found = busyness(ConditionLimits(others_cpu=0.5))
    assert found.others_cpu == 1.5
    assert [(load.name, load.cores) for load in found.heaviest] == [("stress", 1.0), ("backup", 0.5)]
