"""Whole runs of a program that prints text alone, as the owner's does: what others score decides about its text.

The stand-in prints what it is told to. The baseline and what scores are llama.cpp, on a tiny model that is sure of its
answers."""

import json
from pathlib import Path

import pytest
from gguf import GGUFReader
from gguf_editing import edited
from owners_job import StandIn, owners_job, run
from runs import ANY_MACHINE, Done

from parity.models import parse_source, silent

pytestmark = pytest.mark.slow

SURE = 25.0
"""By how much the last norm is scaled: the logits of random weights lie close together, and these don't."""

BASELINE = '[runtimes.base]\nadapter = "llama_cpp"\nthreads = 1\n'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = parse_source("synth://tiny-qwen3/F32@1", Path()).fetch(silent)
    [norm] = [tensor for tensor in GGUFReader(source).tensors if tensor.name == "output_norm.weight"]
    target = tmp_path_factory.mktemp("model") / "sure.gguf"
    return edited(source, target, tensors={norm.name: norm.data * norm.data.dtype.type(SURE)})


def config(model: Path, printer: str, *, declared: bool = True) -> str:
    declare = '[[declare]]\nfact = "outputs"\nruntimes = ["paraphym"]\nreason = "it shows text alone"\n'
    return f"""
baseline = "base"

[[models]]
name = "sure"
source = {json.dumps(str(model))}

[[tests]]
name = "t"
prompt = "What is 2+2?"
prompt_as = "paraphym"
max_tokens = 24

{BASELINE}
[runtimes.paraphym]
adapter = "paraphym"
greedy_temperature = 0.001
{printer}
[rounds]
count = 1
{ANY_MACHINE}
[[gates]]
name = "same-answers"
kind = "outputs"

{declare if declared else ""}
[report]
markdown = "page.md"
test = "t"
implementation = "paraphym"
"""


def ran(folder: Path, stand_in: StandIn, model: Path, text: str, *, declared: bool = True) -> Done:
    folder.mkdir()
    printer = stand_in.table(MODEL=model, TEXT=text, LOAD_MS=1, SECOND_MODEL_MS=1, PREFILL_MS=1, AFTER="finish")
    return run(folder, config(model, printer, declared=declared))


def scored(done: Done) -> list[tuple[int, str]]:
    return [(trial["round"], trial["runtime"]) for trial in done.report["score_trials"]]


def test_the_text_of_a_program_without_ids_comes_to_a_verdict(stand_in: StandIn, model: Path, tmp_path: Path) -> None:
    other = ran(tmp_path / "other", stand_in, model, " a a a a a a a a a a a a a a a a a a a a a a a a")
    [found] = other.report["outputs"]
    assert found["verdict"] == "WRONG", found
    assert "word 1 of paraphym has ' a'" in found["sentence"]
    assert other.verdicts() == {"same-answers": "FAIL"}
    assert other.code == 1
    # The first of the runtimes is the baseline, which scores; the text of the second has the fourth round.
    assert scored(other) == [(1, "base"), (4, "base")]
    page = (other.run.parent / "page.md").read_text(encoding="utf-8")
    assert "❌ same-answers: FAIL" in page

    [answer] = {trial["text"] for trial in other.trials("base")}
    same = ran(tmp_path / "same", stand_in, model, answer)
    [found] = same.report["outputs"]
    assert (found["verdict"], found["acceptable"]) == ("UNPROVEN", True), found
    assert (same.verdicts(), same.code) == ({"same-answers": "PASS"}, 0)
    assert scored(same) == [(1, "base")]

    undeclared = ran(tmp_path / "undeclared", stand_in, model, answer, declared=False)
    assert (undeclared.verdicts(), undeclared.code) == ({"same-answers": "NOT COMPARABLE"}, 3)


@pytest.mark.parametrize(
    ("word", "verdict"), [(" a", "PASS"), (" b", "NOT COMPARABLE")], ids=["the same text", "a different one"]
)
def test_without_witnesses_the_owners_config_accepts_the_same_text_alone(
    stand_in: StandIn, tmp_path: Path, word: str, verdict: str
) -> None:
    quick: dict[str, str | int] = {
        "TOKEN_MS": 1,
        "LOAD_MS": 1,
        "SECOND_MODEL_MS": 1,
        "PREFILL_MS": 1,
        "AFTER": "finish",
    }
    port, baseline = stand_in.table(**quick, WORD=word), stand_in.table(**quick)
    done = run(tmp_path, owners_job(port, baseline=baseline, rounds=1, outputs=True))
    assert done.verdicts()["same-answers"] == verdict, done.out
    assert {found["verdict"] for found in done.report["outputs"]} == {"UNPROVEN"}
