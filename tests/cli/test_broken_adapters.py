"""Adapters of other packages that raise what they may not, or answer nonsense: it costs their runtime, not the run."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_host import HANGS, Ended, Program, Script, config, table

BROKEN = """
from parity_adapters.command import CommandLine

class Broken(CommandLine):
    name = "broken"
    {method}
"""
FAULTS = {
    "KeyError: 'x'": "raise KeyError('x')",
    "SystemExit: 0": "raise SystemExit(0)",
    "PanicException: index": "raise type('PanicException', (BaseException,), {})('index')",
}

Attempt = Callable[..., Ended]


@pytest.fixture
def attempt(
    program: Program,
    add_adapter: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Attempt:
    """Runs `base`, which is well, and `other`, whose adapter has this method."""

    def run(method: str, other: Script = Script(), *, third: bool = False) -> Ended:  # noqa: B008 - frozen
        (tmp_path / "broken_adapter.py").write_text(BROKEN.format(method=method), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "broken_adapter", raising=False)
        add_adapter("broken", "broken_adapter:Broken")
        tables = table("base") + table("other").replace('"command"', '"broken"') + (table("third") if third else "")
        return program(
            "run",
            program.write(config(tables, gates=HANGS)),
            "--out",
            "run",
            host=program.host(other=other, third=Script()),
        )

    return run


def failures(program: Program) -> dict[str, set[tuple[str, str] | None]]:
    """Runtime → class and message of the failures of its trials, None for a good one."""
    found: dict[str, set[tuple[str, str] | None]] = {}
    for trial in program.report()["trials"]:
        failure = trial["failure"]
        found.setdefault(trial["runtime"], set()).add(failure and (failure["kind"], failure["message"]))
    return found


@pytest.mark.parametrize("said", FAULTS)
def test_a_launch_that_breaks_is_a_refusal_of_its_trial(program: Program, attempt: Attempt, said: str) -> None:
    done = attempt(f"def launch(self, job, build): {FAULTS[said]}")
    assert done.code == 4, done.err
    assert failures(program) == {
        "base": {None},
        "other": {("refused", f"the adapter broken failed in `launch` ({said})")},
    }


def test_a_launch_that_gives_no_launch_is_a_refusal_of_its_trial(program: Program, attempt: Attempt) -> None:
    assert attempt("def launch(self, job, build): return None").code == 4
    assert failures(program)["other"] == {("refused", "the adapter broken gave a NoneType from `launch`")}


@pytest.mark.parametrize("said", FAULTS)
def test_a_probe_that_is_read_wrongly_leaves_its_runtime_out(program: Program, attempt: Attempt, said: str) -> None:
    attempt(f"def read_probe(self, transcript): {FAULTS[said]}")
    wrong = f"the adapter broken failed in `read_probe` ({said})"
    for _ in range(2):
        assert {left["runtime"]: left["reason"] for left in program.report()["not_run"]}["other"] == wrong
        assert program("score", "run").code == 5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        *((body, f"the adapter failed to read what the program printed ({said})") for said, body in FAULTS.items()),
        ("yield None", "the adapter failed to read what the program printed (TypeError: a NoneType is no event)"),
    ],
)
def test_a_reading_that_breaks_is_a_failure_of_its_trial(
    program: Program, attempt: Attempt, body: str, said: str
) -> None:
    attempt(f"def read(self, transcript, job): {body}")
    assert failures(program)["base"] == {None}
    assert [failure and failure[0] for failure in failures(program)["other"]] == ["parse"]
    assert said in str(failures(program)["other"])


@pytest.mark.parametrize("method", ["explain(self, failure, transcript)", "warns(self, line)"])
def test_what_an_adapter_can_not_add_to_a_failure_is_left_out(program: Program, attempt: Attempt, method: str) -> None:
    attempt(f"def {method}: raise KeyError('x')", Script(fault=lambda head: "exit" if head.slot else None))
    assert {failure and failure[0] for failure in failures(program)["other"]} == {"exit:1"}


def test_a_conversion_that_breaks_is_a_refusal_of_its_trials(program: Program, attempt: Attempt) -> None:
    attempt("def conversion(self, model, to): raise KeyError('x')")
    [failure] = failures(program)["other"]
    assert failure is not None
    assert failure[0] == "refused"
    assert "the adapter broken failed in `conversion` (KeyError: 'x')" in failure[1]


UNABLE = {
    "probe": "def probe(self): raise KeyError('x')",
    "build": "def build(self): raise KeyError('x')",
    "__init__": "def __init__(self, settings, host): raise KeyError('x')",
    "tasks": "tasks = property(lambda self: {}['x'])",
    "needs": "needs = property(lambda self: {}['x'])",
    "figures_by": "figures_by = property(lambda self: {}['x'])",
}


@pytest.mark.parametrize("what", UNABLE)
def test_an_adapter_that_can_not_even_say_what_it_is_costs_its_runtime(
    program: Program, attempt: Attempt, what: str
) -> None:
    done = attempt(UNABLE[what], third=True)
    wrong = f"the adapter broken failed in `{what}` (KeyError: 'x')"
    assert done.code == 4, done.err
    assert f"other: not available: {wrong}" in done.err
    for _ in range(2):
        assert failures(program) == {"base": {None}, "third": {None}}
        assert {left["runtime"]: left["reason"] for left in program.report()["not_run"]} == {"other": wrong}
        assert program("score", "run").code == 4


def test_a_package_that_can_not_be_loaded_costs_its_runtime(program: Program, attempt: Attempt) -> None:
    done = attempt("import sys; sys.exit(0)", third=True)
    wrong = "the adapter 'broken' can't be loaded from broken_adapter:Broken (SystemExit: 0)"
    assert done.code == 4, done.err
    assert failures(program) == {"base": {None}, "third": {None}}
    assert {left["runtime"]: left["reason"] for left in program.report()["not_run"]} == {"other": wrong}


@pytest.mark.parametrize("method", [UNABLE["probe"], UNABLE["tasks"], "import sys; sys.exit(0)"])
def test_doctor_shows_a_broken_adapter_in_a_line_and_examines_all_others(
    program: Program, attempt: Attempt, method: str
) -> None:
    attempt(method)
    done = program("doctor", "case.toml")
    assert done.code == 4
    assert [line.split()[:3] for line in done.out.splitlines()[2:4]] == [
        ["base", "ready", "(proved)"],
        ["other", "not", "ready"],
    ]
    assert "to fix it: correct the adapter, or leave its runtimes out" in done.out


def test_a_plan_names_an_adapter_that_can_not_say_what_it_is(program: Program, attempt: Attempt) -> None:
    attempt(UNABLE["tasks"])
    done = program("plan", "case.toml")
    assert done.code == 2
    assert "the adapter broken failed in `tasks` (KeyError: 'x')" in done.err


def test_a_run_is_not_judged_while_an_adapter_that_read_it_is_broken(
    program: Program, attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempt("pass").code == 0
    (tmp_path / "broken_adapter.py").write_text(BROKEN.format(method=UNABLE["tasks"]), encoding="utf-8")
    monkeypatch.delitem(sys.modules, "broken_adapter")
    done = program("score", "run")
    assert done.code == 2
    assert "the adapter broken failed in `tasks`" in done.err


HANGS_IN = {
    "probe": (
        "def probe(self):\n        while True: pass",
        "failed in `probe` (OverdueError: it did not answer within 1 s)",
    ),
    "launch": ("def launch(self, job, build): __import__('time').sleep(99)", "failed in `launch` (OverdueError"),
    "read_probe": (
        "def read_probe(self, transcript):\n"
        "        while True:\n            try: int('x')\n            except Exception: pass",
        "failed in `read_probe` (OverdueError",
    ),
    "read": ("def read(self, transcript, job):\n        while True: pass", "(OverdueError: it did not answer within"),
}


@pytest.mark.parametrize("what", HANGS_IN)
def test_an_adapter_that_never_answers_costs_its_runtime(
    program: Program, attempt: Attempt, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parity.run.guarding.HOOK_S", 1.0)
    monkeypatch.setattr("parity.reading.events.READING_S", 0.02)
    method, said = HANGS_IN[what]
    done = attempt(method, third=True)
    assert done.code in (1, 4), done.err
    assert [failures(program)[name] for name in ("base", "third")] == [{None}, {None}]
    assert said in str(failures(program).get("other", program.report()["not_run"]))


def test_a_check_of_settings_that_breaks_is_told_with_its_table(program: Program, attempt: Attempt) -> None:
    settings = """
    class Settings(CommandLine.Settings):
        def model_post_init(self, context): raise KeyError('x')
    """
    done = attempt(settings)
    assert done.code == 2
    assert "runtimes.other: the adapter broken failed on its settings (KeyError: 'x')" in done.err
