"""What the markers of a launch see, and what follows from it."""

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from supervised import FAR, READY, TOKEN, Run, end_of, lasted_s, limits, python

from parity.adapter import PROTOCOL_MARKERS, Marker, Markers
from parity.bounded.lines import LONGEST_LINE_BYTES, LineSearch
from parity.hosts.local.markers import FarSearch, Found, search_for
from parity.hosts.sighting import Sighting
from parity.transcript import Piece
from parity_adapters.paraphym.launch import markers as markers_of_paraphym


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
    search = LineSearch({"token": ("tok", True)})
    assert sum(count for piece in pieces for _, count in search.feed(piece)) == stream.count(b"tok")


def test_a_line_that_was_counted_before_its_end_is_counted_again_in_the_next() -> None:
    search = LineSearch({"token": ("tok", True)})
    assert [list(search.feed(piece)) for piece in (b"tok", b" \ntok \n")] == [[("token", 1)], [("token", 1)]]


def test_an_endless_line_is_searched_in_its_first_part_only() -> None:
    search = LineSearch({"stop": ("end", False), "ready": ("^x+$", False)})
    for _ in range(100):
        assert list(search.feed(b"x" * LONGEST_LINE_BYTES)) == []
    assert list(search.feed(b"end\nend\n")) == [("ready", 1), ("stop", 1)]


SLOW = "(a+)+$"
"""A pattern that is not searched to its end in a line such as this, however long one waits."""
SLOW_LINE = "a" * 60 + "b"


def test_a_pattern_that_never_ends_ends_its_trial_in_seconds_and_stamps_go_on(run: Run) -> None:
    code = f"import time; print({SLOW_LINE!r})\nfor k in range(600): time.sleep(0.1); print(k)"
    transcript = run(python(code), markers=Markers(first_token=Marker(pattern=SLOW)))
    end = end_of(transcript)
    assert end.by == "markers"
    lines = list(transcript.lines("out"))
    assert end.t_ns - lines[0].t_ns < 30e9
    # The loop read on while the child searched.
    assert len(lines) > 5
    gaps = [later.t_ns - earlier.t_ns for earlier, later in pairwise(lines[1:])]
    assert sorted(gaps)[len(gaps) // 2] < 0.5e9


def test_a_pattern_that_fills_the_memory_ends_its_trial_too(run: Run) -> None:
    transcript = run(python("import time; print('a' * 60_000); time.sleep(60)"), markers=Markers(ready=GREEDY))
    assert end_of(transcript).by == "markers"


GREEDY = Marker(pattern=r"(?:(?=(a*))(?=(a*a*a*))a)*b")


@pytest.mark.parametrize("partial", [False, True])
def test_a_child_finds_what_the_loop_would_find(run: Run, partial: bool) -> None:
    code = (
        "import sys, time\n"
        "for text in ('loading\\n', 'rea', 'dy 12\\nfirst', ' token\\n', 'more\\n', 'the end\\n'):\n"
        "    sys.stdout.write(text); sys.stdout.flush(); time.sleep(0.2)\n"
        "time.sleep(60)"
    )
    seen: list[Sighting] = []
    far = Markers(
        ready=Marker(pattern=r"^ready [0-9]+"),
        first_token=Marker(pattern="^(first|second)", partial=partial),
        stop=Marker(pattern="end(ing)?$"),
    )
    transcript = run(python(code), markers=far, watch=seen.append)
    assert end_of(transcript).by == "stop"
    found = {sighting.kind: sighting.t_ns for sighting in seen}
    arrived = {piece.data: piece.t_ns for piece in transcript.pieces}
    assert found["ready"] == arrived[b"dy 12\nfirst"]
    assert found["first-token"] == (arrived[b"dy 12\nfirst"] if partial else arrived[b" token\n"])
    assert list(found) == ["spawn", "ready", "first-token", "end"]


def test_deadlines_wait_for_a_child_that_is_behind(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a marker came in time is known when it was searched for."""

    class Late(FarSearch):
        def answers(self) -> Iterator[Found]:
            early = self._fed and time.monotonic_ns() - self._fed[0] < 6e9
            return iter(()) if early else super().answers()

    monkeypatch.setattr("parity.hosts.local.markers.FarSearch", Late)
    code = "import time; print('ready 1'); time.sleep(9)"
    markers = Markers(ready=Marker(pattern="^ready [0-9]+$"))
    assert end_of(run(python(code), limits(load_s=4.0), markers=markers)).by == "exit"


@pytest.mark.parametrize("colon", [":", ": ", " : ", "\t:\t"])
def test_an_event_is_recognised_whatever_blanks_its_json_has(colon: str) -> None:
    ready, token = (f'{{"t_ns": 1, "ev"{colon}"{ev}", "name"{colon}"ready"}}\n'.encode() for ev in ("phase", "token"))
    search = search_for(PROTOCOL_MARKERS, watched=False)
    found = [{one.kind for one in search.feed(Piece(1, "out", line))} for line in (ready, token)]
    assert found == [{"ready"}, {"first-token"}]


ADVERSE = (
    "a",
    " ",
    "0",
    '"ev": ',
    '"ev" ',
    '"ev" : ',
    '"ev":"phase"',
    '"name":',
    " ERROR cyrup_candle::x",
    "] TextToText worker 1 ",
)


@pytest.mark.parametrize("word", ADVERSE)
def test_no_line_makes_the_markers_of_adapters_slow(word: str) -> None:
    quick = [PROTOCOL_MARKERS, markers_of_paraphym(whole=False)]
    line = (word * LONGEST_LINE_BYTES)[:LONGEST_LINE_BYTES].encode() + b"\n"
    for markers in quick:
        assert markers.quick
        search = search_for(markers, watched=True)
        begun = time.process_time()
        for stream in ("out", "err"):
            list(search.feed(Piece(1, stream, line)))
        assert time.process_time() - begun < 0.5
