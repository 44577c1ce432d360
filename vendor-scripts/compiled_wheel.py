"""The wheel of llama-cpp-python for this machine: compiled once, proved by decoding with a tiny model, and kept outside
the clone. Imports the standard library only."""

import hashlib
import os
import platform
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import environment
from environment import say

SMOKE = Path(__file__).resolve().with_name("smoke-llama-cpp.py")
COMPILED = "llama-cpp-python"
WITHOUT_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
"""Compiler flags for CPUs with AMX: GCC may optimise the tile configuration away, and then the first decode crashes."""
ANOTHER_BUILD = (
    "Compile it for a plainer CPU: CMAKE_ARGS=-DGGML_NATIVE=OFF make …\n"
    "Or use a different compiler: CC=clang CXX=clang++ make …"
)
BAD_INSTRUCTIONS = ("SIGSEGV", "SIGILL", "SIGBUS")
"""Signals that tell of code which this CPU can't run; any other has a cause of its own, such as want of memory."""
COMPILING_BYTES = 100 << 20

HEARTBEAT_S = 15.0
PROOF_S = 300.0


class CrashedError(Exception):
    """A wheel of llama-cpp-python dies of a signal on this CPU; holds the signal's name."""


class UnusableError(Exception):
    """A wheel of llama-cpp-python can't be imported here, or can't run a tiny model; holds its last lines."""


def proved_wheel(requirement: str) -> Path:
    """A wheel of llama-cpp-python that decodes here, from the cache or compiled now; it is installed when this returns.

    Where it crashes on a CPU with AMX, it is compiled again without AMX, and that wheel takes its place."""
    version = re.split(r"[=\s;]+", requirement)[1]
    folder = cache_folder() / "wheels" / wheel_key()
    cached = sorted(folder.glob(f"llama_cpp_python-{version}-*.whl"))
    try:
        if cached:
            say(f"{COMPILED}: using the wheel that was compiled before, {cached[-1]}")
            try:
                prove(cached[-1])
                return cached[-1]
            except UnusableError as error:
                # Such as a wheel for a different C library, where several systems share a cache.
                say(f"{error}{COMPILED}: that wheel does not work here; compiling it anew")
        environment.check_room(Path(tempfile.gettempdir()), COMPILING_BYTES, f"compiling {COMPILED}")
        say(f"compiling {COMPILED} {version} (once; about 5 minutes on two cores)")
        return compile_and_prove(requirement, folder)
    except CrashedError as crash:
        if not has_amx():
            again = f"Remove {cached[-1]} and run this again, to compile it anew.\n" if cached else ""
            sys.exit(f"{COMPILED} crashes on this CPU ({crash}) as compiled.\n{again}{ANOTHER_BUILD}")
        say(f"{COMPILED} crashes on this CPU ({crash}) as compiled; compiling it without AMX")
    try:
        return compile_and_prove(requirement, folder, WITHOUT_AMX)
    except CrashedError as crash:
        sys.exit(f"{COMPILED} crashes on this CPU ({crash}), with AMX and without.\n{ANOTHER_BUILD}")


def compile_and_prove(requirement: str, folder: Path, flags: str = "") -> Path:
    """Compiles the wheel and moves it into the cache once it is proved. Raises CrashedError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        sys.exit(f"{folder} can't be written ({error.strerror}).\nName a different cache: PARITY_CACHE=FOLDER make …")
    # Of this process alone: another clone may be compiling the same wheel for the same cache.
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
        compile_wheel(requirement, Path(partial), flags)
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
    environment.pip("install", "--quiet", "--force-reinstall", "--no-deps", str(wheel))
    try:
        done = subprocess.run(
            [environment.PYTHON, SMOKE], capture_output=True, text=True, errors="replace", timeout=PROOF_S, check=False
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


def compile_wheel(requirement: str, folder: Path, flags: str = "") -> None:
    """Compiles with a line of progress for each tenth of the build, and its last lines on failure. `flags` are for the
    C and the C++ compiler, after the user's own."""
    wanted = folder / "wanted.txt"
    wanted.write_text(requirement)
    command = [str(environment.PYTHON), "-m", "pip", "wheel", "--verbose", "--no-deps"]
    # pip keeps what it compiled before, whatever the flags were.
    command += ["--no-cache-dir", "--no-binary", COMPILED, "-w", str(folder), "--require-hashes", "-r", str(wanted)]
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
