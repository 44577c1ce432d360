"""What a trial was at: stages without a gap, from its spawn to its end, that say no more than its marks show."""

from collections.abc import Sequence

from builders import MS, SPAWN_NS, timeline, transcript

from parity.adapter.events import Aside, Chunk, Event, Phase, Text
from parity.reading.stages import stages_of
from parity.reading.timeline import Timeline
from parity.transcript import End


def stages(events: Sequence[Event], end: End | None = None) -> list[tuple[str, float, float]]:
    """Name, begin and end of each stage, in ms."""
    found = stages_of(Timeline(transcript(events, end=end), events))
    return [(stage.name, round(1000 * stage.begin_s, 3), round(1000 * stage.end_s, 3)) for stage in found]


def phase(name: str, edge: str, ms: int) -> Phase:
    return Phase.model_validate({"t_ns": SPAWN_NS + ms * MS, "name": name, "edge": edge})


def test_stages_follow_each_other_from_spawn_to_end() -> None:
    marked = [
        phase("import", "end", 20),
        phase("tokenizer", "begin", 25),
        phase("tokenizer", "end", 40),
        phase("weights", "begin", 40),
        phase("weights", "end", 100),
    ]
    assert stages([*marked, *timeline()]) == [
        ("import", 0, 20),
        ("load", 20, 25),
        ("tokenizer", 25, 40),
        ("weights", 40, 100),
        ("other", 100, 110),
        ("prefill", 110, 150),
        ("decode", 150, 170),
        ("other", 170, 1000),
    ]


def test_weights_that_mark_their_end_alone_hold_what_came_before() -> None:
    assert stages(timeline())[:2] == [("to-weights", 0, 100), ("other", 100, 110)]


def test_the_inner_of_two_stages_has_its_time_to_itself() -> None:
    marked = [
        phase("lm-load", "begin", 10),
        phase("weights", "begin", 20),
        phase("weights", "end", 60),
        phase("lm-load", "end", 80),
        phase("ready", "end", 90),
    ]
    assert stages(marked)[:5] == [
        ("load", 0, 10),
        ("lm-load", 10, 20),
        ("weights", 20, 60),
        ("lm-load", 60, 80),
        ("load", 80, 90),
    ]


def test_a_phase_that_never_ended_lasts_until_the_process_was_gone() -> None:
    killed = End(t_ns=SPAWN_NS + 700 * MS, by="deadline:load", signal=9)
    assert stages([phase("weights", "begin", 30)], killed) == [("other", 0, 30), ("weights", 30, 700)]


def test_a_program_that_shows_text_alone_has_the_time_to_its_first_text_and_no_prefill() -> None:
    events = [
        phase("ready", "end", 50),
        phase("prefill", "begin", 50),
        Chunk(t_ns=SPAWN_NS + 400 * MS, text="a"),
        Chunk(t_ns=SPAWN_NS + 600 * MS, text="b"),
    ]
    assert stages(events) == [
        ("load", 0, 50),
        ("first-text", 50, 400),
        ("answer", 400, 600),
        ("other", 600, 1000),
    ]


def test_asides_are_not_part_of_the_answer() -> None:
    aside = Aside(t_ns=SPAWN_NS + 900 * MS, begin_ns=SPAWN_NS + 200 * MS, cpu_s=0.1, peak_rss_bytes=1)
    text = Text(t_ns=SPAWN_NS + 180 * MS, text="x")
    assert stages([*timeline(), text, aside])[-3:] == [("other", 170, 200), ("aside", 200, 900), ("other", 900, 1000)]


def test_a_stamp_beyond_the_end_ends_with_the_process() -> None:
    assert max(end for _, _, end in stages([phase("weights", "begin", 30), phase("weights", "end", 5000)])) == 1000


def test_a_process_whose_end_is_not_known_has_no_stages() -> None:
    assert stages_of(Timeline(transcript((), spawned=False), ())) == ()
