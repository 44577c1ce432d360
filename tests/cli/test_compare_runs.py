"""`parity compare`: what two runs are compared in, and what keeps them from it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_host import Meanwhile, Program, Script, config, table

from parity.transcript import Head

CASE = config(table("base") + table("other"), rounds=8)


@pytest.fixture
def made(program: Program) -> Callable[..., None]:
    """Makes a run folder; with scripts in place of runtimes that behave well."""

    def make(name: str, text: str = CASE, **scripts: Script) -> None:
        program("run", program.write(text, f"{name}.toml"), "--out", name, host=program.host(**scripts))

    return make


def compared(program: Program, first: str = "first", second: str = "second") -> dict[str, Any]:
    done = program("compare", first, second, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def row(found: dict[str, Any], runtime: str, metric: str = "gen_tps") -> dict[str, Any]:
    [one] = [row for row in found["rows"] if (row["runtime"], row["metric"]) == (runtime, metric)]
    return one


def edit(folder: Path, file: str, **fields: Any) -> None:
    known = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps(known | fields), encoding="utf-8")


def test_a_runtime_that_became_slower_is_worse_by_its_ratio(program: Program, made: Callable[..., None]) -> None:
    made("first")
    made("second", other=Script(token_ms=15.0))
    found = compared(program)
    slower = row(found, "other")
    assert slower["ratio"]["ratio"] == pytest.approx(2 / 3, rel=0.02)
    assert slower["to_baseline"][0]["ratio"] == pytest.approx(1.0, rel=0.02)
    assert slower["to_baseline"][1]["ratio"] == pytest.approx(2 / 3, rel=0.02)
    assert slower["change"]["ratio"] == pytest.approx(2 / 3, rel=0.02)
    assert slower["word"] == "worse"
    assert slower["reasons"] == []
    assert row(found, "base")["ratio"]["ratio"] == pytest.approx(1.0)
    assert (row(found, "base")["change"], row(found, "base")["word"]) == (None, None)
    assert compared(program, "second", "first")["rows"] != found["rows"]
    assert row(compared(program, "second", "first"), "other")["word"] == "better"


def test_a_run_against_itself_shows_no_change(program: Program, made: Callable[..., None]) -> None:
    made("first")
    found = compared(program, "first", "first")
    assert {one["word"] for one in found["rows"] if one["runtime"] == "other"} == {"no change shown"}
    assert (found["differences"], found["alone"], found["verdicts"]) == ([], [], [])


def test_a_machine_that_became_slower_changes_values_and_no_ratio_to_the_baseline(
    program: Program, made: Callable[..., None]
) -> None:
    made("first")
    made("second", base=Script(token_ms=20.0), other=Script(token_ms=20.0))
    other = row(compared(program), "other")
    assert other["ratio"]["ratio"] == pytest.approx(0.5, rel=0.02)
    assert other["change"]["ratio"] == pytest.approx(1.0, rel=0.02)
    assert other["word"] == "no change shown"


def test_values_of_two_machines_have_no_ratio_and_ratios_to_baselines_are_compared(
    program: Program, made: Callable[..., None]
) -> None:
    made("first")
    made("second", other=Script(token_ms=15.0))
    run = json.loads((program.folder / "second" / "run.json").read_text(encoding="utf-8"))
    edit(program.folder / "second", "run.json", machine={**run["machine"], "host": "elsewhere", "cpu": "faster"})
    found = compared(program)
    assert found["differences"] == ["host: scripted and elsewhere", "cpu: scripted and faster"]
    assert all(one["ratio"] is None for one in found["rows"])
    other = row(found, "other")
    assert (None not in other["values"], other["word"]) == (True, "worse")
    said = " ".join(program("compare", "first", "second").out.split())
    assert "The machines or their conditions are not the same (host: scripted and elsewhere;" in said
    assert "only ratios to each run's own baseline are compared" in said
    assert "Second ÷ first" not in said


def test_a_policy_of_the_page_cache_that_changed_is_a_changed_condition(
    program: Program, made: Callable[..., None]
) -> None:
    made("first")
    made("second", CASE + '\n[conditions]\npage_cache = "cold"\n')
    assert compared(program)["differences"] == ["page cache: warm and cold"]


@pytest.mark.parametrize(
    ("text", "scripts", "reason"),
    [
        (CASE, {"other": Script(settings=lambda head: {"threads": 4})}, "the sides differ in threads (2 against 4)"),
        (CASE, {"other": Script(prompt_ids=(1, 2))}, "the prompt ids differ"),
        (CASE.replace("@0", "@1"), {}, "the two sides ran different weights"),
    ],
    ids=["threads", "prompt", "weights"],
)
def test_a_cell_that_did_not_run_the_same_is_not_compared(
    program: Program, made: Callable[..., None], text: str, scripts: dict[str, Script], reason: str
) -> None:
    two = Script(settings=lambda head: {"threads": 2})
    made("first", other=two)
    made("second", text, **{"other": two, **scripts})
    other = row(compared(program), "other")
    assert (other["ratio"], other["change"], other["word"]) == (None, None, None)
    assert any(reason in said for said in other["reasons"]), other["reasons"]


def test_a_baseline_that_was_updated_leaves_both_ratios_without_a_change(
    program: Program, made: Callable[..., None]
) -> None:
    made("first")
    made("second", base=Script(version="2.0"))
    other = row(compared(program), "other")
    assert None not in other["to_baseline"]
    assert (other["change"], other["word"]) == (None, None)
    assert any("the baselines are not the same (version: 1.0 and 2.0)" in said for said in other["reasons"])


def test_an_implementation_that_was_updated_is_compared(program: Program, made: Callable[..., None]) -> None:
    made("first")
    made("second", other=Script(version="2.0", token_ms=5.0))
    assert row(compared(program), "other")["word"] == "better"


def test_a_runtime_that_is_fast_and_wrong_is_not_better(program: Program, made: Callable[..., None]) -> None:
    text = CASE + '\n[[gates]]\nname = "same"\nkind = "outputs"\n'
    made("first", text)
    made("second", text, other=Script(token_ms=5.0, token_id=lambda head, k: 200 + k, text=lambda head: "wrong"))
    other = row(compared(program), "other")
    assert (other["change"], other["word"]) == (None, None)
    assert any("its outputs are" in said for said in other["reasons"]), other["reasons"]


def test_a_runtime_that_is_fast_and_wrong_is_not_better_without_a_gate_on_outputs_either(
    program: Program, made: Callable[..., None]
) -> None:
    made("first", config(table("base") + table("other"), rounds=8, gates=""))
    wrong = Script(token_ms=5.0, token_id=lambda head, k: (200 if of_round(head, 8) else 100) + k)
    made("second", config(table("base") + table("other"), rounds=8, gates=""), other=wrong)
    other = row(compared(program), "other")
    assert (other["change"], other["word"]) == (None, None)
    assert any("its outputs are" in said for said in other["reasons"]), other["reasons"]


def test_a_run_that_lost_rounds_decides_no_change(program: Program, made: Callable[..., None]) -> None:
    made("first")
    crash = Script(token_ms=5.0, fault=lambda head: "crash" if of_round(head, 3) else None)
    made("second", other=crash)
    other = row(compared(program), "other")
    assert (other["change"], other["word"]) == (None, None)
    assert any("1 of 8 measured rounds of other failed" in said for said in other["reasons"]), other["reasons"]


@pytest.mark.parametrize(
    ("is_busy", "reason"),
    [
        (lambda head: True, "the second run: the machine was busy in"),
        (lambda head: of_first_attempt(head) and of_round(head, 1), None),
        (lambda head: of_first_attempt(head) and head.runtime == "other", "so that what is left may be a selection"),
    ],
    ids=["busy to the end", "busy for a round", "uneven"],
)
def test_a_machine_that_was_busy_decides_no_change(
    program: Program, made: Callable[..., None], is_busy: Callable[[Head], bool], reason: str | None
) -> None:
    text = config(table("base") + table("other"), rounds=12)
    made("first", text)
    host = program.host(other=Script(token_ms=5.0))
    host.meanwhile = lambda head: Meanwhile(others_cpu=1.6 if is_busy(head) else 0.0)
    program("run", program.write(text), "--out", "second", host=host)
    other = row(compared(program), "other")
    if reason is None:
        assert (other["word"], other["reasons"]) == ("better", [])
        return
    assert (other["change"], other["word"]) == (None, None)
    assert any(reason in said for said in other["reasons"]), other["reasons"]


def of_round(head: Head, number: int) -> bool:
    return head.slot is not None and not head.slot.warmup and head.slot.round == number


def of_first_attempt(head: Head) -> bool:
    return head.slot is not None and not head.slot.warmup and head.slot.round <= 5 and head.slot.attempt == 1


def test_few_rounds_show_values_and_decide_nothing(program: Program, made: Callable[..., None]) -> None:
    made("first", config(table("base") + table("other"), rounds=3))
    made("second", other=Script(token_ms=15.0))
    other = row(compared(program), "other")
    assert (other["change"], other["word"]) == (None, None)
    assert other["reasons"] == ["the first run has 3 rounds, and fewer than 5 decide nothing"]


def test_a_trial_that_failed_in_every_round_has_no_value_and_no_change(
    program: Program, made: Callable[..., None]
) -> None:
    made("first")
    made("second", other=Script(fault=lambda head: "crash"))
    other = row(compared(program), "other")
    assert other["values"][1] is None
    assert (other["ratio"], other["change"]) == (None, None)
    assert any("the second run: " in said for said in other["reasons"])


def test_cells_of_one_run_alone_are_named(program: Program, made: Callable[..., None]) -> None:
    made("first")
    made("second", config(table("base") + table("third")), third=Script())
    found = compared(program)
    assert found["alone"] == ["m/t/other: in the first run alone", "m/t/third: in the second run alone"]
    made("apart", config(table("third") + table("base")).replace('"t"', '"u"'), third=Script())
    assert "The runs have no cell in common" in program("compare", "first", "apart").out


def test_verdicts_that_changed_are_listed_with_what_was_asked_for(program: Program, made: Callable[..., None]) -> None:
    made("first")
    made("second", CASE.replace("min_ratio = 0.5", "min_ratio = 0.8"), other=Script(token_ms=15.0))
    assert compared(program)["verdicts"] == [
        "speed (other on m/t): PASS, now FAIL; it asks for at least 0.8×, and asked for at least 0.5×"
    ]


def test_the_table_holds_the_terminals_width_and_says_what_it_means(
    program: Program, made: Callable[..., None]
) -> None:
    made("first")
    made("second", other=Script(token_ms=15.0))
    out = program("compare", "first", "second").out
    assert max(map(len, out.splitlines())) <= 80
    assert "First run: first, first, began " in out
    assert out.count("worse") >= 3
    assert "1.00× → 0.67×" in " ".join(out.split())
    assert "nothing is judged by it" in " ".join(out.split())


def test_the_latest_two_runs_are_compared_by_name(
    program: Program, made: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(program.folder / "cache"))
    made("first")
    for number in (1, 2):
        target = program.folder / ".parity" / "runs" / f"run-{number}"
        shutil.copytree(program.folder / "first", target)
        edit(target, "run.json", started=f"2031-01-0{number}T00:00:00Z")
    found = compared(program, "latest~1", "latest")
    assert (found["first"], found["second"]) == ("run-1", "run-2")


def test_a_folder_that_is_no_run_exits_2(program: Program, made: Callable[..., None]) -> None:
    made("first")
    done = program("compare", "first", "nowhere")
    assert (done.code, done.out) == (2, "")
    assert "nowhere: is not a run folder" in done.err


SAME_ANSWERS = CASE + '\n[[gates]]\nname = "same"\nkind = "outputs"\n'


def outputs(found: dict[str, Any], runtime: str) -> Any:
    [one] = [one for one in found["outputs"] if one["runtime"] == runtime]
    return one


def test_outputs_are_compared_with_those_of_the_first_run(program: Program, made: Callable[..., None]) -> None:
    made("first")
    made("second", other=Script(version="2.0", token_id=lambda head, k: 200 + k, text=lambda head: "something else"))
    found = compared(program)
    assert outputs(found, "base")["found"]["verdict"] == "IDENTICAL"
    other = outputs(found, "other")["found"]
    assert (other["runtime"], other["baseline"]) == ("the second run", "the first run")
    assert other["verdict"] in ("WRONG", "UNPROVEN")
    assert other["first_difference"]["at"] == 1
    shown = " ".join(program("compare", "first", "second").out.split())
    assert "Outputs of the second run beside those of the first" in shown
    assert "not which of them is right" in shown


def test_outputs_of_other_weights_or_of_a_test_that_was_changed_are_not_compared(
    program: Program, made: Callable[..., None]
) -> None:
    made("first")
    made("second", CASE.replace("@0", "@1"))
    found = outputs(compared(program), "other")["found"]
    assert found["verdict"] == "UNPROVEN"
    assert "the two sides ran different weights" in found["sentence"]
    made("third", CASE.replace("max_tokens = ", "max_tokens = 1"))
    told = outputs(compared(program, "first", "third"), "other")
    assert (told["found"], told["reason"]) == (None, "the test was changed between the runs (max_tokens)")
    assert "other on m / t: the test was changed" in " ".join(program("compare", "first", "third").out.split())


def test_a_comparison_is_drawn_as_a_page(program: Program, made: Callable[..., None]) -> None:
    made("first")
    made("second", other=Script(token_ms=15.0, text=lambda head: "<b>else</b>"))
    done = program("compare", "first", "second", "--out", "pages/two.html")
    assert (done.code, done.out, done.err) == (0, "", "comparison: pages/two.html\n")
    page = (program.folder / "pages" / "two.html").read_text(encoding="utf-8")
    assert "Change of the ratios to the baseline: other on m / t" in page
    assert "worse" in page
    assert "<b>else" not in page
    assert "<mark>" in page
    assert "goes without --json" in program("compare", "first", "second", "--out", "x.html", "--json").err
