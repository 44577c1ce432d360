"""One look at the machine's counters. Each value has one source; where the system doesn't tell, the reason is kept."""

import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import psutil

from parity.hosts import nvml
from parity.hosts.clocks import clock_name, wall_offset_s
from parity.hosts.machine import usable_cpu_numbers
from parity.records import PageCache
from parity.transcript import Surroundings

CPUS = Path("/sys/devices/system/cpu")
PRESSURE = Path("/proc/pressure")
VMSTAT = Path("/proc/vmstat")
MOST_FREQUENCIES = 8
"""CPUs whose frequency is read: on some machines each read interrupts that CPU."""

Found = TypeVar("Found")


class Untold(Exception):  # noqa: N818 - it is an answer, not an error
    """The system doesn't tell a value; its message says why."""


def look(page_cache: PageCache | None = None) -> Surroundings:
    """The machine now; takes about a millisecond. `page_cache`: what is known of the model's files."""
    absent: dict[str, str] = {}

    def told(names: str | tuple[str, ...], read: Callable[[], Found]) -> Found | None:
        try:
            return read()
        except Untold as reason:
            for name in (names,) if isinstance(names, str) else names:
                absent[name] = str(reason)
            return None

    cpus = usable_cpu_numbers()
    times = told(("steal_s", "iowait_s", "interrupt_s"), lambda: _linux_times(cpus)) or {}
    throttling = told(("throttle_events", "throttled_s"), lambda: _throttling(cpus))
    stalled = {name: told(f"{name}_pressure", _psi(name)) for name in ("cpu", "io", "memory")}
    return Surroundings(
        t_ns=time.monotonic_ns(),
        wall_offset_s=told("wall_step_s", _wall_offset_s),
        clock=clock_name(),
        usable_cpus=len(cpus),
        busy_s=round(busy_s(cpus), 3),
        own_cpu_s=round(time.process_time(), 6),
        **times,
        load_1min=round(os.getloadavg()[0], 2),
        pressure_s={name: seconds for name, seconds in stalled.items() if seconds is not None},
        throttle_events=throttling[0] if throttling else None,
        throttled_s=throttling[1] if throttling else None,
        frequency_mhz=told("frequency_mhz", lambda: _frequency_mhz(cpus)),
        swapped_bytes=told("swapped_bytes", _swapped_bytes),
        on_battery=told("on_battery", on_battery),
        gpu_processes=told("gpu_processes", _others_on_gpus),
        page_cache=page_cache,
        absent=absent,
    )


def busy_s(cpus: Iterable[int]) -> float:
    """Time that these CPUs have spent on programs, in seconds since the machine started."""
    every = psutil.cpu_times(percpu=True)
    return sum(every[k].user + every[k].system + getattr(every[k], "nice", 0.0) for k in cpus if k < len(every))


def on_battery() -> bool:
    """Whether the machine runs on its battery. Raises `Untold` where it has none."""
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, RuntimeError) as error:
        raise Untold(f"the system doesn't tell the source of its power ({error})") from error
    if battery is None or battery.power_plugged is None:
        raise Untold("the machine has no battery that the system knows")
    return not battery.power_plugged


def throttled_s(cpus: Iterable[int]) -> dict[str, float] | None:
    """CPU → how long it was throttled since the machine started; None where the system doesn't tell."""
    try:
        return _throttling(cpus)[1]
    except Untold:
        return None


def _linux_times(cpus: Iterable[int]) -> dict[str, float]:
    every = psutil.cpu_times(percpu=True)
    if not hasattr(every[0], "steal"):
        raise Untold(f"{sys.platform} doesn't tell it")
    usable = [every[k] for k in cpus if k < len(every)]
    return {
        "steal_s": round(sum(cpu.steal for cpu in usable), 3),
        "iowait_s": round(sum(cpu.iowait for cpu in usable), 3),
        "interrupt_s": round(sum(cpu.irq + cpu.softirq for cpu in usable), 3),
    }


def _psi(name: str) -> Callable[[], float]:
    def read() -> float:
        """Seconds since boot in which some task waited. Linux: Documentation/accounting/psi.rst."""
        try:
            some = (PRESSURE / name).read_text(encoding="ascii").splitlines()[0]
            return round(int(some.rpartition("total=")[2]) / 1e6, 6)
        except (OSError, ValueError, IndexError) as error:
            raise Untold("the system keeps no pressure stall information (/proc/pressure)") from error

    return read


def _throttling(cpus: Iterable[int]) -> tuple[int, dict[str, float] | None]:
    events, lasted = [], {}
    for cpu in cpus:
        folder = CPUS / f"cpu{cpu}" / "thermal_throttle"
        counts = [_number(folder / f"{part}_throttle_count") for part in ("core", "package")]
        events += [count for count in counts if count is not None]
        times = [_number(folder / f"{part}_throttle_total_time_ms") for part in ("core", "package")]
        known = [ms for ms in times if ms is not None]
        if known:
            lasted[str(cpu)] = max(known) / 1000
    if not events:
        raise Untold("the system keeps no count of thermal throttling")
    return sum(events), lasted or None


def _frequency_mhz(cpus: tuple[int, ...]) -> float:
    read = (_number(CPUS / f"cpu{cpu}" / "cpufreq" / "scaling_cur_freq") for cpu in cpus[:MOST_FREQUENCIES])
    known = [khz for khz in read if khz is not None]
    if not known:
        raise Untold("the system doesn't tell CPU frequencies")
    return round(sum(known) / len(known) / 1000, 1)


def _swapped_bytes() -> int:
    """In and out. Only Linux counts swapping apart from reading files."""
    try:
        counters = dict(line.split() for line in VMSTAT.read_text(encoding="ascii").splitlines())
        return (int(counters["pswpin"]) + int(counters["pswpout"])) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, KeyError) as error:
        raise Untold("the system doesn't count what it swaps") from error


def _wall_offset_s() -> float:
    offset_s = wall_offset_s()
    if offset_s is None:
        raise Untold("the system doesn't count the time that it sleeps")
    return round(offset_s, 6)


def _others_on_gpus() -> int:
    """How many processes compute on any GPU, asked while no trial runs."""
    running = nvml.processes()
    if isinstance(running, str):
        raise Untold(running)
    return len({process.pid for process in running})


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
