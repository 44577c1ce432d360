"""The pages of a trend and of two runs compared, in a real browser: they are held to what holds of a run's page."""

import os
from pathlib import Path
from typing import Any

import pytest
from browsing import opened_page
from scripted_host import Program, Script, config, table

from parity_adapters.command import CommandLine

pytestmark = pytest.mark.slow


@pytest.fixture
def pages(program: Program, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Of two runs of one config: the second is slower and answers something else."""
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))
    monkeypatch.setenv("PARITY_RUNS", str(program.folder / "runs"))
    program.write(config(table("base") + table("other"), rounds=8))
    words = "Two and two make four in every number system from base five on."
    for name, text, pause in (("first", words, 10.0), ("second", words.replace("four", "five"), 15.0)):
        host = program.host(
            base=Script(text=lambda head: words), other=Script(text=lambda head, text=text: text, token_ms=pause)
        )
        program("run", "case.toml", "--out", f"runs/{name}", host=host)
    assert program("history", "--trend", "gen_tps", "--out", "trend.html").code == 0
    assert program("compare", "runs/first", "runs/second", "--out", "across.html").code == 0
    return {name: program.folder / f"{name}.html" for name in ("trend", "across")}


@pytest.mark.parametrize("name", ["trend", "across"])
def test_a_further_page_is_silent_whole_labelled_and_clean(browser: Any, pages: dict[str, Path], name: str) -> None:
    for scheme in ("light", "dark"):
        with opened_page(browser, pages[name], scheme) as opened:
            opened.check_silence()
            opened.check_labels(least=1)
            opened.check_widths()
            opened.check_axe()
            if "PARITY_PICTURES" in os.environ:
                opened.page.screenshot(
                    path=Path(os.environ["PARITY_PICTURES"]) / f"{name}-{scheme}.png", full_page=True
                )


def test_the_first_difference_between_two_runs_is_marked(browser: Any, pages: dict[str, Path]) -> None:
    with opened_page(browser, pages["across"], "light") as opened:
        marked = opened.page.locator("mark").all_text_contents()
        assert [text.replace("first difference: ", "") for text in marked] == ["four", "five"]
