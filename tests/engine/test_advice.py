"""What warnings and failures say of what to do, beside the sentences of verdicts."""

import tomllib
from dataclasses import replace

import pytest
from builders import also, transcript, trial

from parity.adapter.protocol import read_protocol
from parity.compare import Measured
from parity.compare.advice import to_compare, to_declare
from parity.config import Config
from parity.errors import ReadError
from parity.judging.warnings import figure_warnings, first_round_warnings
from parity.reading.outcome import classify
from parity.records import Limits, Trial, flattened
from parity.transcript import End, EndedBy

ONE = ("m", "t", "one")


def config(warmup: int = 0) -> Config:
    return Config.model_validate(
        {
            "name": "c",
            "baseline": "one",
            "models": ({"name": "m", "source": "m"},),
            "tests": ({"name": "t", "prompt": "p", "max_tokens": 50},),
            "runtimes": {"one": {"adapter": "command"}},
            "rounds": {"warmup": warmup},
        }
    )


def took(*seconds: float) -> list[Trial]:
    return [trial("one", k, {"wall_s": s}) for k, s in enumerate(seconds, start=1)]


def test_a_first_round_that_took_far_longer_asks_for_a_warm_up_round() -> None:
    [warning] = first_round_warnings(config(), took(4.0, 2.0, 2.1, 1.9, 2.0))
    assert "its first round took 4.00 s" in warning
    assert "no later one more than 2.10 s; set `rounds.warmup = 1`" in warning
    [warning] = first_round_warnings(config(warmup=1), took(4.0, 2.0, 2.1, 1.9, 2.0))
    assert "set `rounds.warmup = 2`" in warning


@pytest.mark.parametrize("seconds", [(2.2, 2.0, 2.1, 1.9), (4.0, 2.0, 2.1), (4.0, 2.0, 3.9, 2.0), (2.0, 4.0, 4.0, 4.0)])
def test_a_first_round_within_the_scatter_or_among_few_is_not_warned_of(seconds: tuple[float, ...]) -> None:
    assert list(first_round_warnings(config(), took(*seconds))) == []


@pytest.mark.parametrize("spoiled", [{"void": "others ran"}, {"warmup": True}])
def test_a_first_round_that_does_not_count_is_not_warned_of(spoiled: dict[str, object]) -> None:
    first, *rest = took(4.0, 2.0, 2.1, 1.9, 2.0)
    assert list(first_round_warnings(config(), [first.but(**spoiled), *rest])) == []


@pytest.mark.parametrize(("own", "warned"), [(50.0, True), (10.0, True), (23.0, False), (20.0, False)])
def test_a_figure_of_its_own_that_is_far_from_what_was_measured_is_warned_of(own: float, warned: bool) -> None:
    trials = [also(trial("one", k, {"gen_tps": 20.0}), "runtime-report:x", {"gen_tps": own}) for k in range(1, 6)]
    found = list(figure_warnings(config(), Measured(trials, {}), [ONE]))
    assert len(found) == warned
    if warned:
        assert f"by its own figure gen_tps is {own:.2f} t/s, and 20.00 t/s by token-stamps" in found[0]
        assert "`parity explain` shows how each is measured" in found[0]


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("deadline:load", "it was not ready within 1.00 s (limits.load_s)"),
        ("deadline:first-token", "no first token came within 2.00 s (limits.first_token_s) of being ready"),
        ("deadline:total", "it did not end within 3.00 s (limits.total_s)"),
        ("stall", "no output and no CPU progress for 4.00 s (limits.stall_s)"),
        ("output-limit", "it printed more than 5.00 KiB (limits.max_output_bytes)"),
        ("memory-limit", "it used more memory than 6.00 KiB (limits.max_memory_bytes)"),
    ],
)
def test_a_limit_that_struck_is_shown_with_its_key(by: EndedBy, said: str) -> None:
    limits = Limits(load_s=1, first_token_s=2, total_s=3, stall_s=4, max_output_bytes=5 << 10, max_memory_bytes=6 << 10)
    ended = transcript(out=b"x", end=End(t_ns=1, by=by))
    of_old = classify(ended, [], None)
    known = classify(replace(ended, head=ended.head.but(limits=limits)), [], None)
    assert of_old is not None
    assert known is not None
    assert said in known.message
    assert f"limits.{said.partition('limits.')[2].partition(')')[0]}" in of_old.message


def test_what_may_be_declared_is_toml_to_paste_and_one_line_in_a_sentence() -> None:
    advice = to_compare(["weights", "threads", "device"], ["threads", "device"], "two")
    assert advice is not None
    said, _, toml = advice.partition("\n")
    assert said.startswith("let both load the test's model")
    assert [table["fact"] for table in tomllib.loads(toml)["declare"]] == ["threads", "device"]
    assert {tuple(table["runtimes"]) for table in tomllib.loads(toml)["declare"]} == {("two",)}
    one = to_declare("threads", "two")
    assert one is not None
    assert flattened(one).endswith(
        'declare it: [[declare]] fact = "threads", runtimes = ["two"], reason = "why it is intended"'
    )


def test_a_line_that_is_no_json_is_named_without_an_empty_place() -> None:
    with pytest.raises(ReadError, match=r"line 1 is not an event \(Invalid JSON"):
        list(read_protocol(transcript(out=b"{\n")))
