"""The example package as a user gets it: built into a wheel, and installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "example_adapter"


@pytest.fixture(scope="session")
def example_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH that holds the installed example package and nothing else."""
    folder = tmp_path_factory.mktemp("example")
    source, wheels, site = folder / "source", folder / "wheels", folder / "site"
    # A build leaves things behind, and the clone must stay as it is.
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source)
    [wheel] = wheels.glob("*.whl")
    _pip("install", "--no-deps", "--no-index", "--target", site, wheel)
    return site


def _pip(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
