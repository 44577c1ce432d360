"""Runs of a part of a config, or with other values: what is run, judged, shown, recorded and resumed."""

import json

import pytest
from scripted_host import HANGS, SPEED, Program, Script, config, table

THREE = table("base") + table("other") + table("third")
ON_BASE = '[[gates]]\nname = "load"\nkind = "bound"\nmetric = "load_s"\nmax = 100\nruntimes = ["base", "other"]\n'
PAGE = '[report]\nmarkdown = "page.md"\n'
TESTS = '[[tests]]\nname = "long"\nprompt = "hello"\nmax_tokens = 20\n'
TEXT = config(THREE, gates=HANGS + SPEED + ON_BASE, rest=PAGE + TESTS)


def run(program: Program, *options: str, out: str = "run", code: int = 0, host: object = None) -> str:
    host = host or program.host(third=Script())
    done = program("run", program.write(TEXT), "--out", out, *options, host=host)  # type: ignore[arg-type]
    assert done.code == code, done.out + done.err
    return " ".join(done.out.split())


def test_only_what_is_selected_is_asked_run_and_judged(program: Program) -> None:
    host = program.host(third=Script())
    out = run(program, "--only", "base,other", "-k", "t", host=host)
    assert {head.runtime for head in host.asked} == {"base", "other"}
    report = program.report()
    assert {(v["gate"], v["runtime"], v["test"]) for v in report["verdicts"]} == {
        ("hangs", "other", "t"),
        ("speed", "other", "t"),
        ("load", "base", "t"),
        ("load", "other", "t"),
    }
    assert report["options"] == ["--only base", "--only other", "--test t"]
    assert "Run with --only base --only other --test t." in out
    assert "Not selected, so not judged: hangs (other on long, third on t, third on long), speed (" in out
    assert report["exit"]["reason"].startswith("every required gate passed (3); not selected, so not judged: hangs (")
    assert json.loads((program.folder / "run" / "run.json").read_text())["loaded"]["choices"]["only"] == [
        "base",
        "other",
    ]


def test_without_the_baseline_what_compares_is_not_run_and_never_passes(program: Program) -> None:
    out = run(program, "--only", "other,third", "-k", "t", code=4)
    verdicts = {(v["gate"], v["runtime"]): v["verdict"] for v in program.report()["verdicts"]}
    assert verdicts == {
        ("hangs", "other"): "PASS",
        ("hangs", "third"): "PASS",
        ("load", "other"): "PASS",
        ("speed", "other"): "NOT RUN",
        ("speed", "third"): "NOT RUN",
    }
    assert "the baseline base is not selected, so that there is nothing to compare with" in out
    assert "→ add --only base" in out


def test_where_no_gate_is_on_what_is_selected_nothing_passes(program: Program) -> None:
    text = program.write(config(THREE, gates=HANGS + SPEED))
    done = program("run", text, "--out", "run", "--only", "base")
    assert done.code == 4
    assert "no required gate was judged; not selected, so not judged: hangs (" in " ".join(done.out.split())


def test_a_run_of_a_part_leaves_the_page_of_whole_runs_alone(program: Program) -> None:
    run(program, "--rounds", "5", out="part")
    assert not (program.folder / "page.md").exists()
    assert "Run with --rounds 5." in (program.folder / "part" / "page.md").read_text()
    run(program)
    assert (program.folder / "page.md").exists()


def test_a_killed_run_goes_on_with_its_options(program: Program) -> None:
    host = program.host(third=Script())
    host.interrupt_at = 3
    run(program, "--only", "base", "--only", "other", "--set", "tests.t.max_tokens=9", host=host, code=130)
    assert program("run", "--resume", "run", "--rounds", "2").code == 2
    done = program("run", "--resume", "run", host=program.host(third=Script()))
    assert done.code == 0, done.err
    report = program.report()
    assert {trial["runtime"] for trial in report["trials"]} == {"base", "other"}
    assert [test["max_tokens"] for test in report["tests"]] == [9, 20]
    assert program("score", "run").code == 0


def test_a_run_with_a_secret_among_its_options_keeps_none_and_can_not_be_resumed(program: Program) -> None:
    host = program.host(third=Script())
    host.interrupt_at = 3
    run(program, "--set", 'runtimes.other.env.API_TOKEN="s3cretvalue"', host=host, code=130)
    kept = "".join(path.read_text() for path in (program.folder / "run").rglob("*.json*"))
    assert "s3cretvalue" not in kept
    done = program("run", "--resume", "run", host=program.host(third=Script()))
    assert done.code == 2
    assert "--set runtimes.other.env.API_TOKEN held a secret" in done.err


def test_a_quick_run_is_one_round_and_decides_no_speed(program: Program) -> None:
    run(program, "--quick", code=3)
    report = program.report()
    assert {(trial["round"], trial["warmup"]) for trial in report["trials"]} == {(1, False)}
    assert {v["verdict"] for v in report["verdicts"] if v["gate"] == "speed"} == {"INCONCLUSIVE"}


def test_a_plan_takes_the_same_options(program: Program) -> None:
    out = program("plan", program.write(TEXT), "--only", "base", "-k", "long", "--rounds", "2").out
    assert "3 trials in all" in out
    assert "other" not in out


@pytest.mark.parametrize("options", [("--only", "nobody"), ("-k", "nothing"), ("--set", "rounds.max=x")])
def test_a_selection_of_nothing_starts_nothing(program: Program, options: tuple[str, str]) -> None:
    host = program.host(third=Script())
    done = program("run", program.write(TEXT), *options, host=host)
    assert done.code == 2
    assert f"case.toml: {options[0].replace('-k', '--test')}" in done.err
    assert host.asked == []
