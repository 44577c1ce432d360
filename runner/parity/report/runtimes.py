"""What a report says of each runtime: how it was found, and the settings that its trials used."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from parity.records import RuntimeReport, Scalar
from parity.report.view import RuntimeFacts

_DECIDE_SPEED = (
    *("device", "threads", "profile", "features", "target_cpu"),
    *("context", "batch", "kv_type", "flash_attention", "seed"),
)
"""Settings that come first, alone or at the end of a longer name: `threads`, `worker_threads`, `num_threads`."""


def runtime_facts(runtimes: Sequence[RuntimeReport], fixed: Collection[str | None]) -> Iterator[RuntimeFacts]:
    """Each runtime's line; settings that differ between the runtimes come first. `fixed`: remedies that the report
    names elsewhere."""
    differing = _differing(runtimes)
    for runtime in runtimes:
        first = [key for key in runtime.settings if key in differing]
        first += [key for word in _DECIDE_SPEED for key in runtime.settings if _is_called(key, word)]
        telling = list(dict.fromkeys(first))
        device = f"on {runtime.device}" if runtime.device and "device" not in runtime.settings else None
        facts = [fact for fact in (runtime.role, runtime.status, runtime.version, device) if fact]
        yield RuntimeFacts(
            title=runtime.title,
            facts="; ".join(part for part in (", ".join(facts), runtime.reason) if part),
            settings=_written(runtime, telling),
            further=_written(runtime, (key for key in runtime.settings if key not in telling)),
            remedy=runtime.remedy if runtime.status != "ready" and runtime.remedy not in fixed else None,
        )


def setting(value: Scalar) -> str:
    """A setting's or fact's value in words."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return "not reported" if value is None else str(value) or "none"


def _differing(runtimes: Sequence[RuntimeReport]) -> set[str]:
    """Settings of which two runtimes reported different values."""
    values: dict[str, set[str]] = {}
    for runtime in runtimes:
        for key, value in runtime.settings.items():
            values.setdefault(key, set()).add(setting(value))
    return {key for key, found in values.items() if len(found) > 1}


def _is_called(key: str, word: str) -> bool:
    return key == word or key.endswith(f"_{word}")


def _written(runtime: RuntimeReport, keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{key} {setting(runtime.settings[key])}" for key in keys)
