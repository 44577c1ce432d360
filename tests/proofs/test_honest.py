"""`proofs/honest.py`: a small part of it. What it found of all models is in docs/honest.md."""

import subprocess
import sys
from pathlib import Path

import pytest

PROOF = Path(__file__).parents[2] / "proofs" / "honest.py"


@pytest.mark.slow
def test_no_set_up_of_a_tiny_quantised_model_raises_an_alarm(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Set-ups\n", encoding="utf-8")
    options = ["--model", "tiny-qwen3 Q4_1", "--only", "short", "--tokens", "16", "--write", page]
    done = subprocess.run([sys.executable, PROOF, *options], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every pair passes." in page.read_text(encoding="utf-8")
    assert done.stdout.count(" EQUIVALENT ") + done.stdout.count(" IDENTICAL ") >= 8
