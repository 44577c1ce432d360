"""Whether the number of tokens that a program counted can be that of its text. Pure."""

from collections.abc import Iterator

from parity.reading.timeline import Timeline
from parity.records import Departure
from parity.redaction import REDACTED

FEW = 3
"""Tokens by which the two may differ in any text: an end token, one that writes nothing, a character that is cut."""

SHARE = 0.1
"""Of the count: a model may write a word with more tokens than its tokenizer would, or fewer."""

CONCERNED = ("generated_tokens", "total_s", "wall_s", "cpu_s", "peak_rss_bytes", "peak_vram_bytes")


def miscounted(timeline: Timeline) -> Iterator[Departure]:
    """Of a server, which counts what nobody else sees. Programs that print an answer may print more around it."""
    if timeline.tokens or timeline.counted is None or timeline.count_tokens is None or not timeline.is_of_a_server:
        return
    text = "".join(chunk.text for chunk in timeline.chunks)
    if REDACTED in text:
        return
    tokens = timeline.count_tokens(text)
    if abs(tokens - timeline.counted) > FEW + SHARE * timeline.counted:
        sentence = f"it counts {timeline.counted} tokens, and its text has {tokens} by the model's own tokenizer"
        yield Departure(fact="tokens", sentence=sentence, metrics=CONCERNED)
