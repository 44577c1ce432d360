"""What tests of vendor-scripts/prepare-*.sh need: the scripts as processes, and git repositories to give them."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from parity.adapter import AdapterSettings
from parity.registry import adapter_class, entries

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = ROOT / "vendor-scripts"
BASIC_TOOLS = (
    *("awk", "basename", "bash", "cat", "cksum", "df", "dirname", "env", "getconf", "grep", "head", "ls", "mkdir"),
    *("mktemp", "mv", "paste", "rm", "rmdir", "sed", "tee", "tr", "uname"),
)
CANDLE_FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["candle-examples"]\nresolver = "2"\n',
    ".gitignore": "target\nCargo.lock\n",
    "candle-examples/Cargo.toml": '[package]\nname = "candle-examples"\nversion = "0.0.0"\nedition = "2021"\n'
    "[features]\ncuda = []\nmetal = []\nmkl = []\n",
    **{
        f"candle-examples/examples/{name}/main.rs": "fn main() {}\n"
        for name in ("quantized", "quantized-phi", "quantized-qwen3")
    },
    "candle-examples/src/lib.rs": "",
}
PARAPHYM_FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["packages/candle"]\nresolver = "2"\n',
    "Cargo.lock": 'version = 3\n\n[[package]]\nname = "cyrup_candle"\nversion = "0.1.0"\n',
    ".gitignore": "target\n",
    "packages/candle/Cargo.toml": '[package]\nname = "cyrup_candle"\nversion = "0.1.0"\nedition = "2021"\n'
    '[features]\n# what "default" means\ndefault = [\n  "metal", # of macOS\n  "download-hf-hub",\n  "api",\n]\n'
    "metal = []\ncuda = []\ndownload-hf-hub = []\napi = []\n",
    "packages/candle/src/lib.rs": "",
    "packages/candle/examples/fluent_builder.rs": "fn main() {}\n",
}
"""The files by which the scripts know a checkout, in crates that need nothing and do nothing."""


@dataclass(frozen=True)
class Prepared:
    """A finished script."""

    code: int
    out: str
    err: str

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """The runtimes of the snippet that it printed for the config."""
        found: dict[str, dict[str, Any]] = tomli.loads(self.out)["runtimes"]
        return found


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of the user's settings; cargo's and rustup's own folders stay; git may clone submodules from files."""
    user = Path.home()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PARITY_CACHE": str(home / "cache"),
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(user / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(user / ".rustup")),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.file.allow",
        "GIT_CONFIG_VALUE_0": "always",
        **more,
    }


def prepare(script: str, *args: str | Path, home: Path, env: Mapping[str, str] | None = None) -> Prepared:
    """Runs `prepare-SCRIPT.sh` with `home` as home and working folder."""
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, SCRIPTS / f"prepare-{script}.sh", *map(str, args)],
        cwd=home,
        env=environment(home, **(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return Prepared(done.returncode, done.stdout, done.stderr)


def git(repository: Path, *args: str) -> str:
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.invalid")
    done = subprocess.run(
        ["git", *identity, "-C", repository, *args],
        env=environment(repository),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def make_repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A repository with one commit on branch `main`, tagged `v1`."""
    write_files(folder, files)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    git(folder, "tag", "v1")
    return folder


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def commit(repository: Path) -> str:
    """Commits everything that is there; gives the commit."""
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=a change")
    return git(repository, "rev-parse", "HEAD")


def tools(folder: Path, linked: Sequence[str] = (), scripted: Mapping[str, str] | None = None) -> str:
    """A PATH of the basic tools, those of `linked`, and shell scripts of these texts, and nothing else."""
    folder.mkdir()
    for name in {*BASIC_TOOLS, *linked}:
        found = shutil.which(name)
        assert found is not None, f"{name} is needed for this test"
        (folder / name).symlink_to(found)
    for name, text in (scripted or {}).items():
        path = folder / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)
    return str(folder)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, git's own index apart: looking at a checkout may refresh it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "index"
    }


def settings_of(table: Mapping[str, Any]) -> AdapterSettings | None:
    """The adapter's reading of a snippet's table, every key of it known; None where the adapter isn't there."""
    keys = dict(table)
    name = keys.pop("adapter")
    if name not in {entry.name for entry in entries()}:
        return None
    return adapter_class(name).Settings.model_validate_json(json.dumps(keys))
