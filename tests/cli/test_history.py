"""`parity history`: which runs it lists, what it does with folders that are no runs, and `latest`."""

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from scripted_host import Program, Script, config, table

CASE = config(table("base") + table("other"))
RUNS = Path(".parity") / "runs"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "parity-cache"
    monkeypatch.setenv("PARITY_CACHE", str(folder))
    return folder


@pytest.fixture
def runs(program: Program, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs that began one day after the other: `slow` failed, `fast` passed, and `bare` had nothing to judge."""
    made, folder = tmp_path_factory.getbasetemp() / "past-runs", program.folder / RUNS
    if not made.exists():
        slow = program.host(other=Script(token_ms=30.0))
        program("run", program.write(CASE, "nightly.toml"), "--out", str(RUNS / "slow"), host=slow)
        program("run", "nightly.toml", "--out", str(RUNS / "fast"))
        alone = config(table("base"), gates="", rounds=1)
        program("run", program.write(alone, "alone.toml"), "--out", str(RUNS / "bare"))
        for day, name in enumerate(("slow", "fast", "bare"), start=1):
            changed(folder / name / "run.json", started=f"2031-01-0{day}T00:00:00Z")
        shutil.move(folder, made)
    shutil.copytree(made, folder)
    return folder


def changed(path: Path, **fields: Any) -> None:
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(known | fields), encoding="utf-8")


def listed(program: Program, *arguments: str) -> list[str]:
    return [run["folder"] for run in json.loads(program("history", *arguments, "--json").out)["runs"]]


def words(program: Program) -> dict[str, str]:
    return {run["folder"]: run["word"] for run in json.loads(program("history", "--json").out)["runs"]}


def index(cache: Path) -> Path:
    [found] = (cache / "history").iterdir()
    return found


def test_runs_are_listed_newest_first_with_what_they_came_to(program: Program, runs: Path) -> None:
    done = program("history")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == f"Runs in {RUNS}, baseline base, machine scripted"
    assert [line.split()[2:5] for line in lines[4:]] == [
        ["alone", "Measured", "bare"],
        ["nightly", "Passed", "fast"],
        ["nightly", "Failed", "slow"],
    ]
    assert lines[4].startswith("2031-01-03 00:00:00 ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--verdict", "failed"), ["slow"]),
        (("--verdict", "failed", "--verdict", "Measured"), ["bare", "slow"]),
        (("--config", "nightly"), ["fast", "slow"]),
        (("--config", "a*"), ["bare"]),
        (("--since", "2031-01-02"), ["bare", "fast"]),
        (("--since", "2031-01-02T01:00:00+01:00"), ["bare", "fast"]),
        (("--since", "7d"), ["bare", "fast", "slow"]),
        (("--limit", "1"), ["bare"]),
        (("--config", "nightly", "--verdict", "Measured"), []),
    ],
)
def test_filters_choose_runs(program: Program, runs: Path, arguments: tuple[str, ...], expected: list[str]) -> None:
    assert listed(program, *arguments) == expected


def test_it_says_how_many_are_left_out_and_when_none_is_there(program: Program, runs: Path) -> None:
    assert "2 earlier runs left out" in program("history", "--limit", "1").out
    assert program("history", "--verdict", "Incomplete").out == f"No run in {RUNS} matches.\n"
    shutil.rmtree(runs)
    assert program("history").out == f"No run in {RUNS}.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere is not a folder"),
        ((str(RUNS / "fast"),), "is a run; name the folder that holds it"),
        (("--verdict", "good"), "'good' is none of Passed, Failed"),
        (("--since", "yesterday"), "neither a date such as 2031-01-30 nor a number of days"),
        (("--since", "9999999999d"), "neither a date"),
    ],
)
def test_wrong_arguments_exit_2_with_the_reason(
    program: Program, runs: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = program("history", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.replace("│", " ").split())


def test_broken_and_foreign_folders_are_named_and_the_others_listed(program: Program, runs: Path) -> None:
    (runs / "empty").mkdir()
    (runs / "notes.txt").write_text("mine", encoding="utf-8")
    (runs / ".hidden").mkdir()
    shutil.copytree(runs / "fast", runs / "pipe")
    (runs / "pipe" / "report.json").unlink()
    os.mkfifo(runs / "pipe" / "report.json")
    for name, file, text in (
        ("cut", "run.json", '{"schema_'),
        ("foreign", "run.json", "[1]"),
        ("newer", "run.json", '{"schema_version": 99}'),
        ("bad-report", "report.json", '{"exit": 3}'),
        ("deep-report", "report.json", "[" * 100_000),
        ("bad-end", "end.json", "nonsense"),
    ):
        shutil.copytree(runs / "fast", runs / name)
        (runs / name / file).write_text(text, encoding="utf-8")
    found = json.loads(program("history", "--json").out)
    assert [run["folder"] for run in found["runs"]] == ["bare", "fast", "slow"]
    assert found["wrong"].keys() == {"empty", "cut", "foreign", "newer", "bad-report", "deep-report", "bad-end", "pipe"}
    assert found["wrong"]["empty"] == "is not a run folder (it has no run.json)"
    assert found["wrong"]["newer"] == "run.json: schema version 99; this parity reads versions 1 to 2"
    assert found["wrong"]["bad-report"].startswith("report.json: is not what parity writes")
    said = program("history").out
    assert "bad-end: end.json: is not what parity writes" in said
    assert "and 3 more" in said


def test_a_run_that_is_not_over_or_not_judged_has_no_verdict(program: Program, runs: Path) -> None:
    (runs / "slow" / "end.json").unlink()
    (runs / "fast" / "report.json").unlink()
    assert words(program) == {"bare": "Measured", "fast": "Not judged", "slow": "Unfinished"}
    program("score", str(RUNS / "fast"))
    assert words(program)["fast"] == "Passed"


def test_a_report_of_before_the_run_was_resumed_is_no_verdict(program: Program, runs: Path) -> None:
    changed(runs / "fast" / "report.json", interrupted=True)
    assert words(program)["fast"] == "Not judged"


def test_the_index_follows_the_folders(program: Program, runs: Path) -> None:
    assert listed(program) == ["bare", "fast", "slow"]
    shutil.rmtree(runs / "bare")
    shutil.copytree(runs / "fast", runs / "again")
    (runs / "slow" / "report.json").unlink()
    assert words(program) == {"fast": "Passed", "again": "Passed", "slow": "Not judged"}


def test_folders_that_did_not_change_are_not_read_again(
    program: Program, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = program("history").out
    monkeypatch.setattr("parity.run.history.read_past", lambda folder: pytest.fail(f"reads {folder} again"))
    assert program("history").out == before


@pytest.mark.parametrize("fault", ["gone", "garbage", "other version", "other tables", "read-only", "in the way"])
def test_an_index_that_is_no_use_is_made_again(program: Program, runs: Path, cache: Path, fault: str) -> None:
    before = program("history").out
    found = index(cache)
    if fault == "garbage":
        found.write_bytes(b"no database" * 1000)
    elif fault in ("other version", "other tables"):
        with sqlite3.connect(found) as database:
            database.execute("PRAGMA user_version = 99" if fault == "other version" else "DROP TABLE ratios")
    elif fault == "read-only":
        shutil.rmtree(cache)
        cache.mkdir()
        (cache / "history").write_text("a file where the folder should be", encoding="utf-8")
    else:
        found.unlink()
        if fault == "in the way":
            found.mkdir()
    (runs / "slow" / "report.json").touch()
    assert program("history").out == before


def test_latest_names_the_run_that_began_last_wherever_a_run_is_named(program: Program, runs: Path) -> None:
    shown = program("report", "latest", "--format", "json")
    assert json.loads(shown.out)["run"] == "bare"
    assert shown.err == f"latest: {RUNS / 'bare'}\n"
    assert json.loads(program("report", "latest~2", "--format", "json").out)["run"] == "slow"
    assert program("score", "latest~2").code == 1
    assert str(RUNS / "fast") in program("explain", "latest~1").out
    assert f"latest: {RUNS / 'bare'}" in program("run", "--resume", "latest").err
    assert f"latest: {RUNS / 'bare'}" in program("run", "latest", "--add-rounds", "1").err
    assert f"latest: {RUNS / 'bare'}" in program("bisect", "latest", "other").err


def test_latest_is_no_earlier_run_where_the_newest_can_not_be_read(program: Program, runs: Path) -> None:
    (runs / "not-a-run").mkdir()
    assert program("report", "latest").code == 0
    broken = runs / "20310104T000000Z-nightly"
    broken.mkdir()
    (broken / "run.json").write_text("{", encoding="utf-8")
    done = program("report", "latest")
    assert (done.code, done.out) == (2, "")
    assert f"latest: {RUNS / broken.name} is newer and can't be read" in done.err


def test_latest_follows_the_folder_in_which_runs_are_kept(
    program: Program, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(runs, program.folder / "nightly")
    assert program("report", "nightly/latest~1", "--format", "json").err == "nightly/latest~1: nightly/fast\n"
    assert "latest: nowhere holds no run" in program("report", "nowhere/latest").err
    assert "latest: .parity/runs holds no run" in program("report", "latest").err
    monkeypatch.setenv("PARITY_RUNS", "nightly")
    assert program("report", "latest", "--format", "json").err == "latest: nightly/bare\n"
    program("run", program.write(CASE, "nightly.toml"))
    assert len(listed(program)) == 4
    assert not (program.folder / RUNS).exists()


def test_a_folder_that_is_called_latest_is_meant_itself(program: Program, runs: Path) -> None:
    shutil.copytree(runs / "slow", program.folder / "latest")
    assert json.loads(program("report", "latest", "--format", "json").out)["run"] == "latest"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("latest~3", "latest~3: .parity/runs holds only 3 runs; name a run folder"),
        ("latest~x", "is not a run folder"),
        ("latest-one", "is not a run folder"),
    ],
)
def test_a_run_that_is_not_there_exits_2(program: Program, runs: Path, name: str, said: str) -> None:
    done = program("report", name)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_latest_without_any_run_exits_2(program: Program, cache: Path) -> None:
    done = program("report", "latest")
    assert done.code == 2
    assert "latest: .parity/runs holds no run" in done.err


def trend(program: Program, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(program("history", "--trend", "gen_tps", *arguments, "--json").out)
    return found


def test_a_trend_shows_the_ratio_of_each_run_of_a_config_oldest_first(program: Program, runs: Path) -> None:
    found = trend(program, "--config", "nightly")
    [line] = found["lines"]
    assert (line["runtime"], line["baseline"], line["model"], line["test"]) == ("other", "base", "m", "t")
    assert [point["run"] for point in line["points"]] == ["slow", "fast"]
    assert [point["ratio"] for point in line["points"]] == pytest.approx([1 / 3, 1], rel=0.02)
    assert [point["verdict"] for point in line["points"]] == ["Failed", "Passed"]
    out = program("history", "--trend", "gen_tps", "--config", "nightly").out
    assert max(map(len, out.splitlines())) <= 80
    assert "Token Generation (gen_tps) over the runs of nightly" in out
    assert "2031-01-01 00:00:00  0.34× [" in out


def test_a_trend_says_where_the_config_changed_and_which_runs_have_no_ratio(program: Program, runs: Path) -> None:
    shutil.copytree(runs / "fast", runs / "later")
    run = json.loads((runs / "later" / "run.json").read_text(encoding="utf-8"))
    changed(runs / "later" / "run.json", started="2031-01-09T00:00:00Z", loaded=run["loaded"] | {"sha256": "0" * 64})
    (runs / "slow" / "report.json").unlink()
    found = trend(program, "--config", "nightly")
    assert [(point["run"], point["changed"]) for point in found["lines"][0]["points"]] == [
        ("fast", False),
        ("later", True),
    ]
    assert found["without"] == 1
    out = program("history", "--trend", "gen_tps", "--config", "nightly").out
    assert "[1] the config was changed since the run before" in out
    assert "1 of the runs has none" in out


def test_a_ratio_that_a_trial_contradicts_is_in_no_trend(program: Program, runs: Path) -> None:
    report = json.loads((runs / "fast" / "report.json").read_text(encoding="utf-8"))
    doubtful = [{**one, "doubt": "its stamps are wrong"} for one in report["comparisons"]]
    changed(runs / "fast" / "report.json", comparisons=doubtful)
    assert [point["run"] for point in trend(program, "--config", "nightly")["lines"][0]["points"]] == ["slow"]


def test_the_page_of_a_trend_draws_each_run_and_escapes_names(program: Program, runs: Path) -> None:
    (runs / "fast").rename(runs / "<b>fast&")
    done = program("history", "--trend", "gen_tps", "--config", "nightly", "--out", "pages/trend.html")
    assert (done.code, done.out, done.err) == (0, "", "trend: pages/trend.html\n")
    page = (program.folder / "pages" / "trend.html").read_text(encoding="utf-8")
    assert page.count("<use href=") == 2
    assert "<b>" not in page
    assert "&lt;b&gt;fast&amp;, 2031-01-02 00:00:00: 1.00×" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--trend", "gen_tp"), "'gen_tp' is not known; did you mean 'gen_tps'?"),
        (("--trend", "gen_tps"), "are of several configs (alone, nightly); name one with --config"),
        (("--trend", "gen_tps", "--config", "none"), "no run in .parity/runs matches"),
        (("--out", "x.html"), "goes with --trend"),
    ],
)
def test_a_trend_of_what_is_not_there_exits_2(
    program: Program, runs: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = program("history", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.replace("│", " ").split())
