"""A prompt that a cache answered, which outlives the process, is found by the trials of a run."""

import pytest
from builders import trial

from parity.judging.caches import with_prompt_caches
from parity.records import Trial


def ran(*ttft_s: float, load_s: tuple[float, ...] = (), warmup: bool = True) -> list[Trial]:
    loads = load_s or (0.5,) * len(ttft_s)
    return [
        trial("one", max(k, 1), {"ttft_s": s, "load_s": load}, warmup=warmup and k == 0)
        for k, (s, load) in enumerate(zip(ttft_s, loads, strict=True))
    ]


@pytest.mark.parametrize("warmup", [True, False])
def test_a_first_trial_that_is_much_slower_than_all_others_makes_the_prompt_not_comparable(warmup: bool) -> None:
    found = with_prompt_caches(ran(0.4, 0.002, 0.003, 0.002, warmup=warmup))
    assert {d.fact for t in found for d in t.departures} == {"prefix_cache"}
    assert all(t.departures[0].concerns("prompt_tps") and not t.departures[0].concerns("gen_tps") for t in found)
    assert "its first trial took 0.40 s for the prompt, and every later one at most 0.0030 s" in found[1].warnings[0]


def test_a_tiny_model_that_took_longer_than_every_trial_shows_that_its_proof_filled_the_cache() -> None:
    trials = ran(0.002, 0.003, 0.002, 0.002)
    found = with_prompt_caches(trials, {"one": 0.4})
    assert {d.fact for t in found for d in t.departures} == {"prefix_cache"}
    assert "it took 0.40 s for the prompt of a tiny model, and every trial at most 0.0030 s" in found[1].warnings[0]
    for other in ({"one": 0.012}, {"one": None}, {"two": 0.4}):
        assert with_prompt_caches(trials, other) == tuple(trials)


@pytest.mark.parametrize(
    "trials",
    [
        ran(0.4, 0.3, 0.31, 0.29),
        ran(0.4, 0.002, 0.35, 0.002),
        ran(0.012, 0.002, 0.002, 0.002),
        ran(0.4, 0.002),
        ran(5.0, 0.5, 0.5, 0.5, load_s=(9.0, 1.0, 1.0, 1.0)),
    ],
    ids=["equal", "one later trial is slow too", "within a scheduler's doing", "too few", "cold files"],
)
def test_what_else_makes_a_first_trial_slow_is_no_cache(trials: list[Trial]) -> None:
    assert with_prompt_caches(trials) == tuple(trials)


@pytest.mark.parametrize(("empty_tps", "is_cache"), [(25.0, True), (1500.0, False)])
def test_a_later_trial_that_reads_its_prompt_as_fast_as_with_an_empty_cache_used_none(
    empty_tps: float, is_cache: bool
) -> None:
    first, *later = ran(0.4, 0.002, 0.002, 0.002)
    empty = trial("one", 1, {"prompt_tps": empty_tps}, definition="steady-state").measurements
    rate = trial("one", 1, {"prompt_tps": 2000.0}).measurements
    trials = (first, *(t.but(measurements=(*t.measurements, *rate, *empty)) for t in later))
    found = with_prompt_caches(trials)
    assert any(t.departures for t in found) == is_cache


@pytest.mark.parametrize(("device", "is_cache"), [("cpu", True), ("metal", False), ("cuda:0", False)])
def test_a_warm_up_off_the_cpu_may_have_compiled_kernels(device: str, is_cache: bool) -> None:
    trials = [
        t.but(identity=t.identity.but(settings={"device": device})) for t in ran(3.0, 0.2, 0.2, 0.2) if t.identity
    ]
    assert any(t.departures for t in with_prompt_caches(trials)) == is_cache
