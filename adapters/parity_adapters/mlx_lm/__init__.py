"""mlx-lm on Apple's MLX, driven through a worker that runs in an environment which has both."""

import json
import shlex
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from parity.adapter import (
    PROTOCOL_MARKERS,
    Adapter,
    AdapterSettings,
    Availability,
    Build,
    Command,
    Job,
    Launch,
    ModelFacts,
    Program,
    RefusedError,
    Task,
    Transcript,
    read_protocol_probe,
    worker_argv,
)
from parity_adapters.mlx_lm.worker.architectures import ARCHITECTURES
from parity_adapters.mlx_lm.worker.formats import AS_STORED, FAMILIES, PRE_TOKENIZERS, READ_TYPES
from parity_adapters.mlx_lm.worker.keys import listed

WORKER = Path(__file__).with_name("worker")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

CONVERSION = 3
"""Goes up when a conversion gives other files than before."""
LONGEST_CONVERSION_S = 3600.0

APART = "or make an environment for it: vendor-scripts/prepare-python-env.sh mlx-lm"


class MlxLmSettings(AdapterSettings):
    """Settings of `adapter = "mlx_lm"`. MLX has no setting for threads, and its context grows as needed."""

    python: Program | None = Field(
        default=None, description="interpreter that has mlx and mlx-lm; by default the one that runs parity"
    )
    device: Literal["cpu", "gpu"] | None = Field(
        default=None, description="where to compute; by default the GPU if MLX finds one"
    )
    dtype: Literal["float32", "float16", "bfloat16"] | None = Field(
        default=None,
        description="type of activations, scales and unpacked weights. By default an MLX folder keeps its own, and a "
        "GGUF file gets float32 on the CPU (lossless, and by far the fastest there) and float16 on a GPU",
    )
    prefill_step: int = Field(default=2048, gt=0, description="prompt tokens computed at once (prefill_step_size)")
    kv_bits: Literal[4, 8] | None = Field(
        default=None, description="bits of a quantised key-value cache; by default it is not quantised"
    )


class MlxLm(Adapter[MlxLmSettings]):
    """Probes, launches and reads mlx-lm."""

    name: ClassVar[str] = "mlx_lm"
    Settings: ClassVar[type[AdapterSettings]] = MlxLmSettings

    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset({"generate", "score"})

    @property
    def device_asked(self) -> str | None:
        return self.settings.device

    @property
    def python(self) -> str:
        """The interpreter that runs the worker."""
        return self.settings.python or self.host.python

    def probe(self) -> Command:
        return Command(argv=worker_argv(self.python, WORKER, "--probe"), env=OFFLINE)

    def read_probe(self, transcript: Transcript) -> Availability:
        if transcript.no_spawn is not None:
            remedy = "set `python` to an interpreter that exists, or leave it out"
        else:
            backend = "" if self.host.platform == "darwin" else " 'mlx[cpu]'"
            remedy = f"{shlex.quote(self.python)} -m pip install mlx-lm{backend}"
        return read_protocol_probe(transcript, install=remedy, otherwise=APART)

    def conversion(self, model: ModelFacts, to: str) -> Command | None:
        """Tensors that MLX has no form for are dequantised, and types of 4 and 5 bits get MLX's own form. To rebuild a
        SentencePiece tokenizer takes seconds, which would be part of a trial's load."""
        kinds = set(model.quantisation)
        whole = kinds <= AS_STORED and not (model.tokenizer or "").startswith("llama/")
        if model.format != "gguf" or whole or not kinds <= READ_TYPES:
            return None
        request = {
            "version": CONVERSION,
            "path": model.path,
            "to": to,
            "quantisation": model.quantisation,
            "settings": {"device": self.settings.device, "dtype": self.settings.dtype},
        }
        argv = worker_argv(self.python, WORKER, "--convert", json.dumps(request, sort_keys=True))
        return Command(argv=argv, env=OFFLINE, deadline_s=LONGEST_CONVERSION_S)

    def launch(self, job: Job, build: Build | None) -> Launch:
        if job.model.format == "gguf":
            _refuse_foreign_gguf(job)
        return Launch(
            argv=worker_argv(self.python, WORKER, "--job", str(Path(job.scratch) / "job.json")),
            env=OFFLINE,
            files={"job.json": job.model_dump_json()},
            markers=PROTOCOL_MARKERS,
        )


def _refuse_foreign_gguf(job: Job) -> None:
    """Raises RefusedError for a GGUF whose facts already say that the worker would refuse it."""
    instead = "Give this runtime an MLX model folder."
    architecture = job.model.architecture
    if architecture is not None and architecture not in ARCHITECTURES:
        read = listed(ARCHITECTURES)
        raise RefusedError(f"MLX reads GGUF files of architecture {read}, and this one is {architecture}. {instead}")
    unread = sorted(set(job.model.quantisation) - READ_TYPES)
    if unread:
        raise RefusedError(f"MLX doesn't read tensors of type {', '.join(unread)} from a GGUF file. {instead}")
    if job.model.tokenizer is not None:
        family, _, pre = job.model.tokenizer.partition("/")
        if family not in FAMILIES:
            raise RefusedError(f"a tokenizer of family {family} can't be rebuilt from a GGUF file. {instead}")
        if family == "gpt2" and pre and pre not in PRE_TOKENIZERS:
            raise RefusedError(f"the pre-tokenizer {pre} can't be rebuilt from a GGUF file. {instead}")
