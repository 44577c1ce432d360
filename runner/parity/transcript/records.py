"""The lines of a transcript: head, launch, spawn, samples, end."""

from typing import Literal

from pydantic import Field

from parity.records import Job, Limits, PageCache, Record, Slot

TRANSCRIPT_VERSION = 2

Stream = Literal["out", "err"]
EndedBy = Literal[
    "exit",
    "stop",
    "fail",
    "deadline:load",
    "deadline:first-token",
    "deadline:total",
    "stall",
    "output-limit",
    "markers",
    "memory-limit",
    "cancel",
]


class Head(Record):
    """Why the process was started. A trial has its slot in the run and its job; a proof has a job alone."""

    version: int = TRANSCRIPT_VERSION
    purpose: Literal["trial", "proof", "probe", "checkout", "build", "conversion", "command"]
    runtime: str
    slot: Slot | None = None
    job: Job | None = None
    files: "Files | None" = Field(default=None, description="of a trial: before it was started; unknown in old ones")
    limits: Limits | None = Field(default=None, description="that a trial was held to; unknown in old ones")


class SeenFile(Record):
    """A file as it was at one instant. `stamp`: what the system knows of it. `sha256` null: it could not be read."""

    path: str
    sha256: str | None = None
    stamp: str | None = None


class Files(Record):
    """The files of a trial just before it is started, or after it is gone. `weights`: files that the runtime chose by
    itself. `programs`: executables, scripts and workers that it is started from."""

    model: SeenFile
    weights: tuple[SeenFile, ...] = ()
    programs: tuple[SeenFile, ...] = ()


class Launched(Record):
    """What was started. Values of environment variables that look like secrets are left out."""

    argv: tuple[str, ...]
    cwd: str | None = None
    env: dict[str, str]


class Spawned(Record):
    """When, and as which process. `wall` is ISO 8601, UTC."""

    t_ns: int
    pid: int
    wall: str


class Surroundings(Record):
    """The machine at one instant, just before a trial's process is started or after it is gone. Counters count since
    the machine started; their differences say what happened in between. `absent`: name → why a value is not there."""

    t_ns: int
    wall_offset_s: float | None = Field(
        default=None, description="the wall clock less the time since the machine was started"
    )
    clock: str | None = Field(default=None, description="what the times count from, such as a start of the machine")
    usable_cpus: int
    busy_s: float = Field(description="user, nice and system time of the usable CPUs")
    own_cpu_s: float = Field(description="CPU time of parity itself")
    steal_s: float | None = None
    iowait_s: float | None = None
    interrupt_s: float | None = None
    load_1min: float
    pressure_s: dict[str, float] = Field(default_factory=dict, description="`cpu`, `io`, `memory`: time with a wait")
    throttle_events: int | None = None
    throttled_s: dict[str, float] | None = Field(default=None, description="CPU → how long it was throttled")
    frequency_mhz: float | None = None
    swapped_bytes: int | None = None
    on_battery: bool | None = None
    gpu_processes: int | None = None
    page_cache: PageCache | None = None
    absent: dict[str, str] = Field(default_factory=dict)


class NoSpawn(Record):
    """Why it was not started. `errno` is the system's, 0 where the system was not asked. `folder_missing`: the working
    folder can't be entered, so that nothing is known of the program itself."""

    t_ns: int
    errno: int
    message: str
    cause: Literal["refused", "cancelled", "system"] = "system"
    folder_missing: bool = False


class Counters(Record):
    """What the kernel has counted of a process tree since it was started. A value that it does not count is null, and
    `End.counters_absent` says why."""

    user_s: float | None = None
    system_s: float | None = None
    voluntary: int | None = Field(default=None, description="context switches of threads that had to wait")
    involuntary: int | None = Field(default=None, description="context switches of threads whose core was taken")
    minor_faults: int | None = Field(default=None, description="page faults without a read from a disk")
    major_faults: int | None = Field(default=None, description="page faults that had to read from a disk")
    threads: int | None = Field(default=None, description="the most at once")
    asked_bytes: int | None = Field(default=None, description="returned by calls of read(2), from memory or a disk")
    read_bytes: int | None = Field(default=None, description="fetched from a disk")


class ThreadsSeen(Record):
    """The threads of one name: the most that one process had at once, and the context switches of all."""

    name: str
    most: int
    voluntary: int
    involuntary: int


class Sample(Record):
    """Memory and CPU time of the process tree at one instant. `vram_bytes`: that on discrete GPUs, where known.
    `counters`: unknown in old ones."""

    t_ns: int
    rss_bytes: int
    cpu_s: float
    vram_bytes: int | None = None
    counters: Counters | None = None


class SeenThread(Record):
    """`waits_in`: the function of the kernel in which it sleeps; null where it runs, or the system doesn't tell."""

    name: str
    state: str
    waits_in: str | None = None
    cpu_s: float


class SeenProcess(Record):
    """A process that is about to be ended. `files`: what its descriptors lead to, each with its number."""

    pid: int
    command: str
    threads: tuple[SeenThread, ...] = ()
    files: tuple[str, ...] = ()


class Hang(Record):
    """What a process tree was at when a deadline was over, before anything was sent to it. `left_out`: processes that
    are not listed. `stacks`: of the process with the most memory, as a tool of the machine printed them;
    `stacks_absent`: why there are none."""

    t_ns: int
    processes: tuple[SeenProcess, ...] = ()
    left_out: int = 0
    stacks: tuple[str, ...] = ()
    stacks_absent: str | None = None


class GroupUsage(Record):
    """What the kernel counted of a process tree in a control group of its own. A value that it doesn't count there is
    absent. `memory_peak_bytes` holds the tree's part of the page cache too, which resident memory does not.
    `pressure_s`: time in which some task of it waited for `cpu`, `io` or `memory`. `oom_kills`: processes of it that
    the kernel killed for want of memory. `limited`: whether the kernel held it to `limits.max_memory_bytes`."""

    cpu_s: float | None = None
    memory_peak_bytes: int | None = None
    oom_kills: int = 0
    pressure_s: dict[str, float] = Field(default_factory=dict)
    limited: bool = False


class End(Record):
    """How it ended. `t_ns` is the instant of what `by` names: the exit, the arrival of a stop or fail marker, the
    deadline; `by` is what parity saw first, `signals` what it had to send. Exactly one of `exit_code` and `signal` is
    there, unless the process could not be reaped in time. `vram_absent`: why the last sample has no memory of GPUs."""

    t_ns: int
    by: EndedBy
    exit_code: int | None = None
    signal: int | None = None
    signals: tuple[str, ...] = ()
    peak_rss_bytes: int | None = None
    vram_absent: str | None = None
    cpu_s: float | None = None
    left_behind: int = 0
    oom: bool = False
    dropped_bytes: int = 0
    group: GroupUsage | None = Field(default=None, description="null where no control group could be made")
    counters: Counters | None = Field(default=None, description="of the whole trial; unknown in old transcripts")
    counters_absent: dict[str, str] = Field(
        default_factory=dict, description="counter → why samples, or the whole trial, have no value of it"
    )
    threads: tuple[ThreadsSeen, ...] = Field(default=(), description="by name, where the system tells their names")
    paused_s: float = Field(default=0.0, description="parity itself was stopped, or the machine slept, for so long")
