"""The configs of this repository load, and say plainly what they need where it isn't set."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from parity.config import LoadedConfig, load_config
from parity.errors import ConfigError
from parity.registry import prompt_as, settings_of
from parity.run.schedule import planned, schedule

CONFIGS = Path(__file__).parents[2] / "configs"
CHECKOUTS = {"CANDLE": "/somewhere/candle", "PARAPHYM": "/somewhere/paraphym"}


def load(name: str, environ: Mapping[str, str]) -> LoadedConfig:
    return load_config(CONFIGS / f"{name}.toml", settings_of, environ, prompt_as=prompt_as)


@pytest.mark.parametrize(
    ("name", "unset"),
    [("qwen3", ()), ("qwen3-cpu", ()), ("phi4", ("paraphym",)), ("quickstart", ("candle-reference",))],
)
def test_every_config_loads_where_the_checkouts_are_set(name: str, unset: tuple[str, ...]) -> None:
    loaded = load(name, CHECKOUTS)
    assert loaded.config.name == name
    assert loaded.not_set == unset
    runtimes = {runtime for _, _, runtime in planned(loaded.config, loaded.not_set)}
    assert runtimes == set(loaded.config.runtimes) - set(unset)


@pytest.mark.parametrize(("name", "baseline"), [("qwen3-cpu", "candle"), ("quickstart", "llama-cpp-python")])
def test_configs_for_any_machine_need_nothing_set(name: str, baseline: str) -> None:
    assert load(name, {}).config.baseline == baseline


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("qwen3", {"CANDLE": "runtimes.candle.path", "PARAPHYM": "runtimes.paraphym.path"}),
        ("phi4", {"CANDLE": "runtimes.candle.path"}),
    ],
)
def test_what_is_not_set_is_named_with_its_key(name: str, keys: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(name, {})
    for variable, key in keys.items():
        [line] = [line for line in str(caught.value).splitlines() if key in line]
        assert f"the environment variable {variable} is not set" in line
    for other in {"CANDLE", "PARAPHYM"} - set(keys):
        assert other not in str(caught.value)


def test_the_owners_job_asks_for_equal_prompts_and_two_budgets_and_ends_with_whole_trials() -> None:
    loaded = load("qwen3", CHECKOUTS)
    for test in loaded.config.tests:
        assert loaded.sent[test.name].endswith(f"User: {test.prompt}")
        assert test.short_tokens is not None
    slots = [slot for turn in schedule(loaded.config) for slot in turn]
    assert {(slot.runtime, slot.kind) for slot in slots[-len(loaded.config.tests) :]} == {("paraphym", "whole")}


def test_the_gpu_chooses_features_and_the_device_of_the_absolute_gates_together() -> None:
    loaded = load("qwen3", {**CHECKOUTS, "GPU": "cuda"})
    for runtime in ("candle", "paraphym"):
        assert loaded.settings[runtime]["features"] == ["cuda"]
    bounds = [gate for gate in loaded.config.gates if gate.kind == "bound"]
    assert {gate.when.device for gate in bounds if gate.when is not None} == {"cuda"}
    assert loaded.config.report.features == "`--features cuda`"


def test_phi4_requires_the_config_that_stands_beside_it() -> None:
    loaded = load("phi4", CHECKOUTS)
    assert loaded.config.requires is not None
    assert (loaded.folder / loaded.config.requires.config).samefile(CONFIGS / "qwen3.toml")
