"""The generated parts of the pages are what the code says today."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
GENERATOR = ROOT / "vendor-scripts" / "make-docs.py"


def generate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, GENERATOR, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_pages_on_disk_are_what_the_generator_writes() -> None:
    done = generate("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_drifted_fails_the_check_and_is_mended(tmp_path: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        shutil.copy(page, tmp_path)
    generate(tmp_path)
    drifted = tmp_path / "config.md"
    good = drifted.read_text(encoding="utf-8")
    drifted.write_text(good.replace("| `load_s` | number", "| `load_s` | integer"), encoding="utf-8")
    done = generate("--check", tmp_path)
    assert done.returncode == 1
    assert "config.md" in done.stdout
    assert "metrics.md" not in done.stdout
    assert generate(tmp_path).returncode == 0
    assert drifted.read_text(encoding="utf-8") == good


def test_a_part_without_its_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("<!-- generated: config -->\n", encoding="utf-8")
    assert "don't pair" in generate(tmp_path).stderr
