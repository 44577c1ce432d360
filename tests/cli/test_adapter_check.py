"""`parity adapter check`: which adapter it takes, where the output of a trial comes from, and its exit codes."""

import json
from collections.abc import Callable

import pytest
from scripted_host import HANGS, Program, Script, config, table

CHECKS = 11
TWO = table("base") + table("other")


def states(out: str) -> list[str]:
    return [line.split("  ")[0].strip() for line in out.splitlines() if not line.startswith(" ")]


def test_a_runtime_of_a_config_is_checked_with_a_short_trial(program: Program) -> None:
    host = program.host()
    done = program("adapter", "check", "base", "--config", program.write(config(TWO)), host=host)
    assert (done.code, states(done.out)) == (0, ["PASS"] * CHECKS), done.out + done.err
    assert [head.purpose for head in host.asked] == ["probe", "proof"]
    [asked] = [head.job for head in host.asked if head.job is not None]
    assert asked.chat_turn is not None, "a worker may take nothing but a prompt in the model's template"
    assert asked.test.prompt in asked.chat_turn


def test_without_its_runtime_an_adapter_is_checked_as_far_as_it_goes(program: Program) -> None:
    host = program.host(base=Script(installed=False))
    done = program("adapter", "check", "base", "--config", program.write(config(TWO)), host=host)
    assert (done.code, states(done.out)) == (4, ["PASS"] * 5 + ["NOT RUN"] * 6)
    assert "the runtime is not ready: base: No such file or directory" in done.out
    assert done.out.count("--config FILE; or name the output of a trial: --transcript FILE") == 1


def test_a_recorded_run_or_trial_stands_in_for_a_short_trial(program: Program) -> None:
    program("run", program.write(config(TWO, gates=HANGS, rounds=1)), "--out", "run")
    gone = program.host(base=Script(installed=False))
    [trial, *_] = sorted((program.folder / "run" / "trials").glob("*base*"))
    for path in ("run", str(trial)):
        done = program("adapter", "check", "base", "--config", "case.toml", "--transcript", path, host=gone)
        assert (done.code, states(done.out)) == (0, ["PASS"] * CHECKS), done.out + done.err
    done = program("adapter", "check", "faulty_adapters:Good", "--transcript", "run")
    assert done.code == 2
    assert "run: holds no trial of the adapter 'good'" in done.err


@pytest.mark.parametrize(
    ("target", "check", "said"),
    [
        ("faulty_adapters:ProbeMissing", "probe-missing", "could not be started is ready"),
        ("faulty_adapters:HooksRaise", "hooks", "`device_asked` raises KeyError ('device')"),
        ("mine/my_adapter.py:Mine", "tokens", "no `text`"),
        ("./mine/another.py:Mine", "tokens", "no `text`"),
    ],
)
def test_a_class_is_checked_without_a_package(program: Program, target: str, check: str, said: str) -> None:
    (program.folder / "mine").mkdir()
    text = "from faulty_adapters import TokensNoText\nclass Mine(TokensNoText):\n    name = 'good'\n"
    for name in ("my_adapter", "another"):
        (program.folder / "mine" / f"{name}.py").write_text(text, encoding="utf-8")
    host = program.host(good=Script(hello="good"))
    done = program("adapter", "check", target, "--json", host=host)
    assert done.code == 1, done.err
    failed = {found["check"]: found for found in json.loads(done.out) if found["state"] == "FAIL"}
    assert list(failed) == [check]
    assert said in failed[check]["wrong"]
    assert failed[check]["remedy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "there is no adapter 'nothing'"),
        (("command",), "the adapter 'command' needs settings: program"),
        (("no.such:Module",), "can't be loaded from no.such:Module (ModuleNotFoundError"),
        (("json:JSONDecoder",), "json:JSONDecoder is not an adapter"),
        (("third", "--config", "case.toml"), "has no runtime 'third' that is set"),
        (("base", "--config", "case.toml", "--transcript", "nowhere"), "nowhere"),
    ],
)
def test_what_can_not_be_checked_is_told(program: Program, arguments: tuple[str, ...], said: str) -> None:
    program.write(config(TWO))
    done = program("adapter", "check", *arguments)
    assert done.code == 2
    assert said in done.err


def test_an_adapter_that_can_not_be_made_of_its_settings_is_told(
    program: Program, add_adapter: Callable[[str, str], None]
) -> None:
    add_adapter("mine", "faulty_adapters:NeverMade")
    done = program("adapter", "check", "mine")
    assert done.code == 2
    assert "the adapter good failed in `__init__` (OSError: no)" in done.err
