"""The other commands, and wrong input to any of them: one clear message, exit 2, never a traceback."""

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
import tomli
from runs import MODEL, PARITY, Parity, WriteConfig, config_text, speaker_table

from parity.adapter.events import EVENT

GOOD = config_text(speaker_table("base") + speaker_table("other"))


def test_version(parity: Parity) -> None:
    assert parity("--version").out.startswith("parity 0.")


@pytest.mark.parametrize("command", ["run", "plan", "doctor"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such file"),
        ("not toml", "not valid TOML"),
        (GOOD.replace("count = 3", "count = 0"), "rounds.count"),
        (GOOD.replace('adapter = "command"', 'adapter = "nope"', 1), "there is no adapter 'nope'"),
        (GOOD.replace('baseline = "base"', 'baseline = "nope"'), "baseline"),
    ],
)
def test_a_bad_config_exits_2_with_one_message(
    parity: Parity, tmp_path: Path, command: str, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "case.toml").write_text(text, encoding="utf-8")
    done = parity(command, "case.toml")
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert done.err.count("case.toml: ") == 1
    assert not (tmp_path / ".parity").exists()


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gone.gguf", "gone.gguf"),
        ("pypi://no-such-package/x.gguf", "pip install no-such-package"),
        ("ftp://x/y", "ftp"),
    ],
)
def test_a_model_that_is_not_there_exits_2_and_names_the_key(
    parity: Parity, write_config: WriteConfig, command: str, source: str, message: str
) -> None:
    done = parity(command, write_config(GOOD.replace(MODEL, source)))
    assert done.code == 2
    assert "models.m.source" in done.err
    assert message in done.err


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, b"PK\x03\x04" * 100])
def test_a_corrupt_model_exits_2_with_the_reason(
    parity: Parity, write_config: WriteConfig, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "bad.gguf").write_bytes(content)
    done = parity("run", write_config(GOOD.replace(MODEL, "bad.gguf")))
    assert done.code == 2
    assert "models.m.source" in done.err
    assert "bad.gguf" in done.err


@pytest.mark.slow
def test_plan_shows_cells_order_and_time_and_runs_nothing(
    parity: Parity, write_config: WriteConfig, tmp_path: Path
) -> None:
    config = write_config(GOOD)
    done = parity("plan", config)
    assert done.code == 0
    assert "base (baseline)" in done.out
    assert "round 1: t/" in done.out
    assert "6 trials in all; how long is not known before a first run" in done.out
    assert not (tmp_path / ".parity").exists()
    parity("run", config)
    assert "about 1 min, as in " in parity("plan", config).out


def test_plan_as_json_holds_every_trial_in_its_order(parity: Parity, write_config: WriteConfig) -> None:
    found = json.loads(parity("plan", write_config(GOOD), "--json").out)
    assert [trial["number"] for trial in found["trials"]] == [1, 2, 3, 4, 5, 6]


def test_doctor_says_who_is_ready_and_how_to_mend_who_is_not(parity: Parity, write_config: WriteConfig) -> None:
    gone = '[runtimes.gone]\nadapter = "command"\nprogram = "/no/such"\nevents = true\ninstall = "get it there"\n'
    done = parity("doctor", write_config(GOOD + gone))
    assert done.code == 4
    assert "base" in done.out
    assert "Python 3" in done.out
    assert "/no/such: No such file or directory" in done.out
    assert "to mend it: get it there" in done.out
    assert parity("doctor", write_config(GOOD)).code == 0
    assert [c["status"] for c in json.loads(parity("doctor", write_config(GOOD), "--json").out)] == ["ready", "ready"]


def test_adapter_list_names_every_adapter_and_its_package(parity: Parity) -> None:
    out = parity("adapter", "list").out
    assert "command" in out
    assert "parity-matrix" in out


@pytest.mark.slow
@pytest.mark.parametrize("format", ["table", "markdown", "page", "json"])
def test_report_prints_each_format_and_changes_nothing(parity: Parity, write_config: WriteConfig, format: str) -> None:
    run = parity("run", write_config(GOOD), "--out", "run").run
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = parity("report", "run", "--format", format)
    assert done.code == 0
    assert "base" in done.out
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_report_of_nothing_or_in_no_format_exits_2(parity: Parity, tmp_path: Path) -> None:
    assert "is no run folder" in parity("report", "nowhere").err
    assert parity("report", "nowhere").code == 2
    assert parity("report", "nowhere", "--format", "pdf").code == 2
    assert parity("score", tmp_path).code == 2


@pytest.mark.slow
def test_a_run_folder_of_another_version_is_refused_by_name(parity: Parity, write_config: WriteConfig) -> None:
    run = parity("run", write_config(GOOD), "--out", "run").run
    text = (run / "run.json").read_text(encoding="utf-8")
    (run / "run.json").write_text(text.replace('"schema_version": 1', '"schema_version": 99', 1), encoding="utf-8")
    done = parity("score", "run")
    assert done.code == 2
    assert "schema version 99; this parity reads version 1" in done.err


@pytest.mark.slow
def test_the_published_schemas_hold_what_parity_writes(parity: Parity, write_config: WriteConfig) -> None:
    run = parity("run", write_config(GOOD), "--out", "run").run
    schemas = {
        name: json.loads(parity("schema", name).out) for name in ("config", "events", "report", "results", "run")
    }
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((run / "report.json").read_text(encoding="utf-8")), schemas["report"])
    jsonschema.validate(json.loads((run / "run.json").read_text(encoding="utf-8")), schemas["run"])
    jsonschema.validate(tomli.loads(GOOD), schemas["config"])
    for line in (run / "results.jsonl").read_text(encoding="utf-8").splitlines():
        jsonschema.validate(json.loads(line), schemas["results"])
    jsonschema.validate({"ev": "token", "t_ns": 5, "k": 1, "id": 2}, schemas["events"])
    assert schemas["events"]["discriminator"]["propertyName"] == EVENT.json_schema()["discriminator"]["propertyName"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomli.loads(GOOD.replace("events = true", "evnts = true")), schemas["config"])


def test_an_unknown_schema_or_command_exits_2(parity: Parity) -> None:
    assert parity("schema", "nothing").code == 2
    assert parity("frobnicate").code == 2


@pytest.mark.slow
def test_a_pipe_that_closes_early_leaves_the_exit_code_as_it_was(
    parity: Parity, write_config: WriteConfig, tmp_path: Path
) -> None:
    parity("run", write_config(GOOD), "--out", "run")
    script = f"{PARITY} report run --format json | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", script], cwd=tmp_path, check=False).returncode == 0


@pytest.mark.slow
def test_a_terminal_without_unicode_still_gets_its_result(
    parity: Parity, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = parity("run", write_config(GOOD))
    assert done.code == 0, done.err
    assert "Token Generation" in done.out


def test_gates_without_anybody_to_judge_are_refused(parity: Parity, write_config: WriteConfig) -> None:
    done = parity("plan", write_config(config_text(speaker_table("base"))))
    assert done.code == 2
    assert "there is no implementation to judge" in done.err
