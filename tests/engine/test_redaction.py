"""What is masked in what parity keeps: secrets in every way in which JSON may write them, and nothing else."""

import base64
import html
import json
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import markupsafe
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from parity.config import load_config
from parity.hosts.local.environment import child_environment
from parity.redaction import REDACTED, looks_secret, redact, redact_all, redact_lines, secrets_of
from parity.registry import settings_of
from parity.run.keeping import redact_toml, secrets_in, without_secrets
from parity.transcript import Piece
from parity.transcript.masking import MaskedStream

SECRETS = ['a"b\\c\nd', "hunter2é", "prompts"]

CONFIG = """
baseline = "ollama"
[[models]]
name = "m"
source = "m.gguf"
[[tests]]
name = "t"
prompt = "x"
max_tokens = 4
[runtimes.ollama]
adapter = "command"
program = "true"
events = true
NAMED
[runtimes.other]
adapter = "command"
program = "true"
events = true
"""


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_secret_within_a_line_of_json_is_masked(secret: str, ascii_only: bool) -> None:
    line = json.dumps({"id": "x", "prompt": f"say {secret}!"}, ensure_ascii=ascii_only)
    kept = redact_lines(f"{line}\n{{}}\nno json: {secret}", [secret])
    assert secret not in kept
    first, second, third = kept.split("\n")
    assert json.loads(first) == {"id": "x", "prompt": f"say {REDACTED}!"}
    assert (second, third) == ("{}", f"no json: {REDACTED}")


def test_a_line_without_a_secret_stays_as_it_was_written() -> None:
    text = '{"prompt":"caf\\u00e9",   "id" : "a"}\r\n\n'
    assert redact_lines(text, ["hunter2"]) == text


def test_a_secret_that_is_called_as_a_field_is_masks_no_name_of_a_field() -> None:
    value: dict[str, Any] = {"prompts": ["my prompts"], "/home/prompts": {"x": 1}}
    assert redact_all(value, ["prompts"]) == {"prompts": [f"my {REDACTED}"], f"/home/{REDACTED}": {"x": 1}}


def test_a_secret_that_holds_another_is_masked_as_a_whole() -> None:
    assert redact("hunter2-and-more", ["hunter2", "hunter2-and-more"]) == REDACTED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "hunter2-and-more") for name in ("MYSQL_PWD", "MY_PASSPHRASE", "GITHUB_PAT", "SESSION_COOKIE")),
        *((name, "hunter2-and-more") for name in ("HF_TOKEN", "DB_PASS", "SENTRY_DSN", "JWT", "AZURE_SAS")),
        ("https_proxy", "http://bob:hunter2-and-more@proxy:3128"),
        ("ALL_PROXY", "bob:hunter2-and-more@proxy:3128"),
    ],
)
def test_a_variable_that_looks_secret_is_handed_on_only_where_it_is_named(name: str, value: str) -> None:
    assert name not in child_environment({name: value}, (), {})
    assert child_environment({name: value}, (name,), {})[name] == value
    assert "hunter2-and-more" in secrets_of({name: value})


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "LC_ALL", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "https_proxy", "COMPASS"])
def test_a_variable_that_looks_harmless_is_none(name: str) -> None:
    assert not looks_secret(name, "http://proxy:3128/a@b")


ODD = 'p@ss w"rd\\é/7'


@pytest.mark.parametrize(
    "form",
    [
        ODD,
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        json.dumps(ODD).replace("/", "\\/"),
        repr(ODD),
        html.escape(ODD),
        html.escape(ODD, quote=False),
        html.escape(ODD, quote=False).replace('"', "&quot;"),
        str(markupsafe.escape(ODD)),
        quote(ODD),
        quote(ODD, safe=""),
        *(base64.b64encode(before + ODD.encode() + b"zz").decode() for before in (b"", b"u:", b"user:")),
    ],
)
def test_a_secret_is_found_in_every_form_in_which_programs_print_it(form: str) -> None:
    shown = redact(f"before {form} after", [ODD])
    assert REDACTED in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_a_number_is_a_secret_only_as_a_whole_one() -> None:
    hidden = secrets_of({"PIN": "123456", "MY_TOKEN": "12345678"})
    assert hidden == {"12345678"}
    assert redact("t_ns 9123456780 id 12345678.", hidden) == f"t_ns 9123456780 id {REDACTED}."


def test_each_long_line_of_a_private_key_is_a_secret() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7777\n-----END KEY-----"
    assert redact("panic: MIIEpAIBAAKCAQEA7777", [key]) == f"panic: {REDACTED}"


@pytest.mark.parametrize(
    "written",
    [
        r'"hunter2\u002dand-more"',
        r'"\u0068unter2-and-more"',
        "'hunter2-and-more'",
        '"""hunter2\\\n   -and-more"""',
        '"""\nhunter2-and-more"""',
        "'''hunter2-and-more'''",
    ],
)
def test_a_secret_in_toml_is_masked_however_it_is_written(written: str) -> None:
    text = f'# it\'s "odd"\na = \'x\'\n[env]\nMY_KEY = {written}\nb = "c"\n'
    kept = redact_toml(text, ["hunter2-and-more"])
    assert tomli.loads(kept) == {"a": "x", "env": {"MY_KEY": REDACTED, "b": "c"}}
    assert kept.startswith("# it's")


def test_nothing_is_kept_of_a_toml_text_whose_secret_can_not_be_found() -> None:
    # Of a name of a key, the escapes are read by nobody but TOML.
    kept = redact_toml('"hunter2\\u002dand-more" = 1\n', ["hunter2-and-more"])
    assert "hunter2" not in kept


SPLIT = ["hunter2", "hunter2-and-more", "ababac", 'q"uo\\te']


@given(
    st.lists(st.sampled_from([*SPLIT, "-and", "abab", 'q\\"uo\\\\te', "x", "hun", "\n"]), max_size=8),
    st.lists(st.integers(1, 7), min_size=1),
)
def test_a_secret_that_is_split_over_pieces_is_masked_as_in_one(words: list[str], sizes: list[int]) -> None:
    data = "".join(words).encode()
    stream, kept, at = MaskedStream(frozenset(SPLIT)), [], 0
    for t_ns, size in enumerate(cycle(sizes)):
        if at >= len(data):
            break
        kept += stream.feed(Piece(t_ns, "out", data[at : at + size]))
        at += size
    kept += stream.rest()
    assert b"".join(piece.data for piece in kept) == redact(data.decode(), SPLIT).encode()
    assert [piece.t_ns for piece in kept] == sorted(piece.t_ns for piece in kept)


def test_what_only_begins_like_a_secret_keeps_its_times() -> None:
    stream = MaskedStream(frozenset(["hunter2"]))
    first, second = Piece(1, "out", b"a hun"), Piece(2, "out", b"gry b")
    kept = [*stream.feed(first), *stream.feed(second), *stream.rest()]
    assert [(piece.t_ns, piece.data) for piece in kept] == [(1, b"a "), (1, b"hun"), (2, b"gry b")]


def test_a_secret_beside_a_character_beyond_the_basic_plane_leaves_the_rest_of_a_toml_text() -> None:
    kept = redact_toml('b = "c"\nMY_KEY = "🙂\\u007f hunter2-and-more"\n', ["hunter2-and-more"])
    assert tomli.loads(kept) == {"b": "c", "MY_KEY": f"🙂\x7f {REDACTED}"}


def test_the_name_of_a_user_in_an_address_is_no_secret_without_a_password() -> None:
    assert secrets_of({"DOCKER_HOST": "ssh://ubuntu@build-host"}) == frozenset()
    assert "hunter2-and-more" in secrets_of({"DOCKER_HOST": "ssh://ubuntu:hunter2-and-more@build-host"})


def test_what_a_config_calls_something_is_no_secret_of_it(tmp_path: Path) -> None:
    """Such as a key for show that is the name of the runtime."""
    text = CONFIG.replace("NAMED", "env = { OPENAI_API_KEY = 'ollama', MY_TOKEN = 'hunter2-and-more' }")
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    found = load_config(path, settings_of)
    assert secrets_in(found) == {"hunter2-and-more"}
    assert list(without_secrets(found).config.runtimes) == ["ollama", "other"]
