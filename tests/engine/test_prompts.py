"""Tests of a config that take their prompts from files: what becomes of them, and what is refused."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from parity.config import LoadedConfig, load_config
from parity.config import test_spec as spec_of
from parity.config.files import LARGEST_BYTES
from parity.config.prompts import set_names
from parity.errors import ConfigError
from parity.registry import prompt_as, settings_of
from parity_adapters.paraphym.prompt import compose

CONFIG = """
baseline = "one"
[[models]]
name = "m"
source = "m.gguf"
[[tests]]
name = "t"
{keys}
max_tokens = 5
[runtimes.one]
adapter = "command"
program = "one"
events = true
[runtimes.two]
adapter = "command"
program = "two"
events = true
"""
GATE = '[[gates]]\nname = "hangs"\nkind = "no-failed-trials"\ntests = ["t"]\n'
TWO = '{"id": "a", "prompt": "first"}\n{"id": "b", "prompt": "second", "raw": true}\n'


def load(
    folder: Path,
    keys: str,
    rest: str = "",
    *,
    lines: str | bytes | None = None,
    texts: Mapping[str, str] | None = None,
) -> LoadedConfig:
    """A config whose test has `keys`; `lines` are in `q.jsonl` beside it."""
    path = folder / "case.toml"
    path.write_text(CONFIG.replace("{keys}", keys) + rest, encoding="utf-8")
    if lines is not None:
        (folder / "q.jsonl").write_bytes(lines.encode() if isinstance(lines, str) else lines)
    return load_config(path, settings_of, {"HOME_OF_PROMPTS": str(folder)}, prompt_as=prompt_as, texts=texts)


def complaint(folder: Path, keys: str, rest: str = "", *, lines: str | bytes | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, keys, rest, lines=lines)
    return str(caught.value)


def line(**keys: Any) -> str:
    return json.dumps({"id": "a", "prompt": "p", **keys}) + "\n"


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        (b"Tell a story", "Tell a story"),
        (b"Tell a story\n", "Tell a story"),
        (b"Tell a story\r\n", "Tell a story"),
        (b"Tell a story\n\n", "Tell a story\n"),
        (b"  one\r\n\ttwo\r\n ", "  one\r\n\ttwo\r\n "),
        (b"\xef\xbb\xbfTell ${HOME} a story", "Tell ${HOME} a story"),
        ("Привет, 世界\u2028👋\n".encode(), "Привет, 世界\u2028👋"),
    ],
)
def test_a_prompt_file_is_taken_as_it_is_without_the_newline_at_its_end(
    tmp_path: Path, content: bytes, prompt: str
) -> None:
    (tmp_path / "story.txt").write_bytes(content)
    [test] = load(tmp_path, 'prompt_file = "story.txt"').config.tests
    assert (test.name, test.prompt) == ("t", prompt)


def test_a_path_is_beside_the_config_or_in_the_home_folder_or_in_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir("/")
    for folder in ("beside", "home"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.txt").write_text(folder, encoding="utf-8")
    for named, found in (("beside/p.txt", "beside"), ("~/p.txt", "home"), ("${HOME_OF_PROMPTS}/home/p.txt", "home")):
        assert load(tmp_path, f'prompt_file = "{named}"').config.tests[0].prompt == found


def test_each_prompt_of_a_file_becomes_a_test_with_the_keys_of_its_table(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'prompts = "q.jsonl"\nseed = 7', GATE, lines=TWO + "\n")
    specs = [spec_of(loaded, test) for test in loaded.config.tests]
    assert [(spec.name, spec.title, spec.prompt, spec.raw, spec.max_tokens, spec.sampling.seed) for spec in specs] == [
        ("t.a", "T: a", "first", False, 5, 7),
        ("t.b", "T: b", "second", True, 5, 7),
    ]
    assert loaded.config.gates[0].tests == ("t.a", "t.b")


def test_a_line_says_by_itself_whether_it_is_raw(tmp_path: Path) -> None:
    lines = line(id="as-the-test") + line(id="turn", raw=False)
    loaded = load(tmp_path, 'title = "Mine"\nprompts = "q.jsonl"\nraw = true', lines=lines)
    assert [(test.title, test.raw) for test in loaded.config.tests] == [
        ("Mine: as-the-test", True),
        ("Mine: turn", False),
    ]


def test_a_gate_names_all_prompts_of_a_test_or_one(tmp_path: Path) -> None:
    one = GATE.replace('["t"]', '["t.b"]').replace('"hangs"', '"one"')
    both = GATE.replace('["t"]', '["t.b", "t"]').replace('"hangs"', '"both"')
    loaded = load(tmp_path, 'prompts = "q.jsonl"', one + both, lines=TWO)
    assert [gate.tests for gate in loaded.config.gates] == [("t.b",), ("t.b", "t.a")]


def test_a_set_is_named_without_a_file(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'prompts = "set:short"')
    assert loaded.config.tests[0].name == "t.capital"
    assert loaded.config.tests[0].prompt == "What is the capital of France?"
    assert list(loaded.texts) == ["set:short"]


def test_prompts_are_composed_one_by_one(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'prompts = "q.jsonl"\nprompt_as = "paraphym"', lines=TWO)
    assert loaded.sent == {"t.a": compose("first"), "t.b": compose("second")}


def test_the_hash_of_a_config_covers_the_files_that_it_names_and_is_of_its_text_alone_without_any(
    tmp_path: Path,
) -> None:
    first = load(tmp_path, 'prompts = "q.jsonl"', lines=TWO)
    changed = load(tmp_path, 'prompts = "q.jsonl"', lines=TWO.replace("first", "other"))
    assert first.text == changed.text
    assert first.sha256 != changed.sha256
    assert load(tmp_path, 'prompts = "q.jsonl"', lines=TWO).sha256 == first.sha256


def test_texts_that_were_read_earlier_stand_for_their_files(tmp_path: Path) -> None:
    first = load(tmp_path, 'prompts = "q.jsonl"', lines=TWO)
    (tmp_path / "q.jsonl").unlink()
    again = load(tmp_path, 'prompts = "q.jsonl"', texts=first.texts)
    assert again == first


def test_a_line_may_hold_any_character_and_end_as_on_windows(tmp_path: Path) -> None:
    prompt = 'tab\t, quote", \u2028, \u0085, \r\n, 👩\u200d🚀'
    lines = json.dumps({"id": "a", "prompt": prompt}, ensure_ascii=False) + "\r\n  \r\n" + line(id="b").strip()
    tests = load(tmp_path, 'prompts = "q.jsonl"', lines=b"\xef\xbb\xbf" + lines.encode()).config.tests
    assert [test.prompt for test in tests] == [prompt, "p"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("", "tests.t: has no prompt\n    give `prompt`, `prompt_file` or `prompts`"),
        ('prompt = "p"\nprompt_file = "x"', "tests.t.prompt_file: stands beside `prompt`\n    give only one"),
        ('prompt_file = "x"\nprompts = "y"', "tests.t.prompts: stands beside `prompt_file`"),
        ('prompt_file = ""', 'tests.t.prompt_file: "" is not valid'),
        ('prompt_flie = "x"', "tests.t.prompt_flie: unknown key\n    did you mean `prompt_file`?"),
        ('prompt_file = "stoyr.txt"', "tests.t.prompt_file: FOLDER/stoyr.txt: there is no such file"),
        ('prompt_file = "stoyr.txt"', "did you mean FOLDER/story.txt?"),
        ('prompt_file = "story.txt/x"', "tests.t.prompt_file: FOLDER/story.txt/x: can't be read (Not a directory)"),
        ('prompt_file = "."', "tests.t.prompt_file: FOLDER: is a directory\n    name the text file itself"),
        ('prompt_file = "~nobody-here/x"', "write the path without `~`"),
        ('prompt_file = "a\\u0000b"', "holds a NUL character"),
        ('prompt_file = "empty.txt"', "tests.t.prompt_file: FOLDER/empty.txt: is empty\n    write the prompt into it"),
        ('prompt_file = "newline.txt"', "FOLDER/newline.txt: is empty"),
        ('prompt_file = "latin-1.txt"', "FOLDER/latin-1.txt: is not UTF-8 text (unexpected end of data at byte 3)"),
        ('prompts = "latin-1.txt"', "tests.t.prompts: FOLDER/latin-1.txt: is not UTF-8 text"),
        ('prompts = "none.jsonl"', "tests.t.prompts: FOLDER/none.jsonl: there is no such file"),
        ('prompts = "newline.txt"', 'holds no prompt\n    write one JSON object a line, such as {"id": '),
        ('prompts = "set:scrips"', "tests.t.prompts: there is no set 'scrips'\n    did you mean \"set:scripts\"?"),
        ('prompts = "set:zzz"', f"there is no set 'zzz'\n    one of {', '.join(f'set:{n}' for n in set_names())}"),
        ('prompts = "set:../prompts"', "there is no set '../prompts'"),
    ],
)
def test_a_source_of_prompts_that_cannot_be_used_is_refused_with_its_key(
    tmp_path: Path, keys: str, message: str
) -> None:
    for name, content in (
        ("story", b"p"),
        ("empty", b""),
        ("newline", b"\n"),
        ("latin-1", "caf\xe9".encode("latin-1")),
    ):
        (tmp_path / f"{name}.txt").write_bytes(content)
    text = complaint(tmp_path, keys)
    assert message.replace("FOLDER", str(tmp_path)) in text
    assert text.count("case.toml: ") == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("hello\n", "line 1: is not JSON (Expecting value at column 1)\n    write an object such as {"),
        (line() + '{"id": "b", "prompt"}', "line 2: is not JSON (Expecting ':' delimiter at column 21)"),
        (line() + "\n" + '["b", "p"]', "line 3: is not a JSON object"),
        (line(promt="x"), "line 1: promt: unknown key\n    did you mean `prompt`?"),
        (line(max_tokens=5), "line 1: max_tokens: unknown key\n    known here: id, prompt, raw"),
        ('{"prompt": "p"}', "line 1: id: is missing"),
        ('{"id": "a"}', "line 1: prompt: is missing\n    add it (a user's turn)"),
        (line(prompt=""), 'line 1: prompt: "" is not valid\n    string should have at least 1 character'),
        (line(prompt=["p"]), "line 1: prompt: "),
        (line(raw=1), "line 1: raw: 1 is not valid"),
        (line(id="a b"), 'line 1: id: "a b" is not valid'),
        (line(id="../a"), 'line 1: id: "../a" is not valid'),
        (line(id="a/b"), 'line 1: id: "a/b" is not valid'),
        (line(id=7), "line 1: id: 7 is not valid"),
        (line(id="x" * 79), f"line 1: id: with it the name of the test, t.{'x' * 79}, has 81 characters\n    shorten"),
        (line() + line(id="b") + line(), "line 3: id: 'a' is also the id of line 1\n    give each its own id"),
        ('{"id": "a", "prompt": "p", "prompt": "q"}', "line 1: can't be read (the key 'prompt' is given 2 times)"),
        (r'{"id": "a", "prompt": "\ud83d"}', r"line 1: has \ud83d alone, which is half a character"),
        ("[" * 100_000, "line 1: can't be read (maximum recursion depth exceeded"),
    ],
)
def test_a_line_that_is_no_prompt_is_refused_with_file_line_and_key(tmp_path: Path, lines: str, message: str) -> None:
    text = complaint(tmp_path, 'prompts = "q.jsonl"', GATE, lines=lines)
    assert f"case.toml: tests.t.prompts: {tmp_path}/q.jsonl, {message}" in text
    assert text.count("case.toml: ") == 1


@pytest.mark.parametrize("key", ["prompt_file", "prompts"])
def test_a_file_without_an_end_is_refused_and_not_waited_for(tmp_path: Path, key: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        text = complaint(tmp_path, f'{key} = "{name}"')
        assert f"tests.t.{key}: {tmp_path / name}: is not a regular file\n    name " in text


def test_a_file_that_would_fill_the_run_folder_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "q.jsonl").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    assert f"has more than {LARGEST_BYTES} bytes" in complaint(tmp_path, 'prompts = "q.jsonl"')


def test_the_longest_name_is_taken(tmp_path: Path) -> None:
    assert len(load(tmp_path, 'prompts = "q.jsonl"', lines=line(id="x" * 78)).config.tests[0].name) == 80


@pytest.mark.parametrize(("count", "more"), [(10, None), (11, "1 more problem\n"), (500, "490 more problems\n")])
def test_a_file_of_a_different_kind_is_not_refused_line_by_line(tmp_path: Path, count: int, more: str | None) -> None:
    text = complaint(tmp_path, 'prompts = "q.jsonl"', lines="x\n" * count)
    assert text.count("is not JSON") == 10
    assert ("more problem" in text) == (more is not None)
    assert more is None or f"tests.t.prompts: the file has {more}" in text


@pytest.mark.parametrize(
    ("keys", "rest", "message"),
    [
        ('prompts = "q.jsonl"\nshort_tokens = 5', "", "tests.t.short_tokens: 5 is not below max_tokens = 5"),
        ('prompts = "q.jsonl"\nmodels = ["n"]', "", "tests.t.models: 'n' is not known"),
        (
            'prompts = "q.jsonl"\nprompt_as = "paraphim"',
            "",
            "tests.t.a.prompt_as: there is no adapter 'paraphim'",
        ),
        ('prompts = "q.jsonl"', GATE.replace('["t"]', '["t.c"]'), "gates.hangs.tests: 't.c' is not known"),
        ('prompts = "q.jsonl"', GATE.replace('["t"]', '["tt"]'), "did you mean 't'?"),
        (
            'prompts = "q.jsonl"',
            '[report]\ntest = "t"',
            "report.test: 't' is 2 tests\n    name one of them, such as 't.a'",
        ),
        (
            'prompts = "q.jsonl"',
            '[[tests]]\nname = "t"\nprompt = "p"\nmax_tokens = 5',
            "tests.t: the name is given 2 times",
        ),
        (
            'prompts = "q.jsonl"',
            '[[tests]]\nname = "t.b"\nprompts = "q.jsonl"\nmax_tokens = 5',
            "tests.t.prompts: the prompt 'b' makes a test named t.b, and a test of that name has prompts of its own",
        ),
        (
            'prompts = "q.jsonl"',
            '[[tests]]\nname = "t.b"\nprompt = "p"\nmax_tokens = 5',
            "tests.t.prompts: the prompt 'b' makes a test named t.b, and there is one",
        ),
    ],
)
def test_what_does_not_fit_the_rest_of_the_config_is_refused(
    tmp_path: Path, keys: str, rest: str, message: str
) -> None:
    text = complaint(tmp_path, keys, rest, lines=TWO)
    assert message in text
    assert text.count(message) == 1


def test_one_of_the_prompts_can_be_the_headline(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'prompts = "q.jsonl"', '[report]\ntest = "t.b"', lines=TWO)
    assert loaded.config.report.test == "t.b"


def test_a_test_whose_file_is_missing_is_listed_once_among_the_known_ones(tmp_path: Path) -> None:
    text = complaint(tmp_path, 'prompts = "none.jsonl"', GATE.replace('["t"]', '["nowhere"]'))
    assert "gates.hangs.tests: 'nowhere' is not known\n    known here: t" in text
    assert "t, t" not in text
