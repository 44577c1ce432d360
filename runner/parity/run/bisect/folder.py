"""A folder within a run's own, for trials that are none of the run's."""

from pathlib import Path
from typing import Any

from parity.private import OWNER_ALONE
from parity.run.log import RunFolder


class PartFolder(RunFolder):
    """It has trials and preparations of its own, and reads of the run what it lacks: tokenizers, rendered prompts,
    conversions and hashes. Nothing is written outside of it."""

    def __init__(self, run: RunFolder, *names: str) -> None:
        super().__init__(run.path.joinpath(*names))
        self._run = run
        for part in ("trials", "prepared"):
            (self.path / part).mkdir(OWNER_ALONE, parents=True, exist_ok=True)

    def tokenizer_path(self, model: str) -> Path:
        return self._run.tokenizer_path(model)

    def read_json(self, name: str) -> Any:
        own = super().read_json(name)
        return self._run.read_json(name) if own is None else own
