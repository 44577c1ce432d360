"""What the process tree of a trial used in one of its phases."""

from typing import Literal

from pydantic import Field

from parity.records.base import Record

UsePhase = Literal["load", "prefill", "decode", "trial"]


class NamedThreads(Record):
    """The threads of one name: the most that one process had at once, and the context switches of those of all
    processes in the whole trial."""

    name: str
    most: int
    voluntary: int = Field(description="they had to wait")
    involuntary: int = Field(description="their core was taken")


class Use(Record):
    """What a process tree used in a phase, or in the whole trial, as the kernel counts it. Counts are of the
    `counted_s` between the first and the last sample within the phase. A value that is not known is null, and `absent`
    says why."""

    phase: UsePhase
    seconds: float = Field(description="how long the phase took")
    tokens: int | None = Field(default=None, description="that were generated in it after its first one")
    counted_s: float | None = Field(default=None, description="the part of it that the counts are of")
    cpu_s: float | None = Field(default=None, description="CPU time")
    system_s: float | None = Field(default=None, description="the part of it that the kernel took on their behalf")
    voluntary: int | None = Field(default=None, description="context switches of threads that had to wait")
    involuntary: int | None = Field(default=None, description="context switches of threads whose core was taken")
    minor_faults: int | None = Field(default=None, description="page faults without a read from a disk")
    major_faults: int | None = Field(default=None, description="page faults that had to read from a disk")
    asked_bytes: int | None = Field(default=None, description="returned by calls of read(2)")
    read_bytes: int | None = Field(default=None, description="fetched from a disk")
    threads: int | None = Field(default=None, description="the most at once, until the end of the phase")
    absent: dict[str, str] = Field(default_factory=dict, description="name of a value → why it is null")
