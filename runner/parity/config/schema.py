"""The schema of a config: frozen records with what every key means. Reads nothing."""

from typing import Annotated

from pydantic import Field, field_validator

from parity.gates import Gate
from parity.records import ConditionLimits, Declaration, Limits, Name, PageSpec, Record
from parity.stats import LEAST, Looks

LONGEST_VARIABLE_BYTES = 128 * 1024 - 1
"""Of NAME=VALUE: what Linux passes to a program (MAX_ARG_STRLEN, less the NUL at its end); macOS passes more."""


class ModelConfig(Record):
    """`[[models]]`: weights and tokenizer to run."""

    name: Name = Field(description="the model's name in tests, tables and file names")
    title: str | None = Field(default=None, description="its name in reports; by default `name`")
    source: str = Field(
        min_length=1,
        description="a path, `hf://ORG/REPO/FILE@REV`, `hf://ORG/REPO@REV`, `pypi://PACKAGE/PATH` or `synth://PRESET/QUANT@SEED`",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="the hash that the model must have; a model with a different hash is refused",
    )


class TestConfig(Record):
    """`[[tests]]`: a prompt and a token budget, run on every model unless `models` names some."""

    __test__ = False

    name: Name = Field(description="the test's name in gates, tables and file names")
    title: str | None = Field(default=None, description="its name in reports; by default `name`, written as words")
    prompt: str | None = Field(
        default=None,
        min_length=1,
        description="a user's turn; it is put into the model's chat template, unless `raw` is set; a test has either "
        "this key, `prompt_file` or `prompts`",
    )
    prompt_file: str | None = Field(
        default=None, min_length=1, description="a text file that holds the prompt, instead of `prompt`"
    )
    prompts: str | None = Field(
        default=None,
        min_length=1,
        description="a JSONL file of prompts, or a set that comes with parity, such as `set:short`: every prompt in it "
        "becomes a test of its own, named NAME.ID",
    )
    prompt_as: str | None = Field(
        default=None,
        description="an adapter whose runtime rewrites prompts: every runtime then gets the prompt as that adapter "
        "rewrites it",
    )
    max_tokens: int = Field(ge=1, le=1_000_000, description="the number of tokens to generate")
    short_tokens: int | None = Field(
        default=None,
        ge=1,
        description="a second, smaller token budget: each round runs both, and their difference gives the rates of "
        "programs that print nothing until the end",
    )
    raw: bool = Field(default=False, description="send the prompt without a chat template")
    ignore_end: bool = Field(
        default=True, description="continue past end tokens, so that every runtime generates `max_tokens`"
    )
    temperature: float = Field(default=0.0, ge=0, le=100, description="sampling temperature; 0 is greedy")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="seed of the runtime's sampler")
    top_k: int | None = Field(default=None, ge=1, description="sample from the k likeliest tokens only; off by default")
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="nucleus sampling: sample from the likeliest tokens with this total probability; off by default",
    )
    models: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="models to run the test on; by default all"
    )

    @property
    def shown_as(self) -> str:
        """What reports call it."""
        return self.title or self.name.replace("-", " ").title()

    @property
    def prompt_keys(self) -> tuple[str, ...]:
        """The keys that are set of those that give prompts. As written it has one; with its prompt read, both."""
        return tuple(key for key in ("prompt", "prompt_file", "prompts") if getattr(self, key) is not None)


class RuntimeConfig(Record):
    """`[runtimes.NAME]`: one inference program under test. Keys beyond these are the adapter's own."""

    adapter: str = Field(description="the adapter that drives it; `parity adapter list` prints them")
    title: str | None = Field(default=None, description="its name in reports; by default NAME")
    model: str | None = Field(
        default=None,
        min_length=1,
        description="the source of a model that this runtime loads in place of that of `[[models]]`, such as another "
        "quantisation of it; not for the baseline",
    )
    optional: bool = Field(default=False, description="skip the runtime if one of its settings is an empty string")
    whole_trials: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="extra untimed trials per model and test that run to the natural end, to detect hangs of a program "
        "that parity otherwise stops after its answer; by default 1 for such a program, 0 for any other",
    )
    prove: bool = Field(
        default=True,
        description="before the first trial, have the runtime generate a few tokens with a tiny synthetic model, so "
        "that a crash on this machine is found early; only for runtimes that can load such a model",
    )
    env: dict[str, str] = Field(default_factory=dict, description="environment variables to set")
    pass_env: tuple[str, ...] = Field(
        default=(), description="names of environment variables to pass on from parity's own environment"
    )

    @field_validator("env")
    @classmethod
    def _can_be_set(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not name or "=" in name:
                raise ValueError(f"{name!r} can't name a variable: use a name that is not empty and has no `=`")
            size = len(f"{name}={value}".encode("utf-8", "replace"))
            if size > LONGEST_VARIABLE_BYTES:
                wrong = f"{name[:80]!r} is set to a value of {size} bytes, and programs can be given at most"
                raise ValueError(f"{wrong} {LONGEST_VARIABLE_BYTES}: put it into a file, and set the file's name")
        return env

    @field_validator("pass_env")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not name or "=" in name:
                raise ValueError(f'{name!r} can\'t name a variable: give its name alone, as in "HOME"')
        return names


class RoundsConfig(Record):
    """`[rounds]`: how often everything is measured. Each round runs every runtime once on every model and test, in a
    balanced order: over the rounds, each runtime is equally often in each place. After each round from `least` on, the
    required gates are judged; a model and test gets no more rounds once all of its required gates are decided."""

    max: int = Field(default=20, ge=1, le=1000, description="the most measured rounds")
    least: int = Field(
        default=LEAST,
        ge=1,
        le=1000,
        description="the fewest measured rounds; a gate on a metric needs 5 before it can pass or fail",
    )
    max_s: float | None = Field(
        default=None, gt=0, description="start no further round once the trials have taken so many seconds in all"
    )
    within: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="go on, too, until the interval of each ratio of `prompt_tps` and `gen_tps` is no wider than this "
        "share to both sides, such as 0.1",
    )
    fixed: int | None = Field(
        default=None, ge=1, le=1000, description="run exactly so many measured rounds, and judge once, at the end"
    )
    count: int | None = Field(default=None, ge=1, le=1000, description="the same as `fixed`, its earlier name")
    planned: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="set by `parity run --add-rounds`: how many rounds there were to be at most before some were added",
    )
    warmup: int = Field(
        default=1,
        ge=0,
        le=100,
        description="rounds before the measured ones; they are kept, but not measured",
    )
    seed: int = Field(default=0, ge=0, description="seed of the order")

    @property
    def exactly(self) -> int | None:
        """How many measured rounds there are; None where that depends on what they show."""
        return self.fixed if self.fixed is not None else self.count

    @property
    def looks(self) -> Looks:
        """When the gates of the run are judged."""
        if self.exactly is not None:
            return Looks(self.exactly, fixed=True)
        return Looks(self.max, planned=self.planned)


class Requires(Record):
    """`[requires]`: a config that must pass on this machine before this one may run."""

    config: str = Field(min_length=1, description="the file of that config, relative to this config's folder")


class Config(Record):
    """A whole config. `name` is the file's stem unless set."""

    name: Name = Field(
        description="the config's name in run folders and reports; by default its file name without `.toml`"
    )
    baseline: str = Field(description="the runtime that the others are compared with")
    models: tuple[ModelConfig, ...] = Field(min_length=1)
    tests: tuple[TestConfig, ...] = Field(min_length=1)
    runtimes: dict[Name, RuntimeConfig] = Field(min_length=1)
    rounds: RoundsConfig = RoundsConfig()
    floor: bool = Field(
        default=False,
        description="also compare the baseline with itself in the same rounds: every ratio is shown beside this noise "
        "floor, and its interval is widened by it before it is judged",
    )
    limits: Limits = Limits()
    conditions: ConditionLimits = ConditionLimits()
    gates: tuple[Annotated[Gate, Field(discriminator="kind")], ...] = ()
    report: PageSpec = PageSpec()
    requires: Requires | None = None
    declare: tuple[Declaration, ...] = Field(default=(), description="differences between runtimes that are intended")
    strict_identity: bool = Field(
        default=False,
        description="`true` makes a comparison NOT COMPARABLE also where a side doesn't report its device, threads or "
        "build profile; otherwise the report names these facts as unproven",
    )

    @property
    def implementations(self) -> tuple[str, ...]:
        """Every runtime but the baseline, in the order of the file."""
        return tuple(name for name in self.runtimes if name != self.baseline)

    def test(self, name: str) -> TestConfig:
        """The test of that name, which there must be."""
        return next(test for test in self.tests if test.name == name)

    def runtime_title(self, name: str) -> str:
        """How tables and pages call a runtime."""
        return self.runtimes[name].title or name
