"""`--junit` and `--github`: what `run`, `score` and `report` hand to a CI service."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import yaml
from scripted_host import Program, Script, config, table

from parity.outlet import command, outlets

TWO = config(table("base") + table("other"))
WORKFLOW = Path(__file__).parent.parent.parent / "docs" / "parity-workflow.yml"


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def in_github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return summary


def test_run_score_and_report_write_the_same_junit(program: Program) -> None:
    done = program("run", program.write(TWO), "--out", "run", "--junit", "made/run.xml")
    assert done.code == 0
    assert "junit: made/run.xml" in done.err
    assert program("score", "run", "--junit", "score.xml").code == 0
    assert program("report", "run", "--junit", "report.xml").code == 0
    first = (program.folder / "made" / "run.xml").read_bytes()
    assert first == (program.folder / "score.xml").read_bytes() == (program.folder / "report.xml").read_bytes()
    cases = {(case.get("classname"), case.get("name")) for case in Xml.fromstring(first).iter("testcase")}
    assert cases == {("m/t/other", "hangs"), ("m/t/other", "speed"), ("run", "exit code")}


def test_junit_that_can_not_be_written_costs_no_verdict(program: Program) -> None:
    done = program("run", program.write(TWO), "--out", "run", "--junit", ".")
    assert done.code == 0
    assert "warning: --junit: . can't be written (Is a directory)" in done.err
    assert program("report", "run", "--junit", ".").code == 74


def test_github_gets_annotations_and_a_summary(program: Program, in_github: Path) -> None:
    host = program.host(other=Script(token_ms=100))
    done = program("run", program.write(TWO), "--out", "run", "--json", host=host)
    assert done.code == 1
    assert "\n::error title=FAIL%3A speed::m/t/other: " in f"\n{done.err}"
    assert done.out.startswith("{")
    assert "::error" not in done.out
    text = in_github.read_text(encoding="utf-8")
    assert text.startswith("before\n## parity: case\n\n**Exit code 1**: ")
    assert "| FAIL | speed (" in text


def test_no_words_of_a_program_are_a_command_to_a_job(capsys: pytest.CaptureFixture[str], in_github: Path) -> None:
    with outlets():
        print("::stop-commands::x\n  ::add-mask::y\nsee ##[error]z and a::b")
        command("::error::ours")
    out, err = capsys.readouterr()
    assert out == ": :stop-commands::x\n  : :add-mask::y\nsee ## [error]z and a::b\n"
    assert err == "::error::ours\n"


def test_a_fault_of_what_programs_are_told_costs_no_verdict(
    program: Program, in_github: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> str:
        raise ValueError("odd")

    monkeypatch.setattr("parity.report.render_junit", faulty)
    monkeypatch.setattr("parity.report.annotations", faulty)
    done = program("run", program.write(TWO), "--out", "run", "--junit", "run.xml")
    assert done.code == 0
    assert "run.xml was not written, by a bug in parity (ValueError: odd)" in done.err
    assert "GitHub was not told, by a bug in parity (ValueError: odd)" in done.err


def test_elsewhere_github_gets_nothing_unless_asked(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    host = program.host(other=Script(token_ms=100))
    assert "::error" not in program("run", program.write(TWO), "--out", "run", host=host).err
    assert "::error" in program("score", "run", "--github").err
    assert "::error" in program("report", "run", "--github").err


def test_no_github_is_heard_in_a_job_and_report_repeats_nothing(program: Program, in_github: Path) -> None:
    host = program.host(other=Script(token_ms=100))
    assert "::error" not in program("run", program.write(TWO), "--out", "run", "--no-github", host=host).err
    assert "::error" not in program("report", "run").err
    assert in_github.read_text(encoding="utf-8") == "before\n"


def test_a_summary_that_can_not_be_written_costs_no_verdict(
    program: Program, in_github: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(in_github.parent))
    done = program("run", program.write(TWO), "--out", "run")
    assert done.code == 0
    assert "warning: GITHUB_STEP_SUMMARY: " in done.err


def test_the_example_workflow_does_what_it_shows(program: Program, in_github: Path) -> None:
    [job] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    commands = [words[1:] for step in job["steps"] if (words := step.get("run", "").split())[:1] == ["parity"]]
    assert [words[0] for words in commands] == ["run", "report"]
    program.write(TWO, "parity.toml")
    for words in commands:
        assert program(*words).code == 0
    kept = [step["with"]["path"].split() for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert [(program.folder / name).is_file() for name in kept[0]] == [True, True]
    assert "## parity: " in in_github.read_text(encoding="utf-8")
