"""What an adapter may know of the machine on which its runtime runs."""

from pydantic import Field

from parity.records.base import Record


class HostFacts(Record):
    """Facts of a host that commands depend on. Paths are paths of that host."""

    platform: str = Field(description="`linux` or `darwin`")
    arch: str = Field(description="as `uname -m` prints it, such as `x86_64`")
    python: str = Field(description="the interpreter that runs parity there")
    usable_cpus: int = Field(gt=0, description="CPUs that a program may run on")
    cache: str = Field(description="parity's cache folder")
    hf_home: str = Field(description="the user's Hugging Face cache: HF_HOME, or ~/.cache/huggingface")
    cpu_flags: tuple[str, ...] = Field(default=(), description="what the CPU can do, such as `amx_tile`")
