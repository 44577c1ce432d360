"""What would change a verdict that is no PASS: the end of its sentence. Pure."""

_LIMITS = {
    "timeout:load": "load_s",
    "timeout:first-token": "first_token_s",
    "timeout:total": "total_s",
    "stall": "stall_s",
    "output-limit": "max_output_bytes",
}
"""Failure class → the limit that a trial exceeded."""


def after_failure(kind: str) -> str:
    """What to do about a failed trial."""
    if kind in _LIMITS:
        return f"set `limits.{_LIMITS[kind]}` higher if that is no fault"
    return "the report has its last lines under Failed trials"


def to_meet(value: float, low: float | None, high: float | None) -> str:
    """By how much a value misses its bounds; nothing for one that is no positive number."""
    if value <= 0:
        return ""
    if low is not None and value < low:
        return f"; {_percent(low / value - 1)} more would meet it"
    if high is not None and value > high:
        return f"; {_percent(1 - high / value)} less would meet it"
    return ""


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
