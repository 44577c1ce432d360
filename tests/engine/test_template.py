"""A model's own chat template, rendered as Hugging Face renders it."""

from pathlib import Path

import pytest
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


def test_what_qwen_uses_of_jinja_and_python_works() -> None:
    assert render(QWEN_LIKE, "a</think>\n\nb  ", bos="", eos="") == "b|0\n"


def test_blocks_leave_no_blank_lines_and_special_tokens_are_given() -> None:
    source = "{{ bos_token }}\n{% if true %}\n  x\n  {% endif %}\n{{ eos_token }}\n"
    assert render(source, "", bos="<s>", eos="</s>") == "<s>\n  x\n</s>"


def test_markup_and_other_scripts_in_a_prompt_are_not_escaped() -> None:
    assert render("{{ messages[0].content }}", "<a & b>", bos="", eos="") == "<a & b>"
    assert render("{{ messages[0].content | tojson }}", "é<", bos="", eos="") == '"é<"'


def test_a_template_is_given_no_tools_and_may_mark_what_the_assistant_says() -> None:
    source = "{% if tools is not none %}TOOLS {{ tools | length }}{% endif %}{% for m in messages %}{{ m.content }}"
    source += "{% if true %}{% generation %}|{{ m.role }}{% endgeneration %}{% endif %}{% endfor %}"
    assert render(source, "hi", bos="", eos="") == "hi|user"


PARTS = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {% for p in m['content'] %}{% if p['type'] == 'text' %}"
    "{{ p['text'] }}{% endif %}{% endfor %}<end>\n{% endfor %}Assistant:"
)


def test_a_template_that_expects_content_in_parts_leaves_the_prompt_out() -> None:
    assert not holds(render(PARTS, "What is 2+2?", bos="", eos=""), "What is 2+2?")


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
    assert holds(render(template, prompt, bos="<s>", eos=""), prompt)
    assert not holds(render(template, "What was 2+2?", bos="<s>", eos=""), prompt)


def test_a_template_can_not_reach_out_of_its_sandbox() -> None:
    with pytest.raises(Exception, match="unsafe"):
        render("{{ ''.__class__.__mro__[1].__subclasses__() }}", "", bos="", eos="")


@pytest.fixture
def tiny(tmp_path: Path) -> ModelFacts:
    return model_facts("m", "m", "synth://tiny-llama/Q8_0@1", base=tmp_path)


def test_a_models_own_template_makes_the_turn(tiny: ModelFacts) -> None:
    turn = chat_turn(tiny, "What is 2+2?")
    assert turn == "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"


def test_a_folder_has_no_turn(tiny: ModelFacts) -> None:
    folder = tiny.model_copy(update={"format": "folder"})
    with pytest.raises(ModelError, match="folder") as raised:
        chat_turn(folder, "x")
    assert "raw = true" in raised.value.remedy


@pytest.mark.slow
def test_smollm2_gets_its_system_turn(tmp_path: Path) -> None:
    model = model_facts("m", "m", MODEL, base=tmp_path)
    assert chat_turn(model, "What is 2+2?") == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"
    )
