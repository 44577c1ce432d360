"""The documentation site: builds without a broken link, holds every page, and asks no other server for anything."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docs_site import ROOT, build_site, own_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_site(tmp_path_factory.mktemp("project"))


def named(entry: Any) -> Iterator[str]:
    """The pages of a part of the navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for inner in entry.values() if isinstance(entry, dict) else entry:
            yield from named(inner)


def test_the_navigation_names_every_page_once() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert sorted(named(config["project"]["nav"])) == pages


def test_every_page_is_built_and_none_asks_another_server_for_anything(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        html = (site / page.with_suffix(".html").name).read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|link|iframe|source)[^>]*?(?:src|href)="?(https?:[^" >]+)', html)
        assert fetched == [], page.name


def test_a_block_of_code_is_one_whatever_words_stand_behind_its_language(site: Path) -> None:
    for page in site.glob("*.html"):
        assert "```" not in page.read_text(encoding="utf-8"), page.name


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# One\n\n[gone](index.md#gone)\n", encoding="utf-8")
    config = re.sub(r"(?ms)^nav = \[.*?^\]$", "", (ROOT / "zensical.toml").read_text(encoding="utf-8"))
    (tmp_path / "zensical.toml").write_text(config, encoding="utf-8")
    done = build_site(tmp_path)
    assert done.returncode != 0
    assert "anchor does not exist" in done.stdout + done.stderr
