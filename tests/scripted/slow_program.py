"""A scripted program that is slow for a known reason, for what a diagnosis must find. It speaks the event protocol.

`slow_program.py JOB [--because REASON] [--work MS]`: each token takes `--work` ms of CPU time, and then

    sleeps   as long again without computing
    faults   as much CPU time again in the kernel, which gives it new memory again and again
    rereads  nothing; but it reads the file of the weights twice when it loads
    pool     nothing; but it starts more threads than there are CPUs, under the name of Tokio's workers
"""

import argparse
import ctypes
import json
import mmap
import os
import sys
import threading
import time
from pathlib import Path

BLOCK = bytes(1 << 20)
PR_SET_NAME = 15


def send(ev: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"ev": ev, "t_ns": time.monotonic_ns(), **fields}) + "\n")
    sys.stdout.flush()


def compute(seconds: float) -> None:
    """Takes so much CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(500))


def fault(seconds: float) -> None:
    """Takes so much CPU time with memory that is new each time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        with mmap.mmap(-1, len(BLOCK)) as memory:
            if hasattr(mmap, "MADV_NOHUGEPAGE"):
                memory.madvise(mmap.MADV_NOHUGEPAGE)
            memory.write(BLOCK)


def read(path: str) -> None:
    with Path(path).open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def wait_by_name(name: bytes) -> None:
    ctypes.CDLL(None).prctl(PR_SET_NAME, name, 0, 0, 0)
    threading.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("job", nargs="?")
    parser.add_argument("--because", choices=("sleeps", "faults", "rereads", "pool"))
    parser.add_argument("--work", type=float, default=20.0)
    parser.add_argument("--version", action="store_true")
    options = parser.parse_args()
    if options.version:
        print("slow-program 1.0 (scripted)")
        return
    job = json.loads(Path(options.job).read_text(encoding="utf-8"))
    work_s = options.work / 1000
    send("hello", protocol=1, runtime="slow-program", version="1.0", device="cpu")
    for _ in range(2 if options.because == "rereads" else 1):
        read(job["model"]["path"])
    if options.because == "pool":
        for _ in range((os.cpu_count() or 1) + 2):
            threading.Thread(target=wait_by_name, args=(b"tokio-rt-worker",), daemon=True).start()
    send("phase", name="weights", edge="end")
    send("phase", name="ready", edge="end")
    send("settings", values={"threads": 1, "device": "cpu"})
    send("prompt", ids=[1, 2, 3])
    send("phase", name="prefill", edge="begin")
    for k in range(1, job["test"]["max_tokens"] + 1):
        compute(work_s)
        if options.because == "sleeps":
            time.sleep(work_s)
        if options.because == "faults":
            fault(work_s)
        send("token", k=k, id=100 + k)
    send("text", text="scripted text")
    send("bye", reason="length")


if __name__ == "__main__":
    main()
