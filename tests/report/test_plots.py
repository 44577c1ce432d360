"""The pictures of the page: numbers lie where they should, and nothing that was not measured is drawn."""

import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.records import Conditions, Report, Stage, Trial
from parity.report.html.bars import Bar, timeline
from parity.report.html.curves import Curve, curve_plot, thin
from parity.report.html.machine import machine_plot, moments_of
from parity.report.html.rounds import Limit, Ratios, ratio_plot
from parity.report.html.spread import Row, spread_plot
from parity.report.html.svg import MOST_TICKS, Scale, beside_lines, element, mark, scale_of, share, text, tick_text

POSITIVE = st.floats(min_value=1e-6, max_value=1e9)


def drawing(picture: str) -> ElementTree.Element:
    """The picture as XML, which HTML would forgive not to be."""
    return ElementTree.fromstring(picture)


def marks(picture: str) -> list[tuple[float, float]]:
    """Places of all points, in % of the width and in pixels."""
    return [(float(e.attrib["x"].rstrip("%")), float(e.attrib["y"])) for e in drawing(picture).iter("use")]


def words(picture: str) -> list[str]:
    return [e.text or "" for e in drawing(picture).iter("text")]


@given(values=st.lists(POSITIVE, min_size=1, max_size=20), logarithmic=st.sampled_from([None, True, False]))
def test_a_scale_holds_its_values_in_order_and_has_a_few_round_ticks(
    values: list[float], logarithmic: bool | None
) -> None:
    scale = scale_of(values, logarithmic=logarithmic)
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    assert len(scale.ticks) <= MOST_TICKS + 1
    assert all(scale.low <= tick <= scale.high * (1 + 1e-9) for tick in scale.ticks)


def test_a_scale_of_logarithms_shows_half_and_double_equally_far_from_one() -> None:
    scale = Scale(0.25, 4.0, logarithmic=True)
    assert scale.at(1.0) == pytest.approx(0.5)
    assert scale.at(2.0) - 0.5 == pytest.approx(0.5 - scale.at(0.5))


def test_a_scale_from_zero_begins_there() -> None:
    assert scale_of([3.0, 7.0], from_zero=True).low == 0


@pytest.mark.parametrize(("value", "said"), [(0.002, "0.002"), (1.5, "1.5"), (200.0, "200"), (3e-7, "3e-7"), (0, "0")])
def test_a_tick_is_short(value: float, said: str) -> None:
    assert tick_text(value) == said


def test_text_of_strangers_is_escaped_and_acts_on_nothing() -> None:
    drawn = text("<script>\x1b[31m&\u202e", x=0) + element("a", "<b>", title='"')
    assert "<script>" not in drawn
    assert "<b>" not in drawn
    assert "&lt;script&gt;&amp;\ufffd" in drawn
    assert 'title="&#34;"' in drawn


def test_a_share_is_written_as_css_writes_it() -> None:
    assert (share(0.125), share(1.0), share(1 / 3)) == ("12.5%", "100%", "33.33%")


def test_each_runtime_has_a_shape_of_its_own() -> None:
    assert len({re.search(r'href="[^"]+"', mark(series, 0, 0))[0] for series in range(6)}) == 6  # type: ignore[index]


STAGES = (Stage(name="import", begin_s=0, end_s=0.5), Stage(name="decode", begin_s=0.5, end_s=2.0))


def test_a_bar_has_its_stages_at_their_times_and_says_them_in_words() -> None:
    picture = timeline("k", "Time", [Bar("Beta", "round 2", STAGES), Bar("Alpha", "round 1", STAGES[:1])])
    rects = list(drawing(picture).iter("rect"))
    widths = [float(rect.attrib["width"].rstrip("%")) for rect in rects]
    assert widths[1] == pytest.approx(3 * widths[0], rel=0.01)
    assert widths[2] == pytest.approx(widths[0], rel=0.01)
    assert [rect.findtext("title") for rect in rects[:2]] == ["start and imports: 0.50 s", "decoding: 1.50 s"]
    assert "Beta, round 2: 2.00 s" in words(picture)
    described = drawing(picture).findtext("desc")
    assert described is not None
    assert "Beta: start and imports 0.50 s, decoding 1.50 s; 2.00 s in all." in described


def test_every_picture_is_named_and_described_for_those_who_do_not_see_it() -> None:
    limits = (Limit(0.8, "speed: at least 0.8×"),)
    pictures = (
        timeline("a", "Time", [Bar("Beta", "round 2", STAGES)]),
        ratio_plot("b", "Ratio", Ratios(((1, 0.9),), 0.9, (0.8, 1.0), limits)),
        spread_plot("c", "Values", [Row("Beta", "2 s", (1.0, 3.0), 2.0)]),
        curve_plot("d", "Gaps", "said", [Curve("Beta", ((2, 1.0), (3, 2.0)), 1)], unit=" ms", along="token"),
    )
    for picture in pictures:
        root = drawing(picture)
        title, described = root.find("title"), root.find("desc")
        assert title is not None
        assert described is not None
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], described.attrib["id"]]
        assert title.text
        assert described.text


def test_a_round_below_the_limit_lies_below_its_line() -> None:
    ratios = Ratios(((1, 0.7), (2, 0.9)), 0.8, None, (Limit(0.8, "speed: at least 0.8×"),))
    picture = ratio_plot("k", "Ratio", ratios)
    [limit] = [e for e in drawing(picture).iter("line") if e.attrib["class"] == "limit"]
    (_, below), (_, above) = marks(picture)
    assert above < float(limit.attrib["y1"]) < below
    assert "speed: at least 0.8×" in words(picture)


@given(lines=st.lists(st.floats(min_value=0, max_value=170), min_size=1, max_size=4))
def test_words_of_lines_that_lie_close_do_not_overlap(lines: list[float]) -> None:
    places = sorted(beside_lines(lines))
    above = [place for place in places if place <= max(lines)]
    if min(lines) > 60:
        assert len(above) == len(lines)
        assert all(later - earlier >= 12.9 for earlier, later in pairwise(places))
    assert min(places) > 0


def test_values_lie_on_one_scale_with_their_interval() -> None:
    rows = [Row("Alpha", "10 s", (9.0, 11.0), 10.0, 0, (8.0, 12.0)), Row("Beta", "11 s", (11.0,), 11.0, 1)]
    picture = spread_plot("k", "Values", rows, "s", [Limit(12.5, "load: at most 12.5 s")])
    places = marks(picture)
    assert places[1][0] == places[2][0]
    [interval] = [e for e in drawing(picture).iter("line") if e.attrib["class"] == "interval"]
    assert float(interval.attrib["x1"].rstrip("%")) < places[0][0] < float(interval.attrib["x2"].rstrip("%"))


def test_a_long_curve_keeps_its_largest_values() -> None:
    points = [(k, 1.0) for k in range(10_000)]
    points[7_777] = (7_777, 50.0)
    assert len(thin(points)) <= 400
    assert (7_777, 50.0) in thin(points)
    assert thin(points[:5]) == points[:5]


def trial(number: int, others: float, void: str | None = None) -> Trial:
    return Trial(
        file=f"trials/{number:04}-m-t-beta-r1.jsonl",
        model="toy",
        test="t",
        runtime="beta",
        round=number,
        warmup=False,
        conditions=Conditions(wall_s=1.0, usable_cpus=2, others_cpu=others),
        void=void,
    )


def test_a_void_trial_is_marked_among_those_that_count(build_report: Callable[..., Report]) -> None:
    report = build_report(trials=(trial(1, 0.1), trial(3, 0.2)), void=(trial(2, 1.9, "others used 1.9 CPUs"),))
    plot = machine_plot(report)
    assert plot is not None
    heights = [float(e.attrib["height"]) for e in drawing(plot.picture).iter("rect")]
    assert heights.index(max(heights)) == 1
    assert len(marks(plot.picture)) == 1
    [note] = plot.notes
    assert note.endswith("of which 1 are void. The most was 1.90 of 2 CPUs, in beta, t, round 2.")


def test_many_trials_are_drawn_as_few_bars_that_keep_the_busiest() -> None:
    trials = [trial(k, 0.01) for k in range(1, 2000)] + [trial(2000, 1.5)]
    moments = moments_of(trials)
    assert len(moments) <= 300
    assert max(moment.others for moment in moments) == 1.5


def test_nothing_is_drawn_of_a_run_that_recorded_no_conditions(build_report: Callable[..., Report]) -> None:
    assert machine_plot(build_report()) is None
