"""llama-cpp-python, driven through a worker that runs in an environment which has it."""

import re
import shlex
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from parity.adapter import (
    PROTOCOL_MARKERS,
    Adapter,
    AdapterSettings,
    Availability,
    Build,
    Command,
    Job,
    Launch,
    Program,
    RefusedError,
    Task,
    Transcript,
    read_protocol_probe,
    worker_argv,
)
from parity_adapters.llama_cpp.keys import passed_over

WORKER = Path(__file__).with_name("worker")

APART = "or make an environment for it: vendor-scripts/prepare-python-env.sh llama-cpp-python"

HARMLESS = re.compile(r"n_ctx_seq \(\d+\) < n_ctx_train")
"""The context is as large as the job needs, by intention."""

WITHOUT_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"


class LlamaCppSettings(AdapterSettings):
    """Settings of `adapter = "llama_cpp"`."""

    python: Program | None = Field(
        default=None, description="interpreter that has llama-cpp-python; by default the one that runs parity"
    )
    threads: int | None = Field(
        default=None, gt=0, description="threads for prompt and generation; by default all usable CPUs"
    )
    context: int | None = Field(
        default=None, gt=0, description="context in tokens; by default what prompt and budget need, rounded up to 256"
    )
    batch: int = Field(default=512, gt=0, description="prompt tokens passed to one decode call (n_batch)")
    ubatch: int = Field(default=512, gt=0, description="prompt tokens computed at once (n_ubatch)")
    gpu_layers: int | None = Field(
        default=None, ge=-1, description="layers on the GPU, -1 for all; by default all if the build has a GPU"
    )
    flash_attention: bool = Field(default=False, description="fused attention kernels; off as in llama-cpp-python")
    kv_type: Literal["f32", "f16", "q8_0"] = Field(
        default="f16", description="type of the key-value cache; q8_0 needs flash_attention"
    )
    extra_buffers: bool | None = Field(
        default=None,
        description="whether weights may be repacked into extra buffers, for AMX tiles or faster kernels "
        "(use_extra_bufts); by default as llama.cpp does",
    )

    @model_validator(mode="after")
    def _quantised_cache_needs_flash_attention(self) -> Self:
        if self.kv_type == "q8_0" and not self.flash_attention:
            raise ValueError('kv_type = "q8_0" needs flash_attention = true')
        return self


class LlamaCpp(Adapter[LlamaCppSettings]):
    """Probes, launches and reads llama-cpp-python."""

    name: ClassVar[str] = "llama_cpp"
    Settings: ClassVar[type[AdapterSettings]] = LlamaCppSettings

    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset({"generate", "score"})

    @property
    def device_asked(self) -> str | None:
        """A build without a GPU ignores `gpu_layers`."""
        return "gpu" if self.settings.gpu_layers else None

    @property
    def python(self) -> str:
        """The interpreter that runs the worker."""
        return self.settings.python or self.host.python

    @property
    def exact(self) -> LlamaCppSettings:
        plain = {"kv_type": "f32", "flash_attention": False, "extra_buffers": False, "gpu_layers": 0, "context": None}
        return self.settings.but(**plain)

    def probe(self) -> Command:
        return Command(argv=worker_argv(self.python, WORKER, "--probe"))

    def read_probe(self, transcript: Transcript) -> Availability:
        if transcript.no_spawn is not None:
            remedy = "set `python` to an interpreter that exists, or leave it out"
        else:
            remedy = f"{shlex.quote(self.python)} -m pip install llama-cpp-python"
        return read_protocol_probe(transcript, install=remedy, otherwise=APART)

    def explain(self, failure: str, transcript: Transcript) -> str | None:
        if failure not in ("crash:SIGSEGV", "crash:SIGILL") or "amx_tile" not in self.host.cpu_flags:
            return None
        if self.settings.extra_buffers is False:
            return None
        python = shlex.quote(self.python)
        compiling = "-m pip install --force-reinstall --no-deps --no-cache-dir --no-binary llama-cpp-python"
        return (
            "The likely cause is the AMX kernels of this llama-cpp-python, which crash on a CPU with AMX, as this one "
            "is, when some compilers build them. Set `extra_buffers = false` in the runtime's table, or compile it "
            f"without AMX: CFLAGS='{WITHOUT_AMX}' CXXFLAGS='{WITHOUT_AMX}' {python} {compiling} llama-cpp-python"
        )

    def warns(self, line: str) -> bool:
        """The worker hands on what llama.cpp logs as a warning or an error, and nothing else; some lines are frames."""
        return any(map(str.isalpha, line.partition(":")[2])) and HARMLESS.search(line) is None

    def launch(self, job: Job, build: Build | None) -> Launch:
        if job.model.format != "gguf":
            raise RefusedError(f"llama.cpp reads GGUF files only, and {job.model.path} is a folder")
        unread = list(passed_over(job.model))
        if unread:
            raise RefusedError(
                f"llama.cpp doesn't read {', '.join(unread)}, so it would compute something else than the file says. "
                f"Where a key has no meaning, remove it: gguf-new-metadata --remove-metadata KEY OLD.gguf NEW.gguf"
            )
        return Launch(
            argv=worker_argv(self.python, WORKER, "--job", str(Path(job.scratch) / "job.json")),
            files={"job.json": job.model_dump_json()},
            markers=PROTOCOL_MARKERS,
        )
