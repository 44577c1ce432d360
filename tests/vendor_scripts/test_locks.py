"""What set-up installs is pinned with hashes, and what is pinned is what `pyproject.toml` asks for."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "vendor-scripts" / "locks"
PINNED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?:.*\\)(?P<hashes>(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)$", re.M
)


def pins(name: str) -> dict[str, set[str]]:
    """Package → pinned versions: for different interpreters there may be several."""
    found = defaultdict(set)
    for pin in PINNED.finditer((LOCKS / f"{name}.txt").read_text(encoding="utf-8")):
        found[canonicalize_name(pin["name"])].add(pin["version"])
    return found


@pytest.mark.parametrize("name", ["quickstart", "dev"])
def test_everything_is_pinned_with_hashes(name: str) -> None:
    lines = (LOCKS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    packages = {canonicalize_name(line.split("==")[0]) for line in lines if not line.startswith((" ", "#"))}
    assert packages == set(pins(name))


@pytest.mark.parametrize(("name", "groups"), [("quickstart", ["build"]), ("dev", ["build", "dev"])])
def test_what_is_pinned_is_what_the_project_asks_for(name: str, groups: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = pins(name)
    for requirement in asked(project, groups):
        versions = locked[canonicalize_name(requirement.name)]
        assert versions, f"{requirement} is not in {name}.txt; run `make lock`"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_both_files_pin_the_same_versions() -> None:
    quickstart, dev = pins("quickstart"), pins("dev")
    assert {name: dev[name] for name in quickstart} == quickstart


def asked(project: dict[str, Any], groups: list[str]) -> Iterator[Requirement]:
    extras = project["project"]["optional-dependencies"]
    texts = [*project["project"]["dependencies"], *(text for extra in extras.values() for text in extra)]
    texts += [text for group in groups for text in project["dependency-groups"][group] if isinstance(text, str)]
    for requirement in map(Requirement, texts):
        if requirement.name != project["project"]["name"]:
            yield requirement
