"""K-quants are made by llama.cpp's own quantiser: `quantise.py`, run in a process of its own."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from parity.adapter import Command, Marker
from parity.errors import ModelError
from parity.hosts.local import supervise
from parity.hosts.sighting import Sighting
from parity.models import Step, Watch
from parity.records import Limits
from parity.transcript import Head, Transcript

SCRIPT: Final = Path(__file__).with_name("quantise.py")
INSTALL: Final = "pip install 'parity-matrix[llama-cpp]'"
UPGRADE: Final = "pip install --upgrade llama-cpp-python"
NOT_INSTALLED: Final = 3
"""Exit code of the script where llama-cpp-python can't be imported."""

DEADLINE_S: Final = 3600.0
TENSOR: Final = Marker(pattern=r"^\d+ \d+$")


def quantise(source: Path, target: Path, quant: str, tensors: int, watch: Watch) -> None:
    """Writes `target`, the model of the GGUF `source` in a different quantisation. `tensors`: how many `source` has.

    Raises:
        ModelError: llama-cpp-python is not installed here, or its quantiser failed. `target` may be half written.
    """
    argv = (sys.executable, str(SCRIPT), str(source), str(target), quant)

    def see(sighting: Sighting) -> None:
        if sighting.kind == "token":
            watch(Step(f"quantising {target.name}", min(sighting.count, tensors), tensors, "tensors"))

    with tempfile.TemporaryDirectory() as folder:
        transcript = supervise(
            Command(argv=argv, deadline_s=DEADLINE_S, step=TENSOR),
            head=Head(purpose="build", runtime="llama.cpp's quantiser"),
            path=Path(folder) / "quantise.jsonl",
            limits=Limits(total_s=DEADLINE_S),
            watch=see,
        )
    end = transcript.end
    if end is None or end.exit_code != 0:
        missing = end is not None and end.exit_code == NOT_INSTALLED
        raise ModelError(f"{quant} can't be made here: {_reason(transcript)}", INSTALL if missing else UPGRADE)


def _reason(transcript: Transcript) -> str:
    end = transcript.end
    if end is None:
        return transcript.no_spawn.message if transcript.no_spawn is not None else "the quantiser was interrupted"
    if end.by.startswith("deadline"):
        return f"the quantiser did not finish in {DEADLINE_S:.0f} s"
    lines = [line.text.strip() for line in transcript.lines("err") if line.text.strip()]
    status = f"with exit code {end.exit_code}" if end.signal is None else f"by signal {end.signal}"
    return lines[-1] if lines else f"the quantiser ended {status}"
