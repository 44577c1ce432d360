"""A model's own chat template, rendered as Hugging Face renders it."""

import json
from pathlib import Path
from typing import Any

import pytest
from gguf_editing import edited
from model_files import CONFIG, facts_of, model_folder
from runs import MODEL

from parity.errors import ModelError
from parity.models import model_facts
from parity.models.template import chat_turn, holds, render
from parity.records import ModelFacts

QWEN_LIKE = """\
{%- set ns = namespace(last=-1) %}
{%- for message in messages[::-1] %}
    {%- if message.role == "user" and message.content is string and not message.content.startswith('<tool>') %}
        {%- set ns.last = loop.index0 %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {{- message.content.split('</think>')[-1].lstrip('\\n').rstrip() + '|' + ns.last|string }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- 'no thinking' }}
    {%- endif %}
{%- endif %}"""

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def test_what_qwen_uses_of_jinja_and_python_works() -> None:
    assert render(QWEN_LIKE, "a</think>\n\nb  ", {}) == "b|0\n"


def test_blocks_leave_no_blank_lines_and_special_tokens_are_given() -> None:
    source = "{{ bos_token }}\n{% if true %}\n  x\n  {% endif %}\n{{ eos_token }}\n"
    assert render(source, "", TOKENS) == "<s>\n  x\n</s>"


def test_markup_and_other_scripts_in_a_prompt_are_not_escaped() -> None:
    assert render("{{ messages[0].content }}", "<a & b>", {}) == "<a & b>"
    assert render("{{ messages[0].content | tojson }}", "é<", {}) == '"é<"'


def test_a_template_is_given_no_tools_and_may_mark_what_the_assistant_says() -> None:
    source = "{% if tools is not none %}TOOLS {{ tools | length }}{% endif %}{% for m in messages %}{{ m.content }}"
    source += "{% if true %}{% generation %}|{{ m.role }}{% endgeneration %}{% endif %}{% endfor %}"
    assert render(source, "hi", {}) == "hi|user"


PARTS = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {% for p in m['content'] %}{% if p['type'] == 'text' %}"
    "{{ p['text'] }}{% endif %}{% endfor %}<end>\n{% endfor %}Assistant:"
)


def test_a_template_that_expects_content_in_parts_leaves_the_prompt_out() -> None:
    assert not holds(render(PARTS, "What is 2+2?", {}), "What is 2+2?")


@pytest.mark.parametrize("prompt", ["What is 2+2?", "  two\nlines \n", 'say "é"\nand\tmore'])
@pytest.mark.parametrize(
    "template",
    [
        "<u>{{ messages[0].content }}</u>",
        "<u>{{ messages[0].content | trim }}</u>",
        "<u>{{ messages[0] | tojson }}</u>",
        "<u>\n{{ messages[0].content.strip() }}\n</u>",
    ],
)
def test_a_rendered_prompt_holds_its_prompt_however_it_is_written(template: str, prompt: str) -> None:
    assert holds(render(template, prompt, TOKENS), prompt)
    assert not holds(render(template, "What was 2+2?", TOKENS), prompt)


def test_a_template_can_not_reach_out_of_its_sandbox() -> None:
    with pytest.raises(Exception, match="unsafe"):
        render("{{ ''.__class__.__mro__[1].__subclasses__() }}", "", {})


@pytest.fixture
def tiny(tmp_path: Path) -> ModelFacts:
    return model_facts("m", "m", "synth://tiny-llama/Q8_0@1", base=tmp_path)


def test_a_models_own_template_makes_the_turn(tiny: ModelFacts) -> None:
    turn = chat_turn(tiny, "What is 2+2?")
    assert turn == "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"


def folder(path: Path, tokenizer_config: dict[str, Any], **files: str) -> ModelFacts:
    """A model folder; `files`: names without their ending, which is `.jinja` for a template and else `.json`."""
    model_folder(path, CONFIG, {"a.weight": ("F32", [2, 3])})
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    for name, content in files.items():
        (path / f"{name}{'.jinja' if 'template' in name else '.json'}").write_text(content)
    return facts_of(path)


WRITES_TOKENS = "{{ bos_token }}|{{ messages[0].content }}|{{ eos_token }}|{{ unk_token }}"


@pytest.mark.parametrize(
    ("keys", "files", "turn"),
    [
        ({"chat_template": WRITES_TOKENS, "bos_token": "<s>", "eos_token": {"content": "</s>"}}, {}, "<s>|hi|</s>|"),
        ({"chat_template": "old", "bos_token": None}, {"chat_template": WRITES_TOKENS}, "|hi||"),
        ({"chat_template": [{"name": ["default"]}, {"name": "default", "template": "a"}]}, {}, "a"),
        (
            {"chat_template": WRITES_TOKENS, "bos_token": "<s>"},
            {"special_tokens_map": '{"bos_token": {"content": "<b>"}, "unk_token": "<u>"}'},
            "<b>|hi||<u>",
        ),
        (
            {"chat_template": WRITES_TOKENS, "bos_token": "<s>", "added_tokens_decoder": {}},
            {"special_tokens_map": '{"bos_token": "<b>"}'},
            "<s>|hi||",
        ),
    ],
)
def test_the_template_of_a_folder_is_taken_from_where_transformers_takes_it(
    tmp_path: Path, keys: dict[str, Any], files: dict[str, str], turn: str
) -> None:
    assert chat_turn(folder(tmp_path / "m", keys, **files), "hi") == turn


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ({}, "the folder has no chat template"),
        ({"chat_template": [{"name": "tool_use", "template": "x"}]}, "the folder has no chat template"),
        ({"chat_template": "x", "chat_template_type": "deepseek_v32"}, r"a program of mlx-lm \(deepseek_v32\)"),
        ({"chat_template": "{{ 'x'|center(2 * 10**7) }}"}, "it writes 20000000 characters"),
        ({"chat_template": "\ud800"}, "can't decode byte 0xed"),
    ],
)
def test_a_folder_without_a_template_that_can_be_rendered_is_told(
    tmp_path: Path, keys: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(ModelError, match=wrong) as raised:
        chat_turn(folder(tmp_path / "m", keys), "hi")
    assert "raw = true" in raised.value.remedy


@pytest.mark.slow
def test_the_turn_of_a_folder_is_that_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    keys = {"chat_template": WRITES_TOKENS, "bos_token": "<s>", "tokenizer_class": "PreTrainedTokenizerFast"}
    model = folder(tmp_path / "m", keys, special_tokens_map='{"eos_token": {"content": "</s>"}, "unk_token": "<u>"}')
    tokenizers = pytest.importorskip("tokenizers")
    tokenizers.Tokenizer(tokenizers.models.BPE()).save(str(tmp_path / "m" / "tokenizer.json"))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    turn = [{"role": "user", "content": "hi"}]
    assert chat_turn(model, "hi") == theirs.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)


@pytest.mark.slow
def test_smollm2_gets_its_system_turn(tmp_path: Path) -> None:
    model = model_facts("m", "m", MODEL, base=tmp_path)
    assert chat_turn(model, "What is 2+2?") == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "it took more than 1 s"),
        (
            "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "it (needed|took) more than 1 (GiB of memory|s)",
        ),
        ("{{ 'x'|center(10**10) }}", "it needed more than 1 GiB of memory"),
        ("{{ 'x'|center(2 * 10**7) }}", "it writes 20000000 characters"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{{ '\\u0000' }}", "it writes a NUL character"),
        ("{{ '\\ud800' }}", "surrogates not allowed"),
        ("{{ nope.nope }}", "undefined"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_a_template_without_bounds_is_an_error_of_its_model(
    tiny: ModelFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, wrong: str
) -> None:
    monkeypatch.setattr("parity.models.template.RENDER_S", 1.0)
    file = edited(Path(tiny.path), tmp_path / "m.gguf", fields={"tokenizer.chat_template": template})
    model = tiny.model_copy(update={"path": str(file)})
    with pytest.raises(ModelError, match=wrong) as raised:
        chat_turn(model, "hi")
    assert "its chat template can't render a user's turn" in raised.value.wrong
    assert "raw = true" in raised.value.remedy
