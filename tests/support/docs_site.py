"""The documentation site as `make docs` builds it, in a folder of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build_site(folder: Path) -> subprocess.CompletedProcess[str]:
    """Builds what `zensical.toml` and `docs/` of a folder hold, into `site/` in it."""
    return subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=folder,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def own_site(folder: Path) -> Path:
    """The site of this repository."""
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    done = build_site(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"
