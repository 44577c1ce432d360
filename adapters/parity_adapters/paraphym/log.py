"""The program's log on standard error: the lines that mark instants and facts, each in one place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from parity.adapter import Transcript

# Not anchored: this line may begin within a line of a different thread.
_LINE = re.compile(
    r"\[\d{4}-\d\d-\d\dT\S+Z (?P<level>ERROR|WARN |INFO |DEBUG|TRACE) "
    r"(?P<crate>paraphym_candle|cyrup_candle)\S*\] (?P<message>.*)$"
)

DOWNLOAD = r"^⬇️\s+Starting download: "
DOWNLOADED = r"^✅ Download complete: "
LM_LOAD = r"^Loading .+ model using Candle's"
HEADER = r"^EOS token ID from GGUF: Some\((?P<id>\d+)\)"
WEIGHTS_FILE = r"^Loading model from (?P<path>.+)$"
WEIGHTS = r"^Model loaded successfully"
TOKENIZER = r"^Tokenizer loaded successfully"
LM_READY = r"^TextToText worker \d+ ready$"
PROMPT = r"TextToTextPool::prompt\(\) called for registry_key=(?P<model>[^,]+), prompt_len=(?P<bytes>\d+)"
PROMPT_COUNT = r"^>>> Prompt encoded to (?P<count>\d+) tokens"
START = r"^✅ Using cached model from memory|^>>> GENERATE STARTED"
FIRST_TOKEN = r"^🎯 First token generated: \d+"  # noqa: S105 - a token of text
DEVICE = r"^Using (?P<device>CPU|CUDA|Metal) (?:GPU|for)\b"
SECOND_MODEL = r"^>>> About to ensure workers for (?P<model>\S+)"
SECOND_READY = r"^TextEmbedding worker \d+ ready$"
READY = r"^(?P<pool>TextToText|TextEmbedding) worker \d+ ready$"
FAILED = r"^(?P<pool>TextToText|TextEmbedding) worker (?P<worker>\d+) failed: (?P<cause>.*)$"


@dataclass(frozen=True)
class Entry:
    """One line of the program's own log."""

    t_ns: int
    level: str
    crate: str
    message: str


@dataclass(frozen=True)
class Mark:
    """An entry in which a pattern was found."""

    t_ns: int
    match: re.Match[str]


class Log:
    """The program's own lines, in order of arrival; those of its libraries are left out."""

    def __init__(self, transcript: Transcript) -> None:
        self.entries = tuple(_entries(transcript))

    @property
    def crate(self) -> str | None:
        """What the crate was called when this was built."""
        return self.entries[0].crate if self.entries else None

    def all(self, pattern: str) -> list[Mark]:
        """Every entry in which a pattern is found."""
        found = ((entry.t_ns, re.search(pattern, entry.message)) for entry in self.entries)
        return [Mark(t_ns, match) for t_ns, match in found if match]

    def first(self, pattern: str) -> Mark | None:
        """The first entry in which a pattern is found."""
        return next(iter(self.all(pattern)), None)


def _entries(transcript: Transcript) -> Iterator[Entry]:
    for line in transcript.lines("err"):
        if match := _LINE.search(line.text):
            yield Entry(line.t_ns, match["level"].strip(), match["crate"], match["message"])
