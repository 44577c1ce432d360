"""From the facts that a trial's measurements rest on to the lines of its transcript. Pure.

An event of the event protocol is a line of its own. An event that an adapter derived from other output has the instant
of the line that it is from, because the adapter reads the transcript unfolded.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from pydantic import ValidationError

from parity.adapter.events import EVENT, Aside, Chunk, Count, Event, Phase, Prompt, RuntimeFigure, Sampling, Text, Token
from parity.explain.records import RawLine, Source
from parity.explain.unfolding import Part, Unfolded
from parity.transcript import Sample, Transcript
from parity.transcript.numbers import LineNumbers

LONGEST_TEXT = 160
"""Characters of a line that are shown: a token's line is short, a line of text may be a page."""

_NS = 1e-9


@dataclass(frozen=True)
class Traced:
    """A trial's transcript, the events that the adapter reads from it unfolded, and the line numbers of its file."""

    file: str
    transcript: Transcript
    unfolded: Unfolded
    events: Sequence[Event]
    numbers: LineNumbers

    def sources(self, names: Sequence[str]) -> tuple[Source, ...]:
        """The facts of these names that the trial shows, in the order of the names."""
        return tuple(source for name in names if (source := _FINDERS[name](self, name)) is not None)

    def of_event(self, name: str, event: Event | None) -> Source | None:
        """An event with its line."""
        if event is None:
            return None
        return Source(name=name, what=_described(event), at_s=self._instant_of(event), raw=self._line_of(event))

    def of_record(self, name: str, record: str, what: str, t_ns: int | None) -> Source | None:
        """A record that parity itself wrote."""
        line = self.numbers.records.get(record)
        if line is None:
            return None
        return Source(
            name=name, what=what, at_s=self._after_spawn(t_ns), raw=RawLine(file=self.file, line=line, text=what)
        )

    def of_sample(self, name: str, sample: Sample | None, what: str) -> Source | None:
        """A sample of memory and CPU time."""
        if sample is None:
            return None
        place = self.transcript.samples.index(sample)
        raw = RawLine(file=self.file, line=self.numbers.samples[place], text=what)
        return Source(name=name, what="sample of the process tree", at_s=self._after_spawn(sample.t_ns), raw=raw)

    def first(self, fits: Callable[[Event], bool], *, last: bool = False) -> Event | None:
        """The first event (or the last) that fits."""
        return next((event for event in (reversed(self.events) if last else self.events) if fits(event)), None)

    def _after_spawn(self, t_ns: int | None) -> float | None:
        spawn = self.transcript.spawn
        return None if spawn is None or t_ns is None else (t_ns - spawn.t_ns) * _NS

    def _instant_of(self, event: Event) -> float | None:
        """Of an event that was read from a line: when that line arrived. Otherwise its own stamp."""
        part = None if event.model_dump_json() in self._spoken else self.unfolded.parts.get(event.t_ns)
        return self._after_spawn(event.t_ns if part is None else self.transcript.pieces[part.read].t_ns)

    def _line_of(self, event: Event) -> RawLine | None:
        at_ns = self._spoken.get(event.model_dump_json(), event.t_ns)
        part = self.unfolded.parts.get(at_ns)
        if part is None:
            return None
        return RawLine(
            file=self.file,
            line=self.numbers.pieces[part.read],
            stream=part.stream,
            stream_line=part.line,
            arrived_s=self._after_spawn(self.transcript.pieces[part.read].t_ns),
            text=_cut(part.text if isinstance(event, Chunk) else self._until(at_ns, part)),
        )

    def _until(self, at_ns: int, part: Part) -> str:
        """The line that a part belongs to, up to the part's end."""
        place = (part.stream, part.line)
        return "".join(p.text for t, p in self.unfolded.parts.items() if t <= at_ns and (p.stream, p.line) == place)

    @cached_property
    def _spoken(self) -> dict[str, int]:
        """Each event of the event protocol, as JSON → the instant of its line in the unfolded transcript."""
        found: dict[str, int] = {}
        for line in self.unfolded.transcript.lines("out"):
            if line.text.lstrip().startswith("{"):
                with suppress(ValidationError):
                    found.setdefault(EVENT.validate_json(line.text).model_dump_json(), line.t_ns)
        return found


def _described(event: Event) -> str:
    match event:
        case Phase():
            return f"event phase, {event.name} {event.edge}"
        case Token():
            return f"event token {event.k}, id {event.id}"
        case Prompt():
            length = len(event.ids) if event.ids is not None else event.count
            return "event prompt" + (f" of {length} tokens" if length is not None else "")
        case Chunk():
            return f"event chunk of {len(event.text)} characters"
        case Count():
            return f"event count, {event.generated} tokens"
        case RuntimeFigure():
            return f"event report, {event.metric} {event.raw if event.value is None else event.value}"
        case Aside():
            lengths = ", ".join(f"{(end - begin) * _NS:.6f}" for begin, end in event.prefills_ns)
            what = f", further prefills of {lengths} s" if lengths else ""
            return f"event aside of {(event.t_ns - event.begin_ns) * _NS:.6f} s, CPU {event.cpu_s} s{what}"
        case Sampling():
            return f"event sampling, {event.seconds} s"
        case Text():
            return f"event text of {len(event.text)} characters"
    return f"event {event.ev}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _phase(name: str, edge: str) -> Callable[[Traced, str], Source | None]:
    """A phase's first begin, or its last end: the instants that measurements use."""
    return lambda trial, label: trial.of_event(
        label,
        trial.first(lambda e: isinstance(e, Phase) and (e.name, e.edge) == (name, edge), last=edge == "end"),
    )


def _event(kind: type[Event], *, last: bool = False) -> Callable[[Traced, str], Source | None]:
    return lambda trial, label: trial.of_event(label, trial.first(lambda e: isinstance(e, kind), last=last))


def _aside(*, with_prefills: bool) -> Callable[[Traced, str], Source | None]:
    return lambda trial, label: trial.of_event(
        label, trial.first(lambda e: isinstance(e, Aside) and bool(e.prefills_ns) == with_prefills)
    )


def _spawn(trial: Traced, label: str) -> Source | None:
    spawn = trial.transcript.spawn
    return trial.of_record(label, "spawn", "spawn of the process", spawn.t_ns if spawn else None)


def _end(trial: Traced, label: str) -> Source | None:
    end = trial.transcript.end
    if end is None:
        return None
    what = f"end by {end.by}, peak {end.peak_rss_bytes} bytes, CPU {end.cpu_s} s"
    return trial.of_record(label, "end", what, end.t_ns)


def _peak(trial: Traced, label: str) -> Source | None:
    sample = max(trial.transcript.samples, key=lambda s: s.rss_bytes, default=None)
    return trial.of_sample(label, sample, f"{sample.rss_bytes} bytes" if sample else "")


def _peak_vram(trial: Traced, label: str) -> Source | None:
    known = [s for s in trial.transcript.samples if s.vram_bytes is not None]
    sample = max(known, key=lambda s: s.vram_bytes or 0, default=None)
    return trial.of_sample(label, sample, f"{sample.vram_bytes} bytes on GPUs" if sample else "")


_FINDERS: dict[str, Callable[[Traced, str], Source | None]] = {
    "spawn": _spawn,
    "end": _end,
    "peak sample": _peak,
    "peak sample of GPU memory": _peak_vram,
    "import": _phase("import", "end"),
    "weights begin": _phase("weights", "begin"),
    "weights": _phase("weights", "end"),
    "tokenizer begins": _phase("tokenizer", "begin"),
    "tokenizer": _phase("tokenizer", "end"),
    "load begins": _phase("lm-load", "begin"),
    "load ends": _phase("lm-load", "end"),
    "ready": _phase("ready", "end"),
    "t0": _phase("prefill", "begin"),
    "first-token mark": _phase("prefill", "end"),
    "end of generation": _phase("generate", "end"),
    "t1": _event(Token),
    "tN": _event(Token, last=True),
    "whole text": _event(Text, last=True),
    "first text": _event(Chunk),
    "last text": _event(Chunk, last=True),
    "sampling": _event(Sampling),
    "aside": _aside(with_prefills=False),
    "further prefills": _aside(with_prefills=True),
    "prompt": _event(Prompt),
    "count": _event(Count),
}

MARKS = tuple(_FINDERS)
"""The names of all facts, in about the order in which a trial shows them."""
