"""From what one of Candle's examples printed to events. Each line is read as what it means, not as what it says.

Text chunks are not tokens: an example holds text back until it ends in a letter or digit, often to the end, so a first
chunk is only an upper bound of the first token. How many tokens there were is known from the statistics alone.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from parity.adapter import Job, ReadError, Transcript, half_of_last_digit
from parity.adapter.events import (
    PROTOCOL_VERSION,
    Bye,
    Chunk,
    Count,
    Event,
    Hello,
    Phase,
    Prompt,
    RuntimeFigure,
    Settings,
    Text,
)
from parity_adapters.candle.examples import Program, program_for
from parity_adapters.candle.preamble import Preamble, Value, read_preamble
from parity_adapters.candle.settings import CandleSettings

HEADER_DEFINITION = "device opened and file header parsed, no weights"
PROMPT_DEFINITION = "prompt tokens over the first forward of the process and the sampling of token 1"
GENERATION_DEFINITION = "first token excluded from both, detokenising and printing included"

PRINTED_TO = 0.005
"""Half of the last digit in which a temperature is printed."""

_RATE = rb"(-?(?:[0-9.]+|inf|NaN)) token/s\n"
_STATISTICS = re.compile(
    rb"\n\n *([0-9]+) prompt tokens processed: " + _RATE + rb" *([0-9]+) tokens generated: " + _RATE + rb"\Z"
)


class Output:
    """Standard output as one string of bytes, and when each of them arrived."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self.data = transcript.data("out")

    def arrival(self, place: int) -> int:
        """When the byte at `place` arrived, in ns."""
        t_ns = self._transcript.arrival_of("out", place)
        assert t_ns is not None, "a place in `data`"
        return t_ns

    def chunks(self, start: int, end: int) -> Iterator[Chunk]:
        """What each read brought of the text from `start` to before `end`."""
        for t_ns, text in self._transcript.text_between("out", start, end):
            yield Chunk(t_ns=t_ns, text=text)


@dataclass(frozen=True)
class Statistics:
    """The last two lines, as printed. `generated` leaves the first token out."""

    start: int
    prompt_tokens: int
    prompt_rate: str
    generated: int
    generation_rate: str


def read_example(settings: CandleSettings, transcript: Transcript, job: Job) -> Iterator[Event]:
    """The events of an example's transcript.

    Raises:
        ReadError: it printed something other than the example that fits the job does, or no statistics at its end.
    """
    output = Output(transcript)
    if not output.data:
        return
    program = program_for(settings, job)
    preamble = read_preamble(output.data)
    yield from _opening(settings, output, preamble, program, job)
    yield from _loading(output, preamble)
    if preamble.built_newline is None:
        raise ReadError(f"{program.name} did not say that its model was built")
    text_start = yield from _echo(output, preamble.built_newline + 1, program)
    statistics = _statistics(output.data, text_start)
    yield from output.chunks(text_start, statistics.start if statistics else len(output.data))
    if statistics is None:
        raise ReadError(f"{program.name} printed no statistics at its end")
    yield from _closing(output, program, job, text_start, statistics)


def _opening(
    settings: CandleSettings, output: Output, preamble: Preamble, program: Program, job: Job
) -> Iterator[Event]:
    first = output.arrival(0)
    published = settings.source == "crate"
    device = "cpu" if preamble.fell_back_to_cpu else settings.device
    yield Hello(
        t_ns=first,
        protocol=PROTOCOL_VERSION,
        runtime=program.name,
        version=settings.crate_version if published else "checkout",
        device=device,
    )
    values: dict[str, Value] = {
        "program": program.name,
        "source": settings.source,
        "candle": settings.crate_version if published else None,
        "build_features": ",".join(settings.features) or "none",
        "build_profile": "release",
        "build_target_cpu": settings.target_cpu or "not set by parity",
        "device": device,
        "threads": settings.threads,
        "end_token": program.end_token,
        "kv_cache_dtype": "f32",
        "rope_table_dtype": program.rope_table_dtype,
        "matmul": "weights as stored, activations quantised by row" if device == "cpu" else "weights as stored",
        "token_embedding": "dequantised to f32",
        "weights_read": "read and copied, not mapped",
        "warm_up": False,
        "prefix_cache": False,
        **preamble.facts,
    }
    printed, asked = values.get("temperature"), job.test.sampling.temperature
    if isinstance(printed, float) and abs(printed - asked) <= PRINTED_TO:
        values["temperature"] = asked
    if program.which:
        values["which"] = program.which
    if preamble.header:
        values |= {"tensors": preamble.header.tensors, "weights_bytes_nominal": preamble.header.weights_bytes}
    yield Settings(t_ns=first, values=values)


def _loading(output: Output, preamble: Preamble) -> Iterator[Event]:
    """The file is opened after the line on sampling; weights are read between `loaded …` and `model built`."""
    if preamble.opened_newline is not None:
        yield Phase(t_ns=output.arrival(preamble.opened_newline), name="header", edge="begin")
    if preamble.header is not None:
        t_ns = output.arrival(preamble.header.newline)
        yield Phase(t_ns=t_ns, name="header", edge="end")
        yield _figure(t_ns, "load_header_s", "s", HEADER_DEFINITION, preamble.header.seconds)
        yield Phase(t_ns=t_ns, name="weights", edge="begin")
    if preamble.built_newline is not None:
        t_ns = output.arrival(preamble.built_newline)
        yield Phase(t_ns=t_ns, name="weights", edge="end")
        yield Phase(t_ns=t_ns, name="tokenizer", edge="begin")


def _echo(output: Output, start: int, program: Program) -> Generator[Event, None, int]:
    """The prompt's echo follows the loading of the tokenizer and comes before the prompt is tokenised. A line of it
    goes out once it is whole; what stands behind its last newline waits for the first text and marks nothing.

    Returns where the text starts."""
    end = start + len(program.echo)
    echoed = output.data[start:end]
    if not program.echo.startswith(echoed):
        raise ReadError(f"{program.name} echoed something other than its prompt: {_shown(echoed)}")
    last_newline = program.echo.rfind(b"\n")
    if 0 <= last_newline < len(echoed):
        t_ns = output.arrival(start + last_newline)
        yield Phase(t_ns=t_ns, name="tokenizer", edge="end")
        yield Phase(t_ns=t_ns, name="ready", edge="end")
        yield Phase(t_ns=t_ns, name="prefill", edge="begin")
    return end


def _statistics(data: bytes, text_start: int) -> Statistics | None:
    """Anchored at the very end: the model may have written such lines itself."""
    found = _STATISTICS.search(data, text_start)
    if found is None:
        return None
    return Statistics(found.start(), int(found[1]), found[2].decode(), int(found[3]), found[4].decode())


def _closing(output: Output, program: Program, job: Job, text_start: int, statistics: Statistics) -> Iterator[Event]:
    yield Phase(t_ns=output.arrival(statistics.start), name="generate", edge="end")
    t_ns = output.arrival(len(output.data) - 1)
    yield Prompt(t_ns=t_ns, count=statistics.prompt_tokens, text=program.prompt)
    yield _figure(t_ns, "prompt_tps", "token/s", PROMPT_DEFINITION, statistics.prompt_rate)
    if statistics.generated:
        yield _figure(t_ns, "gen_tps", "token/s", GENERATION_DEFINITION, statistics.generation_rate)
    else:
        nothing = f"0 tokens generated: {statistics.generation_rate} token/s"
        yield _no_figure(t_ns, "gen_tps", "token/s", GENERATION_DEFINITION, nothing)
    sampled = statistics.generated + 1
    yield Count(t_ns=t_ns, generated=sampled)
    yield Text(t_ns=t_ns, text=output.data[text_start : statistics.start].decode("utf-8", errors="replace"))
    yield Bye(t_ns=t_ns, reason="length" if sampled >= job.test.max_tokens else "end-token")


def _figure(t_ns: int, metric: str, unit: str, definition: str, printed: str) -> RuntimeFigure:
    if printed.lstrip("-") in ("inf", "NaN"):
        return _no_figure(t_ns, metric, unit, definition, printed)
    return RuntimeFigure(
        t_ns=t_ns,
        metric=metric,
        unit=unit,
        definition=definition,
        value=float(printed),
        resolution=half_of_last_digit(printed),
    )


def _no_figure(t_ns: int, metric: str, unit: str, definition: str, printed: str) -> RuntimeFigure:
    return RuntimeFigure(t_ns=t_ns, metric=metric, unit=unit, definition=definition, raw=printed)


def _shown(data: bytes) -> str:
    return repr(data[:200].decode("utf-8", errors="replace"))
