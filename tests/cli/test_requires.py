"""A config that requires a different one to have passed, on a scripted host; real programs: `test_precondition.py`."""

import json
from pathlib import Path
from typing import Any

import pytest
from scripted_host import MODEL, Program, Script, ScriptedHost, config, table
from synthetic import synthesise

from parity.models.facts import SYNTHETIC_DESCRIPTION

FIRST = config(table("base") + table("other"), rounds=5).replace(MODEL, "model.gguf")
LATER = FIRST + '\n[requires]\nconfig = "first.toml"\n'


@pytest.fixture
def project(program: Program) -> Program:
    """Two configs and a model whose header does not say that it is synthetic."""
    mark = SYNTHETIC_DESCRIPTION.encode()
    made = synthesise("tiny-llama", "Q8_0", 1).read_bytes()
    (program.folder / "model.gguf").write_bytes(made.replace(mark, b"-" * len(mark)))
    program.write(FIRST, "first.toml")
    program.write(LATER, "later.toml")
    return program


def newest(project: Program, name: str) -> Path:
    return max((project.folder / ".parity" / "runs").glob(f"*-{name}*"))


def record(project: Program, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((newest(project, name) / "run.json").read_text(encoding="utf-8"))
    return found


def refusal(project: Program, host: ScriptedHost | None = None) -> str:
    """Why the later config is refused; no trial may have been run."""
    host = host or project.host()
    done = project("run", "later.toml", host=host)
    assert (done.code, done.out) == (2, "")
    assert "requires.config" in done.err
    assert host.trials == []
    return done.err


def test_without_a_run_of_it_the_later_config_is_refused(project: Program) -> None:
    assert "there is no run of it under .parity/runs" in refusal(project)


def test_after_a_run_that_passed_it_goes_ahead_and_records_which(project: Program) -> None:
    assert project("run", "first.toml").code == 0
    assert project("run", "later.toml").code == 0
    assert record(project, "later")["authorised_by"] == newest(project, "first").name
    assert record(project, "later")["forced"] is False


@pytest.mark.parametrize(
    ("files", "way"),
    [
        ({"later.toml": "later.toml"}, "later.toml → later.toml"),
        ({"later.toml": "./sub/../later.toml"}, "later.toml → later.toml"),
        ({"later.toml": "first.toml", "first.toml": "later.toml"}, "later.toml → first.toml → later.toml"),
        (
            {"later.toml": "first.toml", "first.toml": "third.toml", "third.toml": "first.toml"},
            "later.toml → first.toml → third.toml → first.toml",
        ),
    ],
)
def test_configs_that_require_one_another_are_refused_for_that(
    project: Program, files: dict[str, str], way: str
) -> None:
    (project.folder / "sub").mkdir()
    for name, required in files.items():
        project.write(f'{FIRST}\n[requires]\nconfig = "{required}"\n', name)
    assert f"each requires the next: {way}" in refusal(project)
    assert project("run", "later.toml", "--force").code == 0


def test_a_measurement_without_gates_authorises_nothing(project: Program) -> None:
    project.write(FIRST.partition("[[gates]]")[0], "first.toml")
    assert project("run", "first.toml").code == 0
    assert "it has no required gate, so that nothing passed" in refusal(project)


def test_a_run_that_failed_authorises_nothing(project: Program) -> None:
    assert project("run", "first.toml", host=project.host(other=Script(token_ms=90))).code == 1
    assert f"{newest(project, 'first').name}: it exited with 1: " in refusal(project)


def test_a_run_of_other_versions_authorises_nothing(project: Program) -> None:
    project("run", "first.toml")
    assert ": other was 1.0 and is 2.0" in refusal(project, project.host(other=Script(version="2.0")))


def test_a_run_on_other_weights_authorises_nothing(project: Program) -> None:
    project("run", "first.toml")
    path = project.folder / "model.gguf"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert ": the model m has changed since" in refusal(project)


def test_a_run_of_a_config_that_was_changed_since_authorises_nothing(project: Program) -> None:
    project("run", "first.toml")
    project.write(FIRST.replace("max_tokens = 12", "max_tokens = 13"), "first.toml")
    assert ": it used a different config, or its variables had different values" in refusal(project)


def test_a_run_on_synthetic_weights_authorises_nothing(project: Program) -> None:
    project.write(FIRST.replace("model.gguf", MODEL), "first.toml")
    project("run", "first.toml")
    assert ": its model m has synthetic weights" in refusal(project)


def test_a_forced_run_goes_ahead_says_so_and_authorises_nothing_itself(project: Program) -> None:
    done = project("run", "later.toml", "--force")
    assert done.code == 0
    assert "forced: " in done.err
    assert record(project, "later")["forced"] is True
    project.write(LATER.replace("first.toml", "later.toml"), "last.toml")
    done = project("run", "last.toml")
    assert done.code == 2
    assert ": it was run with --force" in done.err
