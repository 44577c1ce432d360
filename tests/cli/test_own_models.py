"""Runtimes that load a model of their own beside the baseline's: two quantisations of one model in one table."""

import json
from pathlib import Path

import pytest
from scripted_host import HANGS, MODEL, SPEED, Program, Script, ScriptedHost, config, table

ONE, TWO = "synth://tiny-llama/Q8_0@1", "synth://tiny-llama/Q4_0@1"
OWN = f'model = "{TWO}"\n'
DIFFERENT = Script(text=lambda head: "something else", token_id=lambda head, k: 500 + k)
OUTPUTS = '[[gates]]\nname = "same"\nkind = "outputs"\n'


def text(keys: str = OWN, gates: str = HANGS + SPEED, rest: str = "", base: str = "") -> str:
    """Two runtimes that are one program."""
    other = table("base", keys).replace("[runtimes.base]", "[runtimes.other]")
    return config(table("base", base) + other, gates=gates, rest=rest).replace(MODEL, ONE)


def test_two_quantisations_stand_in_one_table_whose_heading_says_so(program: Program) -> None:
    host = program.host()
    done = program("run", program.write(text()), "--out", "run", host=host)
    assert done.code == 0, done.out
    jobs = {head.runtime: head.job for head in host.trials if head.job is not None}
    assert jobs["base"].model.source == ONE
    assert jobs["other"].model.source == TWO
    report = program.report()
    [verdict] = [v for v in report["verdicts"] if v["gate"] == "speed"]
    assert verdict["verdict"] == "PASS"
    assert verdict["declared"][0].startswith("weights: ")
    assert f'set in the config: {ONE} and model = "{TWO}"' in verdict["declared"][0]
    assert {trial["model"] for trial in report["trials"]} == {"m"}
    [other] = [runtime for runtime in report["runtimes"] if runtime["name"] == "other"]
    assert other["model"]["source"] == TWO
    page = " ".join((program.folder / "run" / "report.md").read_text().split())
    assert "Delta (model Q8_0 → Q4_0)" in page
    assert "**Model of other** Q4_0@1" in page
    assert program("score", "run").code == 0


def test_a_run_with_such_models_goes_on_and_refuses_one_that_changed(program: Program) -> None:
    own = program.folder / "own.gguf"
    case = program.write(text(f'model = "{own.name}"\n'))
    assert "runtimes.other.model: " in program("run", case).err
    program("synth", "tiny-llama", "--quant", "Q4_0")
    made = next(Path(program("synth", "tiny-llama", "--quant", "Q4_0").out.split()[0]).parent.glob("*.gguf"))
    own.write_bytes(made.read_bytes())
    host = program.host()
    host.interrupt_at = 3
    assert program("run", case, "--out", "run", host=host).code == 130
    own.write_bytes(made.read_bytes() + b"\0")
    refused = program("run", "--resume", "run")
    assert refused.code == 2
    own.write_bytes(made.read_bytes())
    assert program("run", "--resume", "run").code == 0


def test_outputs_of_other_weights_are_never_called_wrong(program: Program) -> None:
    host = program.host(other=DIFFERENT)
    done = program("run", program.write(text(gates=OUTPUTS + SPEED)), "--out", "run", host=host)
    assert done.code == 3
    verdicts = {v["gate"]: v for v in program.report()["verdicts"]}
    assert verdicts["same"]["verdict"] == "NOT COMPARABLE"
    assert "the two sides ran different weights" in verdicts["same"]["sentence"]
    assert verdicts["speed"]["verdict"] == "NOT COMPARABLE"
    done = program("run", program.write(text()), "--out", "speed", host=host)
    assert done.code == 0, done.out


def test_the_same_file_under_another_name_is_the_same_model(program: Program) -> None:
    host = program.host(other=DIFFERENT)
    case = program.write(text(f'model = "{ONE}"\n', OUTPUTS))
    done = program("run", case, "--out", "run", host=host)
    assert "the ids agree for 0 of 12 tokens" in " ".join(done.out.split())
    assert "different weights" not in done.out


def of_another_kind(program: Program) -> tuple[str, ScriptedHost]:
    """A runtime of a different adapter than the baseline's, with a model of its own."""
    mine = '[runtimes.other]\nadapter = "llama_cpp"\nprove = false\n' + OWN
    whole = config(table("base", "prove = false") + mine, gates=HANGS + SPEED)
    return whole.replace(MODEL, ONE), program.host(other=Script(hello="llama"))


def test_of_different_runtimes_different_weights_have_to_be_declared(program: Program) -> None:
    case, host = of_another_kind(program)
    program("run", program.write(case), "--out", "run", host=host)
    [speed] = [v for v in program.report()["verdicts"] if v["gate"] == "speed"]
    assert speed["verdict"] == "NOT COMPARABLE"
    assert "the two sides ran different weights" in speed["sentence"]
    assert '[[declare]] fact = "weights"' in speed["sentence"]
    declared = case + '\n[[declare]]\nfact = "weights"\nruntimes = ["other"]\nreason = "on purpose"\n'
    program("run", program.write(declared), "--out", "declared", host=host)
    [speed] = [v for v in program.report("declared")["verdicts"] if v["gate"] == "speed"]
    assert any("on purpose" in said for said in speed["declared"])


@pytest.mark.parametrize("key", ['program = "port"', 'args = ["--fast", "{model}"]'])
def test_of_different_programs_of_one_adapter_different_weights_have_to_be_declared(program: Program, key: str) -> None:
    """A port with lighter weights is not faster than the original."""
    name = key.split()[0]
    other = "\n".join(key if line.startswith(f"{name} =") else line for line in table("base", OWN).splitlines())
    runtimes = table("base") + other.replace("[runtimes.base]", "[runtimes.other]")
    case = config(runtimes, gates=HANGS + SPEED).replace(MODEL, ONE)
    done = program("run", program.write(case), "--out", "run", host=program.host(other=Script(token_ms=5.0)))
    assert done.code == 3, done.out
    [speed] = [v for v in program.report()["verdicts"] if v["gate"] == "speed"]
    assert (speed["verdict"], speed["declared"]) == ("NOT COMPARABLE", [])
    assert "the two sides ran different weights" in speed["sentence"]
    assert '[[declare]] fact = "weights"' in speed["sentence"]


def test_a_key_that_sets_a_fact_makes_no_different_program(program: Program) -> None:
    done = program("run", program.write(text(OWN + 'device = "cpu"\n')), "--out", "run")
    assert done.code == 0, done.out


@pytest.mark.parametrize(
    ("case", "wrong"),
    [
        (text(base=OWN), "runtimes.base.model: 'base' is the baseline"),
        (text(rest=f'[[models]]\nname = "n"\nsource = "{TWO}"\n'), "there are 2 [[models]]"),
        (text('model = "synth://nothing/Q8_0@1"\n'), "runtimes.other.model: "),
    ],
)
def test_a_model_that_can_not_stand_there_is_an_error(program: Program, case: str, wrong: str) -> None:
    host = program.host()
    done = program("run", program.write(case), host=host)
    assert done.code == 2
    assert wrong in done.err
    assert host.trials == []


def test_a_plan_and_a_doctor_name_such_models(program: Program) -> None:
    case = program.write(text())
    assert "model of other: " in program("plan", case).out
    assert json.loads(program("doctor", case, "--json").out)[1]["status"] == "ready"


def test_two_builds_of_one_runtime_are_told_by_the_heading(program: Program) -> None:
    host = program.host(base=Script(version="1.0"), other=Script(version="1.1"))
    done = program("run", program.write(text("")), "--out", "run", host=host)
    assert done.code == 0, done.out
    assert "Delta (version 1.0 → 1.1)" in " ".join((program.folder / "run" / "report.md").read_text().split())
