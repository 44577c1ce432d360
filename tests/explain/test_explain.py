"""`parity explain`: every figure leads to the lines that it was computed from, and to the verdicts that read it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from builders import MS, SPAWN_NS, transcript
from preparing import snapshot
from run_files import transcripts
from scripted_host import Meanwhile, Program, Script, config, table

from parity.adapter.events import Chunk, Phase
from parity.cli.schemas import schema_of
from parity.errors import ParityError
from parity.explain import Traced, cell_named, metric_named, unfold
from parity.explain.steps import knows
from parity.reading.dictionary import METRICS
from parity.transcript import Piece
from parity.transcript.numbers import LineNumbers

TWO = table("base") + table("other")
RUN_FOLDERS = Path(__file__).parents[1] / "run_folders"
NS = 1e-9


@pytest.fixture
def slower(program: Program) -> Program:
    """A run of two runtimes, of which one needs 40 ms a token and the other 10."""
    text = program.write(config(TWO, gates=SPEED_08))
    assert program("run", text, "--out", "run", host=program.host(other=Script(token_ms=40.0))).code == 1
    return program


SPEED_08 = """
[[gates]]
name = "speed"
kind = "ratio"
metric = "gen_tps"
min_ratio = 0.8

[[gates]]
name = "hangs"
kind = "no-failed-trials"
"""


def explained(program: Program, *arguments: str) -> dict[str, Any]:
    done = program("explain", "run", *arguments, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def sides(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [side for row in found["rounds"] for side in (row["value"], row["baseline"])]


def stamp_of(program: Program, source: dict[str, Any]) -> int:
    """The instant that a source's line in the run folder really holds."""
    lines = transcripts(program.folder / "run")[Path(source["raw"]["file"]).name].decode().splitlines()
    record = json.loads(lines[source["raw"]["line"] - 1])
    inner = json.loads(record["d"]) if "d" in record else next(iter(record.values()))
    stamp: int = inner["t_ns"]
    return stamp


@pytest.mark.parametrize(
    ("metric", "between", "value_of"),
    [
        ("gen_tps", ("t1", "tN"), lambda span_s: 11 / span_s),
        ("prompt_tps", ("t0", "t1"), lambda span_s: 3 / span_s),
        ("ttft_s", ("t0", "t1"), lambda span_s: span_s),
        ("load_s", ("spawn", "ready"), lambda span_s: span_s),
        ("wall_s", ("spawn", "end"), lambda span_s: span_s),
        ("total_s", ("t0", "tN"), lambda span_s: span_s),
    ],
)
def test_a_value_follows_from_the_lines_that_it_is_traced_to(
    slower: Program, metric: str, between: tuple[str, str], value_of: Callable[[float], float]
) -> None:
    found = explained(slower, "other", metric)
    assert len(sides(found)) == 2 * len(found["rounds"]) >= 6
    for side in sides(found):
        named = {source["name"]: source for source in side["sources"]}
        start_ns, end_ns = (stamp_of(slower, named[name]) for name in between)
        assert side["value"] == pytest.approx(value_of((end_ns - start_ns) * NS))
        assert named[between[1]]["at_s"] - named[between[0]]["at_s"] == pytest.approx((end_ns - start_ns) * NS)


def test_a_metric_goes_from_its_lines_to_the_verdict(slower: Program) -> None:
    found = explained(slower, "other", "gen_tps")
    assert found["definition"]["id"] == "token-stamps"
    for row in found["rounds"]:
        assert row["ratio"] == pytest.approx(row["value"]["value"] / row["baseline"]["value"])
        assert row["left_out"] is None
    [comparison] = [c for c in slower.report()["comparisons"] if (c["runtime"], c["metric"]) == ("other", "gen_tps")]
    assert found["result"]["ratio"] == comparison["ratio"]
    assert found["result"]["interval"] == comparison["interval"]
    standing = {fact["fact"]: fact["standing"] for fact in found["identity"]}
    assert standing["weights"] == standing["prompt"] == "equal"
    assert {(v["gate"], v["verdict"]) for v in found["verdicts"]} == {("speed", "FAIL"), ("hangs", "PASS")}
    assert all(verdict["sentence"] for verdict in found["verdicts"])


@pytest.mark.parametrize(("rounds", "method"), [("max = 9", "confidence sequence"), ("fixed = 6", "Student's t")])
def test_the_interval_says_how_it_was_made_and_what_each_look_showed(
    program: Program, rounds: str, method: str
) -> None:
    text = config(TWO, gates=SPEED_08.replace("0.8", "0.9")).replace("count = 5", rounds)
    program("run", program.write(text), "--out", "run", host=program.host(other=Script(token_ms=10.5)))
    result = explained(program, "other", "gen_tps")["result"]
    [comparison] = [c for c in program.report()["comparisons"] if c["metric"] == "gen_tps"]
    assert method in result["method"]
    looks = result["looks"]
    assert looks[-1]["rounds"] == result["rounds"] == comparison["rounds"]
    assert looks[-1]["centre"] == pytest.approx(comparison["ratio"])
    assert (looks[-1]["low"], looks[-1]["high"]) == pytest.approx(
        (comparison["interval"]["low"], comparison["interval"]["high"])
    )
    # Fewer than 8 rounds have a wider interval, so that the bound of 0.9 is inside it.
    assert [look["rounds"] for look in looks] == ([5, 6, 7, 8] if "max" in rounds else [6])
    if len(looks) > 1:
        assert "After rounds" in program("explain", "run", "other", "gen_tps").out


def test_the_terminal_shows_every_step_in_80_columns(slower: Program) -> None:
    out = slower("explain", "run", "other", "gen_tps").out
    assert max(map(len, out.splitlines())) <= 80
    steps = ["Lines of round", "Definition", "Rounds", "Interval", "Identity", "Verdicts", "FAIL "]
    assert sorted(steps, key=out.index) == steps
    assert '"ev": "token"' in out
    assert "11 ÷ (tN − t1)" in out


def test_the_round_whose_lines_are_shown_can_be_chosen(slower: Program) -> None:
    assert "Lines of round 3" in slower("explain", "run", "other", "gen_tps", "--round", "3").out
    assert "-r3.jsonl" in slower("explain", "run", "other", "gen_tps", "--round", "3").out
    wrong = slower("explain", "run", "other", "gen_tps", "--round", "99")
    assert wrong.code == 2
    assert "there is no round 99" in " ".join(wrong.err.split())


def test_without_a_cell_all_cells_are_listed_with_what_to_ask_next(slower: Program) -> None:
    found = explained(slower)
    assert {cell["name"]: cell["verdicts"] for cell in found["cells"]} == {
        "m/t/base": {},
        "m/t/other": {"speed": "FAIL", "hangs": "PASS"},
    }
    assert found["ask"][0] == "parity explain run other"
    assert "parity explain run other" in slower("explain", "run").out


def test_without_a_metric_all_metrics_of_the_cell_are_listed(slower: Program) -> None:
    found = explained(slower, "other")
    assert [line["metric"] for line in found["metrics"]] == list(METRICS)
    lines = {line["metric"]: line for line in found["metrics"]}
    assert lines["gen_tps"]["verdicts"] == {"speed": "FAIL"}
    assert lines["gen_tps"]["ratio"] == pytest.approx(0.25, rel=0.05)
    assert lines["load_lm_s"]["value"] is None
    assert lines["load_lm_s"]["reason"]
    told = slower("explain", "run", "other").out.splitlines()
    # Commands stand whole on lines of their own.
    assert max(len(line) for line in told if "-- parity run" not in line) <= 80
    assert found["diagnosis"]["findings"][0]["kind"] == "phase"
    assert "What tells it from base" in told


def test_the_baselines_own_cell_is_explained_with_the_gates_that_compare_with_it(slower: Program) -> None:
    found = explained(slower, "base", "gen_tps")
    assert found["baseline"] is None
    assert all(row["baseline"] is None and row["value"]["sources"] for row in found["rounds"])
    assert {(v["gate"], v["runtime"]) for v in found["verdicts"]} == {("speed", "other")}


def test_a_metric_that_was_not_measured_has_its_reason_and_the_verdict_that_follows(program: Program) -> None:
    gates = '[[gates]]\nname = "lm"\nkind = "bound"\nmetric = "load_lm_s"\nmax = 1.0\n'
    program("run", program.write(config(TWO, gates=gates)), "--out", "run")
    found = explained(program, "other", "load_lm_s")
    assert found["absent"]
    assert (found["definition"], found["rounds"]) == (None, [])
    assert [v["verdict"] for v in found["verdicts"]] == ["NOT RUN"]
    assert found["absent"] in " ".join(program("explain", "run", "other", "load_lm_s").out.split())


def test_a_failed_round_is_shown_with_the_reason_why_it_is_left_out(program: Program) -> None:
    def fault(head: Any) -> str | None:
        return "crash" if head.slot is not None and head.slot.round == 2 and not head.slot.warmup else None

    program("run", program.write(config(TWO)), "--out", "run", host=program.host(other=Script(fault=fault)))
    found = explained(program, "other", "gen_tps")
    [left] = [row for row in found["rounds"] if row["left_out"] is not None]
    assert left["round"] == 2
    assert "crash:SIGSEGV" in left["left_out"]
    assert "Round 2 is left out: other: its trial failed" in program("explain", "run", "other", "gen_tps").out


def test_an_interrupted_run_and_a_cell_that_never_ran_are_explained(program: Program) -> None:
    host = program.host(gone=Script(installed=False))
    host.interrupt_at = 4
    text = config(TWO + table("gone"))
    assert program("run", program.write(text), "--out", "run", host=host).code == 130
    found = explained(program)
    assert found["interrupted"]
    ran = {cell["name"]: cell["ran"] for cell in found["cells"]}
    assert "unavailable" in ran["m/t/gone"]
    assert explained(program, "gone", "gen_tps")["absent"].startswith("0 of ")
    assert explained(program, "other")["ran"]


def test_each_round_has_what_others_did_meanwhile_and_a_void_trial_its_reason(program: Program) -> None:
    host = program.host()
    host.meanwhile = lambda head: Meanwhile(others_cpu=1.5 if head.slot and head.slot.round == 2 else 0.25)
    text = program.write(config(table("base", "prove = false") + table("other", "prove = false"), warmup=0))
    program("run", text, "--out", "run", host=host)
    rows = explained(program, "other", "gen_tps")["conditions"]
    others = {(row["round"], row["runtime"]): row["others_cpu"] for row in rows}
    assert others == {
        (number, runtime): pytest.approx(1.5 if number == 2 else 0.25, abs=0.01)
        for number in range(1, 6)
        for runtime in ("base", "other")
    }
    assert {row["round"] for row in rows if row["void"]} == {2}
    out = program("explain", "run", "other", "gen_tps").out
    assert "Conditions" in out
    assert "1.50 cores" in out
    assert "other programs used 1.50 of 2 CPUs" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


DECLARED = '[[declare]]\nfact = "threads"\nruntimes = ["other"]\nreason = "this is what we compare"\n'


@pytest.mark.parametrize(("rest", "standing"), [("", "differs: "), (DECLARED, "declared: this is what we compare")])
def test_a_fact_that_differs_says_what_that_means_for_the_metric(program: Program, rest: str, standing: str) -> None:
    host = program.host(
        base=Script(settings=lambda head: {"threads": 2}), other=Script(settings=lambda head: {"threads": 64})
    )
    program("run", program.write(config(TWO, gates=SPEED_08, rest=rest)), "--out", "run", host=host)
    facts = {fact["fact"]: fact for fact in explained(program, "other", "gen_tps")["identity"]}
    assert (facts["threads"]["value"], facts["threads"]["baseline"]) == ("64", "2")
    assert facts["threads"]["standing"].startswith(standing)
    memory = {fact["fact"]: fact for fact in explained(program, "other", "peak_rss_bytes")["identity"]}
    assert memory["threads"]["standing"] == "this metric does not depend on it"


def test_trials_that_did_not_run_what_was_asked_are_named(program: Program) -> None:
    host = program.host(other=Script(tokens=5))
    program("run", program.write(config(TWO, gates=SPEED_08)), "--out", "run", host=host)
    [departure, *_] = explained(program, "other", "total_s")["departures"]
    assert departure.startswith("other, token count: it generated 5 of 12 tokens")
    assert "trials/0" in departure
    assert "Departure: other, token count" in " ".join(program("explain", "run", "other", "total_s").out.split())


@pytest.mark.parametrize("schema", ["schema-1", "schema-2"])
def test_run_folders_of_every_version_are_explained(program: Program, schema: str) -> None:
    shutil.copytree(RUN_FOLDERS / schema, program.folder / "run")
    before = snapshot(program.folder / "run")
    for metric in ("gen_tps", "load_s", "peak_rss_bytes", "load_lm_s"):
        for runtime in ("base", "other", "gone"):
            found = explained(program, runtime, metric)
            assert found["absent"] or all(side["sources"] for side in sides(found) if side and side["value"])
    assert {cell["name"] for cell in explained(program)["cells"]} == {"m/t/base", "m/t/other", "m/t/gone"}
    assert snapshot(program.folder / "run") == before


@pytest.mark.parametrize("arguments", [(), ("other",), ("other", "gen_tps")])
def test_json_is_as_its_schema_says(slower: Program, arguments: tuple[str, ...]) -> None:
    jsonschema.validate(explained(slower, *arguments), json.loads(schema_of("explanation")))


CELLS = [
    ("qwen3", "simple-math", "candle"),
    ("qwen3", "simple-math", "paraphym"),
    ("qwen3", "longer", "candle"),
    ("qwen3", "longer", "paraphym"),
    ("phi4", "longer", "llama-cpp-python"),
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("qwen3/longer/paraphym", CELLS[3]),
        ("longer/paraphym", CELLS[3]),
        ("simple-math/candle", CELLS[0]),
        ("llama-cpp-python", CELLS[4]),
        ("phi4", CELLS[4]),
        ("simple/para", CELLS[1]),
        ("llama", CELLS[4]),
    ],
)
def test_a_cell_is_found_by_any_part_that_no_other_cell_has(asked: str, found: tuple[str, str, str]) -> None:
    assert cell_named(asked, CELLS) == found


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("paraphym", "'paraphym' is a part of 2 cells; name one of them:\n    qwen3/simple-math/paraphym"),
        ("parafym", "did you mean 'paraphym'?"),
        ("simple-math/candel", "did you mean 'simple-math/candle'?"),
        ("gen_tps", "'gen_tps' is a metric: name a cell before it"),
        ("zzz", "cells of this run:\n    qwen3/simple-math/candle"),
    ],
)
def test_a_cell_that_is_not_there_is_named_with_what_is(asked: str, message: str) -> None:
    with pytest.raises(ParityError) as error:
        cell_named(asked, CELLS)
    assert message in str(error.value)


def test_a_metric_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(ParityError, match="did you mean 'gen_tps'"):
        metric_named("gen_tsp")
    with pytest.raises(ParityError, match="known metrics: load_s"):
        metric_named("zzz")


@pytest.mark.parametrize(
    ("metric", "definition"), [(name, d.id) for name, spec in METRICS.items() for d in spec.definitions]
)
def test_it_is_known_which_facts_every_definition_reads(metric: str, definition: str) -> None:
    assert knows(metric, definition)


def test_an_event_read_from_plain_text_leads_to_its_own_line_of_the_read() -> None:
    first, second, third, fourth = (SPAWN_NS + k * MS for k in (100, 200, 300, 400))
    pieces = (
        Piece(first, "err", b"loading\nmodel rea"),
        Piece(second, "err", b"dy\nprefill\nmore\n"),
        Piece(third, "out", b"Hello "),
        Piece(fourth, "out", b"world\n"),
    )
    whole = replace(transcript([]), pieces=pieces)
    unfolded = unfold(whole)
    lines = {line.text: line.t_ns for stream in ("out", "err") for line in unfolded.transcript.lines(stream)}
    events = (
        Phase(t_ns=lines["model ready"], name="ready", edge="end"),
        Phase(t_ns=lines["prefill"], name="prefill", edge="begin"),
        *(Chunk(t_ns=piece.t_ns, text="") for piece in unfolded.transcript.pieces if piece.stream == "out"),
    )
    trial = Traced("trials/1.jsonl", whole, unfolded, events, LineNumbers([4, 5, 6, 7], [], {"spawn": 3}))
    found = trial.sources(["spawn", "ready", "t0", "first text", "last text"])
    assert [(s.name, s.at_s and round(s.at_s, 6)) for s in found] == [
        ("spawn", 0.0),
        ("ready", 0.2),
        ("t0", 0.2),
        ("first text", 0.3),
        ("last text", 0.4),
    ]
    raw = [s.raw for s in found if s.raw is not None]
    assert [(r.line, r.stream, r.stream_line, r.text) for r in raw[1:]] == [
        (5, "err", 2, "model ready"),
        (5, "err", 3, "prefill"),
        (6, "out", 1, "Hello "),
        (7, "out", 1, "world"),
    ]
    assert raw[0].line == 3
    assert [r.arrived_s and round(r.arrived_s, 6) for r in raw[1:]] == [0.2, 0.2, 0.3, 0.4]


@pytest.mark.parametrize("data", [b"", b"a\r\nb\rc", b"\n\n", "é\nß".encode()])
def test_unfolding_changes_no_byte(data: bytes) -> None:
    whole = replace(transcript([]), pieces=(Piece(SPAWN_NS, "out", data), Piece(SPAWN_NS, "err", b"x\ny")))
    unfolded = unfold(whole).transcript
    assert (unfolded.data("out"), unfolded.data("err")) == (data, b"x\ny")
    stamps = [piece.t_ns for piece in unfolded.pieces]
    assert stamps == sorted(set(stamps))


def test_a_run_that_did_not_pass_ends_with_the_command_that_says_why(program: Program) -> None:
    text = program.write(config(TWO, gates=SPEED_08))
    slow = program("run", text, "--out", "slow", host=program.host(other=Script(token_ms=40.0)))
    assert "why: parity explain slow other gen_tps\n" in slow.err
    assert program("explain", "slow", "other", "gen_tps").code == 0
    assert "why:" not in program("run", text, "--out", "good").err
