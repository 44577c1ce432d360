"""What came of a trial: failure, measurements, identity."""

from typing import Literal

from pydantic import Field

from parity.records.base import Record, Scalar
from parity.records.work import TrialKind


class Checkout(Record):
    """The state of the source tree that a runtime is built from. `commit` None: it is no git checkout."""

    folder: str
    commit: str | None = None
    changed_files: int = 0

    def __str__(self) -> str:
        if self.commit is None:
            return "commit unknown"
        files = f"{self.changed_files} changed file{'s' if self.changed_files > 1 else ''}"
        return f"commit {self.commit[:12]}{f' with {files}' if self.changed_files else ''}"


class Failure(Record):
    """Why a trial gave no result: the class that the metric dictionary lists, a sentence, and the last lines seen."""

    kind: str
    message: str
    tail: tuple[str, ...] = ()


class Measurement(Record):
    """A metric's value in one trial, had in one way. `value` is absent exactly when `reason` says why."""

    metric: str
    unit: str
    definition: str
    provenance: Literal["observed", "derived", "reported"]
    value: float | None = None
    reason: str | None = None
    note: str | None = None


class LedgerEntry(Record):
    """What one trial really ran, as far as it was seen; `None` means not seen."""

    weights_sha256: str | None = Field(description="of the file that it loaded; None where that was not seen")
    prompt_ids_sha256: str | None = None
    prompt_retokenised: bool = Field(
        default=False, description="the ids are those of the text that it said it sends, tokenised again"
    )
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    ended_early: bool = False
    settings: dict[str, Scalar] = Field(default_factory=dict)


class Trial(Record):
    """One execution of a cell, read from its transcript."""

    file: str
    model: str
    test: str
    runtime: str
    round: int
    warmup: bool
    kind: TrialKind = "full"
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    ledger: LedgerEntry | None = None
    text: str | None = Field(default=None, description="what was generated, up to the end token")
