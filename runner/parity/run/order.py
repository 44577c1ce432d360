"""The order of the runtimes within each round: balanced over the rounds, drawn from the seed. Pure.

Whoever runs second may be slower, and the machine may drift. So over the rounds each runtime is equally often in each
place and after each other one (a Williams design, 1949). Rounds come in pairs: the second of a pair runs everything in
reverse, so that after each pair all runtimes have had the same mean place.
"""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def orders(items: Sequence[T], draw: random.Random) -> Iterator[tuple[T, ...]]:
    """The orders of one round after another, without end."""
    if len(items) < 2:
        while True:
            yield tuple(items)
    while True:
        names = draw.sample(list(items), len(items))
        pairs = [(row, row[::-1]) for row in _half_of_a_square(len(items))]
        draw.shuffle(pairs)
        for pair in pairs:
            for row in draw.sample(pair, 2):
                yield tuple(names[k] for k in row)


def _half_of_a_square(size: int) -> list[tuple[int, ...]]:
    """Rows of a Williams square that give the whole of it together with their reverses: with an even size half of the
    cyclic rows of 0, 1, n − 1, 2, n − 2, …; with an odd one all of them."""
    zigzag = [0, *((k + 1) // 2 if k % 2 else size - k // 2 for k in range(1, size))]
    rows = [tuple((place + shift) % size for place in zigzag) for shift in range(size)]
    kept: list[tuple[int, ...]] = []
    for row in rows:
        if row[::-1] not in kept:
            kept.append(row)
    return kept
