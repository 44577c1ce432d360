"""The transcript of one process on disk: what it was asked, what it wrote and when, and how it ended.

A JSON-lines file that grows while the process runs, so a killed run keeps what it saw. The lines, in order: `head`,
then `launch`, then `before` (of a trial), then `spawn` (or `no_spawn`), then pieces of output and samples as they come,
then `after` (of a trial), then `end`.
Every instant is in ns of the system's monotonic clock.
"""

from parity.transcript.content import LINE_END, Line, Piece, Transcript
from parity.transcript.reading import has_begun, read_transcript
from parity.transcript.records import (
    TRANSCRIPT_VERSION,
    End,
    EndedBy,
    Files,
    Head,
    Launched,
    NoSpawn,
    Sample,
    SeenFile,
    Spawned,
    Stream,
    Surroundings,
)
from parity.transcript.writing import TranscriptWriter, add_files

__all__ = [
    "LINE_END",
    "TRANSCRIPT_VERSION",
    "End",
    "EndedBy",
    "Files",
    "Head",
    "Launched",
    "Line",
    "NoSpawn",
    "Piece",
    "Sample",
    "SeenFile",
    "Spawned",
    "Stream",
    "Surroundings",
    "Transcript",
    "TranscriptWriter",
    "add_files",
    "has_begun",
    "read_transcript",
]
