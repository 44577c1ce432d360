"""Any program, described in the config alone: an argv template, markers, and regular expressions for its figures.

A program that speaks the event protocol (`events = true`) is measured like any worker. For any other program, what its
markers show is observed, and what its regular expressions find is the program's own report.
"""

import re
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from parity.adapter import (
    PROTOCOL_MARKERS,
    Adapter,
    AdapterSettings,
    Availability,
    Build,
    Command,
    InputPath,
    Job,
    Launch,
    Marker,
    Markers,
    Program,
    ReadError,
    Record,
    Task,
    Transcript,
    read_protocol,
    refuse_echoed,
)
from parity.adapter.events import Event, Phase, Settings, Text
from parity_adapters.command.figures import Figure, compiled, read_figures

PLACEHOLDERS = (
    "model",
    "model_name",
    "prompt",
    "max_tokens",
    "temperature",
    "seed",
    "top_k",
    "top_p",
    "scratch",
    "round",
)

LINE_END = re.compile("\r\n|\r")

PHASE_OF_MARKER: dict[str, tuple[Literal["weights", "ready", "prefill"], Literal["begin", "end"]]] = {
    "weights": ("weights", "end"),
    "ready": ("ready", "end"),
    "prefill": ("prefill", "begin"),
    "first_token": ("prefill", "end"),
}

JOB_FILE = "{scratch}/job.json"
"""The argument by which a program is given its whole job."""


class MarkerTable(Record):
    """Lines by which parity recognises the phases of a trial."""

    weights: Marker | None = Field(default=None, description="the weights are resident in memory")
    ready: Marker | None = Field(default=None, description="weights and tokenizer are loaded: the end of `load_s`")
    prefill: Marker | None = Field(default=None, description="the request is accepted: t0")
    first_token: Marker | None = Field(default=None, description="the first token is available: t1")
    stop: Marker | None = Field(default=None, description="the answer is complete: parity ends the program")


class CommandSettings(AdapterSettings):
    """Settings of `adapter = "command"`."""

    program: Program = Field(min_length=1, description="the executable: a name on PATH, or a path")
    args: tuple[str, ...] = Field(
        default=(),
        description=f"its arguments; {{{'}, {'.join(PLACEHOLDERS)}}} are filled in, {{{{ is a literal {{",
    )
    cwd: InputPath | None = Field(default=None, description="its working folder; by default parity's own")
    events: bool = Field(default=False, description="the program speaks the event protocol on standard output")
    tasks: tuple[Task, ...] = Field(
        default=("generate",),
        description="what the program can do: `generate`, and `score` where it speaks the event protocol and reads its "
        f"job from `{JOB_FILE}`",
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
    install: str | None = Field(
        default=None, description="the command that `parity doctor` recommends if the program is missing"
    )

    @property
    def ends_at_mark(self) -> bool:
        return self.markers.stop is not None and not self.events

    @field_validator("args")
    @classmethod
    def _known_placeholders(cls, args: tuple[str, ...]) -> tuple[str, ...]:
        for arg in args:
            try:
                _fill(arg, dict.fromkeys(PLACEHOLDERS, ""))
            except (KeyError, ValueError, IndexError, AttributeError) as error:
                raise ValueError(
                    f"{arg!r}: placeholders are {{{'}, {'.join(PLACEHOLDERS)}}}; {{{{ is a literal {{"
                ) from error
        return args

    @field_validator("text")
    @classmethod
    def _has_text(cls, pattern: str | None) -> str | None:
        if pattern is not None and "text" not in re.compile(compiled(pattern)).groupindex:
            raise ValueError("needs a named group: (?P<text>…)")
        return pattern

    @field_validator("tasks")
    @classmethod
    def _generates(cls, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        if "generate" not in tasks:
            raise ValueError("`generate` is missing: every runtime is asked to generate")
        return tasks

    @model_validator(mode="after")
    def _can_score(self) -> "CommandSettings":
        if "score" not in self.tasks:
            return self
        if not self.events:
            raise ValueError("a program that scores sends its scores as events: set `events = true`")
        if not any(JOB_FILE in arg for arg in self.args):
            raise ValueError(f"a program that scores reads the ids from its job: put {JOB_FILE} into `args`")
        return self

    @model_validator(mode="after")
    def _says_something(self) -> "CommandSettings":
        if self.events and (self.figures or self.text):
            raise ValueError(
                "with `events = true` the program's events hold figures and text: leave out `figures` and `text`"
            )
        if not self.events and not self.figures and self.text is None:
            raise ValueError("nothing would be read from the program: give `figures`, `text`, or `events = true`")
        return self


class CommandLine(Adapter[CommandSettings]):
    """Drives a program by its settings alone."""

    name: ClassVar[str] = "command"
    Settings: ClassVar[type[AdapterSettings]] = CommandSettings

    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset(self.settings.tasks)

    @property
    def device_asked(self) -> str | None:
        return self.settings.device

    @property
    def untold(self) -> frozenset[str]:
        """A program that speaks events is made for its job; any other one samples as its own default says. Whichever it
        is, it must be given its prompt."""
        sampling = self.settings.events or self._is_given("{temperature}") or self._is_given(JOB_FILE)
        prompt = self._is_given("{prompt}") or self._is_given(JOB_FILE)
        return frozenset(fact for fact, told in (("sampling", sampling), ("prompt", prompt)) if not told)

    @property
    def no_proof(self) -> str | None:
        if self._is_given("{model}") or self._is_given(JOB_FILE):
            return None
        return f"its `args` hold neither {{model}} nor {JOB_FILE}, so it can't be given a tiny model"

    def probe(self) -> Command:
        return Command(argv=(self.settings.program, *self.settings.version_args), cwd=self.settings.cwd, deadline_s=30)

    def read_probe(self, transcript: Transcript) -> Availability:
        """A program that starts is ready, whatever it answers: not every program knows the version arguments."""
        if transcript.no_spawn is not None:
            return Availability(
                ready=False,
                reason=f"{self.settings.program}: {transcript.no_spawn.message}",
                remedy=self.settings.install or "install it, or correct `program` in the config",
            )
        good = transcript.end is not None and transcript.end.exit_code == 0
        printed = next((line.text.strip() for line in transcript.lines("out") if line.text.strip()), None)
        return Availability(ready=True, version=printed[:80] if good and printed else None, device=self.settings.device)

    def launch(self, job: Job, build: Build | None) -> Launch:
        markers, values = self.settings.markers, _values(job)
        if not self.settings.events:
            refuse_echoed(self._patterns(), job)
        return Launch(
            argv=(self.settings.program, *(_fill(arg, values) for arg in self.settings.args)),
            cwd=self.settings.cwd,
            files={"job.json": job.model_dump_json()},
            markers=PROTOCOL_MARKERS
            if self.settings.events
            else Markers(
                ready=markers.ready,
                first_token=markers.first_token,
                stop=markers.stop if job.kind != "whole" else None,
            ),
        )

    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        if transcript.spawn is not None and not self._is_told_the_model():
            yield Settings(t_ns=transcript.spawn.t_ns, values={"weights_file": None})
        if self.settings.events:
            yield from read_protocol(transcript)
            return
        found = [
            *self._phases(transcript),
            *read_figures(self.settings.figures, transcript, job),
            *self._text(transcript),
        ]
        if self.settings.device is not None and transcript.spawn is not None:
            found.append(Settings(t_ns=transcript.spawn.t_ns, values={"device": self.settings.device}))
        yield from sorted(found, key=lambda event: event.t_ns)

    def _patterns(self) -> dict[str, str]:
        """Key of a marker → its regular expression."""
        markers = {key: getattr(self.settings.markers, key) for key in MarkerTable.model_fields}
        return {f"markers.{key}": marker.pattern for key, marker in markers.items() if marker is not None}

    def _is_told_the_model(self) -> bool:
        """If not, nothing shows that the program ran this test's weights, unless it reports `weights_file` itself. A
        program that speaks events reads its whole job from `job.json`; a folder to write into tells it nothing."""
        return self._is_given("{model}") or (self.settings.events and self._is_given(JOB_FILE))

    def _is_given(self, placeholder: str) -> bool:
        return any(placeholder in arg for arg in self.settings.args)

    def _phases(self, transcript: Transcript) -> Iterator[Event]:
        for key, (phase, edge) in PHASE_OF_MARKER.items():
            marker: Marker | None = getattr(self.settings.markers, key)
            if marker is None:
                continue
            t_ns = transcript.first_sight(marker.pattern, marker.stream, partial=marker.partial)
            if t_ns is None:
                raise ReadError(f"no line of its output matches the marker {key!r} ({marker.pattern})")
            yield Phase(t_ns=t_ns, name=phase, edge=edge)

    def _text(self, transcript: Transcript) -> Iterator[Event]:
        if self.settings.text is None:
            return
        printed = LINE_END.sub("\n", transcript.text("out"))
        match = re.search(self.settings.text, printed, re.DOTALL | re.MULTILINE)
        if match is None or transcript.end is None:
            raise ReadError(f"its output does not match text = {self.settings.text}")
        yield Text(t_ns=transcript.end.t_ns, text=match["text"])


def _values(job: Job) -> dict[str, str]:
    sampling = job.test.sampling
    return {
        "model": job.model.path,
        "model_name": job.model.name,
        "prompt": job.test.prompt,
        "max_tokens": str(job.test.max_tokens),
        "temperature": str(sampling.temperature),
        "seed": str(sampling.seed),
        "top_k": str(sampling.top_k or 0),
        "top_p": str(sampling.top_p or 1.0),
        "scratch": job.scratch,
        "round": str(job.round),
    }


def _fill(template: str, values: dict[str, str]) -> str:
    return template.format_map(values)
