"""Any program by its settings alone: what its markers and regular expressions show, and nothing more."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import MS, SPAWN_NS, job
from pydantic import ValidationError

from parity.adapter import METRIC_NAMES, Availability, Transcript
from parity.adapter.events import Chunk, Event, Phase, Prompt, RuntimeFigure, Settings, Text
from parity.config import load_config
from parity.errors import ReadError, RefusedError
from parity.hosts.machine import host_facts
from parity.reading.dictionary import METRICS
from parity.reading.events import read_events
from parity.reading.figures import reported
from parity.reading.measure import measure
from parity.records import ScoreRequest, Slot
from parity.registry import settings_of
from parity.run.prepared import Prepared
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

SCORES: dict[str, Any] = {
    "args": ["{scratch}/job.json"],
    "events": True,
    "markers": {},
    "figures": [],
    "text": None,
    "tasks": ["generate", "score"],
}
"""Changes that make `BENCH` a program which scores."""

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


def read(output: str, **changes: Any) -> list[Event]:
    return list(adapter(**changes).read(printed(output), job()))


def test_placeholders_are_filled_in_and_doubled_braces_are_literal() -> None:
    launch = adapter().launch(job(max_tokens=7), None)
    assert launch.argv == ("bench", "-m", "/m.gguf", "-n", "7", "--json", '{"p":"hi"}')
    assert launch.markers.stop is not None
    assert launch.markers.stop.pattern == "^done$"


def test_a_program_scores_where_its_table_says_so() -> None:
    assert adapter().tasks == {"generate"}
    assert adapter(**SCORES).tasks == {"generate", "score"}


def test_a_program_is_given_the_sequence_in_its_job() -> None:
    asked = job().model_copy(update={"task": "score", "score": ScoreRequest(ids=(1, 2, 3), prompt_tokens=2)})
    given = json.loads(adapter(**SCORES).launch(asked, None).files["job.json"])
    assert (given["task"], given["score"]) == ("score", {"ids": [1, 2, 3], "prompt_tokens": 2, "top": 8, "own": False})


FULL = {
    "args": [
        "{model}",
        {"when": "ignore_end", "args": ["--ignore-eos"]},
        {"unless": "raw", "args": ["--chat", "{chat_turn}"]},
        {"when": "top_k", "args": ["--top-k", "{top_k}"]},
        {"when": "top_p", "args": ["--top-p={top_p}"]},
    ]
}


@pytest.mark.parametrize(
    ("test", "argv"),
    [
        ({}, ["--ignore-eos", "--chat", "<u>hi"]),
        ({"ignore_end": False, "raw": True}, []),
        ({"raw": True, "sampling": {"top_k": 40}}, ["--ignore-eos", "--top-k", "40"]),
        ({"raw": True, "sampling": {"temperature": 1.0, "top_p": 0.5}}, ["--ignore-eos", "--top-p=0.5"]),
    ],
)
def test_arguments_that_a_test_does_not_need_are_left_out(test: dict[str, Any], argv: list[str]) -> None:
    asked = job(test=test, fields={"chat_turn": "<u>hi"})
    assert adapter(**FULL).launch(asked, None).argv[2:] == tuple(argv)
    again = CommandSettings.model_validate(adapter(**FULL).settings.model_dump(mode="json"), strict=False)
    assert again == adapter(**FULL).settings


@pytest.mark.parametrize("name", ["top_k", "top_p", "chat_turn", "tokenizer"])
def test_what_a_test_leaves_unset_is_refused_and_never_made_up(name: str) -> None:
    with pytest.raises(RefusedError, match=rf"needs a value for \{{{name}\}}.*when = \"{name}\""):
        adapter(args=["--it", f"{{{name}}}"]).launch(job(), None)


def test_the_working_folder_is_that_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(
        'baseline = "a"\n[[models]]\nname = "m"\nsource = "m.gguf"\n[[tests]]\nname = "t"\nprompt = "hi"\n'
        'max_tokens = 4\n[runtimes.a]\nadapter = "command"\nprogram = "python3"\nargs = ["bench.py"]\nevents = true\n'
        '[runtimes.b]\nadapter = "command"\nprogram = "python3"\nargs = ["bench.py"]\nevents = true\ncwd = "there"\n',
        encoding="utf-8",
    )
    found = load_config(tmp_path / "case.toml", settings_of).settings
    assert [found[name]["cwd"] for name in "ab"] == [str(tmp_path), str(tmp_path / "there")]
    by = adapter(**found["a"])
    assert (by.probe().cwd, by.launch(job(), None).cwd) == (str(tmp_path), str(tmp_path))


def test_a_prompt_with_braces_is_not_a_template() -> None:
    asked = job().model_copy(update={"test": job().test.model_copy(update={"prompt": "{model} {{x}}"})})
    assert adapter(args=["{prompt}"]).launch(asked, None).argv[1] == "{model} {{x}}"


def test_markers_figures_and_text_become_events_in_order_of_time() -> None:
    events = read(OUTPUT)
    assert [e.t_ns for e in events] == sorted(e.t_ns for e in events)
    phases = {(e.name, e.edge): (e.t_ns - SPAWN_NS) // MS for e in events if isinstance(e, Phase)}
    assert phases == {("ready", "end"): 20, ("prefill", "begin"): 30, ("generate", "end"): 90}
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


GIVEN: dict[str, Any] = {
    "args": [
        {"unless": "raw", "args": ["-m", "{model}", "-p", "{chat_turn}"]},
        {"when": "raw", "args": ["-m", "{model}", "-p", "{prompt}", "--temp", "{temperature}"]},
    ]
}


@pytest.mark.parametrize(
    ("keys", "raw", "untold"),
    [
        (GIVEN, True, set()),
        (GIVEN, False, {"sampling"}),
        ({"args": GIVEN["args"][1:]}, False, {"sampling", "prompt", "model"}),
        ({"args": GIVEN["args"][1:]}, True, set()),
        ({"args": ["{{model}}", "{{prompt}}", "{{{{temperature}}}}"]}, False, {"sampling", "prompt", "model"}),
        ({"args": ["{{{model}}}", "{{p:{prompt}}}", "{temperature}"]}, False, set()),
        ({"args": [{"when": "raw", "args": ["{scratch}/job.json"]}], "events": True}, True, set()),
        ({"args": [{"when": "raw", "args": ["{scratch}/job.json"]}], "events": True}, False, {"prompt", "model"}),
    ],
)
def test_what_a_table_holds_is_told_to_the_jobs_that_get_it(keys: dict[str, Any], raw: bool, untold: set[str]) -> None:
    asked = job(test={"raw": raw}, fields={"chat_turn": "<u>hi"})
    changes = {"figures": [], "text": None, "markers": {}, **keys} if keys.get("events") else keys
    one = adapter(**changes)
    said = replace(
        printed(OUTPUT if not keys.get("events") else ""), head=Head(purpose="trial", runtime="r", job=asked)
    )
    no_model = any(isinstance(e, Settings) and "weights_file" in e.values for e in one.read(said, asked))
    assert one.untold(asked) | ({"model"} if no_model else set()) == untold


@pytest.mark.parametrize("args", [["{model}"], ["--job", "{scratch}/job.json"]])
def test_a_program_that_is_given_the_model_can_be_proved(args: list[str]) -> None:
    assert adapter(args=args).no_proof is None


def test_a_program_that_is_not_given_the_model_cannot_be_proved_and_says_why() -> None:
    reason = adapter(args=["-n", "{max_tokens}"]).no_proof
    assert reason is not None
    assert "{model}" in reason


def test_the_metrics_that_a_figure_may_name_are_those_of_the_dictionary() -> None:
    assert set(METRIC_NAMES) == set(METRICS)


def test_the_number_of_generated_tokens_is_the_programs_own_count() -> None:
    figure = {"pattern": r"^ *(?P<generated_tokens>\d+) prompt tokens: "}
    asked = printed(OUTPUT)
    measured = measure(asked, list(adapter(figures=[figure]).read(asked, job())))
    assert [m.value for m in measured if (m.metric, m.definition) == ("generated_tokens", "runtime-count")] == [12]


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
        ({"args": [{"args": ["x"]}]}, "give either `when` or `unless`"),
        ({"args": [{"when": "raw", "unless": "raw", "args": ["x"]}]}, "give either `when` or `unless`"),
        ({"args": [{"when": "raw", "args": ["{modle}"]}]}, "placeholders are"),
        ({"markers": {"end": {"pattern": "x", "partial": True}}}, "leave out `partial`"),
        ({"tasks": ["score"]}, "`generate` is missing"),
        ({"tasks": ["generate", "scores"]}, "tasks.1"),
        ({"tasks": ["generate", "score"]}, "set `events = true`"),
        ({**SCORES, "args": ["{model}"]}, "put {scratch}/job.json into `args`"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        adapter(**changes)


def test_a_figure_in_a_unit_that_is_not_converted_is_a_complaint_that_names_it() -> None:
    figure = {"pattern": r"load (?P<load_s>[0-9.]+)"}
    with pytest.raises(ReadError, match=r"gives it in ms: extend load .* holds the unit, and set `scale`"):
        read("loaded\nprompt: hi\nload 950.2ms\n", figures=[figure], text=None)


@pytest.mark.parametrize("number", ["47,3", "1,234.5", "1.2e+03"])
def test_a_figure_that_is_a_part_of_a_longer_number_is_a_complaint_that_shows_it(number: str) -> None:
    figure = {"pattern": r"(?P<gen_tps>[0-9.]+) token/s"}
    with pytest.raises(ReadError, match=rf"part of '{re.escape(number)}'.*so that its group holds the whole number"):
        read(f"loaded\nprompt: hi\n40 tokens, {number} token/s\n", figures=[figure], text=None)


def test_a_figure_in_a_line_that_is_rewritten_in_place_is_that_of_its_last_state() -> None:
    rewritten = "loaded\nprompt: hi\n\r10 tokens, 9.1 token/s\r20 tokens, 33.0 token/s\r40 tokens, 47.3 token/s\n"
    figure = {"pattern": r"(?P<gen_tps>[0-9.]+) token/s"}
    [found] = [e for e in read(rewritten, figures=[figure], text=None) if isinstance(e, RuntimeFigure)]
    assert found.value == 47.3


def test_a_figure_has_the_resolution_of_its_last_digit_in_the_unit_of_its_metric() -> None:
    resolutions = {e.metric: e.resolution for e in read(OUTPUT) if isinstance(e, RuntimeFigure)}
    assert resolutions == {"prompt_tps": pytest.approx(0.05), "total_s": pytest.approx(0.0005)}


def test_a_figure_that_a_worker_sends_has_no_resolution_of_its_own() -> None:
    sent = RuntimeFigure(t_ns=1, metric="gen_tps", definition="d", value=8.0)
    assert [m.resolution for m in reported([sent], "x")] == [None]
    assert [m.resolution for m in reported([sent.model_copy(update={"resolution": 0.5})], "x")] == [0.5]


@pytest.mark.parametrize(
    ("keys", "by"),
    [
        ({"program": "./build/llama-bench", "args": ["-m", "{model}"]}, "llama-bench"),
        ({"program": "python3", "args": ["./bench.py", "{model}"]}, "python3 bench.py"),
        ({"program": "python3", "args": ["-m", "tools.bench", "{model}"]}, "python3 tools.bench"),
        ({"program": "./bench-old", "args": ["{model}"], "figures_by": "bench"}, "bench"),
    ],
)
def test_figures_are_those_of_the_program_that_prints_them(keys: dict[str, Any], by: str) -> None:
    assert adapter(**keys).figures_by == by


@pytest.mark.parametrize(
    ("theirs", "same"),
    [
        (("command", "bench", "prefill and decode"), True),
        (("command", "bench", "decode alone"), False),
        (("command", "other", "prefill and decode"), False),
        (("candle", None, "prefill and decode"), False),
        (("candle", None, "bench:prefill and decode"), False),
    ],
    ids=["the same program", "other words", "another program", "another adapter", "another adapter that imitates it"],
)
def test_words_that_are_copied_from_another_program_are_another_definition(
    theirs: tuple[str, str | None, str], same: bool
) -> None:
    """The stopwatches of two programs measure what each of them takes for its beginning and its end."""

    def definition(kind: str, figures_by: str | None, meaning: str) -> str:
        asked = replace(printed(OUTPUT), head=Head(purpose="trial", runtime="r", job=job(fields={"adapter": kind})))
        figure = RuntimeFigure(t_ns=SPAWN_NS + 1, metric="total_s", definition=meaning, value=1.0)
        found = measure(asked, [figure], figures_by=figures_by)
        return next(m.definition for m in found if m.provenance == "reported")

    ours = definition("command", "bench", "prefill and decode")
    assert (definition(*theirs) == ours) == same
    assert definition("command", "bench", "token-stamps") not in [d.id for d in METRICS["total_s"].definitions]


def test_text_is_shown_as_it_came_and_ends_the_answer_unless_a_line_does() -> None:
    keys: dict[str, Any] = {"figures": [], "text": "A: (?P<text>.*?)\n--", "markers": {"prefill": {"pattern": "^go$"}}}
    pieces = (b"go\n", b"A: one\r", b"\ntw\xc3", b"\xb6 three\n-", b"- over\n", b"- over\nbye\n")
    shown = replace(printed(""), pieces=tuple(Piece(SPAWN_NS + k * 100 * MS, "out", p) for k, p in enumerate(pieces)))
    for end, total_s in ((None, 0.3), ({"pattern": "over$"}, 0.5)):
        by = adapter(**keys | {"markers": {**keys["markers"], **({} if end is None else {"end": end})}})
        events = list(by.read(shown, job()))
        chunks = [((e.t_ns - SPAWN_NS) // (100 * MS), e.text) for e in events if isinstance(e, Chunk)]
        assert chunks == [(1, "one\r"), (2, "\ntw"), (3, "ö three")]
        assert [e.text for e in events if isinstance(e, Text)] == ["one\ntwö three"]
        found = {(m.metric, m.definition): m.value for m in measure(shown, events, lambda text: len(text.split()))}
        assert found["total_s", "start-to-text"] == pytest.approx(total_s)
        assert found["ttft_s", "first-chunk"] == pytest.approx(0.1)
        assert found["gen_tps", "chunk-interval"] == pytest.approx(2 / 0.2)
        assert found["generated_tokens", "retokenised-text"] == 3


def test_a_program_of_figures_alone_has_a_total_time_where_a_line_ends_its_answer() -> None:
    markers = {"prefill": {"pattern": "^prompt: "}, "end": {"pattern": "^done$"}}
    asked = printed(OUTPUT)
    measured = measure(asked, list(adapter(markers=markers, text=None).read(asked, job())))
    [total] = [m.value for m in measured if (m.metric, m.definition) == ("total_s", "start-to-text")]
    assert total == pytest.approx(0.06)
    with pytest.raises(ReadError, match="matches the marker 'end'"):
        read(OUTPUT, markers={**markers, "end": {"pattern": "^never$"}})


@pytest.mark.parametrize(
    ("keys", "needed"),
    [
        ({}, True),
        ({"text": None}, False),
        ({"text": None, "args": ["{model}", {"when": "tokenizer", "args": ["{tokenizer}"]}]}, True),
        ({"needs_tokenizer": False}, False),
        (SCORES, False),
        ({**SCORES, "needs_tokenizer": True}, True),
    ],
)
def test_a_tokenizer_is_prepared_where_text_has_to_be_counted(keys: dict[str, Any], needed: bool) -> None:
    assert adapter(**keys).needs_tokenizer == needed


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_text_is_found_whatever_ends_its_lines(end: str) -> None:
    [text] = [e.text for e in read(OUTPUT.replace("\n", end)) if isinstance(e, Text)]
    assert text == "Two lines\nof text. 9 prompt tokens: 1 t/s is no figure"


ECHOES = {"ready": {"pattern": "ready"}, "prefill": {"pattern": "^> start"}}


@pytest.mark.parametrize(
    ("prompt", "fields", "key"),
    [
        ("Are you ready", {}, "markers.ready"),
        ("First this.\n> start here", {}, "markers.prefill"),
        ("hi", {"chat_turn": "<|user|>hi, all ready<|end|>"}, "markers.ready"),
    ],
)
def test_a_pattern_that_the_prompt_matches_is_refused_by_its_key(prompt: str, fields: dict[str, Any], key: str) -> None:
    asked = job(test={"prompt": prompt}, fields=fields)
    with pytest.raises(RefusedError, match=rf"^{re.escape(key)} = .* is found in the prompt"):
        adapter(markers=ECHOES).launch(asked, None)


def test_a_figure_is_not_read_from_an_echo_of_the_prompt() -> None:
    figure = {"pattern": "(?P<gen_tps>[0-9.]+) token/s"}
    asked = job(test={"prompt": "Is 500 token/s fast?"})
    echo = "loaded\nprompt: Is 500 token/s fast?\n"
    reader = adapter(figures=[figure], text=None)
    with pytest.raises(ReadError, match="but for an echo of the prompt"):
        list(reader.read(printed(echo), asked))
    [own] = [e for e in reader.read(printed(f"{echo}20.5 token/s\n"), asked) if isinstance(e, RuntimeFigure)]
    assert own.value == 20.5


def test_a_marker_that_the_path_of_the_model_matches_is_refused_and_one_in_an_argument_is_not() -> None:
    with pytest.raises(RefusedError, match=r"is found in the model's path '/ready\.gguf'"):
        adapter(markers=ECHOES).launch(job(path="/ready.gguf"), None)
    assert adapter(markers=ECHOES, args=["-c", "echo ready # {model}"]).launch(job(), None).argv


def test_a_pattern_that_matches_no_line_of_the_prompt_is_accepted() -> None:
    asked = job(test={"prompt": "Are you > start"})
    assert adapter(markers=ECHOES).launch(asked, None).markers.ready is not None


def test_a_program_of_events_may_be_sent_any_prompt() -> None:
    speaks = CommandLine(CommandSettings(program="x", args=("{prompt}",), events=True), host_facts())
    assert speaks.launch(job(test={"prompt": '{"ev": "phase", "name": "ready"}'}), None).argv


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
    found = adapter().read_probe(failed)
    assert (found.ready, found.version) == (True, None)
    assert (found.reason or "").startswith("its version is not known: `bench --version` printed 'usage: bench'; set ")
    assert adapter().read_probe(printed("bench 1.2\n")).version == "bench 1.2"


def test_marks_that_arrive_with_the_end_of_the_output_show_no_instants() -> None:
    """A program whose standard output is a pipe, and which does not flush it."""
    spoken = printed(OUTPUT)
    assert spoken.end is not None
    late = Piece(spoken.end.t_ns - MS, "out", OUTPUT.encode())
    buffered = Transcript(head=spoken.head, launch=spoken.launch, spawn=spoken.spawn, pieces=(late,), end=spoken.end)
    for transcript, value in ((spoken, 0.02), (buffered, None)):
        measured = measure(transcript, list(adapter().read(transcript, job())))
        [load] = [m for m in measured if m.metric == "load_s" and m.definition == "spawn-to-ready"]
        assert load.value == value
        assert [m.value for m in measured if m.definition.startswith("runtime-report")] == [34.5, 0.25]
    assert load.reason is not None
    assert load.reason.startswith("all output arrived at its exit: the program buffers its output")


SLOW = "(a+)+$"
"""A pattern that no line of the letter a is read to its end for, unless it ends with one."""


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"markers": {"ready": {"pattern": SLOW}}}, "markers.ready = '(a+)+$'"),
        ({"markers": {"ready": {"pattern": SLOW, "partial": True}}}, "markers.ready = '(a+)+$'"),
        ({"figures": [{"pattern": f"(?P<gen_tps>{SLOW})"}]}, "figures: '(?P<gen_tps>(a+)+$)'"),
        ({"figures": [], "text": f"(?P<text>{SLOW})"}, "text = '(?P<text>(a+)+$)'"),
    ],
)
def test_a_pattern_that_never_ends_loses_its_trial_alone_and_is_named(
    changes: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parity.reading.events.READING_S", 1.0)
    by = adapter(**{"markers": {}, **changes})
    events, complaint = read_events(by, printed("a" * 60 + "b\n"), job())
    assert events == []
    assert complaint is not None
    assert f"not searched to its end for {named}: it took more than 1 s" in complaint
    assert "give a simpler pattern" in complaint


def test_what_is_read_in_a_child_is_what_is_read_here() -> None:
    events, complaint = read_events(adapter(), printed(OUTPUT), job())
    assert complaint is None
    assert events == read(OUTPUT)
    assert adapter().reads_patterns
    assert not adapter(**SCORES).reads_patterns
    events, complaint = read_events(adapter(figures=[]), printed("nothing\n"), job())
    assert complaint == "no line of its output matches the marker 'ready' (^loaded$)"


def test_a_marker_that_is_searched_in_a_prompt_for_ever_refuses_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.adapter.echo.SEARCH_S", 1.0)
    asked = job(test={"prompt": "a" * 60 + "b"})
    with pytest.raises(RefusedError, match=r"markers.ready = '\(a\+\)\+\$': it took more than 1 s"):
        adapter(markers={"ready": {"pattern": SLOW}}).launch(asked, None)


def test_patterns_are_not_searched_for_a_name_of_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow pattern would cost its time twice."""
    from parity.run import performing

    asked: list[object] = []
    monkeypatch.setattr(performing, "read_events", lambda *given: asked.append(given) or ([], None))
    slot = Slot(model="m", test="t", runtime="one", round=1)
    for by, count in ((adapter(), 0), (adapter(**SCORES), 1)):
        prepared = Prepared(adapter=by, found=Availability(ready=True))
        assert performing._chosen_weights(None, prepared, slot, printed(OUTPUT), job()) == ()  # type: ignore[arg-type]
        assert len(asked) == count
