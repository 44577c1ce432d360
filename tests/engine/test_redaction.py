"""What is masked in what parity keeps: secrets in every way in which JSON may write them, and nothing else."""

import json
from typing import Any

import pytest

from parity.redaction import REDACTED, redact, redact_all, redact_lines

SECRETS = ['a"b\\c\nd', "hunter2é", "prompts"]


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
