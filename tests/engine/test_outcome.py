"""A trial that gave no result is a failure of the class that fits what was seen, in a fixed order of evidence."""

import errno
from typing import Literal

import pytest
from builders import MS, SPAWN_NS, timeline, transcript

from parity.adapter.events import Bye, Chunk, Count, Error, Event, Phase, Prompt, RuntimeFigure, Sampling, Text, Token
from parity.reading.order import contradiction
from parity.reading.outcome import classify, warnings
from parity.transcript import End, EndedBy, Head, Launched, NoSpawn, Transcript

GOOD: list[Event] = [*timeline(), Bye(t_ns=SPAWN_NS + 180 * MS, reason="length")]


def end(**fields: object) -> End:
    return End.model_validate({"t_ns": SPAWN_NS + 1000 * MS, "by": "exit", "exit_code": 0, **fields})


def kind_of(found: Transcript, events: list[Event], unreadable: str | None = None) -> str | None:
    failure = classify(found, events, unreadable)
    return failure.kind if failure else None


def test_a_good_trial_has_no_failure() -> None:
    assert kind_of(transcript(GOOD), GOOD) is None


@pytest.mark.parametrize(
    ("by", "kind"),
    [
        ("deadline:load", "timeout:load"),
        ("deadline:first-token", "timeout:first-token"),
        ("deadline:total", "timeout:total"),
        ("stall", "stall"),
        ("output-limit", "output-limit"),
        ("memory-limit", "memory-limit"),
        ("cancel", "interrupted"),
    ],
)
def test_what_parity_ended_is_classed_by_why(by: EndedBy, kind: str) -> None:
    ended = end(by=by, exit_code=None, signal=9, signals=("INT", "TERM", "KILL"))
    assert kind_of(transcript(GOOD, end=ended), GOOD) == kind


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"exit_code": 1}, "exit:1"),
        ({"exit_code": None, "signal": 9}, "crash:SIGKILL"),
        ({"exit_code": None, "signal": 11}, "crash:SIGSEGV"),
        ({"exit_code": None, "signal": 9, "oom": True}, "oom"),
    ],
)
def test_a_bad_status_is_a_failure_even_after_good_tokens(fields: dict[str, object], kind: str) -> None:
    assert kind_of(transcript(GOOD, end=end(**fields)), GOOD) == kind


def test_the_status_of_a_program_that_was_stopped_on_purpose_does_not_count() -> None:
    ended = end(by="stop", exit_code=None, signal=2, signals=("INT",))
    assert kind_of(transcript(GOOD, end=ended), GOOD) is None


@pytest.mark.parametrize(("kind", "classed"), [("refused", "refused"), ("oom", "oom"), ("failed", "exit:1")])
def test_what_a_runtime_says_of_itself_decides_before_its_status(kind: str, classed: str) -> None:
    said = Error.model_validate({"t_ns": SPAWN_NS + MS, "kind": kind, "message": "because", "remedy": "do this"})
    failure = classify(transcript([said], end=end(exit_code=1)), [said], None)
    assert failure is not None
    assert failure.kind == classed
    assert failure.message == "because (do this)"


def test_a_program_that_outlived_its_own_failure_is_a_crash_of_its_worker() -> None:
    ended = end(by="fail", exit_code=None, signal=2, signals=("SIGINT",))
    said = Error(t_ns=SPAWN_NS + MS, kind="failed", message="worker 1 failed: no model")
    for events in ([], [said]):
        failure = classify(transcript(out=b"waiting\n", end=ended), events, None)
        assert failure is not None
        assert failure.kind == "crash:worker"
    assert failure.message == "worker 1 failed: no model"


@pytest.mark.parametrize("by", ["deadline:load", "stall", "deadline:total"])
def test_a_download_that_outlasts_a_limit_is_no_hang(by: EndedBy) -> None:
    begun = Phase(t_ns=SPAWN_NS + MS, name="download", edge="begin")
    over = Phase(t_ns=SPAWN_NS + 2 * MS, name="download", edge="end")
    ended = transcript(out=b"fetching\n", end=end(by=by, exit_code=None, signal=15))
    assert kind_of(ended, [begun]) == "unavailable"
    assert kind_of(ended, [begun, over, begun]) == "unavailable"
    assert kind_of(ended, [begun, begun, over]) == "unavailable"
    assert kind_of(ended, [begun, over]) not in (None, "unavailable")
    ready = Phase(t_ns=SPAWN_NS + 3 * MS, name="ready", edge="end")
    assert kind_of(ended, [begun, begun, over, ready]) not in (None, "unavailable")
    gone = Error(t_ns=SPAWN_NS + 3 * MS, kind="failed", message="no model")
    assert kind_of(ended, [begun, gone]) != "unavailable"


@pytest.mark.parametrize("ended", [end(), end(exit_code=1), end(by="stop", exit_code=None, signal=2)])
def test_an_answer_that_is_empty_is_silent_whatever_the_status(ended: End) -> None:
    said: list[Event] = [Text(t_ns=SPAWN_NS + MS, text="")]
    assert kind_of(transcript(out=b"Example 2\n", end=ended), said) == "silent"


def test_text_that_is_blank_or_tokens_that_show_none_are_an_answer() -> None:
    blank: list[Event] = [Text(t_ns=SPAWN_NS + MS, text="\n")]
    assert kind_of(transcript(out=b"\n.\n"), blank) is None
    unseen: list[Event] = [*GOOD[:-1], Text(t_ns=SPAWN_NS + 175 * MS, text=""), GOOD[-1]]
    assert kind_of(transcript(unseen), unseen) is None


def test_exit_0_without_output_is_silent() -> None:
    assert kind_of(transcript([]), []) == "silent"


def test_output_that_cannot_be_read_is_parse_with_the_last_lines() -> None:
    failure = classify(transcript(out=b"one\ntwo\n"), [], "line 1 is not an event")
    assert failure is not None
    assert failure.kind == "parse"
    assert failure.tail == ("one", "two")


@pytest.mark.parametrize(
    "events",
    [
        timeline(token_ms=()),
        timeline(),
        [*timeline(), Token(t_ns=SPAWN_NS + 200 * MS, k=9, id=1), Bye(t_ns=SPAWN_NS + 201 * MS, reason="length")],
    ],
    ids=["no tokens", "no bye", "misnumbered"],
)
def test_events_that_hold_no_whole_result_are_parse(events: list[Event]) -> None:
    assert kind_of(transcript(events), events) == "parse"


def test_a_figure_alone_is_a_result() -> None:
    events: list[Event] = [RuntimeFigure(t_ns=SPAWN_NS + MS, metric="gen_tps", definition="d", value=1.0)]
    assert kind_of(transcript(events), events) is None


def test_a_program_that_speaks_events_says_that_it_ended_whatever_it_showed() -> None:
    hello, ready = timeline()[0], Phase(t_ns=SPAWN_NS + 2 * MS, name="ready", edge="end")
    figure = RuntimeFigure(t_ns=SPAWN_NS + 3 * MS, metric="load_s", definition="d", value=1.0)
    events: list[Event] = [hello, ready, figure]
    assert kind_of(transcript(events), events) == "parse"
    events.append(Bye(t_ns=SPAWN_NS + 4 * MS, reason="length"))
    assert kind_of(transcript(events), events) is None


def test_a_figure_of_an_unknown_metric_is_a_warning_and_no_result() -> None:
    figure: list[Event] = [RuntimeFigure(t_ns=SPAWN_NS + MS, metric="gen_tsp", definition="d", value=1.0)]
    assert kind_of(transcript(figure), figure) == "parse"
    [warning] = warnings(transcript([*GOOD, *figure]), [*GOOD, *figure])
    assert "unknown metric 'gen_tsp'" in warning
    assert "did you mean 'gen_tps'?" in warning


def test_a_program_that_is_not_there_is_unavailable_and_one_that_was_refused_is_refused() -> None:
    def not_started(cause: Literal["refused", "cancelled", "system"]) -> Transcript:
        return Transcript(
            head=Head(purpose="trial", runtime="one"),
            launch=Launched(argv=("prog",), env={}),
            no_spawn=NoSpawn(t_ns=1, errno=2, message="No such file or directory", cause=cause),
        )

    assert kind_of(not_started("system"), []) == "unavailable"
    assert kind_of(not_started("refused"), []) == "refused"
    assert kind_of(not_started("cancelled"), []) == "interrupted"


def test_a_command_line_that_is_too_long_is_refused_with_what_helps() -> None:
    head = Head(purpose="trial", runtime="one")
    long = Transcript(head=head, no_spawn=NoSpawn(t_ns=1, errno=errno.E2BIG, message="Argument list too long"))
    failure = classify(long, [], None)
    assert failure is not None
    assert failure.kind == "refused"
    assert "job.json" in failure.message


def test_a_bye_for_an_error_is_no_result() -> None:
    events = [*timeline(), Bye(t_ns=SPAWN_NS + 180 * MS, reason="error")]
    assert kind_of(transcript(events), events) == "parse"


def test_a_crash_is_a_crash_though_the_answer_was_empty() -> None:
    empty: list[Event] = [Text(t_ns=SPAWN_NS + MS, text="")]
    assert kind_of(transcript(empty, end=end(exit_code=None, signal=11)), empty) == "crash:SIGSEGV"


def test_figures_on_standard_error_alone_are_a_result() -> None:
    figure: list[Event] = [RuntimeFigure(t_ns=SPAWN_NS + MS, metric="gen_tps", definition="d", value=1.0)]
    assert kind_of(transcript(out=b"", err=b"5 token/s"), figure) is None


def test_a_transcript_without_an_end_is_interrupted() -> None:
    whole = transcript(GOOD)
    cut = Transcript(head=whole.head, launch=whole.launch, spawn=whole.spawn, pieces=whole.pieces)
    assert kind_of(cut, GOOD) == "interrupted"


def test_what_does_not_spoil_a_result_is_a_warning() -> None:
    found = warnings(transcript(GOOD, err=b"caf\xe9", end=end(left_behind=1)), GOOD)
    assert len(found) == 2
    assert "left 1 process(es) behind" in found[0]
    assert "not UTF-8" in found[1]


def moved(*events: Event) -> list[Event]:
    """The events with stamps in their order."""
    return [event.model_copy(update={"t_ns": SPAWN_NS + (k + 1) * MS}) for k, event in enumerate(events)]


HELLO, WEIGHTS, READY, PROMPT, PREFILL, *TOKENS, BYE = GOOD
BEGUN = Phase(t_ns=1, name="weights", edge="begin")
FIRST = Phase(t_ns=1, name="prefill", edge="end")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((HELLO, HELLO, *GOOD[1:]), "it sent `hello` twice"),
        ((HELLO, WEIGHTS, READY, READY, *GOOD[3:]), "it sent the end of `ready` twice"),
        ((HELLO, READY, WEIGHTS, *GOOD[3:]), "it sent the end of `weights` after `ready`"),
        ((HELLO, BEGUN, READY, WEIGHTS, *GOOD[3:]), "it sent the end of `ready` before the end of `weights`"),
        ((HELLO, WEIGHTS, PROMPT, PREFILL, READY, *TOKENS, BYE), "it sent the end of `ready` after the beginning of"),
        ((*GOOD[:4], PREFILL, *GOOD[4:]), "it sent the beginning of `prefill` twice"),
        ((*GOOD[:-1], FIRST, BYE), "it sent the end of `prefill` after its second token"),
        ((*GOOD[:5], FIRST, *GOOD[5:-1], FIRST, BYE), "it sent the end of `prefill` twice"),
        ((*GOOD[:-2], Text(t_ns=1, text="x"), *GOOD[-2:]), "it sent a token after the end of its answer"),
        ((*GOOD[:-2], Sampling(t_ns=1, seconds=0.1), *GOOD[-2:]), "it sent a token after the end of its answer"),
        ((*GOOD[:4], Prompt(t_ns=1, ids=[9, 9, 9]), *GOOD[4:]), "it sent `prompt` twice, with different values"),
        ((*GOOD[:-1], Text(t_ns=1, text="x"), Text(t_ns=1, text="y"), BYE), "it sent `text` twice, with different"),
        ((*GOOD[:-1], Count(t_ns=1, generated=99), BYE), f"it sent {len(TOKENS)} tokens, and counted 99"),
        ((HELLO, WEIGHTS, PROMPT, PREFILL, *TOKENS, READY, BYE), "it sent the end of `ready` after its first token"),
        ((HELLO, READY, PROMPT, *TOKENS, PREFILL, BYE), "it sent its first token before the beginning of `prefill`"),
        ((HELLO, WEIGHTS, BEGUN, *GOOD[2:]), "it sent the end of `weights` before its beginning"),
        ((*GOOD[:-1], Bye(t_ns=1, reason="probe")), "it answered a trial as if it were a probe"),
    ],
)
def test_events_that_contradict_each_other_are_parse(events: tuple[Event, ...], said: str) -> None:
    found = moved(*events)
    failure = classify(transcript(found), found, None)
    assert failure is not None
    assert failure.kind == "parse"
    assert failure.message.startswith(said)


def test_marks_that_a_program_leaves_out_contradict_nothing() -> None:
    for left_out in (WEIGHTS, READY, PREFILL, PROMPT):
        found = moved(*(event for event in GOOD if event is not left_out))
        assert kind_of(transcript(found), found) is None
    found = moved(HELLO, BEGUN, WEIGHTS, BEGUN, WEIGHTS, *GOOD[2:])
    assert kind_of(transcript(found), found) is None


def test_what_is_told_twice_in_the_same_way_contradicts_nothing() -> None:
    text = Text(t_ns=1, text="x")
    found = moved(*GOOD[:4], PROMPT, *GOOD[4:-1], text, text, Count(t_ns=1, generated=len(TOKENS)), BYE)
    assert kind_of(transcript(found), found) is None


@pytest.mark.parametrize("kind", ["refused", "unavailable"])
def test_a_program_that_generated_cannot_say_that_it_never_ran(kind: str) -> None:
    said = Error.model_validate({"t_ns": 1, "kind": kind, "message": "no"})
    early, late = moved(HELLO, said), moved(*GOOD[:-1], said)
    assert kind_of(transcript(early, end=end(exit_code=1)), early) == kind
    assert kind_of(transcript(late, end=end(exit_code=1)), late) == "exit:1"


def test_marks_in_what_a_program_prints_are_of_two_streams_and_contradict_nothing() -> None:
    late = Phase(t_ns=1, name="weights", edge="begin")
    assert contradiction([Chunk(t_ns=5, text="a"), Text(t_ns=5, text="a"), late], "generate") is None


def test_a_failure_that_is_not_the_programs_own_has_the_class_that_it_names() -> None:
    said = Error(t_ns=SPAWN_NS + MS, kind="failed", message="500 from the server", failure="http:500")
    assert kind_of(transcript([said], end=end(exit_code=1)), [said]) == "http:500"


def test_a_program_that_says_what_killed_its_server_is_out_of_memory_where_the_kernel_says_so() -> None:
    said = Error(t_ns=SPAWN_NS + MS, kind="failed", message="the server was killed by SIGKILL")
    killed = end(exit_code=None, signal=9, oom=True)
    assert kind_of(transcript([said], end=killed), [said]) == "oom"
