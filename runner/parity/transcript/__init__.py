"""The transcript of one process on disk: what it was asked, what it wrote and when, and how it ended.

A JSON-lines file that grows while the process runs, so a killed run keeps what it saw. The lines, in order: `head`,
then `launch`, then `before` (of a trial), then `spawn` (or `no_spawn`), then pieces of output and samples as they come,
and `hang` where a deadline was over, then `after` (of a trial), then `end`. Once a run is over, it is
kept packed.
Every instant is in ns of the system's monotonic clock.
"""

from parity.bounded.lines import LINE_END, LONGEST_SIGHT, search_end
from parity.transcript.content import Line, Piece, Transcript
from parity.transcript.packing import pack, transcripts_in
from parity.transcript.reading import read_begun, read_transcript
from parity.transcript.records import (
    TRANSCRIPT_VERSION,
    Counters,
    End,
    EndedBy,
    Files,
    GroupUsage,
    Hang,
    Head,
    Launched,
    NoSpawn,
    Sample,
    SeenFile,
    SeenProcess,
    SeenThread,
    Spawned,
    Stream,
    Surroundings,
    ThreadsSeen,
)
from parity.transcript.writing import TranscriptWriter, add_files

__all__ = [
    "LINE_END",
    "LONGEST_SIGHT",
    "TRANSCRIPT_VERSION",
    "Counters",
    "End",
    "EndedBy",
    "Files",
    "GroupUsage",
    "Hang",
    "Head",
    "Launched",
    "Line",
    "NoSpawn",
    "Piece",
    "Sample",
    "SeenFile",
    "SeenProcess",
    "SeenThread",
    "Spawned",
    "Stream",
    "Surroundings",
    "ThreadsSeen",
    "Transcript",
    "TranscriptWriter",
    "add_files",
    "pack",
    "read_begun",
    "read_transcript",
    "search_end",
    "transcripts_in",
]
