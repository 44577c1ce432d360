"""`bootstrap.py`: what it asks of the machine, and the wheel that clones share."""

import ast
import importlib
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from preparing import SCRIPTS, tools

REQUIREMENT = "llama-cpp-python==9.9 \\\n    --hash=sha256:00\n"
NAME = "llama_cpp_python-9.9-py3-none-any.whl"


PARTS = ("environment", "compiled_wheel", "bootstrap")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, ModuleType]:
    """The scripts as modules of their own, with a cache of their own."""
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    for name in PARTS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = {name: importlib.import_module(name) for name in PARTS}
    monkeypatch.setattr(found["compiled_wheel"], "cpu_flags", lambda: "fma amx_tile avx2")
    return found


@pytest.fixture
def bootstrap(scripts: dict[str, ModuleType]) -> ModuleType:
    return scripts["bootstrap"]


@pytest.fixture
def wheels(scripts: dict[str, ModuleType]) -> ModuleType:
    return scripts["compiled_wheel"]


@pytest.fixture
def proves_anything(wheels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "prove", lambda _: None)


def test_clones_that_compile_at_once_leave_each_others_wheel_alone(
    wheels: ModuleType, monkeypatch: pytest.MonkeyPatch, proves_anything: None
) -> None:
    compiled = []

    def compile_wheel(_requirement: str, folder: Path, _flags: str) -> None:
        compiled.append(folder)
        (folder / NAME).write_text(f"by {len(compiled)}", encoding="utf-8")
        if len(compiled) == 1:
            assert wheels.proved_wheel(REQUIREMENT).read_text(encoding="utf-8") == "by 2"

    monkeypatch.setattr(wheels, "compile_wheel", compile_wheel)
    wheel = wheels.proved_wheel(REQUIREMENT)
    assert wheel.read_text(encoding="utf-8") == "by 1"
    assert list(wheel.parent.iterdir()) == [wheel]
    assert wheels.proved_wheel(REQUIREMENT) == wheel
    assert len(compiled) == 2


def test_a_wheel_that_cannot_be_compiled_leaves_nothing_behind(
    wheels: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def compile_wheel(_requirement: str, folder: Path, _flags: str) -> None:
        (folder / "half.whl").touch()
        raise SystemExit("could not be compiled")

    monkeypatch.setattr(wheels, "compile_wheel", compile_wheel)
    with pytest.raises(SystemExit, match="could not be compiled"):
        wheels.proved_wheel(REQUIREMENT)
    [folder] = (tmp_path / "cache" / "wheels").iterdir()
    assert list(folder.iterdir()) == []


PYTHON = f"""#!/bin/sh
here=$(dirname "$0")
for last; do :; done
case "$*" in
    *"pip wheel"*)
        echo compiled >>"$here/log"
        while [ "$1" != -w ]; do shift; done
        echo "wheel $CFLAGS $CXXFLAGS" >"$2/{NAME}" ;;
    *"pip install"*) cp "$last" "$here/installed" ;;
    *smoke-llama-cpp.py*)
        case $(cat "$here/installed") in
            $GOOD) ;;
            $SLOW) exec sleep 60 ;;
            $BAD) kill -SEGV $$ ;;
            *) echo odd >&2; exit 1 ;;
        esac ;;
esac
"""
"""An interpreter that compiles, installs and decodes: a wheel whose text matches GOOD decodes, one that matches BAD
crashes, and any other fails."""


@pytest.fixture
def scripted(wheels: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the scripted interpreter, with a CPU that has AMX; only what is compiled without AMX decodes."""
    folder = tmp_path / "scripted"
    folder.mkdir()
    python = folder / "python"
    python.write_text(PYTHON, encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(wheels.environment, "PYTHON", python)
    monkeypatch.setenv("GOOD", "*-DMINE*-mno-amx-tile*-DMINE*-mno-amx-tile*")
    monkeypatch.setenv("BAD", "*")
    monkeypatch.setenv("SLOW", "nothing")
    monkeypatch.setenv("CFLAGS", "-DMINE")
    monkeypatch.setenv("CXXFLAGS", "-DMINE")
    return folder


def compiled(scripted: Path) -> int:
    log = scripted / "log"
    return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0


def cache(wheels: ModuleType) -> Path:
    folder: Path = wheels.cache_folder() / "wheels" / wheels.wheel_key()
    return folder


def test_a_wheel_that_crashes_on_a_cpu_with_amx_is_compiled_again_without_it(
    wheels: ModuleType, scripted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = wheels.proved_wheel(REQUIREMENT)
    assert "-mno-amx-tile" in wheel.read_text(encoding="utf-8")
    assert list(cache(wheels).iterdir()) == [wheel]
    told = [line for line in capsys.readouterr().out.splitlines() if "AMX" in line]
    assert told == ["llama-cpp-python crashes on this CPU (SIGSEGV) as compiled; compiling it without AMX"]
    assert wheels.proved_wheel(REQUIREMENT) == wheel
    assert compiled(scripted) == 2


def test_a_cached_wheel_that_was_never_proved_and_crashes_is_replaced(wheels: ModuleType, scripted: Path) -> None:
    cached = cache(wheels) / NAME
    cached.parent.mkdir(parents=True)
    cached.write_text("compiled before", encoding="utf-8")
    assert wheels.proved_wheel(REQUIREMENT) == cached
    assert "-mno-amx-tile" in cached.read_text(encoding="utf-8")
    assert compiled(scripted) == 1


def test_a_wheel_that_crashes_without_amx_too_is_not_cached(
    wheels: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD", "nothing")
    with pytest.raises(SystemExit, match=r"\(SIGSEGV\), with AMX and without\.\n.*GGML_NATIVE=OFF"):
        wheels.proved_wheel(REQUIREMENT)
    assert list(cache(wheels).iterdir()) == []


def test_a_crash_on_a_cpu_without_amx_is_reported_and_nothing_is_compiled_again(
    wheels: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "cpu_flags", lambda: "fma avx2")
    with pytest.raises(SystemExit, match=r"crashes on this CPU \(SIGSEGV\) as compiled\.\n.*GGML_NATIVE=OFF"):
        wheels.proved_wheel(REQUIREMENT)
    assert compiled(scripted) == 1
    assert list(cache(wheels).iterdir()) == []


def test_a_wheel_that_cannot_load_a_model_is_an_error_with_its_last_lines(
    wheels: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAD", "nothing")
    with pytest.raises(SystemExit, match="can't run a tiny model"):
        wheels.proved_wheel(REQUIREMENT)
    assert capsys.readouterr().err == "odd\n"


def test_a_wheel_that_hangs_is_an_error_and_does_not_hang_the_setup(
    wheels: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOW", "*")
    monkeypatch.setattr(wheels, "PROOF_S", 0.2)
    with pytest.raises(SystemExit, match="did not decode"):
        wheels.proved_wheel(REQUIREMENT)
    assert list(cache(wheels).iterdir()) == []


def test_a_cached_wheel_that_works_elsewhere_only_is_compiled_anew(
    wheels: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD", "*-DMINE*")
    monkeypatch.setenv("BAD", "nothing")
    cached = cache(wheels) / NAME
    cached.parent.mkdir(parents=True)
    cached.write_text("for a different C library", encoding="utf-8")
    assert wheels.proved_wheel(REQUIREMENT) == cached
    assert "-DMINE" in cached.read_text(encoding="utf-8")
    assert compiled(scripted) == 1


def test_a_cache_that_cannot_be_written_is_said_before_anything_is_compiled(
    wheels: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SystemExit, match=r"can't be written .*\n.*PARITY_CACHE="):
        wheels.proved_wheel(REQUIREMENT)
    assert compiled(scripted) == 0


def test_room_for_the_environment_is_asked_for_before_it_is_made(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap.environment, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "check_mlx", lambda: None)
    monkeypatch.setattr(bootstrap.environment.shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 20))
    with pytest.raises(SystemExit, match=r"at least 600 MiB more on the disk of .*, and 100 MiB are free"):
        bootstrap.check_prerequisites()
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(bootstrap.environment, "size_of", lambda _: 550 << 20)
    bootstrap.check_prerequisites()


def test_room_to_compile_is_asked_for_unless_the_wheel_is_there(
    wheels: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels.environment.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(SystemExit, match="compiling llama-cpp-python takes at least 100 MiB"):
        wheels.proved_wheel(REQUIREMENT)
    assert compiled(scripted) == 0
    monkeypatch.setenv("GOOD", "*")
    cached = cache(wheels) / NAME
    cached.parent.mkdir(parents=True)
    cached.write_text("compiled before", encoding="utf-8")
    assert wheels.proved_wheel(REQUIREMENT) == cached


def test_a_clone_that_was_moved_or_meets_a_different_cpu_is_made_ready_again(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = bootstrap.fingerprint("dev")
    assert bootstrap.fingerprint("dev") == before
    monkeypatch.setattr(bootstrap.compiled_wheel, "cpu_flags", lambda: "fma avx2")
    elsewhere = bootstrap.fingerprint("dev")
    monkeypatch.setattr(bootstrap.environment, "VENV", tmp_path / ".venv")
    assert len({before, elsewhere, bootstrap.fingerprint("dev")}) == 3


def test_an_older_python_is_told_so_and_does_not_stumble_over_the_syntax() -> None:
    trees = [ast.parse((SCRIPTS / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 6)) for name in PARTS]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    annotations = [a.annotation for f in functions for a in f.args.args] + [f.returns for f in functions]
    assert not any(isinstance(part, ast.Subscript | ast.BinOp) for part in annotations)


@pytest.mark.parametrize(
    ("system", "machine", "library", "told"),
    [
        ("Darwin", "x86_64", ("", ""), "native"),
        ("Linux", "x86_64", ("glibc", "2.34"), "here is 2.34"),
        ("Linux", "aarch64", ("glibc", "2.9"), "here is 2.9"),
        ("Linux", "x86_64", ("glibc", "2.35"), None),
        ("Linux", "x86_64", ("", ""), None),
    ],
)
def test_a_system_without_mlx_is_told_before_anything_is_compiled(
    system: str,
    machine: str,
    library: tuple[str, str],
    told: str | None,
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: library)
    if told is None:
        bootstrap.check_mlx()
        return
    with pytest.raises(SystemExit, match=told):
        bootstrap.check_mlx()


@pytest.mark.slow
def test_the_installed_llama_cpp_python_is_proved_in_a_fresh_process() -> None:
    done = subprocess.run([sys.executable, SCRIPTS / "smoke-llama-cpp.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("system", "programs", "told"),
    [
        ("Darwin", {"xcode-select": "exit 2", "c++": "exit 0"}, "xcode-select --install"),
        ("Darwin", {"c++": "exit 0"}, "xcode-select --install"),
        ("Darwin", {"xcode-select": "exit 0"}, None),
        ("Linux", {"xcode-select": "exit 0"}, "build-essential"),
        ("Linux", {"g++": "exit 0"}, None),
    ],
)
def test_a_compiler_is_asked_for_as_each_system_has_it(
    system: str,
    programs: dict[str, str],
    told: str | None,
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path / "bin", scripted=programs))
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    if told is None:
        bootstrap.check_prerequisites()
        return
    with pytest.raises(SystemExit, match=told):
        bootstrap.check_prerequisites()
