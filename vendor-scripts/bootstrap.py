"""Makes the virtual environment of this clone ready: `python3 vendor-scripts/bootstrap.py [--dev]`.

Needs Python 3.11 or newer and a C++ compiler; nothing else. llama-cpp-python is compiled once for this machine, proved
by decoding with a tiny model, and its wheel kept outside the clone. A second run finds everything done and starts at
once. Imports the standard library only, and is read by any Python 3: an older one has to be told which it should be.
"""

import argparse
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import compiled_wheel
import environment
from compiled_wheel import COMPILED
from environment import ROOT, say

LOCKS = Path(__file__).resolve().with_name("locks")
"""`quickstart.txt` and `dev.txt`: each package to install, with the hashes of its files; `make lock` makes them."""
OLDEST_GLIBC = 2, 35
"""What MLX's wheels for Linux are linked against."""
MISLEADING = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
"""With these, Python and pip look for modules, or put them, outside the environment."""

BROWSER, SHELLS = "the tests of the HTML page", "the tests of completion in this shell"
TOOLS = {
    "chromium": (("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"), BROWSER),
    "zsh": (("zsh",), SHELLS),
    "fish": (("fish",), SHELLS),
}
"""Package of Debian → the names of its program, and the tests that need one of them."""
ENVIRONMENT_BYTES = 600 << 20
"""An estimate on the low side of an environment with parity, its runtimes and the demo's model."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    name = "dev" if parser.parse_args().dev else "quickstart"
    stamp = environment.VENV / f".ready-{fingerprint(name)}"
    if stamp.exists():
        return
    for variable in MISLEADING:
        os.environ.pop(variable, None)
    check_prerequisites()
    # Whatever an earlier set-up left is no longer what it says, even if this one is interrupted.
    for old in environment.VENV.glob(".ready-*"):
        old.unlink()
    make_environment()
    say("installing what parity needs, mlx-lm and a model of 100 MB")
    compiled, others = locked(name)
    pip_locked(others)
    compiled_wheel.proved_wheel(compiled)
    # The backend that builds parity is installed by now, and with it everything that parity imports.
    environment.pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if name == "dev":
        bring_tools()
        (environment.VENV / f".ready-{fingerprint('quickstart')}").touch()
    stamp.touch()
    say("ready")


def make_environment() -> None:
    """A fresh one unless this very Python made the one that is there, in this place; never half of one."""
    made_by = environment.VENV / ".python"
    maker = f"{sys.version}\n{environment.VENV}"
    if environment.PYTHON.exists() and made_by.exists() and made_by.read_text() == maker:
        return
    say(f"making {environment.VENV.relative_to(ROOT)}")
    shutil.rmtree(environment.VENV, ignore_errors=True)
    try:
        venv.create(environment.VENV, with_pip=True)
        made_by.write_text(maker)
    except BaseException as error:
        shutil.rmtree(environment.VENV, ignore_errors=True)
        if isinstance(error, KeyboardInterrupt):
            raise
        sys.exit(f"the virtual environment could not be made: {error}")


def fingerprint(name: str) -> str:
    """Changes when what is to be installed changes, and when the clone has been moved, or meets a different CPU: the
    scripts of an environment hold its path, and the wheel is compiled for its CPU."""
    scripts = (Path(module.__file__ or "") for module in (sys.modules[__name__], compiled_wheel, environment))
    what = b"".join(file.read_bytes() for file in (ROOT / "pyproject.toml", *scripts, LOCKS / f"{name}.txt"))
    here = repr((name, sys.version, str(environment.VENV), compiled_wheel.cpu_flags()))
    return hashlib.sha256(what + here.encode()).hexdigest()[:12]


def locked(name: str) -> "tuple[str, str]":
    """What a lock file says of the package that is compiled here, and of all others: versions with hashes."""
    entries = re.findall(r"^\S.*(?:\n .*)*\n", (LOCKS / f"{name}.txt").read_text(), re.MULTILINE)
    compiled = [entry for entry in entries if entry.startswith(f"{COMPILED}==")]
    return compiled[0], "".join(entry for entry in entries if entry not in compiled)


def check_prerequisites() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what says so
        sys.exit(
            f"parity needs Python 3.11 or newer; {sys.executable} is {platform.python_version()}.\n"
            "Choose a newer one: make PYTHON=python3.12 …"
        )
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("this Python can't make virtual environments.\nDebian, Ubuntu: apt-get install python3-venv")
    check_mlx()
    environment.check_room(
        environment.VENV, ENVIRONMENT_BYTES - environment.size_of(environment.VENV), "the environment"
    )
    if platform.system() == "Darwin":
        if not has_command_line_tools():
            sys.exit(f"{COMPILED} is compiled here and needs Xcode's command line tools.\nxcode-select --install")
    elif not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        sys.exit(
            f"{COMPILED} is compiled here and needs a C++ compiler.\n"
            "Debian, Ubuntu: apt-get install build-essential; Fedora: dnf install gcc-c++"
        )


def check_mlx() -> None:
    """What MLX's wheels ask of the system: pip would say so only once everything is compiled."""
    if platform.system() == "Darwin" and platform.machine() != "arm64":
        sys.exit(
            f"MLX needs an Apple processor and a Python that is native to it; {sys.executable} is for "
            f"{platform.machine()}."
        )
    library, version = platform.libc_ver()
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if platform.system() == "Linux" and library == "glibc" and found < OLDEST_GLIBC:
        sys.exit(f"MLX needs glibc 2.35 or newer; here is {version}. Use a newer system, such as Ubuntu 22.04.")


def has_command_line_tools() -> bool:
    """Without them macOS has a c++ all the same, which only asks for them."""
    found = shutil.which("xcode-select")
    return found is not None and subprocess.run([found, "-p"], capture_output=True, check=False).returncode == 0


def bring_tools() -> None:
    """What some tests need beside Python. Installs it where that needs no password; the other tests need none of it."""
    missing = [package for package, (names, _) in TOOLS.items() if not any(shutil.which(name) for name in names)]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        say(f"installing {', '.join(missing)}, for tests")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            done = subprocess.run(["apt-get", *command], env=quiet, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            say(f"apt-get could not install them: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    for package, (names, needed_by) in TOOLS.items():
        if not any(shutil.which(name) for name in names):
            say(f"there is no {names[0]} here, so {needed_by} are left out (Debian: apt-get install {package})")


def pip_locked(requirements: str) -> None:
    """Installs just these: a lock file names what its packages need in turn."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(requirements)
        wanted.flush()
        environment.pip("install", "--quiet", "--no-deps", "--require-hashes", "-r", wanted.name)


if __name__ == "__main__":
    main()
