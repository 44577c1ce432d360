"""The generator of the pages' generated parts; that the pages are up to date is checked by `make lint`."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from parity.cli import app
from parity.registry import entries, settings_of

ROOT = Path(__file__).parent.parent.parent

Generate = Callable[..., int]


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> Generate:
    """`make-docs.py` with these arguments; gives its exit code."""
    monkeypatch.syspath_prepend(ROOT / "vendor-scripts")
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "vendor-scripts" / "make-docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*arguments: str | Path) -> int:
        monkeypatch.setattr(sys, "argv", ["make-docs.py", *map(str, arguments)])
        code: int = module.main()
        return code

    return run


def test_a_page_that_drifted_fails_the_check_and_is_written_anew(
    generate: Generate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        shutil.copy(page, tmp_path)
    generate(tmp_path)
    drifted = tmp_path / "config.md"
    good = drifted.read_text(encoding="utf-8")
    assert "| `load_s` | number" in good
    drifted.write_text(good.replace("| `load_s` | number", "| `load_s` | integer"), encoding="utf-8")
    capsys.readouterr()
    assert generate("--check", tmp_path) == 1
    out = capsys.readouterr().out
    assert "config.md" in out
    assert "metrics.md" not in out
    assert generate(tmp_path) == 0
    assert drifted.read_text(encoding="utf-8") == good
    assert generate("--check", tmp_path) == 0


def test_a_part_without_its_end_is_refused(generate: Generate, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("<!-- generated: config -->\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="don't pair"):
        generate(tmp_path)


def test_every_command_has_a_section_with_each_of_its_options() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        for path, each in [(f"{name} {inner}", c) for inner, c in getattr(command, "commands", {}).items()] or [
            (name, command)
        ]:
            section = text.partition(f"\n## `parity {path}`\n")[2].partition("\n## ")[0]
            assert section, path
            for option in [opt for param in each.params for opt in param.opts if opt.startswith("--")]:
                assert option == "--help" or option in section, f"{path} {option}"


@pytest.mark.parametrize("adapter", [entry.name for entry in entries() if entry.package == "parity-matrix"])
def test_every_setting_is_described(adapter: str) -> None:
    fields = settings_of(adapter).model_fields
    assert [name for name, field in fields.items() if not field.description] == []
