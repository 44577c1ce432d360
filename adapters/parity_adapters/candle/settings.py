"""The settings of `adapter = "candle"`, and what can be derived from them alone."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from parity.adapter import AdapterSettings, InputPath

Example = Literal["quantized-qwen3", "quantized", "quantized-phi"]
Feature = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]

TESTED_VERSION = "0.11.1"


class CandleSettings(AdapterSettings):
    """Settings of `adapter = "candle"`."""

    source: Literal["crate", "checkout", "reference"] = Field(
        default="crate",
        description="what to run: Candle's examples as published, those of a checkout of Candle, or parity's own "
        "Candle reference",
    )
    version: str | None = Field(
        default=None,
        pattern=r"^\d+\.\d+\.\d+(-[A-Za-z0-9.]+)?$",
        description=f'with source = "crate": the version of candle-examples; by default {TESTED_VERSION}',
    )
    path: InputPath | None = Field(
        default=None, description="the folder of a checkout of Candle, or of the Candle reference"
    )
    examples: tuple[Example, ...] = Field(
        default=("quantized-qwen3", "quantized", "quantized-phi"),
        min_length=1,
        description="the examples to build; each model needs the one for its architecture",
    )
    features: tuple[Feature, ...] = Field(
        default=(), description="Cargo features to build with, such as metal, cuda, accelerate or mkl"
    )
    toolchain: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="rustup toolchain to build with, such as nightly; by default the one that the folder selects",
    )
    target_cpu: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="the CPU to compile for, such as native; by default the platform's generic CPU, or what the "
        "checkout selects",
    )
    cpu: bool = Field(default=False, description="compute on the CPU even if the build supports a GPU")
    threads: int | None = Field(default=None, gt=0, description="CPU threads; by default Candle chooses")
    which: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="the example's `--which`; by default chosen by architecture and tokenizer",
    )
    rope_dtype: Literal["f16", "f32"] | None = Field(
        default=None,
        description="with source = \"reference\": data type of RoPE's tables; by default Candle's own, which is f16 "
        "for Qwen3 and f32 for the others",
    )
    accept_deviations: bool = Field(
        default=False,
        description='with source = "reference": run a model even if Candle ignores something in its file',
    )

    @model_validator(mode="after")
    def _belong_to_the_source(self) -> Self:
        if (self.path is None) != (self.source == "crate"):
            raise ValueError(
                'source = "crate" takes no path: Cargo fetches it'
                if self.source == "crate"
                else f'source = "{self.source}" needs the path of its folder'
            )
        owners = {
            "version": ("crate",),
            "examples": ("crate", "checkout"),
            "which": ("crate", "checkout"),
            "rope_dtype": ("reference",),
            "accept_deviations": ("reference",),
        }
        for name, sources in owners.items():
            if self.source not in sources and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f'{name} has no effect with source = "{self.source}"')
        return self

    @property
    def folder(self) -> str:
        """The folder that a checkout or the reference is built in."""
        assert self.path is not None
        return self.path

    @property
    def crate_version(self) -> str:
        return self.version or TESTED_VERSION

    @property
    def device(self) -> str:
        """Where the build computes: Candle's examples take CUDA, then Metal, then the CPU."""
        for feature, device in (
            ("cuda", "cuda:0"),
            ("cudnn", "cuda:0"),
            ("flash-attn", "cuda:0"),
            ("metal", "metal:0"),
        ):
            if feature in self.features and not self.cpu:
                return device
        return "cpu"

    def build_folder(self, cache: Path) -> Path:
        """Outside any clone, and one for each combination of source, version and options, so that no build replaces the
        result of a different one."""
        if self.source == "crate":
            return cache / "candle" / f"{self.crate_version}-{self._how}"
        clone = hashlib.sha256(self.folder.encode()).hexdigest()[:12]
        return cache / "candle" / f"reference-{clone}-{self._how}"

    def shared_build_folder(self, cache: Path) -> Path:
        """What the builds of all clones of the reference share: the compiled dependencies."""
        return cache / "candle" / f"reference-{self._how}"

    @property
    def _how(self) -> str:
        features = "-".join(sorted(set(self.features))) or "cpu"
        return features + "".join(f"+{choice}" for choice in (self.toolchain, self.target_cpu) if choice)
