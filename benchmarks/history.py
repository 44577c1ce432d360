"""How long `parity history` takes over many runs: `.venv/bin/python benchmarks/history.py RUN [--runs 10000]`.

RUN is a run folder, of which `run.json`, `end.json` and `report.json` are copied. The first call reads every folder,
later ones only look whether a file changed. Aim: later calls take less than 1 s.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARITY = str(Path(sys.executable).with_name("parity"))
CALLS = {
    "first": (),
    "again": (),
    "all as JSON": ("--json",),
    "failed alone": ("--verdict", "failed"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--runs", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        runs = Path(place) / "runs"
        for number in range(arguments.runs):
            folder = runs / f"{number:06d}"
            folder.mkdir(parents=True)
            for name in ("run.json", "end.json", "report.json"):
                shutil.copy(arguments.run / name, folder)
        print(f"{arguments.runs} runs, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.2f}")
        for name, options in CALLS.items():
            began = time.perf_counter()
            command = [PARITY, "history", str(runs), *options]
            environment = os.environ | {"PARITY_CACHE": f"{place}/cache"}
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
            print(f"{name}: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
