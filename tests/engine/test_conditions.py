"""What is recorded around a trial, and what makes it void: pure functions of the transcript and the config."""

from dataclasses import replace
from typing import Any

import pytest
from builders import MS, SPAWN_NS, timeline, transcript
from builders import trial as made_trial

from parity.reading.conditions import conditions_of, under_conditions, void
from parity.records import ConditionLimits, Conditions, Failure, Identity, PageCache, Trial
from parity.transcript import End, Surroundings, Transcript

LIMITS = ConditionLimits()
BUSY = {"busy_s": 102.5}
"""Of 2.5 s in all, the trial used 0.5 and parity 0.1 in one second."""


def around(
    after: dict[str, Any] | None = None, before: dict[str, Any] | None = None, cpu_s: float | None = 0.5
) -> Transcript:
    """A trial of one second on two CPUs; `before` and `after` change what the two looks saw."""
    first = {"usable_cpus": 2, "busy_s": 100.0, "own_cpu_s": 1.0, "load_1min": 0.5, **(before or {})}
    second = {**first, "busy_s": 100.6, "own_cpu_s": 1.1, **(after or {})}
    found = transcript(timeline(), end=End(t_ns=SPAWN_NS + 1000 * MS, by="exit", exit_code=0, cpu_s=cpu_s))
    looks = (Surroundings(t_ns=SPAWN_NS, **first), Surroundings(t_ns=SPAWN_NS + 1000 * MS, **second))
    return Transcript(head=found.head, pieces=found.pieces, end=found.end, before=looks[0], after=looks[1])


def seen(*args: Any, **kwargs: Any) -> Conditions:
    found = conditions_of(around(*args, **kwargs))
    assert found is not None
    return found


def trial_under(transcript: Transcript, limits: ConditionLimits = LIMITS, **fields: Any) -> Trial:
    return under_conditions(made_trial("one", 1, {"gen_tps": 10.0}, **fields), transcript, limits)


def test_what_others_use_is_without_the_trial_and_without_parity() -> None:
    assert seen().others_cpu == pytest.approx(0.0, abs=1e-6)
    assert seen({"busy_s": 102.1}).others_cpu == pytest.approx(1.5)


def test_an_idle_machine_whose_ticks_miss_a_part_of_the_trial_has_no_negative_others() -> None:
    assert seen({"busy_s": 100.55}).others_cpu == 0.0


def test_what_others_use_is_absent_where_the_system_does_not_count_cpu_time() -> None:
    found = seen({"busy_s": 100.0})
    assert found.others_cpu is None
    assert "don't hold those of the trial" in found.absent["others_cpu"]
    assert void(found, LIMITS) is None


def test_the_wall_clock_was_set_by_what_it_differs_from_the_time_that_passed() -> None:
    assert seen({"wall_offset_s": 1e9 - 3600}, {"wall_offset_s": 1e9}).wall_step_s == -3600
    assert seen({"wall_offset_s": 1e9 + 0.05}, {"wall_offset_s": 1e9}).wall_step_s == 0
    assert seen().wall_step_s is None


def test_a_clock_that_was_set_makes_no_trial_void() -> None:
    stepped = around({"wall_offset_s": 1e9 + 7200}, {"wall_offset_s": 1e9})
    assert trial_under(stepped).void is None


def test_stolen_time_is_used_by_others() -> None:
    found = seen({"steal_s": 4.8}, {"steal_s": 4.0})
    assert (found.others_cpu, found.steal_cpu) == (pytest.approx(0.8), pytest.approx(0.8))
    assert "other virtual machines" in (void(found, LIMITS) or "")


def test_a_transcript_of_an_earlier_version_has_no_conditions_and_is_not_void() -> None:
    old = trial_under(transcript(timeline()))
    assert old.conditions is None
    assert old.void is None


def test_what_the_system_does_not_tell_is_absent_with_the_reason() -> None:
    found = seen({"absent": {"frequency_mhz": "the system doesn't tell CPU frequencies"}})
    assert found.frequency_mhz is None
    assert found.absent["frequency_mhz"] == "the system doesn't tell CPU frequencies"
    assert found.swapped_bytes is None


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        ({"busy_s": 101.4}, "other programs used 0.80 of 2 CPUs while it ran (limit 0.50)"),
        ({"throttled_s": {"0": 1.0, "1": 1.2}}, "a CPU was too hot and throttled for 20% of the time (limit 5%)"),
        ({"throttle_events": 5}, "a CPU was too hot and throttled 2 times"),
        ({"swapped_bytes": (1 << 30) + (100 << 20)}, "the machine swapped 100 MiB (limit 64 MiB)"),
    ],
)
def test_what_happens_outside_the_trial_makes_it_void(after: dict[str, Any], sentence: str) -> None:
    before: dict[str, Any] = {"throttle_events": 3, "swapped_bytes": 1 << 30}
    if "throttled_s" in after:
        before["throttled_s"] = {"0": 1.0, "1": 1.0}
    assert trial_under(around({**before, **after}, before)).void == sentence


def test_a_quarter_of_a_core_on_two_cpus_makes_nothing_void() -> None:
    assert trial_under(around({"busy_s": 100.6 + 0.25})).void is None


def test_what_the_trial_itself_uses_never_makes_it_void() -> None:
    """However busy its own processes are: a slow runtime can't get rid of its bad rounds."""
    assert trial_under(around({"busy_s": 102.1}, cpu_s=2.0)).void is None


@pytest.mark.parametrize(("cpus", "limit"), [(1, 0.5), (2, 0.5), (8, 1.6), (64, 12.8)])
def test_the_limit_for_others_grows_with_the_machine_unless_the_config_sets_it(cpus: int, limit: float) -> None:
    assert LIMITS.most_others_cpu(cpus) == pytest.approx(limit)
    assert ConditionLimits(others_cpu=0.1).most_others_cpu(cpus) == 0.1


def test_a_few_clock_ticks_of_a_very_short_trial_are_no_evidence() -> None:
    short = Conditions(wall_s=0.05, usable_cpus=2, others_cpu=0.8)
    assert void(short, LIMITS) is None
    assert void(short.but(wall_s=0.5), LIMITS) is not None


@pytest.mark.parametrize(
    ("fields", "is_void"),
    [
        ({}, True),
        ({"kind": "short"}, True),
        ({"failure": Failure(kind="timeout:total", message="late")}, True),
        ({"failure": Failure(kind="stall", message="silent")}, False),
        ({"failure": Failure(kind="crash:SIGSEGV", message="crashed")}, False),
        ({"failure": Failure(kind="exit:1", message="failed")}, False),
        ({"warmup": True}, False),
        ({"kind": "whole"}, False),
        ({"warmup": True, "failure": Failure(kind="timeout:load", message="late")}, True),
        ({"kind": "whole", "failure": Failure(kind="timeout:total", message="late")}, True),
        ({"kind": "whole", "failure": Failure(kind="stall", message="silent")}, False),
    ],
)
def test_a_crash_and_a_trial_without_speed_count_on_a_busy_machine_too(fields: dict[str, Any], is_void: bool) -> None:
    found = trial_under(around(BUSY), **fields)
    assert (found.void is not None) == is_void
    assert found.conditions is not None


def test_what_others_use_is_not_known_where_what_computes_is_none_of_the_trials_processes() -> None:
    ran = Identity(weights_sha256="ab" * 32, settings={"already_running": True})
    found = trial_under(around(BUSY), identity=ran)
    assert found.void is None
    assert found.conditions is not None
    assert found.conditions.others_cpu is None
    assert "can't be told from that of others" in found.conditions.absent["others_cpu"]


def test_pressure_and_page_cache_are_shown() -> None:
    cache = PageCache(state="warm", resident=1.0)
    found = seen({"pressure_s": {"cpu": 2.25}}, {"pressure_s": {"cpu": 2.0}, "page_cache": cache})
    assert found.cpu_pressure == pytest.approx(0.25)
    assert found.page_cache == cache


@pytest.mark.parametrize(("paused_s", "voids"), [(0.0, False), (0.2, False), (5.0, True)])
def test_a_trial_that_nobody_watched_for_a_while_is_void(paused_s: float, voids: bool) -> None:
    found = around()
    assert found.end is not None
    unseen = replace(found, end=found.end.but(paused_s=paused_s))
    assert (trial_under(unseen).void is not None) == voids
    if voids:
        assert "for 5.0 s" in (trial_under(unseen).void or "")
