"""What is not the same in two runs as wholes: machine, conditions, and verdicts. Pure."""

from collections.abc import Iterator, Sequence

from parity.records import Cell, Report

_MACHINE = (
    *("host", "cpu", "arch", "platform", "os"),
    *("cores_logical", "cores_physical", "memory_bytes"),
)
"""Facts of a machine by which values of two runs are of the same one."""


def differences_of(first: Report, second: Report) -> Iterator[str]:
    """What of machine and conditions is not the same: `host: one and two`."""
    for fact in _MACHINE:
        one, two = first.machine.get(fact), second.machine.get(fact)
        if one != two:
            yield f"{fact}: {one} and {two}"
    caches = first.conditions.page_cache, second.conditions.page_cache
    if caches[0] != caches[1]:
        yield f"page cache: {caches[0]} and {caches[1]}"
    powers = [
        {t.conditions.on_battery for t in report.trials if t.conditions is not None and t.conditions.on_battery}
        for report in (first, second)
    ]
    if powers[0] != powers[1]:
        yield f"power: {' and '.join('battery' if power else 'mains, or not known' for power in powers)}"


def changed_verdicts(first: Report, second: Report, cells: Sequence[Cell]) -> Iterator[str]:
    """`speed (other on t): PASS, now FAIL`; with what the gate asks for where that changed."""
    before = {(v.gate, v.model, v.test, v.runtime): v for v in first.verdicts}
    for after in second.verdicts:
        v = before.get((after.gate, after.model, after.test, after.runtime))
        if v is None or v.verdict == after.verdict or (v.model, v.test, v.runtime) not in cells:
            continue
        asked = "" if v.bounds == after.bounds else f"; it asks for {after.bounds}, and asked for {v.bounds}"
        yield f"{v.gate} ({v.runtime} on {v.model}/{v.test}): {v.verdict}, now {after.verdict}{asked}"
