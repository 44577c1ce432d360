"""The hash of what a trial generated, by which its greedy output is compared from round to round."""

from collections.abc import Sequence

import pytest
from builders import MS, SPAWN_NS, job, timeline, transcript

from parity.adapter.events import Bye, Token
from parity.hosts.machine import host_facts
from parity.reading.identity import identity_of
from parity.reading.trial import read_trial
from parity.records import Slot
from parity_adapters.command import CommandLine, CommandSettings


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


@pytest.mark.parametrize("end_at", [None, 3])
def test_a_trial_says_whether_its_last_id_is_an_end_token(end_at: int | None) -> None:
    shown = [
        event.model_copy(update={"end": event.k == end_at}) if isinstance(event, Token) else event
        for event in timeline(token_ms=(150, 160, 170))
    ]
    ran = transcript([*shown, Bye(t_ns=SPAWN_NS + 180 * MS, reason="length" if end_at is None else "end-token")])
    adapter = CommandLine(CommandSettings(program="p", events=True), host_facts())
    found = read_trial(adapter, Slot(model="m", test="t", runtime="one", round=1), "x", ran, None, lambda path: None)
    assert found.failure is None, found.failure
    assert found.output_ids == (1, 2, 3)
    assert found.shows_end == (end_at is not None)


def test_a_program_that_shows_no_token_has_no_hash_of_its_output() -> None:
    assert output([]) is None
