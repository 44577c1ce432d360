"""Any program by its settings alone: what its markers and regular expressions show, and nothing more."""

import json
from typing import Any

import pytest
from builders import MS, SPAWN_NS, job
from pydantic import ValidationError

from parity.adapter import METRIC_NAMES, Transcript
from parity.adapter.events import Event, Phase, Prompt, RuntimeFigure, Settings, Text
from parity.errors import ReadError
from parity.hosts.machine import host_facts
from parity.reading.dictionary import METRICS
from parity.transcript import End, Head, Launched, NoSpawn, Piece, Spawned
from parity_adapters.command import CommandLine, CommandSettings

BENCH: dict[str, Any] = {
    "program": "bench",
    "args": ["-m", "{model}", "-n", "{max_tokens}", "--json", '{{"p":"{prompt}"}}'],
    "markers": {
        "ready": {"pattern": "^loaded$"},
        "prefill": {"pattern": "^prompt: ", "partial": True},
        "stop": {"pattern": "^done$"},
    },
    "figures": [
        {"pattern": r"^ *(?P<prompt_tokens>\d+) prompt tokens: (?P<prompt_tps>\S+) t/s$"},
        {"pattern": r"^generation took (?P<total_s>\S+) ms$", "scale": 0.001, "definition": "prefill and decode"},
    ],
    "text": r"^prompt: [^\n]*\n(?P<text>.*?)\n\n",
}

OUTPUT = """loading
loaded
prompt: hi
Two lines
of text. 9 prompt tokens: 1 t/s is no figure

  12 prompt tokens: 34.5 t/s
generation took 250 ms
done
"""


def adapter(**changes: Any) -> CommandLine:
    return CommandLine(CommandSettings.model_validate_json(json.dumps({**BENCH, **changes})), host_facts())


def printed(text: str, step_ms: int = 10) -> Transcript:
    """A program that printed a line every `step_ms`."""
    pieces = [
        Piece(SPAWN_NS + (k + 1) * step_ms * MS, "out", line.encode())
        for k, line in enumerate(text.splitlines(keepends=True))
    ]
    return Transcript(
        head=Head(purpose="trial", runtime="bench", job=job()),
        launch=Launched(argv=("bench",), env={}),
        spawn=Spawned(t_ns=SPAWN_NS, pid=1, wall=""),
        pieces=tuple(pieces),
        end=End(t_ns=SPAWN_NS + 900 * MS, by="exit", exit_code=0),
    )


def read(text: str, **changes: Any) -> list[Event]:
    return list(adapter(**changes).read(printed(text), job()))


def test_placeholders_are_filled_in_and_doubled_braces_are_literal() -> None:
    launch = adapter().launch(job(max_tokens=7), None)
    assert launch.argv == ("bench", "-m", "/m.gguf", "-n", "7", "--json", '{"p":"hi"}')
    assert launch.markers.stop is not None
    assert launch.markers.stop.pattern == "^done$"


def test_a_prompt_with_braces_is_not_a_template() -> None:
    asked = job().model_copy(update={"test": job().test.model_copy(update={"prompt": "{model} {{x}}"})})
    assert adapter(args=["{prompt}"]).launch(asked, None).argv[1] == "{model} {{x}}"


def test_markers_figures_and_text_become_events_in_order_of_time() -> None:
    events = read(OUTPUT)
    assert [e.t_ns for e in events] == sorted(e.t_ns for e in events)
    phases = {(e.name, e.edge): (e.t_ns - SPAWN_NS) // MS for e in events if isinstance(e, Phase)}
    assert phases == {("ready", "end"): 20, ("prefill", "begin"): 30}
    assert [e.count for e in events if isinstance(e, Prompt)] == [12]
    figures = {e.metric: (e.value, e.definition) for e in events if isinstance(e, RuntimeFigure)}
    assert figures == {"prompt_tps": (34.5, "one's own"), "total_s": (0.25, "prefill and decode")}
    assert [e.text for e in events if isinstance(e, Text)] == [
        "Two lines\nof text. 9 prompt tokens: 1 t/s is no figure"
    ]


def test_a_partial_marker_is_stamped_when_it_was_complete_and_not_when_its_line_began() -> None:
    text = OUTPUT.replace("prompt: hi", "thinking")
    whole = printed(text)
    late = Piece(SPAWN_NS + 500 * MS, "out", b"still on the line> ")
    pieces = (Piece(SPAWN_NS + 5 * MS, "out", b"a line begins, "), late, *whole.pieces)
    transcript = Transcript(head=whole.head, spawn=whole.spawn, pieces=pieces, end=whole.end)
    assert transcript.first_sight("> $", "out", partial=True) == SPAWN_NS + 500 * MS
    assert transcript.first_sight("^loaded$", "out") == SPAWN_NS + 20 * MS


def test_a_program_that_is_not_given_the_model_has_unknown_weights() -> None:
    given = [e for e in read(OUTPUT) if isinstance(e, Settings)]
    not_given = [e for e in read(OUTPUT, args=["-n", "{max_tokens}"]) if isinstance(e, Settings)]
    assert given == []
    assert [e.values for e in not_given] == [{"weights_file": None}]


@pytest.mark.parametrize("args", [["{model}"], ["--job", "{scratch}/job.json"]])
def test_a_program_that_is_given_the_model_can_be_proved(args: list[str]) -> None:
    assert adapter(args=args).no_proof is None


def test_a_program_that_is_not_given_the_model_cannot_be_proved_and_says_why() -> None:
    reason = adapter(args=["-n", "{max_tokens}"]).no_proof
    assert reason is not None
    assert "{model}" in reason


def test_the_metrics_that_a_figure_may_name_are_those_of_the_dictionary() -> None:
    assert set(METRIC_NAMES) == set(METRICS)


@pytest.mark.parametrize("raw", ["\u00b2", "9" * 400])
def test_what_is_no_count_of_tokens_is_not_read_as_one(raw: str) -> None:
    events = read(
        OUTPUT.replace("  12 prompt", f"  {raw} prompt"),
        figures=[{"pattern": r"^ *(?P<prompt_tokens>\S+) prompt tokens: "}],
    )
    assert [e for e in events if isinstance(e, Prompt)] == []


def test_a_figure_that_overflows_is_kept_as_it_was_printed() -> None:
    figure = {"pattern": r"^generation took (?P<total_s>\S+) ms$", "scale": 1e300}
    [found] = [e for e in read(OUTPUT.replace("250 ms", "1e300 ms"), figures=[figure]) if isinstance(e, RuntimeFigure)]
    assert (found.value, found.raw) == (None, "1e300")


def test_a_model_that_imitates_the_figures_is_not_believed() -> None:
    imitation = OUTPUT.replace("Two lines", "  99 prompt tokens: 999 t/s")
    assert [e.value for e in read(imitation) if isinstance(e, RuntimeFigure) and e.metric == "prompt_tps"] == [34.5]


@pytest.mark.parametrize("raw", ["inf", "-nan", "n/a"])
def test_what_is_no_finite_number_is_kept_as_it_was_printed(raw: str) -> None:
    [figure] = [
        e for e in read(OUTPUT.replace("34.5", raw)) if isinstance(e, RuntimeFigure) and e.metric == "prompt_tps"
    ]
    assert (figure.value, figure.raw) == (None, raw)


@pytest.mark.parametrize(
    ("cut", "complaint"),
    [
        ("loaded\n", "matches the marker 'ready'"),
        ("  12 prompt tokens: 34.5 t/s\n", "no line of its output matches"),
        ("prompt: hi\n", "matches the marker 'prefill'"),
    ],
)
def test_no_match_is_a_complaint_and_never_a_zero(cut: str, complaint: str) -> None:
    with pytest.raises(ReadError, match=complaint):
        read(OUTPUT.replace(cut, ""))


def test_the_device_of_the_settings_is_an_event_for_the_ledger() -> None:
    events = read(OUTPUT, device="metal")
    assert [e.values for e in events if isinstance(e, Settings)] == [{"device": "metal"}]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"args": ["{modle}"]}, "placeholders are"),
        ({"args": ["{"]}, "placeholders are"),
        ({"args": ["{prompt.x}"]}, "placeholders are"),
        ({"figures": [{"pattern": "("}]}, "is not a regular expression"),
        ({"figures": [{"pattern": "x"}]}, "needs a named group"),
        ({"figures": [{"pattern": "(?P<gen_tsp>.)"}]}, "`gen_tsp` is not a metric: did you mean `gen_tps`"),
        ({"figures": [{"pattern": "(?P<unit>.)"}]}, "`unit` is not a metric: the metrics are load_s, "),
        ({"text": "x"}, r"needs a named group: \(\?P<text>"),
        ({"markers": {"ready": {"pattern": "("}}}, "is not a regular expression"),
        ({"events": True}, "leave out `figures` and `text`"),
        ({"figures": [], "text": None}, "nothing would be read from the program"),
        ({"program": ""}, "at least 1 character"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        adapter(**changes)


def test_a_program_that_is_not_there_is_not_ready_and_says_what_helps() -> None:
    gone = Transcript(
        head=Head(purpose="probe", runtime="bench"),
        launch=Launched(argv=("bench",), env={}),
        no_spawn=NoSpawn(t_ns=1, errno=2, message="No such file or directory"),
    )
    found = adapter(install="apt-get install bench").read_probe(gone)
    assert (found.ready, found.remedy) == (False, "apt-get install bench")


def test_a_program_that_does_not_know_its_version_is_ready_all_the_same() -> None:
    odd = printed("usage: bench\n")
    assert odd.end is not None
    failed = Transcript(
        head=odd.head, spawn=odd.spawn, pieces=odd.pieces, end=odd.end.model_copy(update={"exit_code": 2})
    )
    assert adapter().read_probe(failed).ready
    assert adapter().read_probe(failed).version is None
    assert adapter().read_probe(printed("bench 1.2\n")).version == "bench 1.2"
