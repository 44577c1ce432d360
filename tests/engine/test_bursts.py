"""A rate behind a long wait for the first token is in doubt beside a runtime that shows none."""

import pytest
from builders import also, trial

from parity.judging.bursts import with_bursts
from parity.reading.stamps import FACT
from parity.records import Identity, Trial


def cell(
    runtime: str,
    first_s: float,
    gap_s: float,
    *,
    tokens: int = 20,
    again_s: float | None = None,
    budgets: bool = False,
    text: bool = False,
    shown: bool = False,
    slow_first: float | None = None,
) -> list[Trial]:
    """Three trials with a prompt of 4 tokens. `text`: they show text alone; `shown`: their text, be it alone or written
    by tokens, has a first piece of one token; `again_s`: what a further prefill took; `slow_first`: seconds to the
    first token of the first trial."""
    trials = []
    for k in range(1, 4):
        wait_s = slow_first if k == 1 and slow_first is not None else first_s
        one = trial(
            runtime,
            k,
            {} if text else {"ttft_s": wait_s, "gen_tps": 1 / gap_s},
            identity=Identity(weights_sha256="a", prompt_ids_sha256="p", prompt_tokens=4, generated_tokens=tokens),
        )
        if text:
            one = also(one, "first-chunk", {"ttft_s": wait_s})
        if shown:
            one = also(one, "first-text", {"ttft_s": wait_s})
        if text or shown:
            one = also(one, "chunk-interval", {"gen_tps": 1 / gap_s})
        if again_s is not None:
            one = also(one, "steady-state", {"prompt_tps": 4 / again_s})
        if budgets:
            one = also(one, "two-budgets", {"gen_tps": 1 / gap_s})
        trials.append(one)
    return trials


def doubted(*trials: list[Trial]) -> set[str]:
    every = with_bursts([trial for some in trials for trial in some], "base")
    found = {t.runtime for t in every if any(departure.fact == FACT for departure in t.departures)}
    assert all(bool(t.departures) == (t.runtime in found) for t in every)
    return found


BASE = cell("base", 0.01, 0.01)


@pytest.mark.parametrize(
    ("base", "other", "expected"),
    [
        (BASE, cell("other", 1.0, 0.003), {"other"}),
        (BASE, cell("other", 1.0, 0.004), {"other"}),
        (cell("base", 0.01, 0.01, tokens=50), cell("other", 2.5, 0.001, tokens=50), {"other"}),
        (BASE, cell("other", 0.21, 0.003), {"other"}),
        (cell("base", 1.0, 0.003), cell("other", 0.01, 0.01), {"base"}),
        (BASE, cell("other", 1.0, 0.003, again_s=0.05), {"other"}),
        (cell("base", 0.01, 0.01, text=True), cell("other", 1.0, 0.003, text=True), {"other"}),
        (cell("base", 0.01, 0.01, shown=True), cell("other", 1.0, 0.003, text=True, shown=True), {"other"}),
        (cell("base", 1.0, 0.003, text=True, shown=True), cell("other", 0.01, 0.01, shown=True), {"base"}),
    ],
    ids=[
        "slightly spread",
        "spread more",
        "on a GPU",
        "as fast as the baseline in truth",
        "the baseline",
        "further prefills that are as slow as a token in truth",
        "text",
        "text beside tokens",
        "text of the baseline beside tokens",
    ],
)
def test_tokens_that_were_made_before_the_first_stamp_are_found(
    base: list[Trial], other: list[Trial], expected: set[str]
) -> None:
    assert doubted(base, other) == expected


@pytest.mark.parametrize(
    "other",
    [
        cell("other", 0.01, 0.003),
        cell("other", 1.0, 0.01),
        cell("other", 1.0, 0.009),
        cell("other", 0.1, 0.003),
        cell("other", 2.0, 0.003, again_s=0.012),
        cell("other", 1.0, 0.003, budgets=True),
        cell("other", 0.01, 0.003, slow_first=5.0),
        cell("other", 1.0, 0.003, tokens=5),
        cell("other", 1.0, 0.03),
    ],
    ids=[
        "faster",
        "a slow prefill",
        "a slow prefill and slightly faster",
        "a prefill that is slower by less than the tokens take",
        "kernels that are compiled in the first forward",
        "two budgets",
        "a cold first trial",
        "few tokens",
        "slower in all",
    ],
)
def test_honest_runtimes_beside_an_honest_baseline_raise_no_doubt(other: list[Trial]) -> None:
    assert doubted(BASE, other) == set()


def test_runtimes_are_compared_with_the_baseline_alone_and_the_sentence_says_what_was_found() -> None:
    every = with_bursts([*BASE, *cell("slow", 0.01, 0.1), *cell("other", 1.0, 0.003)], "base")
    [sentence] = {departure.sentence for t in every for departure in t.departures}
    assert sentence.startswith(
        "the first of its tokens came 0.99 s later than that of base, and all others within 0.057 s:"
    )
    assert "short_tokens" in sentence
