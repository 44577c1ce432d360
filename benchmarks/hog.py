"""Keeps CPUs busy for a share of the time, so that measurements can be judged on a disturbed machine.

    .venv/bin/python benchmarks/hog.py [--duty 0.25] [--seconds 60] [--processes 1]

Each process computes for `duty` of every 100 ms and sleeps for the rest; at a duty of 1 it never sleeps. It ends by
itself after `seconds`, or when it is interrupted.
"""

import argparse
import multiprocessing
import time

PERIOD_S = 0.1


def burn(duty: float, seconds: float) -> None:
    """Computes for `duty` of each period. What another program takes of a busy part is not caught up."""
    start = time.monotonic()
    end, period = start + seconds, start
    while period < end:
        busy_until = min(period + duty * PERIOD_S, end)
        while time.monotonic() < busy_until:
            pass
        period += PERIOD_S
        time.sleep(max(0.0, min(period, end) - time.monotonic()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duty", type=float, default=0.25, help="share of the time in which it computes, 0 to 1")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it lasts")
    parser.add_argument("--processes", type=int, default=1, help="how many do so at once")
    arguments = parser.parse_args()
    if not 0 <= arguments.duty <= 1:
        parser.error("--duty is a share: give a number from 0 to 1")
    hogs = [
        multiprocessing.Process(target=burn, args=(arguments.duty, arguments.seconds), daemon=True)
        for _ in range(arguments.processes)
    ]
    for hog in hogs:
        hog.start()
    for hog in hogs:
        hog.join()


if __name__ == "__main__":
    main()
