"""A scripted program that speaks the event protocol, for faults that a real runtime can't be asked to commit.

It computes nothing: it sleeps and prints. `speaker.py JOB [--fault NAME] [--rate TPS] [--load S] [--ids N,N,…]`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FAULTS = (
    "exit-1",
    "hang-before-first-token",
    "hang-in-load",
    "gigabyte",
    "invalid-utf8",
    "sigkill",
    "grandchild",
    "ignores-sigterm",
    "silent",
    "garbage",
    "refuses",
    "out-of-memory",
    "wrong-clock",
    "half-line",
    "no-bye",
    "misnumbered",
    "no-tokens",
)


def send(ev: str, t_ns: int | None = None, **fields: object) -> None:
    line = json.dumps({"ev": ev, "t_ns": t_ns or time.monotonic_ns(), **fields})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("job", nargs="?")
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--load", type=float, default=0.02)
    parser.add_argument("--ids", default="1,2,3")
    parser.add_argument("--short-by", type=int, default=0)
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--note", help="taken and not used")
    options = parser.parse_args()
    if options.version:
        print("speaker 1.0 (scripted)")
        return
    job = json.loads(Path(options.job).read_text(encoding="utf-8"))
    budget = job["test"]["max_tokens"] - options.short_by
    fault(options.fault, "start")
    send("hello", protocol=1, runtime="speaker", version="1.0", device="scripted cpu")
    fault(options.fault, "load")
    time.sleep(options.load)
    send("phase", name="weights", edge="end")
    send("phase", name="ready", edge="end")
    fault(options.fault, "ready")
    send("settings", values={"threads": 1, "device": "scripted cpu"})
    send("prompt", ids=[int(part) for part in options.ids.split(",")])
    send("phase", name="prefill", edge="begin")
    time.sleep(0.01)
    for k in range(1, budget + 1):
        if k > 1:
            time.sleep(1 / options.rate)
        send("token", k=k + 1 if options.fault == "misnumbered" else k, id=100 + k)
        if k == 3:
            fault(options.fault, "middle")
    send("text", text="scripted text")
    if options.fault != "no-bye":
        send("bye", reason="length")
    fault(options.fault, "end")


def fault(name: str | None, place: str) -> None:
    match (name, place):
        case ("exit-1", "load"):
            print("speaker: something is wrong", file=sys.stderr)
            sys.exit(1)
        case ("hang-in-load", "load") | ("hang-before-first-token", "ready"):
            while True:
                sum(range(100_000))
        case ("gigabyte", "load"):
            block = b"x" * 1_000_000
            for _ in range(1000):
                os.write(1, block)
        case ("invalid-utf8", "middle"):
            os.write(2, b"caf\xe9 \xff\xfe\n")
        case ("sigkill", "middle"):
            os.kill(os.getpid(), signal.SIGKILL)
        case ("grandchild", "end"):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdin=subprocess.DEVNULL)
        case ("ignores-sigterm", "ready"):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            while True:
                time.sleep(0.01)
                sum(range(100_000))
        case ("silent", "start"):
            sys.exit(0)
        case ("garbage", "load"):
            print("this is no event")
        case ("refuses", "load"):
            send("error", kind="refused", message="the architecture is unknown", remedy="use another model")
            send("bye", reason="error")
            sys.exit(1)
        case ("out-of-memory", "load"):
            send("error", kind="oom", message="could not allocate 99 GiB")
            send("bye", reason="error")
            sys.exit(1)
        case ("wrong-clock", "ready"):
            send("phase", t_ns=1, name="header", edge="end")
        case ("half-line", "middle"):
            sys.stdout.write('{"ev":"token","t_ns":')
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        case ("no-tokens", "ready"):
            send("bye", reason="length")
            sys.exit(0)
        case _:
            pass


if __name__ == "__main__":
    main()
