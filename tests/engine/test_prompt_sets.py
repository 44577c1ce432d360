"""The sets of prompts that come with parity hold what their names say, and are part of the package."""

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from runs import MODEL

import parity.config.prompts
from parity.config.prompts import PromptLine, Texts, prompts_of, set_names
from parity.models import model_facts
from parity.models.tokenizer import load_encoder, write_tokenizer

ROOT = Path(__file__).parents[2]
LONG_TOKENS = 2048

SCRIPTS = (
    "CJK UNIFIED",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
    "ARABIC LETTER",
    "ARABIC-INDIC",
    "HEBREW LETTER",
    "HEBREW POINT",
    "DEVANAGARI LETTER",
    "DEVANAGARI VOWEL SIGN",
    "THAI CHARACTER",
    "CYRILLIC",
    "GREEK",
    "COMBINING",
)


def prompts(name: str) -> dict[str, PromptLine]:
    found, wrong = prompts_of(f"set:{name}", Texts(Path(), {}), name)
    assert wrong == []
    return {prompt.id: prompt for prompt in found}


def text_of(name: str) -> str:
    return "\n".join(prompt.prompt for prompt in prompts(name).values())


def test_there_are_eight_sets_and_each_prompt_stands_in_one() -> None:
    assert set_names() == ("chat", "code", "emoji", "long", "scripts", "short", "special", "whitespace")
    every = [(prompt.prompt, prompt.raw) for name in set_names() for prompt in prompts(name).values()]
    assert len(every) == len(set(every))
    assert all(len(prompts(name)) >= 8 for name in set_names() if name != "long")


def test_the_sets_are_part_of_the_wheel() -> None:
    folder = Path(parity.config.prompts.__file__).parent / "prompt_sets"
    packed = {Path(file.path) for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {folder / f"{name}.jsonl" for name in set_names()} <= packed


def test_prompts_are_short_but_for_the_long_one() -> None:
    assert max(len(prompt.prompt) for name in set_names() if name != "long" for prompt in prompts(name).values()) < 400
    [long] = prompts("long").values()
    sentences = [part for part in re.split(r"(?<=[.?!])\s+", long.prompt) if len(part.split()) > 3]
    assert len(sentences) == len(set(sentences)) > 80, "no sentence stands there twice"
    words = re.findall(r"\w+", long.prompt.casefold())
    assert len(set(words)) > 600


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_there_by_the_names_of_their_characters(script: str) -> None:
    assert any(unicodedata.name(character, "").startswith(script) for character in text_of("scripts"))


def test_combining_marks_are_not_composed() -> None:
    prompt = prompts("scripts")["combining-marks"].prompt
    assert len(unicodedata.normalize("NFC", prompt)) < len(prompt)
    assert re.search("[\u0300-\u036f]{2}", prompt), "two marks on one letter"


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a joined family", "👨\u200d👩\u200d👧\u200d👦"),
        ("a flag of two letters", "[\U0001f1e6-\U0001f1ff]{2}"),
        ("a flag of tags", "🏴[\U000e0020-\U000e007e]+\U000e007f"),
        ("a skin tone", "👍[\U0001f3fb-\U0001f3ff]"),
        ("a text variant", "\ufe0e"),
        ("an emoji variant", "❤\ufe0f"),
        ("a keycap", "1\ufe0f\u20e3"),
        ("an emoji within a word", "con🎉cert"),
        ("a joiner with nothing to join", "\u200d$"),
    ],
)
def test_emoji_are_there(what: str, pattern: str) -> None:
    assert any(re.search(pattern, prompt.prompt) for prompt in prompts("emoji").values()), what


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a tab between words", r"\w\t\w"),
        ("a run of blanks", r"\w {6}\w"),
        ("leading blanks", r"\A {4}\w"),
        ("a blank at the end", r"\w \Z"),
        ("a newline at the end", r"\w\n\Z"),
        ("empty lines", r"\n\n\n"),
        ("CR LF", r"\r\n"),
        ("CR alone", r"\r(?!\n)"),
        ("a no-break space", "\u00a0"),
        ("a narrow no-break space", "\u202f"),
        ("an ideographic space", "\u3000"),
        ("a zero-width space", "\u200b"),
        ("a line separator", "\u2028"),
    ],
)
def test_white_space_is_there_in_a_raw_prompt_where_no_template_strips_it(what: str, pattern: str) -> None:
    assert any(prompt.raw and re.search(pattern, prompt.prompt) for prompt in prompts("whitespace").values()), what


@pytest.mark.parametrize(
    "token", ["<|im_start|>", "<|im_end|>", "<s>", "</s>", "[INST]", "<|endoftext|>", "<|eot_id|>"]
)
def test_special_tokens_are_there_as_text_of_a_turn(token: str) -> None:
    assert any(token in prompt.prompt and not prompt.raw for prompt in prompts("special").values())


@pytest.mark.parametrize("name", set_names())
def test_what_an_editor_would_not_show_is_escaped(name: str) -> None:
    folder = Path(parity.config.prompts.__file__).parent / "prompt_sets"
    content = (folder / f"{name}.jsonl").read_bytes().decode("utf-8")
    for number, line in enumerate(content.removesuffix("\n").split("\n"), 1):
        hidden = [character for character in line if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")]
        assert hidden == [], (name, number)
        assert list(json.loads(line)) in (["id", "prompt"], ["id", "prompt", "raw"])


@pytest.mark.slow
def test_the_long_prompt_has_2048_tokens_of_smollm2(tmp_path: Path) -> None:
    model = model_facts("smollm2", "SmolLM2", MODEL, base=tmp_path)
    encode = load_encoder(write_tokenizer(model, tmp_path / "tokenizer.json"))
    [long] = prompts("long").values()
    assert long.raw
    assert len(encode(long.prompt)) == LONG_TOKENS
