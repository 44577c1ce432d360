"""`parity bisect`: where a fault shows first, with how few ids, and whether a checkout has it."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_host import KilledError, Program, Script, ScriptedHost, certain, config, table

from parity.__main__ import main
from parity.hosts.cancel import Cancel
from parity.transcript import Head
from parity_adapters.command import CommandLine

TWO = table("base") + table("other")
GATES = '[[gates]]\nname = "same-answers"\nkind = "outputs"\n'
CASE = config(TWO, rounds=1, warmup=0, gates=GATES)
SEQUENCE = (1, 2, 3, *range(101, 113))
"""The prompt and the answer that are scored in these runs."""

Top = tuple[tuple[int, float], ...]


@pytest.fixture(autouse=True)
def scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scripted runtime can score."""
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))


def faulty(shows: Callable[[tuple[int, ...]], bool]) -> Script:
    """A runtime that finds a wrong id likeliest after the contexts for which `shows` says so."""

    def top(head: Head, position: int) -> Top:
        assert head.job is not None
        assert head.job.score is not None
        ids = head.job.score.ids
        return ((999, -0.051293), (ids[position], -2.995732)) if shows(ids[:position]) else certain(head, position)

    return Script(top=top)


def after_105(context: tuple[int, ...]) -> bool:
    """From the id 106 on, where at least three ids are before it."""
    return 105 in context and len(context) >= 3


def ran(program: Program, host: ScriptedHost) -> ScriptedHost:
    program("run", program.write(CASE), "--out", "run", host=host)
    host.asked.clear()
    return host


def result(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((program.folder / "run" / "bisect" / "bisect.json").read_text(encoding="utf-8"))
    return found


def scored(host: ScriptedHost) -> list[tuple[str, int]]:
    """Runtime and number of ids of every trial."""
    jobs = [head.job for head in host.trials if head.job is not None]
    return [(job.runtime, len(job.score.ids)) for job in jobs if job.score is not None]


def test_the_first_position_and_the_shortest_sequence_that_show_a_fault_are_found(program: Program) -> None:
    host = ran(program, program.host(other=faulty(after_105)))
    before = {path: path.read_bytes() for path in (program.folder / "run").rglob("*") if path.is_file()}
    done = program("bisect", "run", "other", host=host)
    assert done.code == 0, done.err
    found = result(program)
    assert found["shown_by"] == "scores"
    # 106 is the first id after 105.
    assert (found["place"]["position"], found["place"]["token"], found["place"]["scored"]["id"]) == (8, 6, 106)
    assert found["shortest"]["ids"] == [103, 104, 105, 106]
    assert found["shortest"]["tried"] == {"2": False, "4": True, "3": False}
    assert found["shortest"]["repeated"]
    assert not found["shortest"]["whole"]
    assert scored(host) == [(name, ids) for ids in (2, 4, 3, 4) for name in ("base", "other")]
    text = " ".join(done.out.split())
    assert "first position that shows it: 8 of 15 ids (token 6 of the continuation): 106" in text
    assert "shortest sequence that was tried and shows it: 4 ids, and a repeated trial shows it again" in text
    assert "ids: 103 104 105 106" in text
    # It is used in a different folder, and is copied: whole, on one line.
    assert f"git bisect run parity bisect {program.folder / 'run'} m/t/other --command CMD\n" in done.out
    assert "they diverge" in text
    copied = ("git bisect run", "base:", "other:")
    assert all(len(line) <= 80 for line in done.out.splitlines() if not line.strip().startswith(copied))
    # The run itself is as it was.
    assert {path: path.read_bytes() for path in before} == before
    assert program("score", "run").code == 1


def test_the_command_lines_that_are_shown_have_their_files(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    program("bisect", "run", "other", host=program.host(other=faulty(after_105)))
    lines = result(program)["shortest"]["reproduce"]
    assert set(lines) == {"base", "other"}
    assert lines["other"].startswith(f"cd {program.folder} && other ")
    job = json.loads((program.folder / "run/bisect/shortest/implementation/job.json").read_text(encoding="utf-8"))
    assert job["score"]["ids"] == [103, 104, 105, 106]


def test_a_second_search_runs_no_trial_again(program: Program) -> None:
    host = ran(program, program.host(other=faulty(after_105)))
    first = program("bisect", "run", "other", host=host)
    host.asked.clear()
    second = program("bisect", "run", "other", "--json", host=host)
    assert host.trials == []
    assert json.loads(second.out) == result(program)
    assert first.code == second.code == 0


@pytest.mark.parametrize("at", [1, 4, 8])
def test_an_interrupted_search_goes_on_where_it_was(program: Program, at: int) -> None:
    host = ran(program, program.host(other=faulty(after_105)))
    host.interrupt_at = at
    done = program("bisect", "run", "other", host=host)
    assert done.code == 130
    assert "the search is not over: it was interrupted" in done.out
    again = program.host(other=faulty(after_105))
    assert program("bisect", "run", "other", host=again).code == 0
    assert len(again.trials) == 8 - (at - 1)
    assert result(program)["shortest"]["ids"] == [103, 104, 105, 106]


def test_a_killed_search_goes_on_where_it_was(program: Program) -> None:
    host = ran(program, program.host(other=faulty(after_105)))
    host.kill_at = 4
    with pytest.raises(KilledError):
        main(["bisect", "run", "other"], host=host)
    again = program.host(other=faulty(after_105))
    assert program("bisect", "run", "other", host=again).code == 0
    assert len(again.trials) == 5


def test_a_fault_that_needs_the_whole_context_is_said_to(program: Program) -> None:
    def whole(context: tuple[int, ...]) -> bool:
        return context[:1] == (1,) and 105 in context

    host = ran(program, program.host(other=faulty(whole)))
    done = program("bisect", "run", "other", host=host)
    found = result(program)["shortest"]
    assert (found["whole"], found["repeated"], len(found["ids"])) == (True, True, 9)
    assert found["tried"] == {"2": False, "4": False, "8": False}
    assert "9 ids (all up to that position; nothing shorter that was tried shows it)" in " ".join(done.out.split())


def test_a_fault_that_does_not_show_again_is_said_not_to(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    done = program("bisect", "run", "other", host=program.host())
    assert done.code == 0
    assert not result(program)["shortest"]["repeated"]
    assert "but a repeated trial does not show it" in " ".join(done.out.split())


def test_a_trial_that_fails_stops_the_search(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    crash = replace(faulty(after_105), fault=lambda head: "crash" if head.slot is not None else None)
    done = program("bisect", "run", "other", host=program.host(other=crash))
    assert done.code == 4
    assert "the search is not over: other: crash:SIGSEGV" in done.out


def test_outputs_that_are_as_they_should_be_are_not_searched(program: Program) -> None:
    host = ran(program, program.host())
    done = program("bisect", "run", "other", host=host)
    assert done.code == 2
    assert "m/t/other: its outputs are IDENTICAL, and a search needs DRIFT or WRONG" in done.err
    done = program("bisect", "run", "base", host=host)
    assert done.code == 2
    assert "the baseline's own cell" in done.err
    assert not (program.folder / "run" / "bisect").exists()


def test_a_cell_without_a_gate_on_outputs_is_not_searched(program: Program) -> None:
    program("run", program.write(config(TWO, rounds=1)), "--out", "run")
    done = program("bisect", "run", "other")
    assert done.code == 2
    assert "a gate of the kind `outputs` must cover it" in done.err


def test_a_runtime_that_changed_is_refused_by_name(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    newer = replace(faulty(after_105), version="2.0")
    done = program("bisect", "run", "other", host=program.host(other=newer))
    assert done.code == 2
    assert "run: can't be bisected: a model or a runtime has changed" in done.err
    assert "the version of other was 1.0 and is 2.0" in done.err


def test_prompts_that_differ_need_no_trial(program: Program) -> None:
    host = ran(program, program.host(other=Script(prompt_ids=(1, 2, 4, 3))))
    done = program("bisect", "run", "other", host=host)
    assert done.code == 0
    assert host.trials == []
    assert "first different id of the prompt: number 3: 3" in done.out
    assert result(program)["prompts"]["ours"]["id"] == 4


def test_ids_that_part_although_the_scores_agree_need_no_trial(program: Program) -> None:
    host = ran(program, program.host(other=Script(token_id=lambda head, k: 999 if k == 6 else 100 + k)))
    done = program("bisect", "run", "other", host=host)
    assert done.code == 0
    assert host.trials == []
    assert "the ids part at token 6: 106 (base) and 999 (other)" in done.out
    assert "no shorter sequence is searched: the scores of both sides agree" in done.out


def refuses_to_score(head: Head) -> str | None:
    return "refuse" if head.slot is not None and head.slot.task == "score" else None


def writing(words: str) -> Script:
    """A runtime that shows its text alone, and can't score."""
    return Script(text=lambda head: words, text_alone=True, fault=refuses_to_score)


def test_a_text_that_is_wrong_needs_no_trial_and_can_be_told_at_commits(program: Program) -> None:
    base = Script(text=lambda head: "one two three four five")
    host = ran(program, program.host(base=base, other=writing("one two thrice four five")))
    done = program("bisect", "run", "other", host=host)
    assert done.code == 0, done.err
    assert host.trials == []
    assert result(program)["shown_by"] == "text"
    out = " ".join(done.out.split())
    assert "the texts part at word 3: three four five (base) and thrice four five (other)" in out
    assert "no shorter sequence is searched: other failed to score the sequence (refused: it does not know" in out
    for words, code in (
        ("one two three four five", 0),
        ("one two three four six", 0),
        ("one two thrice and more", 1),
        ("one two tree four five", 125),
        ("one too three four five", 125),
        ("", 125),
    ):
        told, out = at_commit(program, program.host(other=writing(words)))
        assert told == code, out


def at_commit(program: Program, host: ScriptedHost, *options: str) -> tuple[int, str]:
    done = program("bisect", "run", "other", "--command", "make build", *options, host=host)
    return done.code, done.out or done.err


@pytest.mark.parametrize("searched", [True, False])
def test_a_checkout_has_the_fault_or_not(program: Program, searched: bool) -> None:
    ran(program, program.host(other=faulty(after_105)))
    if searched:
        program("bisect", "run", "other", host=program.host(other=faulty(after_105)))
    bad = program.host(other=replace(faulty(after_105), version="2.0"))
    code, said = at_commit(program, bad)
    assert code == 1
    assert "the fault shows" in said
    # The baseline does not run again, and the command ran before the implementation was asked.
    assert [(head.purpose, head.runtime) for head in bad.asked] == [
        ("command", "other"),
        ("probe", "other"),
        ("trial", "other"),
    ]
    assert scored(bad) == [("other", 4 if searched else 9)]
    good = program.host(other=Script(version="0.9"))
    code, said = at_commit(program, good)
    assert code == 0
    assert "the fault is gone" in said


def test_another_build_is_not_held_to_what_one_build_differs_from_itself_by(program: Program) -> None:
    """In the run both sides were one engine of one build, so that the bounds were tiny. At a commit they are two, and a
    divergence that honest builds may have is no fault."""

    def a_little(lost: float) -> Script:
        def top(head: Head, position: int) -> Top:
            return ((certain(head, position)[0][0], -lost), (999, math.log(-math.expm1(-lost))))

        return Script(top=top)

    ran(program, program.host(other=a_little(0.04)))
    assert program("bisect", "run", "other", host=program.host(other=a_little(0.04))).code == 0
    assert result(program)["place"]["bound"]["shows"] < 0.0001
    for lost, code in ((0.04, 125), (0.4, 1), (0.000001, 0)):
        told, out = at_commit(program, program.host(other=a_little(lost)))
        assert told == code, out


def test_the_command_runs_in_a_shell_in_the_current_folder_with_its_limit(program: Program) -> None:
    host = ran(program, program.host(other=faulty(after_105)))
    at_commit(program, host, "--limit", "7")
    launch = host.requests[-3].launch
    assert launch.argv == ("/bin/sh", "-c", "make build")
    assert launch.cwd == str(program.folder)
    assert getattr(launch, "deadline_s", None) == 7
    assert host.requests[-3].limits.max_output_bytes == 8 << 20
    assert host.requests[-1].limits.max_output_bytes == 64 << 20
    told = json.loads(at_commit(program, host, "--json")[1])
    assert told["code"] == 1
    assert "the fault shows" in told["sentence"]


def command_fails(head: Head) -> str | None:
    return "exit" if head.purpose == "command" else None


def trial_fails(head: Head) -> str | None:
    return "hang" if head.purpose == "trial" else None


def test_what_cannot_be_told_is_125(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    for script, said in (
        (Script(fault=command_fails), "`make build` failed (exit code 1)"),
        (Script(fault=trial_fails), "other: timeout:load"),
        (Script(fault=lambda head: "crash" if head.purpose == "trial" else None), "other: crash:SIGSEGV"),
    ):
        code, out = at_commit(program, program.host(other=script))
        assert code == 125
        assert said in out


@pytest.mark.parametrize(("fault", "exit_code"), [("not-found", 127), ("no-access", 126)])
def test_a_command_that_cannot_be_run_stops_git(program: Program, fault: str, exit_code: int) -> None:
    """It would fail at each commit, and git would skip all of them."""
    ran(program, program.host(other=faulty(after_105)))
    script = Script(fault=lambda head: fault if head.purpose == "command" else None, says="sh: make: not here")
    host = program.host(other=script)
    code, out = at_commit(program, host)
    assert code == 128
    assert f"`make build` can't be run (exit code {exit_code}): sh: make: not here" in out
    assert host.trials == []
    assert at_commit(program, program.host(other=Script(installed=False)))[0] == 128


def test_a_command_that_prints_without_end_is_125_and_says_so(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    script = Script(fault=lambda head: "flood" if head.purpose == "command" else None)
    code, out = at_commit(program, program.host(other=script))
    assert code == 125
    assert "`make build` failed (it printed more than 8.00 MiB, and was ended; let it print into a file)" in out


def test_what_a_command_prints_does_nothing_to_the_terminal(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    host = program.host(other=Script(fault=command_fails, says="\033[31mred\033[0m \a\033]0;title\a"))
    done = program("bisect", "run", "other", "--command", "make \033[1mbuild\a", host=host)
    assert done.code == 125
    assert "red" in done.out
    for shown in (done.out, done.err):
        assert not set(shown) & {"\033", "\a"}
    assert "running make build" in done.err
    # For programs they are there, as JSON.
    told = program("bisect", "run", "other", "--command", "make \033[1mbuild", "--json", host=host)
    assert "\033[1m" in json.loads(told.out)["sentence"]
    assert "\033" not in told.out


def test_a_runtime_that_is_not_there_at_a_commit_is_125(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))

    def gone(head: Head, cancel: Cancel | None) -> None:
        host.scripts = {**host.scripts, "other": Script(installed=head.purpose == "command")}

    host = program.host()
    host.before = gone
    code, out = at_commit(program, host)
    assert code == 125
    assert "other can't be prepared" in out


def test_a_divergence_between_the_bounds_is_125(program: Program) -> None:
    """Where nothing would be decided in a run, nothing is decided of a commit."""
    other = replace(faulty(after_105), version="2.0")
    ran(program, program.host(other=other))
    program("bisect", "run", "other", host=program.host(other=other))
    bound = result(program)["place"]["bound"]
    assert 0 < bound["gone"] < bound["shows"]

    def between(head: Head, position: int) -> Top:
        # The divergence of a certain token is the log-probability that it lost.
        lost = (bound["gone"] + bound["shows"]) / 2
        return ((certain(head, position)[0][0], -lost), (999, math.log(-math.expm1(-lost))))

    code, out = at_commit(program, program.host(other=Script(top=between)))
    assert code == 125, out
    assert "too little for" in out


def other_at(number: int, token: int) -> Script:
    """It generates `token` as token `number`."""
    return Script(token_id=lambda head, k: token if k == number else 100 + k)


@pytest.mark.parametrize(
    ("then", "codes"),
    [
        (
            Script(prompt_ids=(1, 2, 4, 3)),
            [(Script(), 0), (Script(prompt_ids=(1, 2, 4, 3)), 1), (Script(prompt_ids=()), 125)],
        ),
        (
            other_at(6, 999),
            [
                (Script(), 0),
                (other_at(6, 999), 1),
                (other_at(6, 998), 125),
                (other_at(2, 999), 125),
                (Script(tokens=4), 125),
                (Script(prompt_ids=(1, 2)), 125),
            ],
        ),
    ],
)
def test_a_fault_of_prompt_or_choice_is_told_by_a_new_answer(
    program: Program, then: Script, codes: list[tuple[Script, int]]
) -> None:
    ran(program, program.host(other=then))
    for now, code in codes:
        told, out = at_commit(program, program.host(other=now))
        assert told == code, out


def test_an_interrupted_commit_stops_git(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    host = program.host(other=faulty(after_105))
    host.interrupt_at = 1
    assert at_commit(program, host)[0] == 130

    def stop_the_command(head: Head, cancel: Cancel | None) -> None:
        if head.purpose == "command" and cancel is not None:
            cancel.request()

    host = program.host(other=faulty(after_105))
    host.before = stop_the_command
    assert at_commit(program, host)[0] == 130
    assert host.trials == []


def test_a_wrong_use_is_no_verdict_on_a_commit(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    for arguments in (
        ("run", "nobody", "--command", "true"),
        ("nowhere", "other", "--command=true"),
        ("run", "base", "--command", "true"),
        ("run", "other", "--command", "true", "--no-such-option"),
    ):
        assert program("bisect", *arguments).code == 128, arguments


def test_a_config_that_is_different_at_a_commit_is_125(program: Program) -> None:
    ran(program, program.host(other=faulty(after_105)))
    program.write(CASE.replace("hello", "other"))
    code, out = at_commit(program, program.host())
    assert code == 125
    assert "tests.t.prompt" in out
    Path(program.folder / "case.toml").unlink()
    assert at_commit(program, program.host())[0] == 125


def test_a_config_outside_of_the_checkout_that_changed_stops_git(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same at every commit, so that git would skip all of them."""
    ran(program, program.host(other=faulty(after_105)))
    below = program.folder / "checkout" / "source"
    below.mkdir(parents=True)
    (program.folder / "checkout" / ".git").mkdir()
    monkeypatch.chdir(below)
    bisect = ("bisect", str(program.folder / "run"), "other", "--command", "make build")
    assert program(*bisect, host=program.host(other=faulty(after_105))).code == 1
    program.write(CASE.replace("hello", "other"))
    done = program(*bisect)
    assert (done.code, "tests.t.prompt" in done.err) == (128, True), done.err
    Path(program.folder / "case.toml").unlink()
    done = program(*bisect)
    assert (done.code, "case.toml" in done.err) == (128, True), done.err
    # Within the tree it may be missing at this commit alone.
    (program.folder / ".git").mkdir()
    (program.folder / "checkout" / ".git").rmdir()
    assert program(*bisect).code == 125
