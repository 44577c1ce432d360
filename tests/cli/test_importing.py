"""`parity import llama-bench`."""

import json
from pathlib import Path

from scripted_host import Program, config, table

FIGURES = [
    {
        "build_commit": "0123abc",
        "build_number": 6000,
        "cpu_info": "Invented\x1b[2J CPU",
        "backends": "CPU",
        "model_type": "llama 1M Q8_0",
        "model_size": 1,
        "model_n_params": 1,
        "n_prompt": 0,
        "n_gen": 16,
        "avg_ts": speed,
        "stddev_ts": 0.5,
        "samples_ts": [speed],
    }
    for speed in (80.0, 40.0)
]


def written(folder: Path) -> str:
    (folder / "bench.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in FIGURES), encoding="utf-8")
    return "bench.jsonl"


def test_figures_are_shown_with_where_they_come_from(program: Program) -> None:
    done = program("import", "llama-bench", written(program.folder))
    assert done.code == 0
    said = " ".join(done.out.split())
    assert "llama-bench:tg16: decoding of 16 random tokens, without sampling or text, after no tokens" in said
    assert "80.00 t/s ± 0.50" in done.out
    assert "0.50×" in done.out
    assert "[2] bench.jsonl, entry 2: llama 1M Q8_0, CPU, Invented CPU, 0123abc 6000" in done.out
    assert "\x1b" not in done.out


def test_beside_a_run_there_is_no_ratio_to_it(program: Program) -> None:
    assert program("run", program.write(config(table("base") + table("other"))), "--out", "run").code == 0
    done = program("import", "llama-bench", written(program.folder), "--beside", "run")
    assert done.code == 0
    assert "token-stamps" in done.out
    assert "No ratio to what parity measured: " in done.out
    assert done.out.count("×") == 1


def test_figures_that_are_kept_in_a_run_stand_in_all_its_reports_and_in_no_verdict(program: Program) -> None:
    assert program("run", program.write(config(table("base") + table("other"))), "--out", "run").code == 0
    before = program.report()
    done = program("import", "llama-bench", written(program.folder), "--into", "run")
    assert (done.code, done.err) == (0, "kept in: run\n")
    (program.folder / "bench.jsonl").unlink()
    after = program.report()
    assert [w["value"] for w in after.pop("witnesses")["witnesses"]] == [80.0, 40.0]
    assert before.pop("witnesses") is None
    assert after == before
    for form in ("table", "markdown", "html"):
        shown = program("report", "run", "--format", form).out
        assert "parity did not measure these figures, and no gate reads them." in shown
        assert "80.00 t/s ± 0.50" in shown
        assert "\x1b[2J" not in shown
    assert program("score", "run").code == 0
    assert program.report()["witnesses"]["comparisons"][0]["ratio"] == 0.5


def test_a_file_that_is_kept_twice_is_one_and_a_wrong_one_changes_nothing(program: Program) -> None:
    assert program("run", program.write(config(table("base") + table("other"))), "--out", "run").code == 0
    for _ in range(2):
        program("import", "llama-bench", written(program.folder), "--into", "run")
    assert len(program.report()["witnesses"]["witnesses"]) == 2
    (program.folder / "wrong.json").write_text("[1]", encoding="utf-8")
    assert program("import", "llama-bench", "wrong.json", "--into", "run").code == 2
    assert len(program.report()["witnesses"]["witnesses"]) == 2
    (program.folder / "run" / "witnesses.json").write_text("[1]", encoding="utf-8")
    done = program("report", "run")
    assert done.code == 2
    assert "run/witnesses.json: is not what parity writes (TypeError); remove it" in done.err


def test_two_runs_with_figures_of_one_definition_show_them_beside_each_other(program: Program) -> None:
    program.write(config(table("base") + table("other")))
    for name in ("first", "second"):
        assert program("run", "case.toml", "--out", name).code == 0
        program("import", "llama-bench", written(program.folder), "--into", name)
    shown = program("compare", "first", "second").out
    assert "[1] first run, bench.jsonl, entry 1: " in shown
    assert "[4] second run, bench.jsonl, entry 2: " in shown
    assert "Ratios have no interval and are no verdicts" in shown


def test_json_is_for_programs(program: Program) -> None:
    found = json.loads(program("import", "llama-bench", written(program.folder), "--json").out)
    assert [w["definition"] for w in found["witnesses"]] == ["llama-bench:tg16"] * 2
    assert [c["ratio"] for c in found["comparisons"]] == [0.5]


def test_a_file_that_is_not_there_or_no_text_is_named(program: Program) -> None:
    (program.folder / "binary").write_bytes(b"\xff\xfe")
    for name, message in (("nowhere", "No such file"), (".", "Is a directory"), ("binary", "is not UTF-8 text")):
        done = program("import", "llama-bench", name)
        assert done.code == 2
        assert f"{name}: " in done.err
        assert message in done.err
