"""The `[runtimes.NAME]` table of the paraphym adapter."""

from typing import Annotated

from pydantic import Field

from parity.adapter import AdapterSettings, InputPath

HubFile = Annotated[str, Field(pattern=r"^[\w-][\w.-]*/[\w-][\w.-]*/[\w.-]+(/[\w.-]+)*$")]

HUB_FILES = (
    "unsloth/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q4_K_M.gguf",
    "Qwen/Qwen3-1.7B/tokenizer.json",
    # The embedding model of its memory search.
    "dunzhang/stella_en_400M_v5/model.safetensors",
    "dunzhang/stella_en_400M_v5/2_Dense_1024/model.safetensors",
    "dunzhang/stella_en_400M_v5/tokenizer.json",
)
"""What commit 996ee90 loads for any prompt with a `?` or of more than three words."""


class ParaphymSettings(AdapterSettings):
    """Settings of `adapter = "paraphym"`."""

    @property
    def ends_at_mark(self) -> bool:
        return True

    path: InputPath = Field(
        min_length=1, description="root folder of the clone, which holds the workspace's Cargo.toml"
    )
    package: str | None = Field(
        default=None, min_length=1, description="the crate that has the example; by default the one in packages/candle"
    )
    features: tuple[str, ...] = Field(default=(), description="Cargo features to build with, such as `metal`")
    default_features: bool = Field(
        default=True,
        description="also build the crate's default features; they include `metal`, which builds on macOS only",
    )
    profile: str = Field(default="release", min_length=1, description="Cargo profile to build with")
    toolchain: str | None = Field(
        default=None,
        min_length=1,
        description="rustup toolchain to build with, such as `nightly`; by default the one that the checkout selects",
    )
    rustflags: str | None = Field(default=None, description="RUSTFLAGS of the build, such as `-C target-cpu=native`")
    build_deadline_s: float = Field(default=3600.0, gt=0, description="seconds that the build may take")
    greedy_temperature: float | None = Field(
        default=None,
        gt=0,
        le=0.01,
        description="what to pass for a test with temperature 0, by which the program divides: 0.001 is greedy in "
        "effect; such tests are refused unless this is set",
    )
    tokio_threads: int | None = Field(
        default=None, gt=0, description="TOKIO_WORKER_THREADS; by default all usable CPUs, as tokio itself does"
    )
    rayon_threads: int | None = Field(
        default=None, gt=0, description="RAYON_NUM_THREADS; by default all usable CPUs, as rayon itself does"
    )
    hf_home: InputPath | None = Field(
        default=None,
        description="Hugging Face cache that holds its models; by default parity's HF_HOME, or ~/.cache/huggingface",
    )
    hub_files: tuple[HubFile, ...] = Field(
        default=HUB_FILES,
        description="files that the program loads from `hf_home`, as ORG/NAME/FILE; parity checks before a run that "
        "they are there. By default those of Qwen3 1.7B and of the embedding model; with [] parity checks nothing",
    )
