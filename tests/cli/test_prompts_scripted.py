"""A run on prompts from files: a test a prompt, and a run folder that needs these files no more."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli
from run_files import transcripts
from scripted_host import HANGS, KilledError, Program, Script, config, table

from parity.__main__ import main

TWO = table("base") + table("other")
LINES = '{"id": "sum", "prompt": "What is 2+2?"}\n{"id": "tail", "prompt": "two \\n\\n", "raw": true}\n'
GATES = """
[[gates]]
name = "hangs"
kind = "no-failed-trials"
tests = ["t"]

[[gates]]
name = "one"
kind = "no-failed-trials"
tests = ["t.tail"]
"""
IN_PLACE = 'prompt = "hello"'
TRIALS = 2 * 2 * 3


def case(program: Program, keys: str = 'prompts = "q.jsonl"', *, gates: str = GATES, lines: str = LINES) -> str:
    """A config whose test takes its prompts from a file, for two runtimes, a warm-up and two rounds."""
    (program.folder / "q.jsonl").write_text(lines, encoding="utf-8")
    return program.write(config(TWO, rounds=2, gates=gates).replace(IN_PLACE, keys))


def kill(program: Program, *arguments: str) -> None:
    """Runs parity until it is killed in its third trial."""
    host = program.host()
    host.kill_at = 3
    with pytest.raises(KilledError):
        main([*arguments], host=host)


def prompts_run(folder: Path) -> set[tuple[str, str, bool]]:
    """Test, prompt and whether it is raw, of the jobs of all trials."""
    jobs = [json.loads(content.splitlines()[0])["head"]["job"] for content in transcripts(folder).values()]
    return {(job["test"]["name"], job["test"]["prompt"], job["test"]["raw"]) for job in jobs}


def test_a_run_on_a_file_of_prompts_judges_every_prompt(program: Program) -> None:
    host = program.host()
    done = program("run", case(program), "--out", "run", host=host)
    assert done.code == 0, done.err
    assert len(host.trials) == TRIALS
    assert prompts_run(program.folder / "run") == {("t.sum", "What is 2+2?", False), ("t.tail", "two \n\n", True)}
    assert {(v["gate"], v["test"], v["verdict"]) for v in program.report()["verdicts"]} == {
        ("hangs", "t.sum", "PASS"),
        ("hangs", "t.tail", "PASS"),
        ("one", "t.tail", "PASS"),
    }
    assert [(test["name"], test["title"]) for test in program.report()["tests"]] == [
        ("t.sum", "T: sum"),
        ("t.tail", "T: tail"),
    ]
    assert "T: sum" in done.out
    assert "T: tail" in done.out


def test_one_prompt_that_fails_is_not_the_others(program: Program) -> None:
    def fault(head: Any) -> str | None:
        return "crash" if head.slot is not None and head.slot.test == "t.tail" else None

    done = program("run", case(program), "--out", "run", host=program.host(other=Script(fault=fault)))
    assert done.code == 1
    assert {(v["gate"], v["test"]): v["verdict"] for v in program.report()["verdicts"]} == {
        ("hangs", "t.sum"): "PASS",
        ("hangs", "t.tail"): "FAIL",
        ("one", "t.tail"): "FAIL",
    }
    explained = program("explain", "run", "m/t.tail/other", "gen_tps")
    assert explained.code == 0, explained.err


def test_a_finished_run_is_scored_reported_and_explained_without_the_file(program: Program) -> None:
    program("run", case(program), "--out", "run")
    before = program.report()
    (program.folder / "q.jsonl").unlink()
    assert program("score", "run").code == 0
    assert program.report() == before
    for command in ("report", "explain"):
        assert program(command, "run").code == 0


@pytest.mark.parametrize("now", [None, LINES.replace("2+2", "3+3"), "no longer a file of prompts\n"])
@pytest.mark.parametrize(
    ("keys", "prompts"),
    [
        ('prompts = "q.jsonl"', {"What is 2+2?", "two \n\n"}),
        ('prompt_file = "q.jsonl"', {LINES.removesuffix("\n")}),
    ],
)
def test_a_run_goes_on_with_the_prompts_that_it_began_with(
    program: Program, keys: str, prompts: set[str], now: str | None
) -> None:
    kill(program, "run", case(program, keys, gates=HANGS), "--out", "run")
    path = program.folder / "q.jsonl"
    path.unlink() if now is None else path.write_text(now, encoding="utf-8")
    done = program("run", "--resume", "run")
    assert done.code == 0, done.err
    assert {prompt for _, prompt, _ in prompts_run(program.folder / "run")} == prompts


def test_a_config_that_names_a_different_file_is_refused_with_what_changed(program: Program) -> None:
    kill(program, "run", case(program), "--out", "run")
    longer = LINES.replace("What is 2+2?", "What is 2+2? " + "Think about it. " * 100)
    (program.folder / "longer.jsonl").write_text(longer, encoding="utf-8")
    case(program, 'prompts = "longer.jsonl"')
    done = program("run", "--resume", "run")
    assert done.code == 2
    assert "tests.t.sum.prompt: was 'What is 2+2?' and is 'What is 2+2? Think about it." in done.err
    assert "tests.t.sum.prompts: was 'q.jsonl' and is 'longer.jsonl'" in done.err
    assert max(len(line) for line in done.err.splitlines()) < 500


def test_a_long_prompt_that_changed_is_shown_where_it_differs(program: Program) -> None:
    story = "It rained all day. " * 50
    kill(program, "run", case(program, f'prompt = "{story}Then it stopped."', gates=HANGS), "--out", "run")
    case(program, f'prompt = "{story}Then it snowed."', gates=HANGS)
    done = program("run", "--resume", "run")
    assert done.code == 2
    assert "Then it stopped.' and is …" in done.err
    assert "Then it snowed.'" in done.err
    assert max(len(line) for line in done.err.splitlines()) < 500


def test_a_prompt_of_which_a_secret_was_not_recorded_is_read_from_its_file_again(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "swordfish")
    given = table("base", 'env = { MY_TOKEN = "${MY_TOKEN}" }') + table("other").replace("{model}", "{prompt}")
    text = config(given, rounds=2, gates=HANGS).replace(IN_PLACE, 'prompts = "q.jsonl"')
    (program.folder / "q.jsonl").write_text('{"id": "fish", "prompt": "Describe a swordfish."}\n', encoding="utf-8")
    kill(program, "run", program.write(text), "--out", "run")
    assert "swordfish" not in (program.folder / "run" / "run.json").read_text(encoding="utf-8")
    host = program.host()
    assert program("run", "--resume", "run", host=host).code == 0
    asked = {r.launch.argv[-1] for r in host.requests if (r.head.runtime, r.head.purpose) == ("other", "trial")}
    assert asked == {"Describe a swordfish."}


AWKWARD = 'sword"fish\\é'


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(f"Describe a {AWKWARD}."),
        json.dumps(f"Describe a {AWKWARD}.", ensure_ascii=False),
        '"Describe a \\u0073word\\u0022fish\\u005c\\u00E9."',
    ],
)
def test_a_secret_in_a_file_of_prompts_is_left_out_however_json_writes_it(
    program: Program, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("MY_TOKEN", AWKWARD)
    (program.folder / "q.jsonl").write_text(f'{{"id": "fish", "prompt": {written}}}\n', encoding="utf-8")
    given = table("base", 'env = { MY_TOKEN = "${MY_TOKEN}" }') + table("other").replace("{model}", "{prompt}")
    text = config(given, rounds=2, gates=HANGS).replace(IN_PLACE, 'prompts = "q.jsonl"')
    kill(program, "run", program.write(text), "--out", "run")
    kept = json.loads((program.folder / "run" / "run.json").read_text(encoding="utf-8"))["loaded"]
    [line] = kept["texts"]["q.jsonl"].splitlines()
    assert json.loads(line) == {"id": "fish", "prompt": "Describe a [redacted]."}
    assert kept["config"]["tests"][0]["prompt"] == "Describe a [redacted]."
    host = program.host()
    assert program("run", "--resume", "run", host=host).code == 0
    asked = {r.launch.argv[-1] for r in host.requests if (r.head.runtime, r.head.purpose) == ("other", "trial")}
    assert asked == {f"Describe a {AWKWARD}."}


def test_a_prompt_that_speaks_of_redaction_goes_on_as_it_began(program: Program) -> None:
    lines = '{"id": "mask", "prompt": "What does [redacted] mean?"}\n'
    kill(program, "run", case(program, gates=HANGS, lines=lines), "--out", "run")
    (program.folder / "q.jsonl").unlink()
    done = program("run", "--resume", "run")
    assert done.code == 0, done.err
    assert {prompt for _, prompt, _ in prompts_run(program.folder / "run")} == {"What does [redacted] mean?"}


def test_a_run_of_an_earlier_version_reads_what_may_be_masked_from_its_file_again(program: Program) -> None:
    kill(program, "run", case(program, gates=HANGS, lines='{"id": "x", "prompt": "a [redacted] b"}\n'), "--out", "run")
    path = program.folder / "run" / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    del run["loaded"]["masked"]
    path.write_text(json.dumps(run), encoding="utf-8")
    assert program("run", "--resume", "run").code == 0
    (program.folder / "q.jsonl").unlink()
    assert "q.jsonl: there is no such file" in program("run", "--resume", "run").err


def test_a_plan_and_a_doctor_take_a_set(program: Program) -> None:
    text = program.write(config(TWO, rounds=2, gates="").replace(IN_PLACE, 'prompts = "set:scripts"'))
    planned = program("plan", text)
    assert planned.code == 0, planned.err
    assert "t.hebrew-points" in planned.out
    assert program("doctor", text).code == 0


def test_a_file_with_a_mistake_starts_nothing(program: Program) -> None:
    host = program.host()
    done = program("run", case(program, lines=LINES + '{"id": "sum"}\n'), "--out", "run", host=host)
    assert done.code == 2
    assert f"tests.t.prompts: {program.folder}/q.jsonl, line 3: prompt: is missing" in done.err
    assert host.asked == []


def test_the_published_schema_of_configs_wants_exactly_one_source_of_prompts(program: Program) -> None:
    schema = json.loads(program("schema", "config").out)
    good = config(TWO)
    for keys in ('prompt_file = "x"', 'prompts = "set:short"'):
        jsonschema.validate(tomli.loads(good.replace(IN_PLACE, keys)), schema)
    for keys in ("", 'prompt = "x"\nprompts = "set:short"'):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomli.loads(good.replace(IN_PLACE, keys)), schema)


def test_the_published_schema_of_a_run_holds_one_on_a_file_of_prompts(program: Program) -> None:
    program("run", case(program), "--out", "run")
    schema = json.loads(program("schema", "run").out)
    run = json.loads((program.folder / "run" / "run.json").read_text(encoding="utf-8"))
    jsonschema.validate(run, schema)
    assert run["loaded"]["texts"] == {"q.jsonl": LINES}
    assert [test["prompt"] for test in run["loaded"]["config"]["tests"]] == ["What is 2+2?", "two \n\n"]
