"""What a trial used by phase: counts between the samples within a phase, and nothing where there are too few."""

from collections.abc import Sequence
from typing import Any

import pytest
from builders import MS, SPAWN_NS, timeline, transcript

from parity.adapter.events import Aside, Event, Settings
from parity.reading.timeline import Timeline
from parity.reading.use import threads_of, use_of
from parity.records import Use
from parity.transcript import Counters, End, Sample, ThreadsSeen

TOKENS_MS = tuple(range(1000, 3001, 100))
EVENTS = timeline(ready_ms=800, prefill_ms=810, token_ms=TOKENS_MS)


def sample(ms: int, cpu_s: float, **counters: Any) -> Sample:
    return Sample(t_ns=SPAWN_NS + ms * MS, rss_bytes=1, cpu_s=cpu_s, counters=Counters(**counters))


SAMPLES = (
    sample(700, 0.35, user_s=0.3, system_s=0.05, voluntary=7, minor_faults=70, threads=2),
    sample(900, 0.4, user_s=0.3, system_s=0.1, voluntary=8, minor_faults=80, threads=2),
    sample(1500, 1.0, user_s=0.8, system_s=0.2, voluntary=10, minor_faults=90, threads=3),
    sample(2500, 2.5, user_s=2.2, system_s=0.3, voluntary=60, minor_faults=95, threads=4),
    sample(3500, 3.0, user_s=2.7, system_s=0.3, voluntary=70, minor_faults=96, threads=4),
)


def uses(events: Sequence[Event] = EVENTS, samples: Sequence[Sample] = SAMPLES, **end: Any) -> dict[str, Use]:
    ended = End(t_ns=SPAWN_NS + 4000 * MS, by="exit", exit_code=0, **{"cpu_s": 3.5, **end})
    return {use.phase: use for use in use_of(Timeline(transcript(events, samples=samples, end=ended), events))}


def test_a_phase_has_the_counts_between_its_first_and_its_last_sample() -> None:
    decode = uses()["decode"]
    assert (decode.seconds, decode.counted_s, decode.tokens) == (2.0, 1.0, 20)
    assert (decode.cpu_s, decode.system_s, decode.voluntary, decode.minor_faults) == (1.5, 0.1, 50, 5)
    assert decode.threads == 4


def test_a_load_is_counted_from_the_start_of_its_process() -> None:
    load = uses()["load"]
    assert (load.seconds, load.counted_s, load.tokens) == (0.8, 0.7, None)
    assert (load.cpu_s, load.voluntary, load.minor_faults) == (0.35, 7, 70)


def test_a_phase_that_is_too_short_has_no_count_and_says_why() -> None:
    prefill = uses()["prefill"]
    assert (prefill.seconds, prefill.counted_s, prefill.cpu_s, prefill.voluntary) == (0.19, None, None, None)
    assert "less than 0.5 s" in prefill.absent["voluntary"]
    assert "less than 0.5 s" in prefill.absent["cpu_s"]


def test_a_counter_that_the_system_lacks_is_absent_with_its_reason_and_no_zero() -> None:
    decode = uses(counters_absent={"involuntary": "this system does not tell"})["decode"]
    assert decode.involuntary is None
    assert decode.absent["involuntary"] == "this system does not tell"
    assert decode.absent["read_bytes"] == "it was not counted"


def test_a_trial_of_an_earlier_version_has_cpu_time_and_no_counters() -> None:
    old = [Sample(t_ns=s.t_ns, rss_bytes=1, cpu_s=s.cpu_s) for s in SAMPLES]
    decode = uses(samples=old)["decode"]
    assert (decode.cpu_s, decode.system_s, decode.voluntary, decode.threads) == (1.5, None, None, None)
    assert "did not ask for it" in decode.absent["voluntary"]


def test_the_whole_trial_has_what_the_kernel_says_at_its_end() -> None:
    whole = uses(counters=Counters(user_s=3.0, system_s=0.5, voluntary=99, minor_faults=400))["trial"]
    assert (whole.seconds, whole.counted_s, whole.cpu_s, whole.voluntary, whole.system_s) == (4.0, 4.0, 3.5, 99, 0.5)


def test_work_after_the_answer_does_not_count() -> None:
    aside = Aside(t_ns=SPAWN_NS + 3800 * MS, begin_ns=SPAWN_NS + 3100 * MS, cpu_s=0.5, peak_rss_bytes=1, prefills_ns=[])
    whole = uses([*EVENTS, aside])["trial"]
    assert (whole.seconds, whole.counted_s, whole.cpu_s) == (3.1, 2.5, 2.5)


def test_a_program_that_shows_no_phase_has_the_whole_trial_alone() -> None:
    assert list(uses([])) == ["trial"]


def test_what_asks_a_server_that_was_running_before_is_not_counted() -> None:
    events = [Settings(t_ns=SPAWN_NS, values={"already_running": True}), *EVENTS]
    assert uses(events) == {}


def test_threads_are_known_by_name() -> None:
    seen = ThreadsSeen(name="worker", most=4, voluntary=10, involuntary=1)
    end = End(t_ns=SPAWN_NS + 4000 * MS, by="exit", exit_code=0, threads=(seen,))
    [found] = threads_of(Timeline(transcript([], end=end), []))
    assert (found.name, found.most, found.voluntary) == ("worker", 4, 10)
    partly = end.but(counters_absent={"voluntary": "too many threads"})
    assert threads_of(Timeline(transcript([], end=partly), [])) == ()


@pytest.mark.parametrize("samples", [(), SAMPLES[:1]])
def test_without_samples_no_phase_has_a_count(samples: Sequence[Sample]) -> None:
    found = uses(samples=samples)
    assert found["decode"].cpu_s is None
    assert found["decode"].absent
