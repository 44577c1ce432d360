"""The `[runtimes.NAME]` table of the paraphym adapter."""

from pydantic import Field

from parity.adapter import AdapterSettings, InputPath


class ParaphymSettings(AdapterSettings):
    """Settings of `adapter = "paraphym"`."""

    path: InputPath = Field(min_length=1, description="root folder of the clone, where its workspace's Cargo.toml is")
    package: str | None = Field(
        default=None, min_length=1, description="crate that has the example; cargo finds it unless named"
    )
    features: tuple[str, ...] = Field(default=(), description="cargo features, such as `metal`")
    default_features: bool = Field(
        default=True, description="the crate's default features too; they hold `metal`, which builds on macOS alone"
    )
    profile: str = Field(default="release", min_length=1, description="cargo profile")
    toolchain: str | None = Field(
        default=None, min_length=1, description="rustup toolchain, such as `nightly`; the checkout's own unless named"
    )
    rustflags: str | None = Field(default=None, description="RUSTFLAGS of the build, such as `-C target-cpu=native`")
    build_deadline_s: float = Field(default=3600.0, gt=0, description="how long the build may take")
    greedy_temperature: float | None = Field(
        default=None,
        gt=0,
        le=0.01,
        description="what to pass for a test with temperature 0, by which the program divides: 0.001 is greedy in "
        "effect; such tests are refused unless set",
    )
    tokio_threads: int | None = Field(
        default=None, gt=0, description="TOKIO_WORKER_THREADS; all usable CPUs unless set, its own default"
    )
    rayon_threads: int | None = Field(
        default=None, gt=0, description="RAYON_NUM_THREADS; all usable CPUs unless set, its own default"
    )
    hf_home: InputPath | None = Field(
        default=None,
        description="Hugging Face cache with its models; parity's own HF_HOME, or ~/.cache/huggingface, unless set",
    )
