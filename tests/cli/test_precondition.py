"""A config that another one must have passed first: what authorises a run, and what does not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from runs import OWN, PARITY, SPEAKER, config_text

from parity.models import parse_source, silent
from parity.models.facts import SYNTHETIC_DESCRIPTION

pytestmark = pytest.mark.slow

RUNTIMES = """
[runtimes.base]
adapter = "command"
program = "./speaker"
args = ["{scratch}/job.json"]
events = true

[runtimes.other]
adapter = "command"
program = "./speaker"
args = ["{scratch}/job.json", "--rate", "${RATE:-200}"]
events = true
env = { API_TOKEN = "a secret" }
"""
QUICK = config_text(RUNTIMES, model="model.gguf", tokens=8, min_ratio=0.2)
ELSEWHERE = """
[[gates]]
name = "elsewhere"
kind = "bound"
metric = "gen_tps"
min = 1.0
when = { %s }
"""
ANOTHER_PLATFORM = 'platform = "darwin"' if sys.platform != "darwin" else 'platform = "linux"'
LATER = '\n[requires]\nconfig = "quick.toml"\n'
REFUSED = 2


@dataclass(frozen=True)
class Project:
    """A folder with configs, a program and a model, all its own."""

    folder: Path

    def run(self, config: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [PARITY, "run", config, *options],
            cwd=self.folder,
            env={**os.environ, OWN: str(self.folder), **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def record(self, name: str) -> dict[str, Any]:
        """`run.json` of the newest run of a config."""
        found: dict[str, Any] = json.loads((self.newest(name) / "run.json").read_text(encoding="utf-8"))
        return found

    def newest(self, name: str) -> Path:
        return sorted((self.folder / ".parity" / "runs").glob(f"*-{name}*"))[-1]

    def runs(self) -> int:
        return len(list((self.folder / ".parity" / "runs").glob("*")))


def make_project(folder: Path, quick: str = QUICK, *, synthetic: bool = False) -> Project:
    """`synthetic`: whether the header of the model's file says so. A real one is too large to be copied about."""
    speaker = folder / "speaker"
    speaker.write_text(f"#!{sys.executable}\n{SPEAKER.read_text(encoding='utf-8')}", encoding="utf-8")
    speaker.chmod(0o755)
    model = parse_source("synth://tiny-llama/Q8_0@1", Path()).fetch(silent).read_bytes()
    mark = SYNTHETIC_DESCRIPTION.encode()
    (folder / "model.gguf").write_bytes(model if synthetic else model.replace(mark, b"-" * len(mark)))
    (folder / "quick.toml").write_text(quick, encoding="utf-8")
    (folder / "later.toml").write_text(QUICK + LATER, encoding="utf-8")
    return Project(folder)


def refusal(project: Project, config: str = "later.toml", **variables: str) -> str:
    """Why a config is refused, on one line; nothing may have been run."""
    before = project.runs()
    done = project.run(config, **variables)
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "requires.config" in done.stderr
    assert "--force" in done.stderr
    assert project.runs() == before
    return " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """What is required has passed once."""
    project = make_project(tmp_path_factory.mktemp("passing"))
    done = project.run("quick.toml")
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture
def passed(passing: Project) -> Iterator[Project]:
    """The same, for a test to change: every file is put back afterwards."""
    before = {path: path.read_bytes() for path in passing.folder.rglob("*") if path.is_file()}
    yield passing
    for path, content in before.items():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)


def test_without_a_run_on_record_the_reason_says_so(tmp_path: Path) -> None:
    assert "there is no run of it under" in refusal(make_project(tmp_path))


def test_after_a_passing_run_it_goes_ahead_and_names_what_authorised_it(passed: Project) -> None:
    done = passed.run("later.toml")
    assert done.returncode == 0, done.stderr
    record = passed.record("later")
    assert record["authorised_by"] == passed.newest("quick").name
    assert record["forced"] is False


def append(name: str, content: bytes) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        with (project.folder / name).open("ab") as file:
            file.write(content)

    return change


def from_another_machine(project: Project) -> None:
    path = project.newest("quick") / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["machine"]["host"] = "another"
    path.write_text(json.dumps(record), encoding="utf-8")


def built_from_sources_that_no_commit_names(project: Project) -> None:
    path = project.newest("quick") / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report["runtimes"][1]["checkout"] = {"folder": "/src/other", "commit": "ab" * 20, "changed_files": 1}
    path.write_text(json.dumps(report), encoding="utf-8")


def forget_the_end(project: Project) -> None:
    (project.newest("quick") / "report.json").unlink()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (append("quick.toml", b"# a remark\n"), "it used a different config"),
        (append("speaker", b"# rebuilt\n"), "the executable speaker of "),
        (append("model.gguf", b"\0"), "the model m has changed since"),
        (lambda project: (project.folder / "model.gguf").unlink(), "the model m has changed since"),
        (from_another_machine, "it ran on a different machine"),
        (built_from_sources_that_no_commit_names, "/src/other (commit abababababab with 1 changed file): commit what"),
        (forget_the_end, "there is no run of it under"),
    ],
    ids=["config", "executable", "model", "no-model", "machine", "checkout", "unfinished"],
)
def test_what_changed_since_is_authorised_by_nothing(
    passed: Project, change: Callable[[Project], None], reason: str
) -> None:
    change(passed)
    assert reason in refusal(passed)


def test_another_value_of_a_variable_is_another_config(passed: Project) -> None:
    assert "its variables had different values" in refusal(passed, RATE="190")


def test_a_failed_run_authorises_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    crash = {"RATE": "0"}
    assert project.run("quick.toml", **crash).returncode == 1
    assert "it exited with 1: required gates failed: hangs" in refusal(project, **crash)


@pytest.mark.parametrize(
    ("when", "code", "reason"),
    [
        (ANOTHER_PLATFORM, 0, "required gates were not applicable: elsewhere"),
        ('device = "metal"', 4, "it exited with 4: required gates apply on a different device: elsewhere"),
    ],
    ids=["platform", "device"],
)
def test_a_run_in_which_a_required_gate_did_not_apply_authorises_nothing(
    tmp_path: Path, when: str, code: int, reason: str
) -> None:
    project = make_project(tmp_path, QUICK + ELSEWHERE % when)
    assert project.run("quick.toml").returncode == code
    assert reason in refusal(project)


def test_a_run_on_synthetic_weights_authorises_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path, synthetic=True)
    assert project.run("quick.toml").returncode == 0
    assert "its model m has synthetic weights" in refusal(project)


def test_a_forced_run_is_recorded_as_such_and_authorises_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (tmp_path / "last.toml").write_text(QUICK + LATER.replace("quick", "later"), encoding="utf-8")
    done = project.run("later.toml", "--force")
    assert done.returncode == 0, done.stderr
    assert "forced: " in done.stderr
    assert (project.record("later")["forced"], project.record("later")["authorised_by"]) == (True, None)
    assert "it was run with --force" in refusal(project, "last.toml")


def test_force_changes_nothing_where_a_run_authorises(passed: Project) -> None:
    assert passed.run("later.toml", "--force").returncode == 0
    assert passed.record("later")["forced"] is False


def test_every_program_that_is_launched_is_recorded_with_its_hash(passed: Project) -> None:
    recorded = json.loads((passed.newest("quick") / "executables.json").read_text(encoding="utf-8"))
    assert {runtime: list(programs) for runtime, programs in recorded.items()} == {
        "base": ["speaker"],
        "other": ["speaker"],
    }
