"""Wrong input to any command: one clear message, exit 2, never a traceback. And the commands that run nothing."""

import json
from typing import Any

import jsonschema
import pytest
import tomli
from run_files import transcripts
from scripted_host import HANGS, MODEL, Program, config, table

GOOD = config(table("base") + table("other"))


@pytest.mark.parametrize("command", ["run", "plan", "doctor"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such file"),
        ("not toml", "not valid TOML"),
        (GOOD.replace("count = 5", "count = 0"), "rounds.count"),
        (GOOD.replace('adapter = "command"', 'adapter = "nope"', 1), "there is no adapter 'nope'"),
        (GOOD.replace('baseline = "base"', 'baseline = "nope"'), "baseline"),
        (config(table("base"), gates=HANGS), "there is no implementation to judge"),
    ],
)
def test_a_bad_config_exits_2_with_one_message(program: Program, command: str, text: str | None, message: str) -> None:
    host = program.host()
    if text is not None:
        program.write(text)
    done = program(command, "case.toml", host=host)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("case.toml: ") == 1
    assert host.asked == []
    assert not (program.folder / ".parity").exists()


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gone.gguf", "gone.gguf"),
        ("pypi://no-such-package/x.gguf", "pip install no-such-package"),
        ("ftp://x/y", "ftp"),
        ("synth://tiny-lama/F16@3", "did you mean tiny-llama?"),
    ],
)
def test_a_model_that_is_not_there_exits_2_and_names_the_key(
    program: Program, command: str, source: str, message: str
) -> None:
    host = program.host()
    done = program(command, program.write(GOOD.replace(MODEL, source)), host=host)
    assert done.code == 2
    assert "models.m.source" in done.err
    assert message in done.err
    assert host.asked == []


@pytest.mark.parametrize(
    "content",
    [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, b"PK\x03\x04" * 100],
    ids=["empty", "magic alone", "endless counts", "a zip archive"],
)
def test_a_corrupt_model_exits_2_with_the_reason_and_leaves_no_run(program: Program, content: bytes) -> None:
    (program.folder / "bad.gguf").write_bytes(content)
    done = program("run", program.write(GOOD.replace(MODEL, "bad.gguf")), "--out", "run")
    assert done.code == 2
    assert "models.m.source" in done.err
    assert "bad.gguf" in done.err
    assert not (program.folder / "run").exists()


def test_adapter_list_names_every_adapter_and_its_package(program: Program) -> None:
    out = program("adapter", "list").out
    for name in ("candle", "command", "llama_cpp", "mlx_lm", "paraphym"):
        assert [line.split()[1] for line in out.splitlines() if line.startswith(f"{name} ")] == ["parity-matrix"]


@pytest.mark.parametrize("arguments", [("report", "nowhere"), ("score", "nowhere"), ("run", "--resume", "nowhere")])
def test_a_folder_that_is_no_run_exits_2(program: Program, arguments: tuple[str, ...]) -> None:
    done = program(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "is not a run folder" in done.err


def test_a_report_in_no_format_or_a_schema_of_nothing_exits_2(program: Program) -> None:
    program("run", program.write(GOOD), "--out", "run")
    assert program("report", "run", "--format", "pdf").code == 2
    assert program("schema", "nothing").code == 2


def test_a_run_folder_of_a_newer_version_is_refused_by_name(program: Program) -> None:
    program("run", program.write(GOOD), "--out", "run")
    path = program.folder / "run" / "run.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"schema_version": 2', '"schema_version": 99', 1), encoding="utf-8")
    for command in ("score", "report"):
        done = program(command, "run")
        assert done.code == 2
        assert "schema version 99; this parity reads versions 1 to 2" in done.err


def schema(program: Program, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(program("schema", name).out)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def test_the_published_schemas_hold_what_parity_writes(program: Program) -> None:
    program("run", program.write(GOOD), "--out", "run")
    run = program.folder / "run"
    for name in ("report", "run"):
        jsonschema.validate(json.loads((run / f"{name}.json").read_text(encoding="utf-8")), schema(program, name))
    results = (run / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(results) == 12
    published = jsonschema.Draft202012Validator(schema(program, "results"))
    for line in results:
        published.validate(json.loads(line))


def test_the_published_schema_of_configs_takes_a_good_one_and_refuses_a_misspelt_key(program: Program) -> None:
    jsonschema.validate(tomli.loads(GOOD), schema(program, "config"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomli.loads(GOOD.replace("events = true", "evnts = true")), schema(program, "config"))


def test_the_published_schema_of_events_takes_what_a_runtime_printed_and_refuses_other_lines(program: Program) -> None:
    program("run", program.write(GOOD), "--out", "run")
    transcript = next(iter(transcripts(program.folder / "run").values())).decode()
    printed = [json.loads(line["d"]) for line in map(json.loads, transcript.splitlines()) if line.get("s") == "out"]
    events = jsonschema.Draft202012Validator(schema(program, "events"))
    assert {"hello", "phase", "prompt", "token", "text", "bye"} == {event["ev"] for event in printed}
    for event in printed:
        events.validate(event)
    for wrong in ({"ev": "token", "t_ns": 5}, {"ev": "tokens", "t_ns": 5, "k": 1}, {"ev": "bye", "t_ns": "soon"}):
        with pytest.raises(jsonschema.ValidationError):
            events.validate(wrong)
