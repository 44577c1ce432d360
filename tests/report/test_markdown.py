"""Foreign text can't break a page."""

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from parity.report.markdown import cell, code_span, fenced, inline, markdown_table, printable
from parity.report.view import Marked, Table

AWKWARD = st.text(alphabet=st.sampled_from(list("ab _*`|\\[]()<>&;~#!\n\t-\u00e9\x1b")), max_size=20)
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(markdown: str) -> str:
    """What a reader sees of one inline line."""
    [token] = [token for token in PARSER.parse(markdown) if token.type == "inline"]
    assert all(child.type in ("text", "text_special") for child in token.children or ()), token.children
    return "".join(child.content for child in token.children or ())


def test_names_as_people_write_them_are_left_alone() -> None:
    for text in (
        "paraphym_candle",
        "unsloth/Qwen3-1.7B-GGUF (Q4_K_M)",
        "0.96× [0.94, 0.98]",
        "2 * 3 < 7",
        "What is 2+2?",
    ):
        assert inline(text) == text


@given(AWKWARD.map(lambda text: f"x{text}x"))
def test_inline_text_is_seen_as_it_was(text: str) -> None:
    assert " ".join(shown(inline(text)).split()) == " ".join(printable(text).split())


@given(st.lists(st.lists(AWKWARD, min_size=3, max_size=3), min_size=1, max_size=3))
def test_table_keeps_its_columns_whatever_its_cells_hold(rows: list[list[str]]) -> None:
    table = Table(("a|b", "`c", "d\ne"), tuple(tuple(map(Marked, row)) for row in rows))
    markdown = markdown_table(table)
    tokens = PARSER.parse(markdown)
    cells = [token.type for token in tokens if token.type in ("th_open", "td_open")]
    assert cells == ["th_open"] * 3 + ["td_open"] * 3 * len(rows)
    texts = [token.content for token in tokens if token.type == "inline"]
    assert texts[:3] == ["a|b", "\\`c", "d ⏎ e"]


@given(AWKWARD.filter(lambda text: bool(text.strip())).map(lambda text: f"x{text}x"))
def test_code_span_is_one_span_whatever_backticks_it_holds(text: str) -> None:
    [token] = [token for token in PARSER.parse(code_span(text)) if token.type == "inline"]
    [span] = token.children or []
    assert span.type == "code_inline"
    assert span.content == printable(text)


@given(st.lists(AWKWARD, min_size=1, max_size=4).map(tuple))
def test_fenced_block_holds_all_its_lines(lines: tuple[str, ...]) -> None:
    [fence] = PARSER.parse(fenced(lines))
    assert fence.type == "fence"
    assert fence.content == "".join(f"{printable(line)}\n" for line in lines)


def test_terminal_escapes_never_reach_the_reader() -> None:
    assert printable("\x1b[31mred\x1b[0m \x1b]0;title\x07done\u202e") == "red done\ufffd"
    assert "\x1b" not in printable("\x1b")


def test_cell_escapes_a_pipe_behind_a_backslash() -> None:
    assert cell("a\\|b") == "a\\\\\\|b"
