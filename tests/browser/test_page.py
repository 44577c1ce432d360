"""The page of a run in a real browser: whole at any width, asks for nothing, and needs neither a mouse nor eyes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Opened, opened_page

pytestmark = pytest.mark.slow


@pytest.fixture(params=["light", "dark"])
def opened(request: pytest.FixtureRequest, browser: Any, page: Path) -> Iterator[Opened]:
    with opened_page(browser, page, request.param) as found:
        yield found


def test_the_page_is_silent_and_asks_for_nothing_but_itself(opened: Opened) -> None:
    opened.check_silence()


def test_nothing_is_cut_off_at_any_width(opened: Opened) -> None:
    opened.check_widths()


def test_every_plot_is_labelled(opened: Opened) -> None:
    opened.check_labels(least=8)


def test_the_first_difference_is_marked(opened: Opened) -> None:
    marked = opened.page.locator("mark")
    assert [text.replace("first difference: ", "") for text in marked.all_text_contents()] == ["four,", "five,"] * 2
    assert all(marked.nth(k).is_visible() for k in range(marked.count()))


def test_everything_that_acts_is_reached_by_the_keyboard(opened: Opened) -> None:
    page = opened.page
    acting = page.evaluate("document.querySelectorAll('a[href], summary, [tabindex=\\'0\\']').length")
    seen = set()
    for _ in range(acting + 5):
        page.keyboard.press("Tab")
        place = page.evaluate(PLACE)
        if place is not None:
            seen.add(place)
    hidden = page.evaluate("[...document.querySelectorAll('details:not([open]) [tabindex]')].length")
    assert len(seen) >= acting - hidden


PLACE = """() => {
  const acting = [...document.querySelectorAll('a[href], summary, [tabindex="0"]')];
  const place = acting.indexOf(document.activeElement);
  return place < 0 ? null : place;
}"""


def test_a_table_of_values_opens_by_the_keyboard(opened: Opened) -> None:
    summary = opened.page.locator("figure summary").first
    summary.focus()
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("figure details[open] table").first.is_visible()


def test_axe_finds_nothing(opened: Opened) -> None:
    opened.check_axe()


def test_the_page_needs_no_script(browser: Any, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    shown = context.new_page()
    shown.goto(page.as_uri())
    assert shown.locator(".banner .word").text_content() == "Failed"
    context.close()


@pytest.mark.skipif("PARITY_PICTURES" not in os.environ, reason="writes files to be looked at")
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_written(browser: Any, page: Path, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    shown = context.new_page()
    shown.goto(page.as_uri())
    folder = Path(os.environ["PARITY_PICTURES"])
    shown.screenshot(path=folder / f"page-{scheme}-{width}.png", full_page=True)
    context.close()
