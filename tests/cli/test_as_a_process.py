"""`parity` as a process of its own, on this machine: what the scripted host can't show."""

import json
import subprocess
from pathlib import Path

import pytest
from runs import PARITY, Parity, WriteConfig, config_text, speaker_table

GOOD = config_text(speaker_table("base") + speaker_table("other"))


def test_version(parity: Parity) -> None:
    assert parity("--version").out.startswith("parity 0.")


def test_an_unknown_command_exits_2(parity: Parity) -> None:
    assert parity("frobnicate").code == 2


@pytest.mark.slow
def test_doctor_probes_the_programs_of_this_machine(parity: Parity, write_config: WriteConfig) -> None:
    gone = '[runtimes.gone]\nadapter = "command"\nprogram = "/no/such"\nevents = true\ninstall = "get it there"\n'
    done = parity("doctor", write_config(GOOD + gone))
    assert done.code == 4
    assert "Python 3" in done.out
    assert "/no/such: No such file or directory" in done.out
    assert "to fix it: get it there" in done.out
    assert parity("doctor", write_config(GOOD)).code == 0
    assert [c["status"] for c in json.loads(parity("doctor", write_config(GOOD), "--json").out)] == ["ready", "ready"]


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
