"""The one way by which text leaves for the terminal: without known secrets, and never at the cost of the work.

A standard stream may be closed, full, or a pipe that nobody reads. Then its output is lost, and nothing else is.
"""

import errno
import io
import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from parity.redaction import known, mask_of

STANDARD = (0, 1, 2)
PIECE_BYTES = 2048
"""A pipe that can be written to takes as many at once without blocking: systems guarantee at least 4096, or 512."""
PATIENCE_S = 1.0
"""How long progress waits for a reader that has stopped reading, once."""


_WORKFLOW_COMMAND = re.compile(r"^(\s*):(?=:)|##(?=\[)", re.MULTILINE)
"""What a job of GitHub Actions takes for a command to itself, whichever program's words it stands in."""


class Outlet:
    """A standard stream as commands write to it. `lost`: why it can't be written any more. `waits`: whether it waits
    for a slow reader, as results do; what doesn't wait is dropped while nobody reads."""

    def __init__(self, stream: TextIO, *, waits: bool) -> None:
        self._stream = stream
        self._waits = waits
        self._stuck = False
        self.lost: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        in_job = os.environ.get("GITHUB_ACTIONS") == "true"
        self.write_command(_WORKFLOW_COMMAND.sub(r"\g<0> ", text) if in_job else text)
        return len(text)

    def write_command(self, text: str) -> None:
        """Writes what a job of GitHub Actions may take for a command, which parity alone gives."""
        masked = mask_of(known()).text(text)
        if self.lost is None:
            try:
                self._write(masked)
            except (OSError, ValueError) as error:
                self._lose(error)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self.lost is None:
            try:
                if self._waits or self._is_read(0):
                    self._stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def isatty(self) -> bool:
        with suppress(OSError, ValueError):
            return self.lost is None and self._stream.isatty()
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _write(self, text: str) -> None:
        if self._waits:
            self._stream.write(text)
            return
        for start in range(0, len(text), PIECE_BYTES // 4):
            if not self._is_read(0 if self._stuck else PATIENCE_S):
                self._stuck = True
                return
            self._stuck = False
            self._stream.write(text[start : start + PIECE_BYTES // 4])
            self._stream.flush()

    def _is_read(self, patience_s: float) -> bool:
        """Whether a write will not block. A stream without a descriptor, as in tests, never does."""
        try:
            poll = select.poll()
            poll.register(self._stream.fileno(), select.POLLOUT)
        except (OSError, ValueError, AttributeError):
            return True
        return bool(poll.poll(patience_s * 1000))

    def _lose(self, error: OSError | ValueError) -> None:
        """What is still in the buffer goes nowhere, so that Python does not fail with it at exit."""
        self.lost = error
        with suppress(OSError, ValueError, AttributeError):
            number = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


def command(line: str) -> None:
    """Gives a job of GitHub Actions a command, on standard error."""
    write = sys.stderr.write_command if isinstance(sys.stderr, Outlet) else sys.stderr.write
    write(f"{line}\n")


@contextmanager
def outlets() -> Iterator[None]:
    """Standard output and error are outlets meanwhile. A standard descriptor that was never there leads nowhere, so
    that no file that is opened later gets its number."""
    _fill_descriptors()
    before = sys.stdout, sys.stderr
    out, err = Outlet(_usable(sys.stdout), waits=True), Outlet(_usable(sys.stderr), waits=False)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        out.flush()
        if out.lost is not None and getattr(out.lost, "errno", None) != errno.EPIPE:
            reason = getattr(out.lost, "strerror", None) or str(out.lost)
            err.write(f"parity: standard output was lost ({reason}); exit code and files are as they should be\n")
        err.flush()
        sys.stdout, sys.stderr = before


def _fill_descriptors() -> None:
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)


def _usable(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it stays open as standard streams do
    if isinstance(stream, io.TextIOWrapper):
        # A result is not lost to a terminal that can't show a character of it.
        stream.reconfigure(errors="replace")
    return stream
