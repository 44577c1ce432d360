"""A bad config is refused with one clear message that names file and key; nothing is run."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.config import LoadedConfig, load_config
from parity.errors import ConfigError
from parity.gates import KINDS
from parity.registry import settings_of
from parity.stats import Looks

GOOD = """
baseline = "one"
[[models]]
name = "m"
source = "m.gguf"
[[tests]]
name = "t"
prompt = "hello"
max_tokens = 5
[runtimes.one]
adapter = "command"
program = "one"
events = true
[runtimes.two]
adapter = "command"
program = "./two"
events = true
[[gates]]
name = "speed"
kind = "ratio"
metric = "gen_tps"
min_ratio = 0.8
"""


def load(tmp_path: Path, text: str, environ: Mapping[str, str] = os.environ) -> LoadedConfig:
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, settings_of, environ)


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "case.toml"))
    return str(caught.value)


def one_complaint(tmp_path: Path, change: tuple[str, str], where: str, what: str) -> str:
    """The one thing that is wrong with a good config after a change."""
    assert change[0] in GOOD
    text = complaint(tmp_path, GOOD.replace(*change, 1))
    assert where in text
    assert what in text
    assert text.count("case.toml: ") == 1
    return text


def test_a_good_config_is_named_after_its_file_and_filled_with_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path, GOOD)
    assert loaded.config.name == "case"
    assert loaded.config.rounds.looks == Looks(20)
    assert loaded.config.implementations == ("two",)


def test_programs_with_a_slash_are_relative_to_the_configs_folder_and_bare_names_are_not(tmp_path: Path) -> None:
    loaded = load(tmp_path, GOOD)
    assert loaded.settings["one"]["program"] == "one"
    assert loaded.settings["two"]["program"] == str(tmp_path.resolve() / "two")


@pytest.mark.parametrize(
    ("change", "key", "what"),
    [
        (("max_tokens = 5", "max_tokens = 0"), "tests.t.max_tokens", "greater than or equal to 1"),
        (("max_tokens = 5", 'max_tokens = "5"'), "tests.t.max_tokens", "valid integer"),
        (("max_tokens = 5", "max_tokens = true"), "tests.t.max_tokens", "valid integer"),
        (("max_tokens = 5", "max_tokns = 5"), "tests.t.max_tokns", "did you mean `max_tokens`?"),
        (("max_tokens = 5", ""), "tests.t.max_tokens", "is missing"),
        (("max_tokens = 5", "max_tokens = 2026-01-01"), "tests.t.max_tokens", "is a date or time"),
        (('prompt = "hello"', 'prompt = ""'), "tests.t.prompt", "at least 1 character"),
        (('adapter = "command"', 'adapter = "comand"'), "runtimes.one.adapter", "did you mean 'command'?"),
        (('program = "one"', 'programme = "one"'), "runtimes.one.programme", "did you mean `program`?"),
        (('program = "one"', 'program = "one"\ntitel = "x"'), "runtimes.one.titel", "did you mean `title`?"),
        (('baseline = "one"', 'baseline = "ono"'), "baseline", "did you mean 'one'?"),
        (('baseline = "one"', ""), "baseline", "is missing"),
        (("[[gates]]", "[rounds]\ncount = 0\n[[gates]]"), "rounds.count", "greater than or equal to 1"),
        (("[[gates]]", "[limits]\nload_s = -1\n[[gates]]"), "limits.load_s", "greater than 0"),
        (("[[gates]]", "[limits]\nload_s = nan\n[[gates]]"), "limits.load_s", "finite number"),
        (('kind = "ratio"', 'kind = "ration"'), "gates.speed.kind", "did you mean 'ratio'?"),
        (('kind = "ratio"', ""), "gates.speed.kind", "is missing"),
        (("min_ratio = 0.8", ""), "gates.speed", "has no bound"),
        (("min_ratio = 0.8", "min_ration = 0.8"), "gates.speed.min_ration", "did you mean `min_ratio`?"),
        (("min_ratio = 0.8", "min_ratio = 0.8\nmax_ratio = 0.5"), "gates.speed.min_ratio", "nothing can pass"),
        (("min_ratio = 0.8", 'min_ratio = 0.8\nruntimes = ["one"]'), "gates.speed.runtimes", "is the baseline"),
        (("min_ratio = 0.8", 'min_ratio = 0.8\ntests = ["x"]'), "gates.speed.tests", "'x' is not known"),
        (('metric = "gen_tps"', 'metric = "gen_cores"'), "gates.speed.metric", "counts have no ratio"),
        (('metric = "gen_tps"', 'metric = "gen_tsp"'), "gates.speed.metric", "did you mean 'gen_tps'?"),
        (('name = "t"', 'name = "t"\nmodels = ["n"]'), "tests.t.models", "'n' is not known"),
        (("[[gates]]", '[report]\ntest = "tt"\n[[gates]]'), "report.test", "did you mean 't'?"),
        (("[[gates]]", '[report]\nimplementation = "one"\n[[gates]]'), "report.implementation", "not known"),
        (('source = "m.gguf"', 'source = "m.gguf"\nsha256 = "12"'), "models.m.sha256", "64 hexadecimal digits"),
        (('name = "m"', 'name = "../m"'), "models.../m.name", "letters, digits"),
        (('program = "one"', 'program = "one"\nargs = ["{modle}"]'), "runtimes.one.args", "placeholders are"),
        (
            ("events = true\n[runtimes.two]", "[runtimes.two]"),
            "runtimes.one",
            "give `figures`, `text`, or `events = true`",
        ),
        (('prompt = "hello"', 'prompt = "${NOT_SET_HERE}"'), "tests.t.prompt", "NOT_SET_HERE is not set"),
        (('prompt = "hello"', 'prompt = "${1X}"'), "tests.t.prompt", "names no variable"),
    ],
)
def test_one_mistake_is_one_message_that_names_the_key(
    tmp_path: Path, change: tuple[str, str], key: str, what: str
) -> None:
    one_complaint(tmp_path, change, f"case.toml: {key}: ", what)


def test_names_given_twice_are_refused(tmp_path: Path) -> None:
    gate = GOOD[GOOD.index("[[gates]]") :]
    assert "gates.speed: the name is given 2 times" in complaint(tmp_path, GOOD + gate)


def test_several_mistakes_are_reported_together(tmp_path: Path) -> None:
    text = complaint(
        tmp_path, GOOD.replace("max_tokens = 5", "max_tokens = 0").replace('"./two"', '"./two"\ncwdd = "x"')
    )
    assert "tests.t.max_tokens" in text
    assert "runtimes.two.cwdd" in text


@pytest.mark.parametrize("table", ["models", "tests"])
def test_an_empty_list_is_refused(tmp_path: Path, table: str) -> None:
    start = GOOD.index(f"[[{table}]]")
    end = GOOD.index("[", start + 10)
    text = complaint(tmp_path, f"{table} = []\n" + GOOD[:start] + GOOD[end:])
    assert f"{table}: is empty" in text


def test_invalid_toml_names_the_line(tmp_path: Path) -> None:
    assert "not valid TOML" in complaint(tmp_path, "baseline = \n")
    assert "line 1" in complaint(tmp_path, "baseline = \n")


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"no such file\n    did you mean .*case\.toml"):
        load_config(tmp_path / "caes.toml", settings_of)


def test_a_directory_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory"):
        load_config(tmp_path, settings_of)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "b.toml", settings_of)


def test_variables_are_filled_in_with_defaults_and_an_escape(tmp_path: Path) -> None:
    text = GOOD.replace('prompt = "hello"', 'prompt = "${A} ${B:-b} ${C:-} $${D}"')
    loaded = load(tmp_path, text, {"A": "1", "B": ""})
    assert loaded.config.tests[0].prompt == "1 b  ${D}"


def test_an_optional_runtime_with_an_empty_setting_is_not_set(tmp_path: Path) -> None:
    text = GOOD.replace('program = "./two"', 'program = "${TWO:-}"\noptional = true')
    assert load(tmp_path, text, {}).not_set == ("two",)
    assert load(tmp_path, text, {"TWO": "/bin/two"}).not_set == ()
    assert "runtimes.two.program" in complaint(tmp_path, text.replace("optional = true", ""))


def test_a_baseline_that_is_not_set_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace('program = "one"', 'program = ""\noptional = true')
    assert "baseline: 'one' is optional and not set" in complaint(tmp_path, text)


@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text(max_size=6))
def test_a_config_with_a_changed_piece_loads_or_is_refused_with_the_file_and_a_key(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "case.toml"
    path.write_bytes((GOOD[:at] + put + GOOD[at + cut :]).encode("utf-8"))
    found: LoadedConfig | ConfigError
    try:
        found = load_config(path, settings_of)
    except ConfigError as error:
        found = error
    if isinstance(found, LoadedConfig):
        assert found.config.baseline in found.config.runtimes
    else:
        assert str(found).startswith(f"{path}: ")
        assert all(problem.where and problem.remedy for problem in found.problems)


@given(st.text(max_size=40))
def test_text_that_is_no_config_is_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "case.toml"
    path.write_bytes(text.encode("utf-8"))
    with pytest.raises(ConfigError):
        load_config(path, settings_of)


def test_every_kind_of_gate_is_a_kind_of_the_config(tmp_path: Path) -> None:
    text = complaint(tmp_path, GOOD.replace('kind = "ratio"', 'kind = "zzz"'))
    assert ", ".join(sorted(KINDS)) in text
    for kind, gate in KINDS.items():
        head = f'[[gates]]\nname = "g"\nkind = "{kind}"\n'
        keys = {"bound": 'metric = "load_s"\nmax = 2', "ratio": 'metric = "load_s"\nmax_ratio = 2'}.get(kind, "")
        loaded = load(tmp_path, GOOD[: GOOD.index("[[gates]]")] + head + keys)
        assert [type(found) for found in loaded.config.gates] == [gate]


@pytest.mark.parametrize(
    ("change", "key", "what"),
    [
        (("max_tokens = 5", f"max_tokens = {'9' * 5000}"), "config", "holds a number that can't be read"),
        (("max_tokens = 5", f"max_tokens = 0x{'f' * 5000}"), "tests.t.max_tokens", "more than 64 bits"),
        (("max_tokens = 5", f"max_tokens = {2**63}"), "tests.t.max_tokens", "more than 64 bits"),
        (("max_tokens = 5", f"max_tokens = {'[' * 900}{']' * 900}"), "config", "nested too deeply"),
        (("max_tokens = 5", f"max_tokens = {'[' * 100}{']' * 100}"), "tests.t.max_tokens[1][1]", "nested too deeply"),
        (("max_tokens = 5", f"max_tokens = {'{a=' * 300}1{'}' * 300}"), "tests.t.max_tokens.a.a", "nested too deeply"),
        (("max_tokens = 5", f"max_tokens.{'.'.join('a' * 2000)} = 5"), "config", "nested too deeply"),
        (("max_tokens = 5", f"max_tokens.{'.'.join('a' * 300)} = 5"), "tests.t.max_tokens.a.a", "nested too deeply"),
        (("max_tokens = 5", "max_tokens = 07:32:00"), "tests.t.max_tokens", "is a date or time"),
        (('prompt = "hello"', 'prompt = "a\\u0000b"'), "tests.t.prompt", "NUL character"),
        (('program = "one"', 'program = "o\\u0000ne"'), "runtimes.one.program", "NUL character"),
        (('program = "one"', 'program = "one"\ncwd = "\\u0000"'), "runtimes.one.cwd", "NUL character"),
        (('program = "one"', 'program = "one"\nenv = { A = "\\u0000" }'), "runtimes.one.env.A", "NUL character"),
        (('program = "one"', 'program = "one"\nenv = { "A=B" = "x" }'), "runtimes.one.env", "'A=B' can't name"),
        (('program = "one"', 'program = "one"\nenv = { "" = "x" }'), "runtimes.one.env", "'' can't name"),
        (('program = "one"', 'program = "one"\npass_env = ["A=B"]'), "runtimes.one.pass_env", "'A=B' can't name"),
        (('program = "one"', f'program = "one"\nenv.A = "{"x" * 200_000}"'), "runtimes.one.env", "200002 bytes"),
        (("[[gates]]", '[requires]\nconfig = "a\\u0000"\n[[gates]]'), "requires.config", "NUL character"),
        (("[[gates]]", '[report]\nmarkdown = "a\\u0000"\n[[gates]]'), "report.markdown", "NUL character"),
        (('program = "one"', 'program = "one"\nargs = ["{prompt.__class__}"]'), "runtimes.one.args", "placeholders"),
        (('program = "one"', 'program = "one"\nargs = ["{prompt!r}"]'), "runtimes.one.args", "placeholders are"),
        (('program = "one"', 'program = "one"\nargs = ["{prompt:>9999999999}"]'), "runtimes.one.args", "placeholders"),
        (('program = "one"', 'program = "one"\nargs = ["{prompt[0]}"]'), "runtimes.one.args", "placeholders are"),
        (('program = "one"', 'program = "one"\nargs = ["{"]'), "runtimes.one.args", "placeholders are"),
    ],
)
def test_what_no_run_could_use_is_refused_with_its_key(
    tmp_path: Path, change: tuple[str, str], key: str, what: str
) -> None:
    assert len(one_complaint(tmp_path, change, f"case.toml: {key}", what)) < 3000


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(" * 2000 + ")" * 2000, "has 4000 characters"),
        ("(" * 400 + "a" + ")" * 400, "opens 400 groups"),
        ("a{99999999999999999999}", "too large a regular expression"),
        ("(a", "is not a regular expression"),
    ],
)
@pytest.mark.parametrize("key", ["text = {}", "figures = [{{ pattern = {} }}]", "markers.ready.pattern = {}"])
def test_a_pattern_that_can_not_be_compiled_is_refused(tmp_path: Path, key: str, pattern: str, what: str) -> None:
    text = complaint(tmp_path, GOOD.replace("events = true", key.format(f"'{pattern}'"), 1))
    assert what in text
    assert "runtimes.one." in text


def test_many_mistakes_are_told_in_a_moment_and_not_all(tmp_path: Path) -> None:
    text = complaint(tmp_path, GOOD.replace('prompt = "hello"', f'prompt = "{"${" * 200_000}"'))
    assert text.count("names no variable") == 1
    unknown = "\n".join(f"{'unknown' * 3}{k} = 1" for k in range(3000))
    text = complaint(tmp_path, f"{unknown}\n{GOOD}")
    assert text.count("unknown key") == 50
    dates = "\n".join(f"k{k} = 2026-01-01" for k in range(60))
    assert "10 more problems\n    correct these first" in complaint(tmp_path, f"{dates}\n{GOOD}")


def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_config(path, settings_of).config == load(tmp_path, GOOD).config


def test_a_config_that_is_no_file_of_a_fit_size_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    (tmp_path / "large.toml").write_text("#" * 2**20 + "\n", encoding="utf-8")
    (tmp_path / "gone.toml").symlink_to("nowhere.toml")
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    for name, wrong in {
        "pipe": "is not a regular file",
        "zero": "is not a regular file",
        "large": "has more than 1048576 bytes",
        "gone": "is a link to nowhere.toml, which does not exist",
        "loop": "can't be read",
    }.items():
        with pytest.raises(ConfigError, match=wrong):
            load_config(tmp_path / f"{name}.toml", settings_of)


def test_paths_and_variables_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "case.toml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ConfigError, match="the path is not UTF-8"):
        load_config(folder / "case.toml", settings_of)
    text = GOOD.replace('source = "m.gguf"', 'source = "${WHERE}/m.gguf"')
    (tmp_path / "case.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"models\.m\.source: the environment variable WHERE is not UTF-8"):
        load_config(tmp_path / "case.toml", settings_of, {"WHERE": os.fsdecode(b"/caf\xe9")})
