"""What judging outputs costs: the verdicts on each implementation of one model and test, without any trial.

    .venv/bin/python benchmarks/judging.py [--tokens 2048] [--runtimes 4] [--top 8] [--rounds 5]

The scores are drawn at random, from a seed: a vocabulary of 200 ids, and noise of 0.02 nats for each runtime. Aim: two
sides in less than a second.
"""

import argparse
import math
import random
import statistics
import sys
import time
from collections.abc import Sequence

from tabulate import tabulate

from parity.outputs import Compared, judge_outputs
from parity.records import Identity, Scored, Trial

AIM_S = 1.0
VOCABULARY = 200
PROMPT = 16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--runtimes", type=int, default=4)
    parser.add_argument("--top", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    draw = random.Random(1)
    ids = [draw.randrange(VOCABULARY) for _ in range(options.tokens)]
    logits = [[draw.gauss(0, 1) for _ in range(VOCABULARY)] for _ in ids[1:]]
    for row, token in zip(logits, ids[1:], strict=True):
        row[token] = 8.0
    rows = []
    for title, count, arm in (
        ("two sides", 2, False),
        ("two sides and the exact arm", 2, True),
        (f"{options.runtimes} runtimes", options.runtimes, False),
        (f"{options.runtimes} runtimes and the exact arm", options.runtimes, True),
    ):
        names = [f"runtime {k}" for k in range(1, count + 1)]
        scored = [_trial(name, ids, _noisy(logits, 0.02, draw), options.top, "score") for name in names]
        exact = [_trial(f"exact {k}", ids, _noisy(logits, 1e-5, draw), options.top, "exact") for k in (1, 2)]
        generated = [_trial(name, ids, (), options.top, "generate") for name in names]
        took = []
        for _ in range(options.rounds):
            compared = Compared("m", "t", names[0], generated, scored, exact=exact if arm else ())
            begun = time.perf_counter()
            found = [judge_outputs(compared, name) for name in names[1:]]
            took.append(time.perf_counter() - begun)
        verdicts = ", ".join(dict.fromkeys(verdict.verdict for verdict in found if verdict is not None))
        rows.append((title, len(found), verdicts, statistics.median(took)))
    print(tabulate(rows, headers=["What is judged", "Verdicts", "all", f"{len(ids)} tokens, top {options.top} [s]"]))
    print(f"Two sides and the exact arm: {rows[1][3]:.3f} s, the median of {options.rounds}; aim < {AIM_S:g} s")
    return 0 if rows[1][3] < AIM_S else 1


def _noisy(logits: Sequence[Sequence[float]], size: float, draw: random.Random) -> list[list[float]]:
    return [[x + draw.gauss(0, size) for x in row] for row in logits]


def _trial(name: str, ids: Sequence[int], logits: Sequence[Sequence[float]], top: int, what: str) -> Trial:
    """One that scored the ids, or that generated those after the prompt."""
    generates = what == "generate"
    return Trial(
        file="f",
        model="m",
        test="t",
        runtime=name,
        round=1,
        warmup=False,
        task="generate" if generates else "score",
        kind="exact" if what == "exact" else "full",
        identity=Identity(runtime=name, version="1", weights_sha256="ab" * 32, prompt_ids_sha256="ab" * 32),
        prompt_ids=tuple(ids[:PROMPT]),
        output_ids=tuple(ids[PROMPT:]) if generates else None,
        scores=tuple(_scored(k, ids[k], row, top) for k, row in enumerate(logits, start=1)),
    )


def _scored(position: int, token: int, row: Sequence[float], top: int) -> Scored:
    total = math.log(math.fsum(map(math.exp, row)))
    likeliest = sorted(range(len(row)), key=lambda k: -row[k])[:top]
    listed = tuple((k, round(row[k] - total, 6)) for k in likeliest)
    return Scored(position=position, id=token, logprob=round(row[token] - total, 6), logsumexp=total, top=listed)


if __name__ == "__main__":
    sys.exit(main())
