"""A scripted program that is shown text alone, for ways of sending `token` events of it: `afterwards.py JOB WAY`.

It computes nothing: a piece of text comes every 20 ms. `saved`: it tokenises the whole text at its end, and stamps each
token with the instant that it saved of its piece. `pieces`: it tokenises each piece of three tokens as it comes.
`single`: each piece is one token, which is sent as it comes. `held`: the same, written as parity's own workers do.
"""

import json
import sys
import time
from pathlib import Path

STEP_S = 0.02


def send(ev: str, t_ns: int | None = None, **fields: object) -> None:
    print(json.dumps({"ev": ev, "t_ns": t_ns or time.monotonic_ns(), **fields}), flush=True)


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        print("afterwards 1.0 (scripted)")
        return
    job, way = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2]
    count, at_once = job["test"]["max_tokens"], 3 if way == "pieces" else 1
    send("hello", protocol=1, runtime="afterwards", version="1.0", device="scripted cpu")
    send("phase", name="ready", edge="end")
    send("prompt", ids=[1, 2, 3])
    send("phase", name="prefill", edge="begin")
    stamps: list[int] = []
    held = 1
    for first in range(0, count, at_once):
        time.sleep(STEP_S * at_once)
        t_ns = time.monotonic_ns()
        stamps += [t_ns] * min(at_once, count - first)
        if way == "single" or way == "pieces" or (way == "held" and first == 0):
            tell(first + 1, stamps)
        elif way == "held" and t_ns - stamps[held] > 2e8:
            tell(held + 1, stamps)
            held = len(stamps)
    if way == "saved":
        tell(1, stamps)
    elif way == "held":
        tell(held + 1, stamps)
    send("text", text="scripted text")
    send("bye", reason="length")


def tell(first: int, stamps: list[int]) -> None:
    """Sends the tokens from number `first` on."""
    for k, t_ns in enumerate(stamps[first - 1 :], start=first):
        send("token", t_ns, k=k, id=100 + k)


if __name__ == "__main__":
    main()
