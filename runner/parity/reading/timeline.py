"""The instants of one trial, from its transcript and its events. Pure."""

import codecs
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from parity.adapter.events import Aside, Chunk, Count, Event, Phase, Prompt, Sampling, Settings, Text, Token
from parity.adapter.protocol import read_arrivals
from parity.errors import ReadError
from parity.models.pieces import Pieces
from parity.records import Scalar
from parity.transcript import Transcript

ALREADY_RUNNING = "already_running"
"""The setting by which a program says whether it only asks a server that was running before. Others don't have it."""

NOT_OF_THE_TREE = "what computes was running before this trial, and is none of its processes"

CountTokens = Callable[[str], int]
"""Number of tokens of a text by the model's own tokenizer, special tokens recognised."""

BEFORE_WORK = (("weights", "end"), ("ready", "end"), ("prefill", "begin"), ("lm-load", "end"))
"""Marks after which a program still has its answer to compute."""


@dataclass(frozen=True)
class Timeline:
    """The instants of one trial, in ns of the monotonic clock; None where the program did not show one."""

    transcript: Transcript
    events: Sequence[Event]
    count_tokens: CountTokens | None = None
    piece_of: Pieces | None = None

    @cached_property
    def tokens(self) -> list[Token]:
        return [event for event in self.events if isinstance(event, Token)]

    @cached_property
    def _arrivals(self) -> list[tuple[Event, int]]:
        found: list[tuple[Event, int]] = []
        with suppress(ReadError):
            found.extend(read_arrivals(self.transcript))
        return found

    def arrivals(self, kind: type[Token] | type[Chunk] | type[Text]) -> list[int]:
        """When the events of a kind arrived, of a program that speaks the protocol; none of any other program."""
        return [t_ns for event, t_ns in self._arrivals if isinstance(event, kind)]

    @cached_property
    def gaps_ns(self) -> tuple[int, ...]:
        """From each token to the next one."""
        return tuple(later.t_ns - earlier.t_ns for earlier, later in itertools.pairwise(self.tokens))

    @property
    def text_gaps_ns(self) -> tuple[int, ...]:
        """From each piece of text to the next one."""
        return tuple(later.t_ns - earlier.t_ns for earlier, later in itertools.pairwise(self.chunks))

    @cached_property
    def text_ns(self) -> int | None:
        """When the whole text was there, by the event that holds it."""
        stamps = [event.t_ns for event in self.events if isinstance(event, Text)]
        return stamps[-1] if stamps else None

    @cached_property
    def already_running(self) -> bool:
        """Whether what computed was running before the trial, and is no process of its tree."""
        return self.setting(ALREADY_RUNNING) is True

    @property
    def is_of_a_server(self) -> bool:
        """Whether a server computed, started for the trial or running before."""
        return self.setting(ALREADY_RUNNING) is not None

    def setting(self, name: str) -> Scalar:
        """A setting as it was last reported."""
        reports = (event.values for event in reversed(self.events) if isinstance(event, Settings))
        return next((values[name] for values in reports if name in values), None)

    @cached_property
    def sampling_s(self) -> float | None:
        """How long the choice of the tokens 2 to N took in all."""
        return next((event.seconds for event in self.events if isinstance(event, Sampling)), None)

    @cached_property
    def asides(self) -> list[Aside]:
        """What it did after generation that is no part of the answer."""
        return [event for event in self.events if isinstance(event, Aside)]

    @property
    def further_prefills_ns(self) -> list[int]:
        """How long each further prefill of the same prompt took."""
        return [end - begin for aside in self.asides for begin, end in aside.prefills_ns]

    @cached_property
    def prompt(self) -> Prompt | None:
        return next((event for event in self.events if isinstance(event, Prompt)), None)

    @property
    def prompt_tokens(self) -> int | None:
        """P, from the ids where they were shown."""
        if self.prompt is None:
            return None
        return len(self.prompt.ids) if self.prompt.ids is not None else self.prompt.count

    @property
    def prompt_ids(self) -> tuple[int, ...] | None:
        """The ids of the prompt, where it showed them."""
        return tuple(self.prompt.ids) if self.prompt is not None and self.prompt.ids is not None else None

    @property
    def output_ids(self) -> tuple[int, ...] | None:
        """The generated ids up to and with the first end token; None without tokens."""
        first_end = next((place for place, token in enumerate(self.tokens) if token.end), len(self.tokens))
        return tuple(token.id for token in self.tokens[: first_end + 1]) or None

    def phase(self, name: str, edge: str) -> int | None:
        """When a phase first began, or last ended."""
        stamps = [e.t_ns for e in self._phases if e.name == name and e.edge == edge]
        if not stamps:
            return None
        return stamps[0] if edge == "begin" else stamps[-1]

    @cached_property
    def _phases(self) -> list[Phase]:
        return [event for event in self.events if isinstance(event, Phase)]

    @cached_property
    def arrived_at_once(self) -> bool:
        """Whether a mark after which work must follow came in the read with which all output ended: the program, or
        what is between, keeps its output back. A worker's own stamps are never the instant of a read."""
        reads = [piece.t_ns for piece in self.transcript.pieces]
        marks = [e.t_ns for e in self._phases if (e.name, e.edge) in BEFORE_WORK]
        return bool(reads) and max(reads) in marks

    @property
    def work_began(self) -> tuple[int | None, str]:
        """When the prompt was accepted, or the last earlier mark of a program that does not show it; what that is."""
        marks = (
            (self.phase("prefill", "begin"), "prefill began"),
            (self.phase("ready", "end"), "it was ready"),
            (self.spawned, "its process was started"),
        )
        return next((mark for mark in marks if mark[0] is not None), (None, ""))

    @property
    def spawned(self) -> int | None:
        return self.transcript.spawn.t_ns if self.transcript.spawn else None

    @property
    def ended(self) -> int | None:
        return self.transcript.end.t_ns if self.transcript.end else None

    @cached_property
    def chunks(self) -> list[Chunk]:
        return [event for event in self.events if isinstance(event, Chunk)]

    @cached_property
    def stamps_itself(self) -> bool:
        """Whether the program stamps its text itself. That of any other is stamped when it arrives, after whatever time
        in a buffer."""
        reads = {piece.t_ns for piece in self.transcript.pieces}
        return not any(chunk.t_ns in reads for chunk in self.chunks)

    @cached_property
    def visible(self) -> list[Chunk]:
        """Its text in pieces, each when it was there: as the program shows it, or from its tokens, each of which shows
        the characters that it completes. Empty where it is not known what the tokens write."""
        return self.chunks if not self.tokens else self._written()

    def _written(self) -> list[Chunk]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        written = []
        for token in self.tokens:
            piece = self.piece_of(token.id) if self.piece_of is not None else None
            if piece is None:
                return []
            if text := decoder.decode(piece):
                written.append(Chunk(t_ns=token.t_ns, text=text))
        return written

    @cached_property
    def counted(self) -> int | None:
        """N, as the runtime counted it."""
        return next((event.generated for event in self.events if isinstance(event, Count)), None)
