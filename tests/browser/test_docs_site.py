"""The documentation site in a real browser, opened as files: whole at any width, and it asks nobody for anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docs_site import own_site

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_site(tmp_path_factory.mktemp("project"))


@pytest.fixture(params=["light", "dark"])
def tab(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 360, "height": 900}, color_scheme=request.param)
    yield context.new_page()
    context.close()


def test_no_page_asks_for_anything_beyond_the_site_or_is_wider_than_the_window(site: Path, tab: Any) -> None:
    asked: list[str] = []
    said: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    # A server shows 404.html in place of any page, so that its addresses begin at the server's root.
    for page in sorted(set(site.glob("*.html")) - {site / "404.html"}):
        tab.goto(page.as_uri())
        for width in (1440, 360):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, f"{page.name} at {width} px"
    assert [url for url in asked if not url.startswith((site.as_uri(), "data:", "blob:"))] == []
    assert said == []


@pytest.mark.parametrize("page", ["index", "config"])
def test_axe_finds_nothing_but_the_button_that_copies_a_block(site: Path, tab: Any, page: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.goto((site / f"{page}.html").as_uri())
    # The theme puts each button into a landmark of its own, and gives all of these one name.
    found = Axe().run(tab, options={"rules": {"landmark-unique": {"enabled": False}}})
    assert found.violations_count == 0, found.generate_report()


def test_the_search_finds_a_word_in_a_page_that_was_opened_as_a_file(site: Path, tab: Any) -> None:
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.goto((site / "index.html").as_uri())
    tab.wait_for_load_state("networkidle")
    tab.keyboard.press("Control+k")
    tab.keyboard.type("inconclusive")
    tab.get_by_text("Undecided gates").first.wait_for(timeout=20_000)
