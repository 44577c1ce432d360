"""Figures of llama-bench as witnesses: by definitions of their own, and never a false comparison."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.reading.llama_bench import read_llama_bench
from parity.records.witness import Witnesses
from parity.report import terminal_witnesses

TS = (100.0, 104.0, 96.0)


def entry(**changed: Any) -> dict[str, Any]:
    """An invented entry in the format of a build of 2025."""
    found = {
        "build_commit": "0123abc",
        "build_number": 6000,
        "cpu_info": "Invented CPU",
        "gpu_info": "",
        "backends": "CPU",
        "model_filename": "toy.gguf",
        "model_type": "llama 1M Q8_0",
        "model_size": 1_400_000,
        "model_n_params": 1_000_000,
        "n_batch": 2048,
        "n_threads": 8,
        "flash_attn": 0,
        "embeddings": False,
        "n_prompt": 0,
        "n_gen": 128,
        "n_depth": 0,
        "test_time": "2031-01-02T03:04:05Z",
        "avg_ns": 1_280_000_000,
        "stddev_ns": 1,
        "avg_ts": 100.0,
        "stddev_ts": 4.0,
        "samples_ts": list(TS),
        **changed,
    }
    tokens = found["n_prompt"] + found["n_gen"]
    found.setdefault("samples_ns", [round(tokens / ts * 1e9) for ts in found["samples_ts"]])
    return found


def read(*entries: dict[str, Any]) -> Witnesses:
    return read_llama_bench([("bench.json", json.dumps(entries))])


@pytest.mark.parametrize(
    ("shape", "definition"),
    [
        ({"n_gen": 128}, "llama-bench:tg128"),
        ({"n_prompt": 512, "n_gen": 0}, "llama-bench:pp512"),
        ({"n_prompt": 512, "n_gen": 128}, "llama-bench:pp512+tg128"),
        ({"n_gen": 128, "n_depth": 4096}, "llama-bench:tg128@d4096"),
    ],
)
def test_each_shape_is_a_definition_of_its_own(shape: dict[str, int], definition: str) -> None:
    [witness] = read(entry(**shape)).witnesses
    assert (witness.definition, witness.value, witness.deviation, witness.values) == (definition, 100.0, 4.0, TS)
    assert witness.provenance == "reported"
    assert witness.build == "0123abc 6000"
    assert witness.facts["n_threads"] == 8


def test_json_and_jsonl_are_read_alike_and_an_old_file_without_depth_and_samples() -> None:
    both = [entry(), entry(n_gen=64)]
    lines = "\n".join(map(json.dumps, both)) + "\n"
    assert read_llama_bench([("bench.json", lines)]) == read(*both)
    old = entry()
    for key in ("n_depth", "samples_ns", "samples_ts"):
        del old[key]
    [witness] = read(old).witnesses
    assert (witness.definition, witness.values) == ("llama-bench:tg128", ())


def test_the_same_definition_and_model_have_a_ratio_with_what_differs() -> None:
    found = read(entry(), entry(n_threads=4, avg_ts=50.0, samples_ts=[50.0], build_commit="fed"))
    [comparison] = found.comparisons
    assert (comparison.ours, comparison.theirs, comparison.ratio) == (2, 1, 0.5)
    assert comparison.differs == ("n_threads: 4 (8)", "build: fed 6000 (0123abc 6000)")
    text = terminal_witnesses(found, None)
    assert "0.50×" in text
    assert "[2] not proven equal: the weights (llama-bench records no hash of them)" in text
    assert "Ratios have no interval and are no verdicts" in text


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"model_size": 1_400_001}, "model_size differs"),
        ({"model_type": "llama 1M Q4_0"}, "model_type differs"),
        ({"model_n_params": 2}, "model_n_params differs"),
        ({"embeddings": True}, "embeddings differs"),
    ],
)
def test_different_work_has_no_ratio(changed: dict[str, Any], reason: str) -> None:
    found = read(entry(), entry(**changed))
    [comparison] = found.comparisons
    assert (comparison.ratio, comparison.reason) == (None, reason)
    assert "NOT COMPARABLE" in terminal_witnesses(found, None)
    assert "×" not in terminal_witnesses(found, None)


def test_what_one_side_does_not_tell_is_not_taken_for_equal() -> None:
    unnamed, short = entry(), entry()
    del unnamed["model_size"]
    del short["flash_attn"]
    assert read(entry(), unnamed).comparisons[0].reason == "model_size is not known of both"
    assert read(unnamed, unnamed).comparisons[0].reason == "model_size is not known of both"
    assert "flash_attn: of one only" in read(entry(), short).comparisons[0].unproven


def test_other_definitions_are_never_compared() -> None:
    assert read(entry(), entry(n_gen=64), entry(n_prompt=128, n_gen=0), entry(n_depth=1)).comparisons == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no entries"),
        ("[]", "has no entries"),
        ("[1]", "has no entries"),
        ("| model | t/s |", "is not what `llama-bench -o json` or `-o jsonl` writes"),
        (json.dumps([entry()])[:-1], "if llama-bench was interrupted"),
        (json.dumps([entry(avg_ts=float("nan"))]), "NaN is no number"),
        (
            json.dumps([entry()]).replace('"n_gen": 128', '"n_gen": "128"'),
            "n_gen: is '128'",
        ),
        (json.dumps([entry(n_gen=0) | {"samples_ns": []}]), "both are 0"),
        (json.dumps([entry(avg_ts=0)]), "avg_ts: is 0"),
        (json.dumps([entry(avg_ts=1)]).replace('"avg_ts": 1', '"avg_ts": 1e999'), "avg_ts: is inf"),
        (json.dumps([entry(avg_ts=120.0)]), "entry 1: avg_ts: 120 is not the mean of samples_ts, 100"),
        (json.dumps([entry(samples_ns=[1, 2, 3])]), "samples_ts: 100 is not what samples_ns makes of it"),
        (json.dumps([entry(samples_ns=[1])]), "has not as many numbers as samples_ts"),
        ("[" * 100_000, "is not what"),
    ],
)
def test_a_file_that_is_something_else_or_contradicts_itself_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParityError, match=r"^bench\.json: ") as refused:
        read_llama_bench([("bench.json", text)])
    assert message in str(refused.value)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5))
@example(10**400)
@example(-(10**400))
@example("\ud800\x1b[2J")
def test_any_value_of_any_key_is_read_or_refused(value: Any) -> None:
    for key in entry():
        try:
            found = read(entry() | {key: value})
            found.model_dump_json()
            assert "\x1b" not in terminal_witnesses(found, None)
        except ParityError:
            continue
