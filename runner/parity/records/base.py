"""The base of every record, and what a setting may hold."""

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1
"""Version of `run.json`, `results.jsonl` and `report.json`."""


class Record(BaseModel):
    """Base of every record: frozen, closed, strict, and without NaN (a value not seen is `None` with a reason).

    Validators are built on first use: most commands need few of the records, and none may be slow to start."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


Scalar = str | int | float | bool | None
