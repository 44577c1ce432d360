"""Models that a runtime can't read as stored are converted once, outside every trial, and proven before they count."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_host import Program, ScriptedHost, config, table

from parity.adapter import Command, ModelFacts
from parity.hosts.cancel import Cancel
from parity.transcript import Head
from parity_adapters.command import CommandLine

TWO = config(table("base") + table("other"), rounds=1)
PROOF = {"tensors_compared": 3, "largest_error": 0.0, "exact": True}


@pytest.fixture
def converts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`other` reads no model as it is stored."""

    def conversion(adapter: CommandLine, model: ModelFacts, to: str) -> Command | None:
        return Command(argv=("convert", model.path, to)) if adapter.settings.program == "other" else None

    monkeypatch.setattr(CommandLine, "conversion", conversion)


def converter(host: ScriptedHost, *, proof: object = PROOF) -> Callable[[Head, Cancel | None], None]:
    """Stands in for the program that converts."""

    def before(head: Head, cancel: Cancel | None) -> None:
        if head.purpose == "conversion" and proof is not None:
            folder = Path(host.requests[-1].launch.argv[2])
            (folder / "model.safetensors").write_text("weights")
            (folder / "conversion.json").write_text(json.dumps(proof))

    return before


def run(program: Program, out: str, *, proof: object = PROOF) -> tuple[int, ScriptedHost]:
    host = program.host()
    host.before = converter(host, proof=proof)
    return program("run", program.write(TWO), "--out", out, host=host).code, host


def test_a_model_is_converted_before_the_first_trial_and_jobs_name_the_folder(program: Program, converts: None) -> None:
    _, host = run(program, "run")
    purposes = [head.purpose for head in host.asked]
    assert purposes.count("conversion") == 1
    assert purposes.index("conversion") < purposes.index("trial")
    jobs = {head.runtime: head.job for head in host.trials if head.job}
    assert jobs["base"].converted is None
    converted = jobs["other"].converted
    assert converted is not None
    assert converted.converted_from == jobs["other"].model.sha256
    assert converted.proof == PROOF
    assert (Path(converted.folder) / "model.safetensors").read_text() == "weights"
    recorded = json.loads((program.folder / "run" / "prepared" / "conversions.json").read_text())
    assert [entry["sha256"] for entry in recorded.values()] == [converted.sha256]


def test_a_later_run_finds_the_conversion_and_makes_it_anew_where_a_file_is_not_what_it_was(
    program: Program, converts: None
) -> None:
    _, first = run(program, "run")
    _, second = run(program, "run-2")
    assert [head.purpose for head in second.asked].count("conversion") == 0
    [folder] = {head.job.converted.folder for head in first.trials if head.job and head.job.converted}
    (Path(folder) / "model.safetensors").write_text("other weights")
    _, third = run(program, "run-3")
    assert [head.purpose for head in third.asked].count("conversion") == 1
    assert (Path(folder) / "model.safetensors").read_text() == "weights"
    assert not list(Path(folder).parent.glob(".*part*"))


def test_a_trial_is_refused_once_the_converted_files_have_changed(program: Program, converts: None) -> None:
    host = program.host()
    make = converter(host)

    def before(head: Head, cancel: Cancel | None) -> None:
        make(head, cancel)
        if head.purpose == "trial" and head.job and head.job.converted and head.slot and head.slot.warmup:
            (Path(head.job.converted.folder) / "model.safetensors").write_text("other weights")

    host.before = before
    program("run", program.write(TWO), "--out", "run", host=host)
    failures = [t["failure"] for t in program.report()["trials"] if t["runtime"] == "other" and not t["warmup"]]
    assert {failure["kind"] for failure in failures} == {"refused"}
    assert "is not what the conversion made" in failures[0]["message"]


def test_a_conversion_without_a_proof_refuses_the_trials_with_its_reason(program: Program, converts: None) -> None:
    _, host = run(program, "run", proof=None)
    assert "other" not in {head.runtime for head in host.trials}
    failures = [t["failure"] for t in program.report()["trials"] if t["runtime"] == "other"]
    assert {failure["kind"] for failure in failures} == {"refused"}
    assert "could not be converted for this runtime" in failures[0]["message"]
