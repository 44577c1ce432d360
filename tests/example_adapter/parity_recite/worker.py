#!/usr/bin/env python3
"""Runs one job in recite and prints events: `worker.py --job FILE`, `worker.py --probe` or `worker.py --version`.

Recite stands in for a runtime: its tokens are bytes, it reads a part of the weights for each, and what it generates is
its prompt, over and over. A real worker imports its runtime and the standard library, and nothing of parity.
"""

import argparse
import json
import math
import os
import sys
import time
import zlib
from pathlib import Path
from typing import Any

VERSION = "1.0"


class Events:
    """Writes events to a private copy of standard output, and points descriptor 1 at standard error: what a library
    prints can't come between them."""

    def __init__(self) -> None:
        self._fd = os.dup(1)
        os.dup2(2, 1)

    def send(self, ev: str, **fields: Any) -> None:
        line = json.dumps({"ev": ev, "t_ns": time.monotonic_ns(), **fields}) + "\n"
        os.write(self._fd, line.encode("ascii"))


def run(events: Events, job: dict[str, Any]) -> None:
    test = job["test"]
    step_bytes = job["settings"].get("step_bytes", 1_000_000)

    events.send("phase", name="weights", edge="begin")
    weights = memoryview(Path(job["model"]["path"]).read_bytes())
    events.send("phase", name="weights", edge="end")

    events.send("phase", name="tokenizer", edge="begin")
    prompt = list(test["prompt"].encode("utf-8"))
    events.send("phase", name="tokenizer", edge="end")
    events.send("phase", name="ready", edge="end")

    settings = {"device": "cpu", "threads": 1, "prefix_cache": False, "step_bytes": step_bytes, **test["sampling"]}
    events.send("settings", values=settings)
    if job["task"] == "score":
        score(events, job["score"])
        return
    events.send("prompt", ids=prompt, text=test["prompt"])
    events.send("phase", name="prefill", edge="begin")
    for _ in prompt:
        zlib.crc32(weights[:step_bytes])
    sampled = []
    for k in range(1, test["max_tokens"] + 1):
        zlib.crc32(weights[:step_bytes])
        sampled.append(prompt[(k - 1) % len(prompt)])
        if k == 1:
            events.send("phase", name="prefill", edge="end")
        events.send("token", k=k, id=sampled[-1])
    events.send("text", text=bytes(sampled).decode("utf-8", errors="replace"))
    # Not by the caller: when this function returns, the weights are freed, which takes time.
    events.send("bye", reason="length")


def score(events: Events, asked: dict[str, Any]) -> None:
    """How likely each id of the sequence is: of all 256 bytes, the one that is recited next has 99 %."""
    ids, prompt = asked["ids"], asked["ids"][: asked["prompt_tokens"]]
    events.send("prompt", ids=prompt)
    for position in range(1, len(ids)):
        recited = prompt[position % len(prompt)]
        likely = {byte: math.log(0.99 if byte == recited else 0.01 / 255) for byte in range(256)}
        top = sorted(likely.items(), key=lambda pair: (-pair[1], pair[0]))[: asked["top"]]
        events.send(
            "scored", position=position, id=ids[position], logprob=likely[ids[position]], logsumexp=0.0, top=top
        )
    events.send("bye", reason="scored")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--job", type=Path, help="a JSON file with the job")
    what.add_argument("--probe", action="store_true", help="say hello and end")
    what.add_argument("--version", action="version", version=f"recite {VERSION}")
    arguments = parser.parse_args()
    events = Events()
    events.send("hello", protocol=1, runtime="recite", version=VERSION, device="cpu")
    if arguments.probe:
        events.send("bye", reason="probe")
        return 0
    try:
        run(events, json.loads(arguments.job.read_bytes()))
    except (OSError, MemoryError) as error:
        kind = "oom" if isinstance(error, MemoryError) else "failed"
        events.send("error", kind=kind, message=f"{type(error).__name__}: {error}")
        events.send("bye", reason="error")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
