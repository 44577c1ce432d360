"""How long parity takes to start: `parity --version` and `parity plan` against `python -c pass`.

    .venv/bin/python benchmarks/startup.py [--rounds 20]

Interleaved, the order drawn anew each round; the model's facts are cached by a first call that is not counted. Aim on
an idle machine: at most 150 ms and at most 400 ms above the bare interpreter.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parent.parent
PARITY = str(Path(sys.executable).with_name("parity"))
COMMANDS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "parity --version": (PARITY, "--version"),
    "parity plan": (PARITY, "plan", str(ROOT / "configs" / "quickstart.toml")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for name in COMMANDS:
        took_s(name)
    draw = random.Random(0)
    for _ in range(rounds):
        for name in draw.sample(list(COMMANDS), len(COMMANDS)):
            times[name].append(took_s(name))
    bare = statistics.median(times["python -c pass"])
    rows = [
        (
            name,
            f"{statistics.median(seen) * 1e3:.0f}",
            f"{(statistics.median(seen) - bare) * 1e3:+.0f}",
            f"{min(seen) * 1e3:.0f}",
        )
        for name, seen in times.items()
    ]
    print(f"{rounds} rounds, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.2f}\n")
    headers = ("Command", "median [ms]", "above python [ms]", "fastest [ms]")
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


def took_s(name: str) -> float:
    """Seconds from spawn to exit of one call."""
    began = time.perf_counter()
    subprocess.run(COMMANDS[name], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
