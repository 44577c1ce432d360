"""Programs that are slow for a known reason: that reason is found, and nothing about an equal program."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from runs import PARITY, Done, config_text

pytestmark = [pytest.mark.slow, pytest.mark.alone]

PROGRAM = Path(__file__).parents[1] / "scripted" / "slow_program.py"
TOKENS = 60
"""20 ms each: a second, in which parity looks at the processes four times."""


def table(name: str, *options: str) -> str:
    args = json.dumps([str(PROGRAM), "{scratch}/job.json", *options])
    return f"""
[runtimes.{name}]
adapter = "command"
program = "{sys.executable}"
args = {args}
events = true
prove = false
"""


RUNTIMES = (
    table("base")
    + table("equal")
    + table("sleeps", "--because", "sleeps")
    + table("faults", "--because", "faults")
    + table("rereads", "--because", "rereads", "--work", "1")
    + table("pool", "--because", "pool", "--work", "10")
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("slow")
    text = config_text(RUNTIMES, tokens=TOKENS, min_ratio=0.8)
    (folder / "case.toml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [PARITY, "run", "case.toml", "--out", "run", "--quiet"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, folder / "run")


@pytest.fixture
def found(run: Done, request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """Kind → finding, of the runtime that the test names; whatever its verdict is."""
    done = subprocess.run(
        [PARITY, "explain", str(run.run), request.param, "--json"], capture_output=True, text=True, check=True
    )
    return {finding["kind"]: finding for finding in json.loads(done.stdout)["diagnosis"]["findings"]}


def evidence(finding: Mapping[str, Any], what: str) -> tuple[float, float | None]:
    [shown] = [e for e in finding["evidence"] if e["what"].startswith(what)]
    return shown["implementation"], shown["baseline"]


def test_the_report_holds_a_diagnosis_of_what_is_too_slow_alone(run: Done) -> None:
    assert run.code == 1, run.out + run.err
    assert [d["runtime"] for d in run.report["diagnoses"]] == ["sleeps", "faults"]
    assert "cause           sleeps: in decoding its threads wait" in run.out


@pytest.mark.parametrize("found", ["sleeps"], indirect=True)
def test_a_program_that_sleeps_waits(found: Mapping[str, Any]) -> None:
    assert list(found) == ["phase", "waiting"]
    assert found["phase"]["sentence"].startswith("decoding accounts for the largest part")
    idle, other = evidence(found["waiting"], "share of the time in which no thread ran")
    assert other is not None
    assert idle > other + 0.2
    assert found["waiting"]["explains"] > 0.5
    assert found["waiting"]["decisive"]
    assert "parity run" in found["waiting"]["next"]
    assert "--only sleeps --test t --quick" in found["waiting"]["next"]


@pytest.mark.parametrize("found", ["faults"], indirect=True)
def test_a_program_that_is_given_new_memory_again_and_again_makes_page_faults(found: Mapping[str, Any]) -> None:
    assert list(found) == ["phase", "page-faults"]
    ours, theirs = evidence(found["page-faults"], "page faults a token")
    assert theirs is not None
    assert ours > 100 > theirs
    kernel, _ = evidence(found["page-faults"], "of it in the kernel")
    assert kernel > 0.005


@pytest.mark.parametrize("found", ["rereads"], indirect=True)
def test_a_program_that_reads_its_weights_twice_is_found_out(run: Done, found: Mapping[str, Any]) -> None:
    assert found.keys() - {"phase"} == {"reads"}
    size = run.report["models"][0]["size_bytes"]
    ours, theirs = evidence(found["reads"], "bytes read")
    assert theirs is not None
    assert 2 * size < ours < 2.2 * size
    assert size < theirs < 1.2 * size


@pytest.mark.parametrize("found", ["pool"], indirect=True)
def test_threads_that_block_are_found_by_their_name(found: Mapping[str, Any]) -> None:
    assert found.keys() - {"phase"} == {"blocking-threads"}
    assert found["blocking-threads"]["sentence"].startswith("a process has 2 more threads of Tokio than there are CPUs")


@pytest.mark.parametrize("found", ["equal"], indirect=True)
def test_an_equal_program_has_no_finding(found: Mapping[str, Any]) -> None:
    assert found == {}
