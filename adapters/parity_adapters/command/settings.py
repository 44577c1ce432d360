"""The table of `adapter = "command"`, and what can be said of it alone."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from parity.adapter import AdapterSettings, InputPath, Marker, Program, Record, Task, checked
from parity_adapters.command.arguments import JOB_FILE, Argument, checked_args, holds
from parity_adapters.command.figures import Figure

PHASE_OF_MARKER: dict[str, tuple[Literal["weights", "ready", "prefill"], Literal["begin", "end"]]] = {
    "weights": ("weights", "end"),
    "ready": ("ready", "end"),
    "prefill": ("prefill", "begin"),
    "first_token": ("prefill", "end"),
}
"""Markers of which the first match counts."""


class MarkerTable(Record):
    """Lines by which parity recognises the phases of a trial."""

    weights: Marker | None = Field(default=None, description="the weights are resident in memory")
    ready: Marker | None = Field(default=None, description="weights and tokenizer are loaded: the end of `load_s`")
    prefill: Marker | None = Field(default=None, description="the request is accepted: t0")
    first_token: Marker | None = Field(default=None, description="the first token is available: t1")
    end: Marker | None = Field(
        default=None,
        description="the answer is complete: the end of `total_s`; if several lines match, the last one counts. "
        "Without it, the answer ends at `stop`, or with the last piece of `text`",
    )
    stop: Marker | None = Field(default=None, description="the answer is complete: parity ends the program")

    @field_validator("end")
    @classmethod
    def _is_a_line(cls, end: Marker | None) -> Marker | None:
        if end is not None and end.partial:
            raise ValueError("the end is a whole line, because a model's text may imitate it: leave out `partial`")
        return end


class CommandSettings(AdapterSettings):
    """Settings of `adapter = "command"`."""

    program: Program = Field(min_length=1, description="the executable: a name on PATH, or a path")
    args: tuple[Argument, ...] = Field(
        default=(),
        description="its arguments, in which placeholders such as {model} are filled in; {{ is a literal {. A table "
        "holds arguments that only some tests need",
    )
    cwd: InputPath | None = Field(
        default=".",
        validate_default=True,
        description="its working folder; by default that of the config, so that relative paths in `args` and "
        "`version_args` are relative to the config, as other paths in it are",
    )
    events: bool = Field(default=False, description="the program speaks the event protocol on standard output")
    tasks: tuple[Task, ...] = Field(
        default=("generate",),
        description="what the program can do: `generate`, and `score` where it speaks the event protocol and reads its "
        f"job from `{JOB_FILE}`",
    )
    needs_tokenizer: bool | None = Field(
        default=None,
        description="prepare a `tokenizer.json` of the model, which the job and `{tokenizer}` name, and count the "
        "tokens of the program's text with it; by default, if `args` hold `{tokenizer}` or `text` is given. Set it for "
        "a program that sends `chunk` events",
    )
    markers: MarkerTable = Field(
        default=MarkerTable(), description="lines by which parity recognises the phases of a trial"
    )
    figures: tuple[Figure, ...] = Field(default=(), description="figures that the program reports about itself")
    text: str | None = Field(
        default=None,
        description="a regular expression, searched in all output, whose group `text` is the generated text",
    )
    version_args: tuple[str, ...] = Field(
        default=("--version",), description="arguments that make it print its version"
    )
    device: str | None = Field(default=None, description="the device that it computes on, for gates with `when.device`")
    figures_by: str | None = Field(
        default=None,
        min_length=1,
        description="the program whose own figures these are, where two builds of one program have different names; by "
        "default the name of `program`, and of the script that it runs",
    )
    install: str | None = Field(
        default=None, description="the command that `parity doctor` recommends if the program is missing"
    )

    @property
    def ends_at_mark(self) -> bool:
        return self.markers.stop is not None and not self.events

    @property
    def is_told_its_job(self) -> bool:
        """Whether it can read its whole job."""
        return holds(self.args, JOB_FILE)

    @field_validator("args")
    @classmethod
    def _known_placeholders(cls, args: tuple[Argument, ...]) -> tuple[Argument, ...]:
        checked_args(tuple(arg for arg in args if isinstance(arg, str)))
        return args

    @field_validator("text")
    @classmethod
    def _has_text(cls, pattern: str | None) -> str | None:
        if pattern is not None and "text" not in re.compile(checked(pattern)).groupindex:
            raise ValueError("needs a named group: (?P<text>…)")
        return pattern

    @field_validator("tasks")
    @classmethod
    def _generates(cls, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        if "generate" not in tasks:
            raise ValueError("`generate` is missing: every runtime is asked to generate")
        return tasks

    @model_validator(mode="after")
    def _can_score(self) -> Self:
        if "score" not in self.tasks:
            return self
        if not self.events:
            raise ValueError("a program that scores sends its scores as events: set `events = true`")
        if not self.is_told_its_job:
            raise ValueError(f"a program that scores reads the ids from its job: put {JOB_FILE} into `args`")
        return self

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.events and (self.figures or self.text):
            raise ValueError(
                "with `events = true` the program's events hold figures and text: leave out `figures` and `text`"
            )
        if not self.events and not self.figures and self.text is None:
            raise ValueError("nothing would be read from the program: give `figures`, `text`, or `events = true`")
        return self
