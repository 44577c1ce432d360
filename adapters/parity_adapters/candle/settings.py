"""The settings of `adapter = "candle"`, and what follows from them alone."""

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
        description="Candle's examples as published, those of a checkout of Candle, or parity's own Candle reference",
    )
    version: str | None = Field(
        default=None,
        pattern=r"^\d+\.\d+\.\d+(-[A-Za-z0-9.]+)?$",
        description=f'with source = "crate": which candle-examples; {TESTED_VERSION} unless set',
    )
    path: InputPath | None = Field(
        default=None, description="a checkout of Candle, or the folder of the Candle reference"
    )
    examples: tuple[Example, ...] = Field(
        default=("quantized-qwen3", "quantized", "quantized-phi"),
        min_length=1,
        description="which of Candle's examples to build; each model needs the one of its architecture",
    )
    features: tuple[Feature, ...] = Field(
        default=(), description="Cargo features of the build: metal, cuda, accelerate, mkl, …"
    )
    toolchain: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="a toolchain of rustup's to build with, such as nightly; the folder's own choice unless set",
    )
    target_cpu: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="the CPU to compile for, such as native; a plain one of the platform, or a checkout's own choice, "
        "unless set",
    )
    cpu: bool = Field(default=False, description="compute on the CPU although the build has a GPU in it")
    threads: int | None = Field(default=None, gt=0, description="threads on the CPU; Candle's own choice unless set")
    which: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="an example's `--which`; chosen by architecture and tokenizer unless set",
    )
    rope_dtype: Literal["f16", "f32"] | None = Field(
        default=None, description="with source = \"reference\": type of Qwen3's RoPE tables; Candle's own unless set"
    )
    accept_deviations: bool = Field(
        default=False,
        description='with source = "reference": run a model although Candle leaves something in its file out',
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
                raise ValueError(f'{name} means nothing with source = "{self.source}"')
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
        """Where the build computes: Candle's examples take CUDA, else Metal, else the CPU."""
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
        """Outside any clone, and one for each thing that can be built, so that no build replaces another's result."""
        if self.source == "crate":
            return cache / "candle" / f"{self.crate_version}-{self._how}"
        clone = hashlib.sha256(self.folder.encode()).hexdigest()[:12]
        return cache / "candle" / f"reference-{clone}-{self._how}"

    def shared_build_folder(self, cache: Path) -> Path:
        """What every clone's build of the reference has in common: the crates of others."""
        return cache / "candle" / f"reference-{self._how}"

    @property
    def _how(self) -> str:
        features = "-".join(sorted(set(self.features))) or "cpu"
        return features + "".join(f"+{choice}" for choice in (self.toolchain, self.target_cpu) if choice)
