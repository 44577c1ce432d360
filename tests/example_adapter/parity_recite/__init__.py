"""The adapter of recite: says how to ask it, and reads what it answers. Starts nothing itself."""

from pathlib import Path
from typing import ClassVar

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
    RefusedError,
    Transcript,
    read_protocol_probe,
)

WORKER = Path(__file__).with_name("worker.py")


class ReciteSettings(AdapterSettings):
    """Settings of `adapter = "recite"`."""

    python: str | None = Field(default=None, description="interpreter of the worker; parity's own unless named")
    step_bytes: int = Field(default=1_000_000, gt=0, description="bytes of the weights that are read for each token")


class Recite(Adapter[ReciteSettings]):
    """Probes, launches and reads recite."""

    name: ClassVar[str] = "recite"
    Settings: ClassVar[type[AdapterSettings]] = ReciteSettings

    @property
    def python(self) -> str:
        """The interpreter that runs the worker."""
        return self.settings.python or self.host.python

    def probe(self) -> Command:
        return Command(argv=(self.python, str(WORKER), "--probe"))

    def read_probe(self, transcript: Transcript) -> Availability:
        return read_protocol_probe(transcript, install=f"{self.python} -m pip install parity-recite")

    def launch(self, job: Job, build: Build | None) -> Launch:
        if job.model.format != "gguf":
            raise RefusedError(f"recite reads single files only, and {job.model.path} is a folder")
        return Launch(
            argv=(self.python, str(WORKER), "--job", str(Path(job.scratch) / "job.json")),
            files={"job.json": job.model_dump_json()},
            markers=PROTOCOL_MARKERS,
        )
