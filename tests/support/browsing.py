"""A page opened in a browser, and what holds of every page: whole at any width, silent, labelled, and clean for axe."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WIDTHS = (360, 768, 1440)

_BEYOND = """() => {
  for (const details of document.querySelectorAll('details')) details.open = true;
  const width = document.documentElement.clientWidth;
  const scrolls = element => element.closest('.scroll, pre, .unseen, .skip, .shapes');
  return [...document.querySelectorAll('body *')]
    .filter(element => !scrolls(element) && element.getBoundingClientRect().right > width + 1)
    .map(element => `${element.tagName} ${element.getAttribute('class')} ${element.textContent.slice(0, 40)}`);
}"""


@dataclass
class Opened:
    """A page with what the browser said while it was opened."""

    page: Any
    path: Path
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def check_silence(self) -> None:
        """It says nothing on the console, and asks for nothing but itself."""
        self.page.wait_for_load_state("networkidle")
        assert self.said == []
        assert [url for url in self.asked if not url.startswith("data:")] == [self.path.as_uri()]

    def check_widths(self) -> None:
        """Nothing is cut off at any width."""
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            assert self.page.evaluate(_BEYOND) == [], f"at {width} px"
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width

    def check_labels(self, least: int) -> None:
        """There are at least so many plots, and each is labelled."""
        plots = self.page.locator("figure svg[role=img]")
        assert plots.count() >= least
        for place in range(plots.count()):
            for part in plots.nth(place).get_attribute("aria-labelledby").split():
                assert self.page.locator(f"[id='{part}']").text_content().strip()

    def check_axe(self) -> None:
        """Axe finds nothing, with all details open."""
        from axe_playwright_python.sync_playwright import Axe

        self.page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        found = Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()


@contextmanager
def opened_page(browser: Any, path: Path, scheme: str) -> Iterator[Opened]:
    """A page in a window of 1440 by 900 pixels, light or dark."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    found = Opened(context.new_page(), path)
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("request", lambda asked: found.asked.append(asked.url))
    found.page.goto(path.as_uri())
    yield found
    context.close()
