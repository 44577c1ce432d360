"""Whole runs on scripted programs: each fault gets its class, the other cells finish, and nothing is left behind."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from runs import PARITY, Parity, WriteConfig, config_text, speaker_table, speakers_alive

pytestmark = pytest.mark.slow

LIMITS = """
[limits]
load_s = 20
first_token_s = 3
stall_s = 20
total_s = 60
grace_s = 0.5
max_output_bytes = 5_000_000
"""


def test_a_good_run_ends_with_a_table_and_exit_0(own: str, parity: Parity, write_config: WriteConfig) -> None:
    config = write_config(config_text(speaker_table("base") + speaker_table("other", ["--rate", "190"]), warmup=1))
    done = parity("run", config, "--out", "run")
    assert done.code == 0, done.out
    assert "Token Generation" in done.out
    assert done.verdicts() == {"hangs": "PASS", "speed": "PASS"}
    assert len(done.trials("other")) == 6
    assert [trial["warmup"] for trial in done.trials("other")] == [True, *[False] * 5]
    assert "[12/12]" in done.err
    assert not speakers_alive(own)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("exit-1", "exit:1"),
        ("hang-before-first-token", "timeout:first-token"),
        ("gigabyte", "output-limit"),
        ("sigkill", "crash:SIGKILL"),
        ("half-line", "crash:SIGKILL"),
        ("ignores-sigterm", "timeout:first-token"),
        ("silent", "silent"),
        ("garbage", "parse"),
        ("wrong-clock", "parse"),
        ("no-bye", "parse"),
        ("misnumbered", "parse"),
        ("no-tokens", "parse"),
        ("refuses", "refused"),
        ("out-of-memory", "oom"),
    ],
)
def test_a_fault_gets_its_class_and_the_other_cells_finish(
    own: str, parity: Parity, write_config: WriteConfig, fault: str, kind: str
) -> None:
    runtimes = speaker_table("base") + speaker_table("bad", ["--fault", fault])
    done = parity("run", write_config(config_text(runtimes, rounds=1, rest=LIMITS)), "--out", "run")
    assert [trial["failure"]["kind"] for trial in done.trials("bad")] == [kind]
    assert [trial["failure"] for trial in done.trials("base")] == [None]
    assert done.verdicts()["speed"] == "NOT RUN"
    assert done.code == (4 if kind == "refused" else 1)
    assert kind in done.out
    assert not speakers_alive(own)


@pytest.mark.parametrize(("fault", "warning"), [("invalid-utf8", "not UTF-8"), ("grandchild", "1 process(es) behind")])
def test_what_does_not_spoil_a_result_is_a_warning(
    parity: Parity, write_config: WriteConfig, fault: str, warning: str
) -> None:
    runtimes = speaker_table("base") + speaker_table("odd", ["--fault", fault])
    done = parity("run", write_config(config_text(runtimes, rest=LIMITS)), "--out", "run")
    assert [trial["failure"] for trial in done.trials("odd")] == [None] * 5
    assert any(warning in line for line in done.report["warnings"])
    assert warning in " ".join(done.out.split())


def test_a_missing_program_is_unavailable_and_the_others_still_run(parity: Parity, write_config: WriteConfig) -> None:
    gone = '[runtimes.gone]\nadapter = "command"\nprogram = "/no/such/program"\nevents = true\n'
    runtimes = speaker_table("base") + speaker_table("other") + gone
    done = parity("run", write_config(config_text(runtimes)), "--out", "run")
    assert done.trials("gone") == []
    [entry] = done.report["not_run"]
    assert (entry["runtime"], entry["kind"], entry["planned"], entry["ran"]) == ("gone", "unavailable", 5, 0)
    assert [trial["failure"] for trial in done.trials("base")] == [None] * 5
    verdicts = {(v["gate"], v["runtime"]): v["verdict"] for v in done.report["verdicts"]}
    assert verdicts == {
        ("hangs", "other"): "PASS",
        ("hangs", "gone"): "NOT RUN",
        ("speed", "other"): "PASS",
        ("speed", "gone"): "NOT RUN",
    }
    assert done.code == 4
    assert "/no/such/program" in done.out


@pytest.mark.parametrize("fault", ["sigkill", "half-line"])
def test_a_program_that_crashes_at_its_first_tokens_is_found_out_before_the_first_trial(
    parity: Parity, write_config: WriteConfig, fault: str
) -> None:
    runtimes = speaker_table("base", prove=True) + speaker_table("bad", ["--fault", fault], prove=True)
    case = write_config(config_text(runtimes))
    asked = parity("doctor", case)
    assert asked.code == 4
    assert "bad: it fails on a tiny model: crash:SIGKILL" in asked.out
    assert "base       ready (proved)" in asked.out
    done = parity("run", case, "--out", "run")
    assert done.code == 5
    assert done.report["trials"] == []


def test_when_nothing_can_run_the_exit_code_is_5(parity: Parity, write_config: WriteConfig) -> None:
    gone = '[runtimes.{}]\nadapter = "command"\nprogram = "/no/such/program"\nevents = true\n'
    done = parity("run", write_config(config_text(gone.format("base") + gone.format("other"))), "--out", "run")
    assert done.code == 5


def test_unequal_prompt_ids_are_not_comparable(parity: Parity, write_config: WriteConfig) -> None:
    runtimes = speaker_table("base") + speaker_table("other", ["--ids", "1,2,4"])
    done = parity("run", write_config(config_text(runtimes)), "--out", "run")
    assert done.verdicts() == {"hangs": "NOT COMPARABLE", "speed": "NOT COMPARABLE"}
    assert done.code == 3
    assert "prompt ids differ" in done.out


def test_a_runtime_that_ends_early_is_shown_with_its_count(parity: Parity, write_config: WriteConfig) -> None:
    runtimes = speaker_table("base") + speaker_table("short", ["--short-by", "4"])
    done = parity("run", write_config(config_text(runtimes)), "--out", "run")
    assert any("sampled 8 of 12 tokens" in line for line in done.report["warnings"])


def test_an_optional_runtime_that_is_not_set_is_shown_and_not_run(parity: Parity, write_config: WriteConfig) -> None:
    unset = '[runtimes.later]\nadapter = "command"\nprogram = "${NOT_SET_HERE:-}"\nevents = true\noptional = true\n'
    runtimes = speaker_table("base") + speaker_table("other") + unset
    done = parity("run", write_config(config_text(runtimes)), "--out", "run")
    assert done.code == 0, done.out
    later = [v["verdict"] for v in done.report["verdicts"] if v["runtime"] == "later"]
    assert later == ["NOT APPLICABLE", "NOT APPLICABLE"]
    assert done.trials("later") == []


def test_score_computes_the_same_bytes_from_the_transcripts_alone(parity: Parity, write_config: WriteConfig) -> None:
    runtimes = speaker_table("base") + speaker_table("other", ["--fault", "invalid-utf8"])
    done = parity("run", write_config(config_text(runtimes)), "--out", "run")
    before = {name: (done.run / name).read_bytes() for name in ("report.json", "report.md")}
    for name in (*before, "results.jsonl"):
        (done.run / name).unlink()
    again = parity("score", "run")
    assert again.code == done.code
    assert {name: (done.run / name).read_bytes() for name in before} == before


def test_results_hold_one_line_a_finished_trial(parity: Parity, write_config: WriteConfig) -> None:
    done = parity("run", write_config(config_text(speaker_table("base") + speaker_table("other"))), "--out", "run")
    lines = (done.run / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["file"] for line in lines] == [trial["file"] for trial in done.report["trials"]]


def test_a_used_run_folder_is_refused_and_left_alone(parity: Parity, write_config: WriteConfig, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x", encoding="utf-8")
    done = parity("run", write_config(config_text(speaker_table("base") + speaker_table("other"))), "--out", "run")
    assert done.code == 2
    assert "not an empty folder" in done.err
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["precious"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_was_measured_and_exits_130(
    own: str, tmp_path: Path, write_config: WriteConfig, number: signal.Signals
) -> None:
    runtimes = speaker_table("base", ["--fault", "hang-in-load"]) + speaker_table("other")
    config = write_config(config_text(runtimes, rounds=30))
    process = subprocess.Popen(
        [PARITY, "run", config, "--out", "run"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    results = tmp_path / "run" / "results.jsonl"
    give_up = time.monotonic() + 60
    while not (speakers_alive(own) and any("hang-in-load" in p.cmdline() for p in speakers_alive(own))):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in out
    assert "Traceback" not in err
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["exit"]["code"] == 130
    assert report["interrupted"] is True
    assert results.exists()
    assert not speakers_alive(own)


def test_a_run_whose_parity_was_killed_can_still_be_scored(
    own: str, tmp_path: Path, write_config: WriteConfig, parity: Parity
) -> None:
    config = write_config(config_text(speaker_table("base") + speaker_table("other"), rounds=30))
    process = subprocess.Popen(
        [PARITY, "run", config, "--out", "run"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    results = tmp_path / "run" / "results.jsonl"
    give_up = time.monotonic() + 60
    while not (results.exists() and len(results.read_text(encoding="utf-8").splitlines()) >= 6):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = parity("score", "run")
    assert done.code == 130
    assert len([t for t in done.report["trials"] if t["failure"] is None]) >= 6
    for orphan in speakers_alive(own):
        orphan.kill()


def test_the_page_is_written_where_the_config_wants_it(
    parity: Parity, write_config: WriteConfig, tmp_path: Path
) -> None:
    rest = '[report]\nmarkdown = "out/page.md"\ntitle = "A page"\n'
    runtimes = speaker_table("base") + speaker_table("other")
    done = parity("run", write_config(config_text(runtimes, rest=rest)), "--out", "run")
    page = (tmp_path / "out" / "page.md").read_text(encoding="utf-8")
    assert page.startswith("# A page\n")
    assert "| Metric | base Baseline | other | Delta |" in page
    assert "project page: out/page.md" in done.err


def test_a_page_that_cannot_be_written_is_kept_in_the_run_folder(
    parity: Parity, write_config: WriteConfig, tmp_path: Path
) -> None:
    (tmp_path / "blocked").write_text("a file, not a folder", encoding="utf-8")
    rest = '[report]\nmarkdown = "blocked/page.md"\n'
    runtimes = speaker_table("base") + speaker_table("other")
    done = parity("run", write_config(config_text(runtimes, rest=rest)), "--out", "run")
    assert done.code == 0
    assert (done.run / "page.md").exists()
    assert "can't be written" in done.err


def test_secrets_are_written_nowhere(
    own: str, parity: Parity, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_KEY", "interpolated-secret")
    keys = 'env = { HF_TOKEN = "hf_verysecret", PLAIN = "shown" }'
    runtimes = speaker_table("base", adapter_keys=keys) + speaker_table("other", ["--note", "${MY_API_KEY}"])
    done = parity("run", write_config(config_text(runtimes)), "--out", "run")
    assert done.code == 0, done.out
    written = b"".join(path.read_bytes() for path in done.run.rglob("*") if path.is_file())
    assert b"shown" in written
    assert b"hf_verysecret" not in written
    assert b"interpolated-secret" not in written
