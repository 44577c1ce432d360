"""What another benchmark measured and parity did not: figures by definitions of their own."""

from typing import Literal

from pydantic import Field

from parity.records.base import Record, Scalar


class Witness(Record):
    """One figure of a file that another program wrote."""

    number: int = Field(description="by which comparisons name it, from 1")
    file: str
    entry: int = Field(description="its place in the file, from 1")
    definition: str = Field(description="such as `llama-bench:tg128`; nothing that parity measures has the same")
    meaning: str = Field(description="what was timed, in words")
    provenance: Literal["reported"] = "reported"
    unit: Literal["t/s"] = "t/s"
    value: float = Field(description="the mean that the program reported")
    deviation: float | None = Field(description="the standard deviation that it reported")
    values: tuple[float, ...] = Field(description="of each repetition")
    build: str | None
    when: str | None
    facts: dict[str, Scalar] = Field(description="all else that the entry says of what ran")


class WitnessComparison(Record):
    """A witness beside the first one of the same definition. It has no interval: repetitions of one process say nothing
    of the next process."""

    definition: str
    ours: int
    theirs: int
    ratio: float | None = None
    reason: str | None = Field(default=None, description="why there is no ratio")
    differs: tuple[str, ...] = Field(default=(), description="what is known to differ")
    unproven: tuple[str, ...] = Field(default=(), description="what is not known to be equal")


class Witnesses(Record):
    """What `parity import` read."""

    witnesses: tuple[Witness, ...]
    comparisons: tuple[WitnessComparison, ...]
