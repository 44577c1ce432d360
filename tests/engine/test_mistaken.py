"""What stands in a config's place and is none: the message says what it is, and what to do."""

import gzip
import json
import struct
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.config import load_config
from parity.errors import ConfigError
from parity.registry import settings_of

WHOLE = """
baseline = "one"
[[models]]
name = "m"
source = "m.gguf"
[[tests]]
name = "t"
prompt = "hi"
max_tokens = 5
[runtimes.one]
adapter = "command"
program = "x"
"""


def complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        load_config(path, settings_of)
    return str(refused.value)


def pasted(message: str) -> dict[str, object]:
    """The TOML of a message."""
    _, *lines = message.splitlines()
    first = next(k for k, line in enumerate(lines) if line.strip().startswith(("[", "baseline")) or " = " in line)
    return tomllib.loads("\n".join(lines[first:]))


def safetensors() -> bytes:
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GGUF\x03\x00\x00\x00" + bytes(3 << 20), "is a GGUF model, and no TOML file"),
        (safetensors(), "is a safetensors model, and no TOML file"),
        (gzip.compress(b"x", mtime=0), "is a gzip archive, and no TOML file"),
        (b"PK\x03\x04\x00", "is a ZIP archive, and no TOML file"),
        (b"\x7fELF\x02\x01", "is a program, and no TOML file"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b'{\n "models": []\n}\n', "is JSON, and a config is TOML"),
        (b"# mine\nbaseline: one\nmodels:\n  - name: m\n", "is YAML, and a config is TOML"),
        (b"baseline = \n", "is not valid TOML"),
    ],
)
def test_a_file_that_is_no_config_is_called_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "case.toml"
    path.write_bytes(content)
    assert said in complaint(path)


def test_a_model_given_as_a_config_comes_with_the_table_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / 'my "model".gguf'
    path.write_bytes(b"GGUF\x03")
    assert pasted(complaint(path)) == {"models": [{"name": "model", "source": str(path)}]}


def test_a_run_folder_given_as_a_config_comes_with_the_commands_for_it(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    assert "is a run folder" in complaint(tmp_path)
    assert f"`parity report {tmp_path}`" in complaint(tmp_path)


def test_the_folder_of_a_model_is_called_so(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"{}")
    assert "is the folder of a model" in complaint(tmp_path)


def without(table: str) -> Callable[[str], str]:
    return lambda text: "[[".join(part for part in text.split("[[") if not part.startswith(table))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("models", without("models]]")),
        ("tests", lambda text: text.replace('[[tests]]\nname = "t"\nprompt = "hi"\nmax_tokens = 5\n', "")),
        ("runtimes", lambda text: text.partition("[runtimes")[0]),
        ("runtimes", lambda text: 'runtimes = [{ adapter = "command" }]\n' + text.partition("[runtimes")[0]),
        ("runtimes", lambda text: 'runtimes = "one"\n' + text.partition("[runtimes")[0]),
        ("models", lambda text: 'models = "m.gguf"\n' + without("models]]")(text)),
        ("baseline", lambda text: text.replace('baseline = "one"', "")),
    ],
)
def test_a_table_that_is_missing_or_misshapen_is_shown(tmp_path: Path, key: str, change: Callable[[str], str]) -> None:
    path = tmp_path / "case.toml"
    path.write_text(change(WHOLE), encoding="utf-8")
    message = complaint(path)
    [of_key] = [part for part in message.split(f"{path}: ") if part.startswith(f"{key}: ")]
    assert list(pasted(of_key)) == [key]
