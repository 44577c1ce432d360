"""K-quants are made by a runtime's own quantiser, in a process of its own: the engine names no runtime.

A package offers one through the entry-point group `parity.quantisers`: a function of input file, output file and
quantisation that returns the command to run. The command prints `DONE TOTAL` lines on its standard output, and its
reason on standard error if it fails.
"""

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Final

from parity.adapter import Command
from parity.errors import ModelError
from parity.models.progress import Progress

GROUP: Final = "parity.quantisers"
INSTALL: Final = "pip install 'parity-matrix[llama-cpp]'"


def quantise(source: Path, target: Path, quant: str, progress: Progress) -> None:
    """Writes `target`, the model of the GGUF `source` in another quantisation.

    Raises:
        ModelError: no quantiser is installed, or every one that is failed.
    """
    reasons = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            command = Command.model_validate(point.load()(str(source), str(target), quant))
            _run(command, lambda done, total: progress(f"quantising {target.name}", done, total))
        except Exception as error:
            # A third party's quantiser may raise anything; the next one may still do.
            reasons.append(f"{point.name}: {error}")
            target.unlink(missing_ok=True)
        else:
            return
    wrong = "; ".join(reasons) or "no installed package brings a quantiser"
    raise ModelError(f"{quant} can't be made here: {wrong}", INSTALL)


def _run(command: Command, told: Callable[[int, int], None]) -> None:
    with tempfile.TemporaryFile() as errors, _started(command, errors) as process:
        assert process.stdout is not None
        deadline = threading.Timer(command.deadline_s, process.kill)
        deadline.start()
        try:
            for line in process.stdout:
                with contextlib.suppress(ValueError):
                    done, total = map(int, line.split())
                    told(done, total)
            status = process.wait()
        finally:
            deadline.cancel()
        if status != 0:
            raise RuntimeError(_last_line(errors) or f"it ended with status {status}")


@contextlib.contextmanager
def _started(command: Command, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=os.environ | command.env,
        cwd=command.cwd,
    )
    try:
        yield process
    finally:
        # After Ctrl-C it may still be at work; after its end this does nothing.
        process.kill()
        process.communicate()


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4096))
    lines = [line for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
