"""Any program, described in the config alone: an argv template, markers, and regular expressions for its figures.

A program that speaks the event protocol (`events = true`) is measured like any worker. For any other program, what its
markers show is observed, and what its regular expressions find is the program's own report.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import ClassVar

from parity.adapter import (
    PROTOCOL_MARKERS,
    Adapter,
    AdapterSettings,
    Availability,
    Build,
    Command,
    Job,
    Launch,
    Marker,
    Markers,
    ReadError,
    Task,
    Transcript,
    note,
    read_protocol,
    refuse_echoed,
)
from parity.adapter.events import Event, Phase, Settings
from parity_adapters.command.arguments import JOB_FILE, filled, given, holds, script_of
from parity_adapters.command.figures import read_figures
from parity_adapters.command.printed_text import read_text
from parity_adapters.command.settings import PHASE_OF_MARKER, CommandSettings, MarkerTable

__all__ = ["CommandLine", "CommandSettings"]


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

    def untold(self, job: Job) -> frozenset[str]:
        """A program that speaks events is made for its job; any other one samples as its own default says. Whichever it
        is, it must be given its prompt."""
        args = given(self.settings.args, job)
        sampling = self.settings.events or holds(args, "{temperature}") or holds(args, JOB_FILE)
        prompt = any(holds(args, one) for one in ("{prompt}", "{chat_turn}", JOB_FILE))
        return frozenset(fact for fact, told in (("sampling", sampling), ("prompt", prompt)) if not told)

    @property
    def needs_tokenizer(self) -> bool:
        """Text is counted by the model's own tokenizer. A program that speaks events mostly shows tokens."""
        needed = self.settings.needs_tokenizer
        return holds(self.settings.args, "{tokenizer}") or self.settings.text is not None if needed is None else needed

    @property
    def figures_by(self) -> str:
        own = " ".join((PurePath(self.settings.program).name, *script_of(self.settings.args)))
        return self.settings.figures_by or own

    @property
    def reads_patterns(self) -> bool:
        return not self.settings.events

    @property
    def no_proof(self) -> str | None:
        if holds(self.settings.args, "{model}") or self.settings.is_told_its_job:
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
        version = printed[:80] if good and printed else None
        return Availability(
            ready=True,
            version=version,
            device=self.settings.device,
            reason=None if version else self._why_no_version(transcript),
        )

    def _why_no_version(self, transcript: Transcript) -> str:
        asked = " ".join((self.settings.program, *self.settings.version_args))
        last = next(iter(transcript.tail(1)), "nothing")
        return f"its version is not known: `{asked}` printed {last!r}; set `version_args` to what makes it print one"

    def launch(self, job: Job, build: Build | None) -> Launch:
        markers = self.settings.markers
        if not self.settings.events:
            refuse_echoed(self._patterns(), job)
        return Launch(
            argv=(self.settings.program, *filled(self.settings.args, job)),
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
        if transcript.spawn is not None and not self._is_told_the_model(job):
            yield Settings(t_ns=transcript.spawn.t_ns, values={"weights_file": None})
        if self.settings.events:
            yield from read_protocol(transcript)
            return
        ended_ns = self._ended(transcript)
        found = [
            *self._phases(transcript),
            *([] if ended_ns is None else [Phase(t_ns=ended_ns, name="generate", edge="end")]),
            *read_figures(self.settings.figures, transcript, job),
            *([] if self.settings.text is None else read_text(self.settings.text, transcript, ended_ns)),
        ]
        if self.settings.device is not None and transcript.spawn is not None:
            found.append(Settings(t_ns=transcript.spawn.t_ns, values={"device": self.settings.device}))
        yield from sorted(found, key=lambda event: event.t_ns)

    def _patterns(self) -> dict[str, str]:
        """Key of a marker → its regular expression."""
        markers = {key: getattr(self.settings.markers, key) for key in MarkerTable.model_fields}
        return {f"markers.{key}": marker.pattern for key, marker in markers.items() if marker is not None}

    def _is_told_the_model(self, job: Job) -> bool:
        """If not, nothing shows that the program ran this test's weights, unless it reports `weights_file` itself. A
        program that speaks events reads its whole job from `job.json`; a folder to write into tells it nothing."""
        args = given(self.settings.args, job)
        return holds(args, "{model}") or (self.settings.events and holds(args, JOB_FILE))

    def _phases(self, transcript: Transcript) -> Iterator[Event]:
        for key, (phase, edge) in PHASE_OF_MARKER.items():
            marker: Marker | None = getattr(self.settings.markers, key)
            if marker is None:
                continue
            note(f"markers.{key} = {marker.pattern!r}")
            t_ns = transcript.first_sight(marker.pattern, marker.stream, partial=marker.partial)
            if t_ns is None:
                raise ReadError(f"no line of its output matches the marker {key!r} ({marker.pattern})")
            yield Phase(t_ns=t_ns, name=phase, edge=edge)

    def _ended(self, transcript: Transcript) -> int | None:
        """When the answer was complete, by a line that says so; None where none is described."""
        end, stop = self.settings.markers.end, self.settings.markers.stop
        if end is not None:
            note(f"markers.end = {end.pattern!r}")
            found = transcript.find(end.pattern, end.stream, last=True)
            if found is None:
                raise ReadError(f"no line of its output matches the marker 'end' ({end.pattern})")
            return found[0].t_ns
        if stop is not None:
            note(f"markers.stop = {stop.pattern!r}")
            return transcript.first_sight(stop.pattern, stop.stream, partial=stop.partial)
        return None
