"""The transcript of a program that was never started, and why."""

import time
from pathlib import Path
from typing import Literal

from parity.transcript import Head, NoSpawn, Transcript, TranscriptWriter, read_transcript


def unspawned(path: Path, head: Head, message: str, cause: Literal["refused", "cancelled"]) -> Transcript:
    """Writes it, and returns it as it is on disk."""
    writer = TranscriptWriter(path, head)
    writer.no_spawn(NoSpawn(t_ns=time.monotonic_ns(), errno=0, message=message, cause=cause))
    writer.close()
    return read_transcript(path)
