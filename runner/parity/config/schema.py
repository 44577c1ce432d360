"""The schema of a config: frozen records with what every key means. Reads nothing."""

from typing import Annotated, Literal

from pydantic import Field

from parity.records import Limits, PageSpec, Record

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]


class ModelConfig(Record):
    """`[[models]]`: weights and tokenizer to run."""

    name: Name = Field(description="how tests, tables and files call it")
    title: str | None = Field(default=None, description="how pages call it; the name unless set")
    source: str = Field(
        min_length=1,
        description="a path, `hf://ORG/REPO/FILE@REV`, `hf://ORG/REPO@REV`, `pypi://PACKAGE/PATH` or `synth://PRESET/QUANT@SEED`",
    )
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="pins the content: another hash is refused"
    )


class TestConfig(Record):
    """`[[tests]]`: a prompt and a token budget, run on every model unless `models` names some."""

    __test__ = False

    name: Name = Field(description="how gates, tables and files call it")
    title: str | None = Field(default=None, description="how pages call it; the name in words unless set")
    prompt: str = Field(min_length=1, description="a user turn in the model's own chat template, unless `raw`")
    prompt_as: str | None = Field(
        default=None,
        description="an adapter whose runtime adds to the prompt: all are given the text it sends",
    )
    max_tokens: int = Field(ge=1, le=1_000_000, description="tokens to sample")
    short_tokens: int | None = Field(
        default=None,
        ge=1,
        description="a second, smaller budget: each round runs both, and their difference measures programs that print "
        "nothing until the end",
    )
    raw: bool = Field(default=False, description="give the prompt to the model as it stands, without a template")
    ignore_end: bool = Field(default=True, description="go on past end tokens, so that every side samples `max_tokens`")
    temperature: float = Field(default=0.0, ge=0, le=100, description="0 is greedy")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="of the runtime's sampler")
    top_k: int | None = Field(default=None, ge=1, description="keep the k likeliest tokens; off unless set")
    top_p: float | None = Field(default=None, gt=0, le=1, description="nucleus sampling; off unless set")
    models: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="models to run it on; all unless set"
    )


class RuntimeConfig(Record):
    """`[runtimes.NAME]`: one inference program under test. Keys beyond these are the adapter's own."""

    adapter: str = Field(description="which adapter drives it: `parity adapter list`")
    title: str | None = Field(default=None, description="how tables and pages call it; NAME unless set")
    optional: bool = Field(
        default=False, description="when a setting of it is an empty string, the runtime counts as not set"
    )
    whole_trials: int = Field(
        default=0,
        ge=0,
        le=100,
        description="untimed trials of each cell without the stop rule, for a program that is otherwise stopped early: "
        "they judge hangs",
    )
    env: dict[str, str] = Field(default_factory=dict, description="environment variables to set")
    pass_env: tuple[str, ...] = Field(default=(), description="names of variables to hand on from parity's own")


class RoundsConfig(Record):
    """`[rounds]`: how often each cell is measured, in interleaved rounds of seeded shuffled order."""

    count: int = Field(default=5, ge=1, le=1000, description="measured rounds")
    warmup: int = Field(default=1, ge=0, le=100, description="rounds before them, kept apart and never measured")
    seed: int = Field(default=0, ge=0, description="of the order within rounds")


class When(Record):
    """Where a gate applies; elsewhere its verdict is NOT APPLICABLE."""

    platform: Literal["linux", "darwin"] | None = Field(default=None, description="operating system")
    device: str | None = Field(
        default=None,
        min_length=1,
        description="a word of the device that the runtime used, such as `cpu`, `metal`, `cuda`",
    )


class GateBase(Record):
    """What every gate has."""

    name: Name = Field(description="how verdicts and `[report]` call it")
    runtimes: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="whom it judges; every implementation unless set"
    )
    tests: tuple[str, ...] | None = Field(default=None, min_length=1, description="on which tests; all unless set")
    required: bool = Field(default=True, description="`false`: shown as advice, never part of the exit code")
    when: When | None = Field(default=None, description="where it applies")


class BoundGate(GateBase):
    """`kind = "bound"`: a metric of one runtime against fixed bounds, in the metric's unit."""

    kind: Literal["bound"]
    metric: str = Field(description="a metric of the dictionary")
    min: float | None = Field(default=None, gt=0, description="lower bound, in the metric's unit")
    max: float | None = Field(default=None, gt=0, description="upper bound, in the metric's unit")


class RatioGate(GateBase):
    """`kind = "ratio"`: implementation ÷ baseline of a metric. Both bounds make it two-sided."""

    kind: Literal["ratio"]
    metric: str = Field(description="a metric of the dictionary")
    min_ratio: float | None = Field(default=None, gt=0, description="lower bound of the ratio")
    max_ratio: float | None = Field(default=None, gt=0, description="upper bound of the ratio")


class NoFailedTrialsGate(GateBase):
    """`kind = "no-failed-trials"`: no trial hung, crashed or went unread, warm-up rounds included."""

    kind: Literal["no-failed-trials"]


class ConsistencyGate(GateBase):
    """`kind = "consistency"`: the coefficient of variation of a metric over the rounds."""

    kind: Literal["consistency"]
    metric: str = Field(default="gen_tps", description="a metric of the dictionary")
    max_cv: float = Field(default=0.10, gt=0, description="upper bound of standard deviation ÷ mean")


Gate = BoundGate | RatioGate | NoFailedTrialsGate | ConsistencyGate


class Requires(Record):
    """`[requires]`: another config that must have passed on this machine, as things are now, before this one runs."""

    config: str = Field(min_length=1, description="its file, relative to this config's folder")


class Config(Record):
    """A whole config. `name` is the file's stem unless set."""

    name: Name = Field(description="how runs and reports call it; the file's stem unless set")
    baseline: str = Field(description="the runtime that the others are held against")
    models: tuple[ModelConfig, ...] = Field(min_length=1)
    tests: tuple[TestConfig, ...] = Field(min_length=1)
    runtimes: dict[Name, RuntimeConfig] = Field(min_length=1)
    rounds: RoundsConfig = RoundsConfig()
    limits: Limits = Limits()
    gates: tuple[Annotated[Gate, Field(discriminator="kind")], ...] = ()
    report: PageSpec = PageSpec()
    requires: Requires | None = None

    @property
    def implementations(self) -> tuple[str, ...]:
        """Every runtime but the baseline, in the order of the file."""
        return tuple(name for name in self.runtimes if name != self.baseline)

    def runtime_title(self, name: str) -> str:
        """How tables and pages call a runtime."""
        return self.runtimes[name].title or name
