"""What the markers of a launch see, and what follows from it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from supervised import FAR, READY, TOKEN, Run, end_of, lasted_s, limits, python

from parity.adapter import Marker, Markers
from parity.hosts.local.markers import LONGEST_LINE_BYTES, LineSearch
from parity.hosts.sighting import Sighting


def test_a_stop_marker_ends_the_trial_when_it_arrives(run: Run) -> None:
    code = "import time; print('one'); print('# Example 2'); print('rest'); time.sleep(600)"
    transcript = run(python(code), markers=Markers(stop=Marker(pattern="^# Example 2$")))
    end = end_of(transcript)
    assert (end.by, end.signals) == ("stop", ("SIGINT",))
    found = transcript.find("^# Example 2$", "out")
    assert found is not None
    assert end.t_ns == found[0].t_ns


@pytest.mark.slow
def test_a_fail_marker_ends_a_program_that_would_wait_for_ever(run: Run) -> None:
    code = "import sys, time; print('worker 1 failed', file=sys.stderr, flush=True); time.sleep(600)"
    transcript = run(python(code), markers=Markers(fail=Marker(pattern=r"^worker \d failed", stream="err")))
    end = end_of(transcript)
    assert (end.by, end.signals) == ("fail", ("SIGINT",))
    assert lasted_s(transcript) < FAR / 2


@pytest.mark.parametrize("words", [("stop", "fail"), ("fail", "stop")])
def test_everything_wanted_was_seen_also_where_a_part_failed(run: Run, words: tuple[str, str]) -> None:
    code = f"import sys, time; print({words[0]!r}, {words[1]!r}, sep='\\n', flush=True); time.sleep(600)"
    markers = Markers(stop=Marker(pattern="^stop$"), fail=Marker(pattern="^fail$"))
    assert end_of(run(python(code), markers=markers)).by == "stop"


@pytest.mark.slow
def test_a_program_of_which_another_part_works_on_is_not_ended_for_the_part_that_failed(run: Run) -> None:
    busy = "end = time.monotonic() + 4\nwhile time.monotonic() < end: pass\n"
    code = f"import time\nprint('fail', flush=True)\n{busy}print('stop', flush=True); time.sleep(600)"
    markers = Markers(stop=Marker(pattern="^stop$"), fail=Marker(pattern="^fail$"))
    assert end_of(run(python(code), markers=markers)).by == "stop"


@pytest.mark.slow
@pytest.mark.parametrize("words", [("fail", "ready"), ("ready", "fail")])
def test_a_part_that_failed_beside_one_that_is_ready_shortens_no_limit(run: Run, words: tuple[str, str]) -> None:
    code = f"import time; print({words[0]!r}, {words[1]!r}, sep='\\n', flush=True); time.sleep(4); print('stop')"
    markers = Markers(ready=Marker(pattern="^ready$"), stop=Marker(pattern="^stop$"), fail=Marker(pattern="^fail$"))
    assert end_of(run(python(code), markers=markers)).by in ("stop", "exit")


def test_a_stop_marker_counts_on_its_own_stream_only(run: Run) -> None:
    code = "import sys; print('stop', file=sys.stderr); print('done')"
    assert end_of(run(python(code), markers=Markers(stop=Marker(pattern="stop")))).by == "exit"


@pytest.mark.slow
@pytest.mark.parametrize(("partial", "by"), [(True, "deadline:total"), (False, "deadline:first-token")])
def test_an_unfinished_line_is_searched_where_the_marker_says_so(run: Run, partial: bool, by: str) -> None:
    transcript = run(
        python("import time; print('token', end=''); time.sleep(600)"),
        limits(first_token_s=1.0, total_s=1.5),
        markers=Markers(first_token=Marker(pattern="^token", partial=partial)),
    )
    assert end_of(transcript).by == by


def test_sightings_come_in_order_and_count_tokens(run: Run) -> None:
    code = "print('ready'); print('token 1'); print('token 2\\ntoken 3')"
    seen: list[Sighting] = []
    transcript = run(python(code), markers=Markers(ready=READY, first_token=TOKEN, token=TOKEN), watch=seen.append)
    kinds = [sighting.kind for sighting in seen]
    assert kinds == ["spawn", "ready", "first-token", "token", "token", "token", "end"]
    assert seen[-1].count == 3
    assert transcript.spawn is not None
    assert seen[0].t_ns == transcript.spawn.t_ns
    assert seen[1].t_ns == next(transcript.lines("out")).t_ns


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"tok ", b"tok", b"\n", b"\r\n", b"x", b"\xff", "é".encode()]), max_size=30), st.data()
)
def test_tokens_are_counted_the_same_however_the_stream_is_cut(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    search = LineSearch({"token": Marker(pattern="tok", partial=True)})
    assert sum(count for piece in pieces for _, count in search.feed(piece)) == stream.count(b"tok")


def test_an_endless_line_is_searched_in_its_first_part_only() -> None:
    search = LineSearch({"stop": Marker(pattern="end"), "ready": Marker(pattern="^x+$")})
    for _ in range(100):
        assert list(search.feed(b"x" * LONGEST_LINE_BYTES)) == []
    assert list(search.feed(b"end\nend\n")) == [("ready", 1), ("stop", 1)]
