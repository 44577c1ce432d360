"""The hash of what a trial generated, by which its greedy output is compared from round to round."""

from collections.abc import Sequence

from builders import SPAWN_NS, job, timeline, transcript

from parity.adapter.events import Token
from parity.reading.identity import identity_of


def output(ids: Sequence[int], end_at: int | None = None) -> str | None:
    """Of a trial that generates these ids; the token `end_at`, counted from 1, is an end token."""
    tokens = [Token(t_ns=SPAWN_NS + 200 + k, k=k, id=i, end=k == end_at) for k, i in enumerate(ids, start=1)]
    events = [*timeline(token_ms=()), *tokens]
    return identity_of(job(), transcript(events), events, lambda path: None).output_ids_sha256


def test_the_hash_is_of_the_ids_up_to_the_end_token() -> None:
    assert output([1, 2, 3]) == output([1, 2, 3])
    assert output([1, 2, 3]) != output([1, 2, 4])
    assert output([1, 2, 3], end_at=2) == output([1, 2, 9], end_at=2)
    assert output([1, 2, 3], end_at=2) != output([1, 5, 3], end_at=2)


def test_a_program_that_shows_no_token_has_no_hash_of_its_output() -> None:
    assert output([]) is None
