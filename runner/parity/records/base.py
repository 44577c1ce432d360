"""The base of every record, and what a setting may hold."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 2
"""Version of `run.json`, `results.jsonl` and `report.json`."""


class Record(BaseModel):
    """Base of every record: frozen, closed, strict, and without NaN (a value not seen is `None` with a reason).

    Validators are built on first use: most commands need few of the records, and none may be slow to start."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    def but(self, **changes: Any) -> Self:
        """A copy with other values of some fields, validated as a new record is.

        Raises:
            ValidationError: a field is unknown, or a value is not valid.
        """
        return type(self).model_validate({**self.__dict__, **changes})

    def model_post_init(self, context: Any, /) -> None:
        """Forgets which of its fields were given: nothing asks, and of a run's many records that takes more memory than
        the fields do."""
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN)


_GIVEN: set[str] = set()
"""Shared by all records, and always empty."""

LONGEST_NAME = 80
"""Characters of a name."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=LONGEST_NAME)]
"""What a config calls a model, a test, a runtime or a gate."""


Scalar = str | int | float | bool | None
