"""Whether the machine is busy before a run, and which processes keep it so."""

import os
import time
from contextlib import suppress

import psutil

from parity.hosts.conditions.surroundings import Untold, busy_s, on_battery, throttled_s
from parity.hosts.machine import usable_cpu_numbers
from parity.records import Busyness, ConditionLimits, ProcessLoad

LOOK_S = 0.3
MOST_NAMED = 5
LEAST_CORES = 0.05


def busyness(limits: ConditionLimits) -> Busyness:
    """Looks for 0.3 s at what others use, and, where that is above their limit, once more at who they are."""
    cpus = usable_cpu_numbers()
    throttled_before = throttled_s(cpus)
    before, own, began = busy_s(cpus), time.process_time(), time.monotonic()
    time.sleep(LOOK_S)
    others = (busy_s(cpus) - before - (time.process_time() - own)) / (time.monotonic() - began)
    return Busyness(
        usable_cpus=len(cpus),
        others_cpu=max(0.0, round(others, 2)),
        on_battery=_on_battery(),
        throttled=throttled_before is not None and throttled_s(cpus) != throttled_before,
        heaviest=_heaviest() if others > limits.most_others_cpu(len(cpus)) else (),
    )


def _heaviest() -> tuple[ProcessLoad, ...]:
    before, began = _cpu_times(), time.monotonic()
    time.sleep(LOOK_S)
    after, lasted = _cpu_times(), time.monotonic() - began
    loads = [
        ProcessLoad(pid=process.pid, name=_name(process), cores=round((cpu_s - before[process]) / lasted, 2))
        for process, cpu_s in after.items()
        if process in before and cpu_s - before[process] >= LEAST_CORES * lasted
    ]
    return tuple(sorted(loads, key=lambda load: -load.cores)[:MOST_NAMED])


def _cpu_times() -> dict[psutil.Process, float]:
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid():
                times = process.cpu_times()
                found[process] = times.user + times.system
    return found


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return "?"


def _on_battery() -> bool:
    try:
        return on_battery()
    except Untold:
        return False
