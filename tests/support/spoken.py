"""Runtimes that are made up of distributions: what each generates and scores after a prompt, for tests of outputs."""

import hashlib
import json
import math
import random
from collections.abc import Mapping, Sequence

from builders import trial

from parity.records import Departure, Failure, Identity, Scalar, Scored, Trial

VOCABULARY = 40
PROMPT = (1, 2, 3, 4)
CONTINUATION = tuple(5 + k % 30 for k in range(24))
SEQUENCE = (*PROMPT, *CONTINUATION)
LEAD = 4.0
"""By how many nats the sequence's own ids lead in the logits of `SPOKEN`."""

Logits = list[list[float]]


def spoken(seed: int = 0) -> Logits:
    """A row of logits for each position but the first, in which the ids of the sequence are the likeliest."""
    draw = random.Random(seed)
    rows = [[draw.uniform(-2, 0) for _ in range(VOCABULARY)] for _ in SEQUENCE[1:]]
    for row, token in zip(rows, SEQUENCE[1:], strict=True):
        row[token] = LEAD
    return rows


SPOKEN = spoken()


def following(ids: Sequence[int]) -> Logits:
    """Logits of any sequence, by which each of its ids is by far the likeliest."""
    rows = [[-1.0 + 0.001 * k for k in range(VOCABULARY)] for _ in ids[1:]]
    for row, token in zip(rows, ids[1:], strict=True):
        row[token] = LEAD
    return rows


def noisy(rows: Logits, size: float, seed: int = 1, grows: bool = False) -> Logits:
    """The logits with normal noise of so many nats; where it grows, from none to twice that."""
    draw = random.Random(seed)
    last = max(1, len(rows) - 1)
    return [[x + draw.gauss(0, size * (2 * k / last if grows else 1)) for x in row] for k, row in enumerate(rows)]


def swapped(rows: Logits, place: int, other: int, by: float) -> Logits:
    """The logits in which, at a place of the continuation from 0, a different token leads by so many nats, or follows
    by so many less than none."""
    changed = [list(row) for row in rows]
    row = changed[len(PROMPT) - 1 + place]
    row[other] = max(row) + by
    return changed


def log_probabilities(row: Sequence[float]) -> tuple[list[float], float]:
    """With the log-sum-exp of the logits."""
    most = max(row)
    total = most + math.log(math.fsum(math.exp(x - most) for x in row))
    return [x - total for x in row], total


def scores(rows: Logits, ids: Sequence[int] = SEQUENCE, top: int = 8) -> tuple[Scored, ...]:
    """What a runtime of these logits answers when it scores the ids, to six decimals."""
    found = []
    for position, (token, row) in enumerate(zip(ids[1:], rows, strict=True), start=1):
        values, total = log_probabilities(row)
        likeliest = sorted(range(len(row)), key=lambda k: (-values[k], k))[:top]
        found.append(
            Scored(
                position=position,
                id=token,
                logprob=round(values[token], 6),
                logsumexp=round(total, 6),
                top=tuple((k, round(values[k], 6)) for k in likeliest),
            )
        )
    return tuple(found)


def generated(
    runtime: str,
    ids: Sequence[int] | None = CONTINUATION,
    *,
    rounds: int = 3,
    prompt: Sequence[int] | None = PROMPT,
    text: str | None = None,
    sampling: str | None = "greedy",
    program: str | None = None,
    version: str | None = "1",
    settings: Mapping[str, Scalar] | None = None,
    departures: tuple[Departure, ...] = (),
    ended: bool = False,
    shows_end: bool = False,
    programs: Mapping[str, str] | None = None,
) -> list[Trial]:
    """The trials of a runtime that generated these ids in each round; None shows no ids. `ended`: at an end token, the
    last id where it shows that."""
    identity = Identity(
        runtime=program or runtime,
        version=version,
        weights_sha256="ab" * 32,
        prompt_ids_sha256=hashlib.sha256(json.dumps(list(prompt)).encode()).hexdigest() if prompt else None,
        prompt_tokens=len(prompt) if prompt else None,
        generated_tokens=len(ids) if ids else None,
        ended_early=ended,
        sampling=sampling,
        programs=dict(programs or {}),
        settings=dict(settings or {}),
    )
    return [
        trial(
            runtime,
            number,
            {"gen_tps": 100.0},
            identity=identity,
            prompt_ids=tuple(prompt) if prompt else None,
            output_ids=tuple(ids) if ids else None,
            shows_end=shows_end,
            text=text,
            departures=departures,
        )
        for number in range(1, rounds + 1)
    ]


def score_trial(
    runtime: str,
    rows: Logits | None,
    ids: Sequence[int] = SEQUENCE,
    prompt: int = len(PROMPT),
    *,
    number: int = 1,
    failure: str = "crash",
    departures: tuple[Departure, ...] = (),
    identity: Identity | None = None,
) -> Trial:
    """A trial that scored the ids, or failed without rows. `number`: of its round, 2 for the runtime's own answer."""
    return Trial(
        file=f"trials/{runtime}-score.jsonl",
        model="m",
        test="t",
        runtime=runtime,
        round=number,
        warmup=False,
        task="score",
        prompt_ids=tuple(ids[:prompt]),
        scores=scores(rows, ids) if rows is not None else (),
        failure=Failure(kind=failure, message="it died") if rows is None else None,
        departures=departures,
        identity=identity,
    )
