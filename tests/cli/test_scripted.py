"""Every command on a scripted host: what is asked in which order, and what comes of it when things fail."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from model_files import CONFIG, model_folder
from preparing import snapshot
from run_files import transcripts
from scripted_host import HANGS, MODEL, SPEED, Program, Script, config, table

from parity.cli.schemas import NAMES
from parity.report import FORMATS
from parity.transcript import Head
from parity_adapters.command import CommandLine

TWO = table("base") + table("other")
SCHEMA_1 = Path(__file__).parents[1] / "run_folders" / "schema-1"


def trials(fault: str) -> Callable[[Head], str | None]:
    """The fault of every trial; proofs go well."""
    return lambda head: fault if head.purpose == "trial" else None


def proofs(fault: str) -> Callable[[Head], str | None]:
    return lambda head: fault if head.purpose == "proof" else None


def test_a_good_run_passes_and_asks_each_runtime_before_the_first_trial(program: Program) -> None:
    host = program.host()
    done = program("run", program.write(config(TWO)), "--out", "run", host=host)
    assert done.code == 0, done.err
    assert [head.purpose for head in host.asked[:4]] == ["probe", "probe", "proof", "proof"]
    assert len(host.trials) == len(host.asked) - 4 == 12
    assert {v["verdict"] for v in program.report()["verdicts"]} == {"PASS"}
    assert program.report()["not_run"] == []


@pytest.mark.parametrize(
    ("fault", "said"), [("none", "the only trial succeeded"), ("crash", "the only trial failed (")]
)
def test_one_trial_is_not_spoken_of_as_many(program: Program, fault: str, said: str) -> None:
    host = program.host(other=Script(fault=trials(fault)))
    program("run", program.write(config(TWO, rounds=1, warmup=0)), "--out", "run", host=host)
    [sentence] = [v["sentence"] for v in program.report()["verdicts"] if v["runtime"] == "other"]
    assert sentence.startswith(said)


def test_every_step_of_a_runtime_runs_in_the_environment_of_its_table(program: Program) -> None:
    set_here = 'env = { THREADS = "3" }\npass_env = ["NAMED"]\n'
    host = program.host()
    program("run", program.write(config(table("base") + table("other", set_here), rounds=1)), "--out", "run", host=host)
    seen = {
        (request.head.runtime, request.head.purpose): (request.launch.env.get("THREADS"), request.pass_env)
        for request in host.requests
    }
    assert seen == {
        (runtime, purpose): expected
        for runtime, expected in (("base", (None, ())), ("other", ("3", ("NAMED",))))
        for purpose in ("probe", "proof", "trial")
    }


def test_the_head_of_each_transcript_holds_its_slot(program: Program) -> None:
    program("run", program.write(config(TWO, rounds=1)), "--out", "run")
    heads = [json.loads(content.splitlines()[0])["head"] for content in transcripts(program.folder / "run").values()]
    assert {(h["slot"]["runtime"], h["slot"]["round"], h["slot"]["warmup"]) for h in heads} == {
        (name, 1, warmup) for name in ("base", "other") for warmup in (True, False)
    }


def test_a_runtime_that_failed_twice_in_the_same_way_is_not_tried_again(program: Program) -> None:
    third = table("third")
    host = program.host(other=Script(fault=trials("crash")), third=Script())
    done = program("run", program.write(config(TWO + third)), "--out", "run", host=host)
    assert done.code == 1
    assert [head.runtime for head in host.trials].count("other") == 2
    assert [head.runtime for head in host.trials].count("third") == 6
    said = "its warm-up and first measured trial failed in the same way (crash:SIGSEGV), so it was not tried again"
    assert done.err.count(said) == 1
    verdicts = {(v["gate"], v["runtime"]): v["verdict"] for v in program.report()["verdicts"]}
    assert verdicts == {
        ("hangs", "other"): "FAIL",
        ("speed", "other"): "NOT RUN",
        ("hangs", "third"): "PASS",
        ("speed", "third"): "PASS",
    }
    [left] = program.report()["not_run"]
    assert (left["runtime"], left["planned"], left["ran"], left["kind"]) == ("other", 6, 2, "given up")


def test_failures_of_different_kinds_are_no_reason_to_give_up(program: Program) -> None:
    def fault(head: Head) -> str | None:
        return ("crash" if head.slot.warmup else "exit") if head.slot is not None else None

    host = program.host(other=Script(fault=fault))
    program("run", program.write(config(TWO)), "--out", "run", host=host)
    assert [head.runtime for head in host.trials].count("other") == 6


def test_one_failure_is_no_reason_to_give_up(program: Program) -> None:
    host = program.host(other=Script(fault=lambda head: "crash" if head.slot and head.slot.warmup else None))
    done = program("run", program.write(config(TWO)), "--out", "run", host=host)
    assert len(host.trials) == 12
    assert done.code == 1


def test_a_run_whose_baseline_is_lost_stops(program: Program) -> None:
    host = program.host(base=Script(fault=trials("hang")))
    done = program("run", program.write(config(TWO, rounds=10)), "--out", "run", host=host)
    assert len(host.trials) <= 4
    assert done.code == 4
    assert "the baseline base is lost on t, and there is nothing to compare with" in done.err
    assert {v["verdict"] for v in program.report()["verdicts"] if v["gate"] == "speed"} == {"NOT RUN"}
    assert {(n["runtime"], n["planned"]) for n in program.report()["not_run"]} == {("base", 11), ("other", 11)}


@pytest.mark.parametrize("gone", ["base", "other"])
def test_nothing_is_fetched_or_run_where_no_verdict_is_possible(program: Program, gone: str) -> None:
    host = program.host(**{gone: Script(installed=False)})
    text = config(TWO).replace(MODEL, "hf://nobody/nothing/none.gguf")
    done = program("run", program.write(text), "--out", "run", host=host)
    assert done.code == 5, done.err
    assert [head.purpose for head in host.asked] == ["probe", "probe"]
    assert f"No trial was run: {gone} is not available, so that no verdict is possible." in done.err
    assert f"install {gone}" in done.err
    [left] = [n for n in program.report()["not_run"] if n["runtime"] == gone]
    assert (left["kind"], left["ran"], left["planned"]) == ("unavailable", 0, 6)


def test_witnesses_go_on_alone_only_while_a_required_gate_can_be_decided(program: Program) -> None:
    gates = HANGS + 'runtimes = ["other"]\n' + SPEED + 'runtimes = ["other"]\n'
    host = program.host(other=Script(installed=False), witness=Script())
    text = config(TWO + table("witness"), gates=gates)
    assert program("run", program.write(text), "--out", "run", host=host).code == 5
    assert host.trials == []


def test_a_runtime_that_crashes_on_a_tiny_model_is_not_ready_and_gets_no_trial(program: Program) -> None:
    host = program.host(other=Script(fault=proofs("crash")))
    case = program.write(config(TWO))
    done = program("run", case, "--out", "run", host=host)
    assert host.trials == []
    assert done.code == 5
    assert "it fails on a tiny model: crash:SIGSEGV" in done.err
    assert {v["verdict"] for v in program.report()["verdicts"]} == {"NOT RUN"}
    doctor = program("doctor", case, host=host)
    assert doctor.code == 4
    assert "other: it fails on a tiny model: crash:SIGSEGV" in doctor.out
    assert "base       ready (proved)" in doctor.out


@pytest.mark.parametrize("fault", ["exit", "refuse", "hang"])
def test_a_runtime_that_will_not_run_a_tiny_model_is_ready_and_not_proved(program: Program, fault: str) -> None:
    host = program.host(other=Script(fault=proofs(fault)))
    case = program.write(config(TWO))
    assert program("run", case, "--out", "run", host=host).code == 0
    doctor = program("doctor", case, host=host)
    assert doctor.code == 0
    assert "other: ready (not proved: a tiny model gave " in doctor.out


def test_a_proof_is_kept_for_the_next_run_until_the_version_changes(program: Program) -> None:
    case = program.write(config(TWO, rounds=1))
    first, again = program.host(), program.host()
    program("run", case, "--out", "run", host=first)
    program("run", case, "--out", "again", host=again)
    newer = program.host(other=Script(version="2.0"))
    program("run", case, "--out", "newer", host=newer)
    asked = [[head.runtime for head in host.asked if head.purpose == "proof"] for host in (first, again, newer)]
    assert asked == [["base", "other"], [], ["other"]]
    assert (program.folder / "again" / "prepared" / "other" / "proof.jsonl").exists()


def test_a_failed_proof_is_asked_again(program: Program) -> None:
    case = program.write(config(TWO))
    program("run", case, "--out", "run", host=program.host(other=Script(fault=proofs("crash"))))
    assert program("run", case, "--out", "again").code == 0


@pytest.mark.parametrize(
    ("keys", "args", "reason"),
    [
        ("prove = false", '["{model}"]', "its table sets `prove = false`"),
        ("", '["something"]', "its `args` hold neither {model} nor {scratch}"),
    ],
)
def test_a_runtime_that_is_not_asked_for_a_proof_says_why(program: Program, keys: str, args: str, reason: str) -> None:
    text = config(table("base") + table("other", keys).replace('["{model}"]', args))
    host = program.host()
    doctor = program("doctor", program.write(text), host=host)
    assert [head.runtime for head in host.asked if head.purpose == "proof"] == ["base"]
    assert f"other: ready (not proved: {reason}" in doctor.out


def test_doctor_as_json_names_status_and_proof(program: Program) -> None:
    host = program.host(other=Script(installed=False))
    done = program("doctor", program.write(config(TWO)), "--json", host=host)
    assert done.code == 4
    found = {c["runtime"]: (c["status"], c["proof"]) for c in json.loads(done.out)}
    assert found == {"base": ("ready", "proved"), "other": ("not ready", None)}


def test_a_page_of_an_earlier_good_run_survives_a_run_that_measured_nothing(program: Program) -> None:
    case = program.write(config(TWO, rest='[report]\nmarkdown = "page.md"\n'))
    program("run", case, "--out", "good")
    page = program.folder / "page.md"
    good = page.read_text(encoding="utf-8")
    done = program("run", case, "--out", "bad", host=program.host(other=Script(installed=False)))
    assert done.code == 5
    assert page.read_text(encoding="utf-8") == good
    assert (program.folder / "bad" / "page.md").exists()
    assert "nothing was measured, so page.md was left as it is" in done.err


def test_plan_runs_nothing(program: Program) -> None:
    host = program.host()
    done = program("plan", program.write(config(TWO)), host=host)
    assert done.code == 0
    assert "12 trials in all" in done.out
    assert host.asked == []


@pytest.mark.parametrize("format", ["table", "markdown", "page", "json"])
def test_report_prints_each_format_and_changes_nothing(program: Program, format: str) -> None:
    program("run", program.write(config(TWO)), "--out", "run")
    before = snapshot(program.folder / "run")
    done = program("report", "run", "--format", format)
    assert done.code == 0
    assert "other" in done.out
    assert snapshot(program.folder / "run") == before


def test_score_gives_the_same_report_and_exit_code_as_the_run(program: Program) -> None:
    host = program.host(other=Script(token_ms=40.0))
    ran = program("run", program.write(config(TWO)), "--out", "run", host=host)
    before = program.report()
    assert ran.code == 1
    scored = program("score", "run")
    assert (scored.code, scored.out) == (ran.code, ran.out)
    assert program.report() == before


@pytest.mark.parametrize("command", ["score", "report"])
def test_run_folders_of_the_first_schema_stay_readable(program: Program, command: str) -> None:
    shutil.copytree(SCHEMA_1, program.folder / "old")
    done = program(command, "old")
    assert done.code == (4 if command == "score" else 0)
    assert "gone" in done.out


@pytest.mark.parametrize("arguments", [["schema", "config"], ["adapter", "list"], ["synth", "tiny-llama"]])
def test_the_other_commands_answer(program: Program, arguments: list[str]) -> None:
    assert program(*arguments).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "give a CONFIG or a MODEL to run, or --resume RUN"),
        (["run", "case.toml", "--resume", "run"], "give a CONFIG or a MODEL to run, or --resume RUN"),
        (["run", "--resume", "nowhere"], "is not a run folder"),
        (["run", "--resume", "nowhere", "--out", "x"], "the run continues in its own folder"),
        (["report", "nowhere"], "is not a run folder"),
        (["schema", "nothing"], "there is no schema"),
    ],
)
def test_wrong_arguments_exit_2_and_say_what_is_right(program: Program, arguments: list[str], message: str) -> None:
    program.write(config(TWO))
    done = program(*arguments)
    assert done.code == 2
    assert message in " ".join(done.err.split()).replace("│ ", "")


def test_an_error_does_nothing_to_the_terminal(program: Program) -> None:
    done = program("score", "no\033[31mwhere\a")
    assert done.code == 2
    assert done.err == "parity: nowhere\ufffd: is not a run folder (it has no run.json); runs are under .parity/runs\n"


def test_doctor_proves_ahead_of_a_model_whose_address_tells_its_kind(program: Program) -> None:
    host = program.host()
    text = config(TWO).replace(MODEL, "synth://qwen3-1.7b/Q4_0@7")
    doctor = program("doctor", program.write(text), host=host)
    assert "base       ready (proved)" in doctor.out
    models = {head.job.model.architecture for head in host.asked if head.job is not None}
    assert models == {"qwen3"}


def test_doctor_says_that_a_model_must_be_fetched_before_anything_can_be_proved(program: Program) -> None:
    text = config(TWO).replace(MODEL, "hf://nobody/nothing/none.gguf")
    doctor = program("doctor", program.write(text))
    assert doctor.code == 0
    assert "ready (not proved: the model m is not on this machine yet; `parity run` fetches it)" in doctor.out


def test_a_task_that_an_adapter_does_not_offer_is_refused(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"score"}))
    host = program.host()
    program("run", program.write(config(TWO)), "--out", "run", host=host)
    assert host.trials == []
    failures = {(trial["failure"]["kind"], trial["failure"]["message"]) for trial in program.report()["trials"]}
    assert failures == {("refused", "command can't do the task `generate`")}


@pytest.mark.parametrize("names", [("report", tuple(FORMATS)), ("schema", NAMES)])
def test_help_lists_every_name_that_the_command_takes(program: Program, names: tuple[str, tuple[str, ...]]) -> None:
    command, known = names
    shown = program(command, "--help").out
    assert [name for name in known if name not in shown] == []


STOPPED = """text = '"text": "(?P<text>[a-z]*)"'
markers.stop = { pattern = '"bye"' }
"""


@pytest.mark.parametrize(
    ("keys", "ends", "verdict", "code"),
    [("", True, "PASS", 0), ("", False, "FAIL", 1), ("whole_trials = 0", False, "INCONCLUSIVE", 3)],
)
def test_a_program_that_is_stopped_after_its_answer_has_a_whole_trial_of_its_own(
    program: Program, keys: str, ends: bool, verdict: str, code: int
) -> None:
    other = table("other", STOPPED + keys).replace("events = true\n", "")
    host = program.host(other=Script(ends=ends))
    done = program("run", program.write(config(table("base") + other, gates=HANGS)), "--out", "run", host=host)
    assert (done.code, [v["verdict"] for v in program.report()["verdicts"]]) == (code, [verdict]), done.err
    kinds = [head.slot.kind for head in host.trials if head.runtime == "other" and head.slot is not None]
    assert kinds.count("whole") == (0 if keys else 1)
    stopped = [trial["stopped"] for trial in program.report()["trials"] if trial["runtime"] == "other"]
    assert stopped == [True] * 6 + [False] * kinds.count("whole")


def turns_of_a_run(program: Program, text: str) -> set[str | None]:
    host = program.host()
    program("run", program.write(text), "--out", "run", host=host)
    return {head.job.chat_turn for head in host.trials if head.job is not None}


def test_every_trial_of_a_run_is_given_the_prompt_as_it_was_rendered_once(program: Program) -> None:
    turns = turns_of_a_run(program, config(TWO, rounds=2))
    assert turns == {"<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"}


def test_a_template_of_a_folder_that_tells_the_time_asks_the_same_of_every_trial(program: Program) -> None:
    folder = model_folder(program.folder / "m", CONFIG, {"a.weight": ("F32", [2, 3])})
    template = "At {{ strftime_now('%H:%M:%S.%f') }}: {{ messages[0].content }}"
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    [turn] = turns_of_a_run(program, re.sub(r'source = ".*"', f'source = "{folder}"', config(TWO, rounds=2)))
    assert re.fullmatch(r"At [\d:.]+: hello", turn or "")


@pytest.mark.parametrize("word", ["y" * 300, "/root/" + "y" * 5000, "a/" * 3000])
def test_a_word_of_a_command_line_may_be_too_long_for_a_name(program: Program, word: str) -> None:
    other = table("other").replace('"{model}"', f'"{{model}}", "{word}"')
    done = program("run", program.write(config(table("base") + other)), "--out", "run")
    assert done.code == 0, done.err
