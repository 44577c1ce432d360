"""What a run folder says of the run as a whole: `run.json` and `end.json`."""

from pydantic import Field

from parity.config import LoadedConfig
from parity.records import SCHEMA_VERSION, HostFacts, ModelFacts, Record, Scalar

SAME_MACHINE = ("host", "cpu", "arch", "platform")
"""Facts by which two runs are known to be of one machine."""


class RunRecord(Record):
    """`run.json`: what the run was to do, on what; written when it begins, and again when its `models` are there."""

    schema_version: int = SCHEMA_VERSION
    started: str
    parity_version: str
    loaded: LoadedConfig
    models: tuple[ModelFacts, ...]
    own_models: dict[str, ModelFacts] = Field(
        default_factory=dict, description="runtime → the model that it loads in place of that of `[[models]]`"
    )
    hosts: dict[str, HostFacts] = Field(description="label → what adapters know of the host")
    machine: dict[str, Scalar]
    forced: bool = Field(
        default=False, description="the config that it requires had not passed, and `--force` was given"
    )
    authorised_by: str | None = Field(default=None, description="the run that let this one go ahead")

    @property
    def all_models(self) -> tuple[ModelFacts, ...]:
        """Every model that some trial loads."""
        return (*self.models, *self.own_models.values())

    def models_of(self, runtime: str) -> tuple[ModelFacts, ...]:
        """The models that a runtime loads."""
        own = self.own_models.get(runtime)
        return self.models if own is None else (own,)


class RunEnd(Record):
    """`end.json`: written when a run ends by itself or is interrupted; missing when parity was killed."""

    finished: str
    interrupted: bool
    boot: str | None = Field(default=None, description="which start of the machine it was, where the system tells")
    since_boot_s: float | None = Field(default=None, description="how long after that start")
