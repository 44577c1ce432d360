"""What else was true of the machine while a trial ran: what happened outside its process tree."""

from typing import Literal

from pydantic import Field

from parity.records.base import Record

PageCachePolicy = Literal["warm", "cold", "as-is"]
"""State of the model's files in the page cache before a trial. `as-is`: parity leaves it alone."""

LEAST_OTHERS_CPU = 0.5
OTHERS_SHARE = 0.2


class WallClock(Record):
    """How the wall clock of a machine stood at the begin and at the end of a trial, for what it was set by between two
    trials. `clock`: what the times count from; those of different clocks can't be compared."""

    clock: str
    begin_ns: int
    end_ns: int
    begin_offset_s: float = Field(description="the wall clock less the time since the machine was started")
    end_offset_s: float


class ConditionLimits(Record):
    """`[conditions]`: when a trial is void because of what happened outside its process tree, and whether the model's
    files are in the page cache before each trial. A turn with a void trial is run again, up to a cap."""

    others_cpu: float | None = Field(
        default=None,
        gt=0,
        description="cores that other programs may use on average during a trial; by default half a core, or a fifth "
        "of the CPUs that parity may use, whichever is more",
    )
    throttled: float = Field(
        default=0.05, ge=0, le=1, description="share of a trial in which the CPU may be throttled because it is too hot"
    )
    swap_mib: float = Field(default=64.0, ge=0, description="MiB that may be swapped in and out during a trial")
    exclusive: bool = Field(
        default=False,
        description="whether the run is refused while a different run with `exclusive = true` is at work on this "
        "machine",
    )
    page_cache: PageCachePolicy = Field(
        default="warm",
        description="state of the model's files in the page cache before each trial: `warm` reads them once if they "
        "are not there, `cold` drops them (Linux), `as-is` leaves them alone",
    )

    def most_others_cpu(self, usable_cpus: int) -> float:
        """Cores that others may use on a machine with so many CPUs."""
        return self.others_cpu if self.others_cpu is not None else max(LEAST_OTHERS_CPU, OTHERS_SHARE * usable_cpus)


class PageCache(Record):
    """The model's files in the page cache, just before a trial."""

    state: PageCachePolicy = Field(description="what parity did: `as-is` where it could not do what the config asks")
    resident: float | None = Field(default=None, description="share of the files' pages that were in memory")
    reason: str | None = Field(
        default=None, description="why the share is not known, or why the state is not the one that was asked for"
    )


class Conditions(Record):
    """The machine from just before a trial's process was started until it was gone. A value that could not be measured
    is absent, and `absent` says why."""

    wall_s: float = Field(description="time between the two looks at the machine")
    usable_cpus: int = Field(description="CPUs that parity and its children may run on; CPU figures are of these")
    others_cpu: float | None = Field(
        default=None,
        description="cores used on average by others than the trial and parity: user, system and stolen time",
    )
    steal_cpu: float | None = Field(default=None, description="of these, cores taken by other virtual machines")
    iowait_cpu: float | None = Field(default=None, description="cores that idled while a program waited for a disk")
    interrupt_cpu: float | None = Field(default=None, description="cores that served interrupts")
    load_1min: float | None = Field(default=None, description="load average of the last minute, before the trial")
    cpu_pressure: float | None = Field(
        default=None, description="share of the time in which some program waited for a CPU, the trial's included"
    )
    io_pressure: float | None = Field(default=None, description="the same for input and output")
    memory_pressure: float | None = Field(default=None, description="the same for memory")
    throttle_events: int | None = Field(default=None, description="times that a CPU was throttled because of its heat")
    throttled_s: float | None = Field(
        default=None, description="how long the CPU that was throttled longest was throttled because of its heat"
    )
    frequency_mhz: float | None = Field(default=None, description="mean CPU frequency when the trial had just ended")
    swapped_bytes: int | None = Field(default=None, description="swapped in and out by the whole machine")
    on_battery: bool | None = Field(default=None, description="whether the machine ran on its battery at the end")
    gpu_processes: int | None = Field(
        default=None, description="processes of others that computed on a GPU, before or after the trial"
    )
    page_cache: PageCache | None = None
    wall_step_s: float | None = Field(
        default=None,
        description="what the wall clock was set by meanwhile, back if negative; 0 for what time servers correct by "
        "letting it run a little faster or slower. No duration is read from that clock",
    )
    wall_clock: WallClock | None = Field(default=None, description="how the wall clock stood at its begin and its end")
    absent: dict[str, str] = Field(default_factory=dict, description="name of a value → why it is absent")


class ProcessLoad(Record):
    """A process that uses CPU time right now, in cores."""

    pid: int
    name: str
    cores: float


class Busyness(Record):
    """How busy a machine is before a run. `others_cpu`: cores that others use; `heaviest`: the processes that use most,
    looked for only on a busy machine."""

    usable_cpus: int
    others_cpu: float
    on_battery: bool = False
    throttled: bool = False
    heaviest: tuple[ProcessLoad, ...] = ()
