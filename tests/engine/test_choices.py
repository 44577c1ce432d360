"""Options that change keys of a config, select a part of it, or come from variables: as they are loaded."""

from pathlib import Path
from typing import Any

import pytest

from parity.config import Choices, LoadedConfig, load_config
from parity.errors import ConfigError
from parity.registry import settings_of

BASE = """
baseline = "a"
models = [{ name = "m", source = "m.gguf" }]

[[tests]]
name = "simple"
prompt = "hello"
max_tokens = 12

[[tests]]
name = "simple-long"
prompt = "hello"
max_tokens = 24

[[tests]]
name = "story"
prompts = "set:short"
max_tokens = 24

[runtimes.a]
adapter = "llama_cpp"

[runtimes."b.1"]
adapter = "llama_cpp"
threads = 2

[runtimes.c]
adapter = "llama_cpp"
optional = true
python = ""

[rounds]
count = 7

[[declare]]
fact = "threads"
runtimes = ["a"]
reason = "as it is"

[[gates]]
name = "speed"
kind = "ratio"
metric = "gen_tps"
min_ratio = 0.5

[[gates]]
name = "load"
kind = "bound"
metric = "load_s"
max = 10
runtimes = ["a", "b.1"]
tests = ["simple"]
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    def load(text: str = BASE, environ: dict[str, str] | None = None, **choices: Any) -> LoadedConfig:
        (tmp_path / "case.toml").write_text(text, encoding="utf-8")
        return load_config(tmp_path / "case.toml", settings_of, environ or {}, choices=Choices(**choices))

    return load


def problems(loaded: Any, *args: Any, **choices: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as error:
        loaded(*args, **choices)
    return [(p.where, p.wrong, p.remedy) for p in error.value.problems]


def test_a_key_is_set_by_its_dotted_name_with_a_value_as_toml_writes_it(loaded: Any) -> None:
    changes = (
        "floor=true",
        "tests.simple.max_tokens = 5",
        'runtimes."b.1".threads=1',
        'runtimes.a.env={ A = "x=y" }',
        "limits.load_s=1.5",
        'declare.1.reason="another"',
        'tests.simple-long.prompt="a = b"',
    )
    found = loaded(changes=changes)
    assert found.config.floor is True
    assert [test.max_tokens for test in found.config.tests][:2] == [5, 24]
    assert found.settings["b.1"]["threads"] == 1
    assert found.config.runtimes["a"].env == {"A": "x=y"}
    assert found.config.limits.load_s == 1.5
    assert found.config.declare[0].reason == "another"
    assert found.config.test("simple-long").prompt == "a = b"
    assert found.choices.changes == changes
    assert found.sha256 != loaded().sha256


@pytest.mark.parametrize(
    ("change", "where", "wrong", "remedy"),
    [
        ("rounds.maxx=3", "--set rounds.maxx=3", "unknown key", "did you mean `max`?"),
        ("rounds.max=0", "--set rounds.max=0", "0 is not valid", "greater than or equal to 1"),
        ("runtimes.a.threads=0", "--set runtimes.a.threads=0", "0 is not valid", "greater than"),
        ("gates.speed.min_ratio=-1", "--set gates.speed.min_ratio=-1", "-1 is not valid", "greater than"),
        ("limits={ load = 3 }", "--set 'limits={ load = 3 }': limits.load", "unknown key", "did you mean `load_s`?"),
        ("tests.simpel.raw=true", "--set tests.simpel.raw=true", "no entry named 'simpel'", "did you mean 'simple'?"),
        ("tests.9.raw=true", "--set tests.9.raw=true", "no entry named '9'", "known here: simple"),
        ("tests.simple=1", "--set tests.simple=1", "no key of it", "add .KEY"),
        ("floor.x=1", "--set floor.x=1", '{"x": 1} is not valid', "boolean"),
        ("baseline.x=1", "--set baseline.x=1", "is no table", "a key that holds a value"),
        (
            "tests.simple.prompt=hi",
            "--set tests.simple.prompt=hi",
            "no value as TOML",
            "--set 'tests.simple.prompt=\"hi\"'",
        ),
        ("rounds", "--set rounds", "does not begin with a key", "rounds.max=10"),
        ("=3", "--set =3", "does not begin with a key", "rounds.max=10"),
        ("a b=3", "--set 'a b=3'", "does not begin with a key", "rounds.max=10"),
        ("floor=2020-01-01", "--set floor=2020-01-01", "is a date or time", "write it as a string"),
        ('baseline="d"', "--set 'baseline=\"d\"'", "'d' is not known", ""),
    ],
)
def test_what_an_option_can_not_set_is_told_by_its_name(
    loaded: Any, change: str, where: str, wrong: str, remedy: str
) -> None:
    [found] = problems(loaded, changes=(change,))
    assert found[0] == where
    assert wrong in found[1]
    assert remedy in found[2]


def test_a_problem_of_the_file_is_told_by_its_key_beside_an_option(loaded: Any) -> None:
    found = problems(loaded, BASE.replace("count = 7", "count = 0"), changes=("rounds.warmup=-1",))
    assert {where for where, _, _ in found} == {"--set rounds.warmup=-1", "rounds.count"}


def test_rounds_and_quick_take_the_place_of_what_the_file_says(loaded: Any) -> None:
    assert loaded(rounds=3).config.rounds.exactly == 3
    quick = loaded(quick=True).config.rounds
    assert (quick.exactly, quick.warmup) == (1, 0)
    assert problems(loaded, quick=True, rounds=3)[0][0] == "--quick"


def gates(config: LoadedConfig) -> dict[str, Any]:
    return {gate.name: (gate.runtimes, gate.tests) for gate in config.config.gates}


def test_what_is_selected_of_runtimes_keeps_the_gates_on_them(loaded: Any) -> None:
    found = loaded(only=("b.1", "a"))
    assert tuple(found.config.runtimes) == tuple(found.settings) == ("a", "b.1")
    assert found.not_set == ()
    assert found.whole is not None
    assert gates(found) == {"speed": (("b.1",), None), "load": (("a", "b.1"), ("simple",))}


def test_without_the_baseline_no_gate_compares_and_those_on_one_runtime_stay(loaded: Any) -> None:
    found = loaded(only=("b.1",))
    assert found.config.baseline == "b.1"
    assert gates(found) == {"load": (("b.1",), ("simple",))}


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("simple",), ["simple"]),
        (("SIMPLE-",), ["simple-long"]),
        (("sim*ong", "simple"), ["simple", "simple-long"]),
    ],
)
def test_a_test_is_selected_by_its_name_or_a_part_of_it(loaded: Any, patterns: Any, names: list[str]) -> None:
    found = loaded(tests=patterns)
    assert [test.name for test in found.config.tests] == names
    assert ("load" in gates(found)) == ("simple" in names)


def test_the_tests_that_prompts_became_are_selected_by_the_name_of_their_test(loaded: Any) -> None:
    names = [test.name for test in loaded(tests=("story",)).config.tests]
    assert len(names) > 1
    assert all(name.startswith("story.") for name in names)


def test_a_model_of_which_no_test_is_selected_is_not_fetched(loaded: Any) -> None:
    two = BASE.replace("models = [", 'models = [{ name = "n", source = "n.gguf" }, ')
    only_m = two.replace('name = "simple"\n', 'name = "simple"\nmodels = ["m"]\n')
    assert [model.name for model in loaded(only_m, tests=("simple",)).config.models] == ["m"]
    assert [model.name for model in loaded(only_m, tests=("simple-long",)).config.models] == ["n", "m"]


def test_a_selection_of_everything_is_the_whole_config(loaded: Any) -> None:
    assert loaded(only=("a", "b.1", "c"), tests=("*",)).whole is None


def test_names_that_select_nothing_are_told_with_what_is_there(loaded: Any) -> None:
    assert problems(loaded, only=("bb",), tests=("nothing",)) == [
        ("--only", "'bb' is not known", "known here: a, b.1, c"),
        ("--test", "no test matches 'nothing'", problems(loaded, tests=("nothing",))[0][2]),
    ]
    assert problems(loaded, only=("c",))[0][1] == "names optional runtimes that are not set"


VARIABLE = BASE.replace("count = 7", 'count = "${ROUNDS:-3}"').replace("threads = 2", 'threads = "${THREADS:-2}"')


def test_a_variable_that_is_a_whole_value_may_be_a_number_or_a_boolean(loaded: Any) -> None:
    text = VARIABLE.replace("min_ratio = 0.5", 'min_ratio = "${RATIO}"').replace(
        "optional = true", 'optional = "${OPT}"'
    )
    found = loaded(text, {"ROUNDS": "4", "RATIO": "0.25", "OPT": "true"})
    assert found.config.rounds.exactly == 4
    assert found.settings["b.1"]["threads"] == 2
    assert found.config.gates[0].min_ratio == 0.25  # type: ignore[union-attr]
    assert found.not_set == ("c",)
    assert loaded(BASE, changes=('limits.load_s="${S:-2}"',)).config.limits.load_s == 2


def test_a_text_that_a_variable_writes_stays_a_text(loaded: Any) -> None:
    text = BASE.replace('prompt = "hello"', 'prompt = "${P}"', 1)
    assert loaded(text, {"P": "4"}).config.tests[0].prompt == "4"


@pytest.mark.parametrize("value", ["three", "", "1 2", "0x10", "1" * 50, "True", "٣"])
def test_a_variable_that_is_no_number_is_told(loaded: Any, value: str) -> None:
    [(where, wrong, _)] = problems(loaded, VARIABLE.replace(":-3", ""), {"ROUNDS": value})
    assert where == "rounds.count"
    assert wrong.endswith("is not valid")


def test_a_string_that_merely_holds_a_variable_is_no_number(loaded: Any) -> None:
    assert problems(loaded, VARIABLE.replace("${ROUNDS:-3}", "1${ROUNDS:-3}"))[0][0] == "rounds.count"
    assert problems(loaded, VARIABLE.replace("${ROUNDS:-3}", "3"))[0][0] == "rounds.count"
