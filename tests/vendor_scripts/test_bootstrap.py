"""`bootstrap.py`: what it asks of the machine, and the wheel that clones share."""

import ast
import importlib.util
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from preparing import SCRIPTS, tools

NAME = "llama_cpp_python-9.9-py3-none-any.whl"


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module, with a cache of its own and without a question to a package index."""
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPTS / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "newest_version", lambda: "9.9")
    monkeypatch.setattr(module, "cpu_flags", lambda: "fma amx_tile avx2")
    return module


@pytest.fixture
def proves_anything(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "prove", lambda _: None)


def test_clones_that_compile_at_once_leave_each_others_wheel_alone(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, proves_anything: None
) -> None:
    compiled = []

    def compile_wheel(_version: str, folder: Path, _flags: str) -> None:
        compiled.append(folder)
        (folder / NAME).write_text(f"by {len(compiled)}", encoding="utf-8")
        if len(compiled) == 1:
            assert bootstrap.proved_wheel().read_text(encoding="utf-8") == "by 2"

    monkeypatch.setattr(bootstrap, "compile_wheel", compile_wheel)
    wheel = bootstrap.proved_wheel()
    assert wheel.read_text(encoding="utf-8") == "by 1"
    assert list(wheel.parent.iterdir()) == [wheel]
    assert bootstrap.proved_wheel() == wheel
    assert len(compiled) == 2


def test_a_wheel_that_cannot_be_compiled_leaves_nothing_behind(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def compile_wheel(_version: str, folder: Path, _flags: str) -> None:
        (folder / "half.whl").touch()
        raise SystemExit("could not be compiled")

    monkeypatch.setattr(bootstrap, "compile_wheel", compile_wheel)
    with pytest.raises(SystemExit, match="could not be compiled"):
        bootstrap.proved_wheel()
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
def scripted(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the scripted interpreter, with a CPU that has AMX; only what is compiled without AMX decodes."""
    folder = tmp_path / "scripted"
    folder.mkdir()
    python = folder / "python"
    python.write_text(PYTHON, encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(bootstrap, "PYTHON", python)
    monkeypatch.setenv("GOOD", "*-DMINE*-mno-amx-tile*-DMINE*-mno-amx-tile*")
    monkeypatch.setenv("BAD", "*")
    monkeypatch.setenv("SLOW", "nothing")
    monkeypatch.setenv("CFLAGS", "-DMINE")
    monkeypatch.setenv("CXXFLAGS", "-DMINE")
    return folder


def compiled(scripted: Path) -> int:
    log = scripted / "log"
    return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0


def cache(bootstrap: ModuleType) -> Path:
    folder: Path = bootstrap.cache_folder() / "wheels" / bootstrap.wheel_key()
    return folder


def test_a_wheel_that_crashes_on_a_cpu_with_amx_is_compiled_again_without_it(
    bootstrap: ModuleType, scripted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = bootstrap.proved_wheel()
    assert "-mno-amx-tile" in wheel.read_text(encoding="utf-8")
    assert list(cache(bootstrap).iterdir()) == [wheel]
    told = [line for line in capsys.readouterr().out.splitlines() if "AMX" in line]
    assert told == ["llama-cpp-python crashes on this CPU (SIGSEGV) as compiled; compiling it without AMX"]
    assert bootstrap.proved_wheel() == wheel
    assert compiled(scripted) == 2


def test_a_cached_wheel_that_was_never_proved_and_crashes_is_replaced(bootstrap: ModuleType, scripted: Path) -> None:
    cached = cache(bootstrap) / NAME
    cached.parent.mkdir(parents=True)
    cached.write_text("compiled before", encoding="utf-8")
    assert bootstrap.proved_wheel() == cached
    assert "-mno-amx-tile" in cached.read_text(encoding="utf-8")
    assert compiled(scripted) == 1


def test_a_wheel_that_crashes_without_amx_too_is_not_cached(
    bootstrap: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD", "nothing")
    with pytest.raises(SystemExit, match=r"\(SIGSEGV\), with AMX and without\.\n.*GGML_NATIVE=OFF"):
        bootstrap.proved_wheel()
    assert list(cache(bootstrap).iterdir()) == []


def test_a_crash_on_a_cpu_without_amx_is_reported_and_nothing_is_compiled_again(
    bootstrap: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "cpu_flags", lambda: "fma avx2")
    with pytest.raises(SystemExit, match=r"crashes on this CPU \(SIGSEGV\) as compiled\.\n.*GGML_NATIVE=OFF"):
        bootstrap.proved_wheel()
    assert compiled(scripted) == 1
    assert list(cache(bootstrap).iterdir()) == []


def test_a_wheel_that_cannot_load_a_model_is_an_error_with_its_last_lines(
    bootstrap: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAD", "nothing")
    with pytest.raises(SystemExit, match="can't run a tiny model"):
        bootstrap.proved_wheel()
    assert capsys.readouterr().err == "odd\n"


def test_a_wheel_that_hangs_is_an_error_and_does_not_hang_the_setup(
    bootstrap: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOW", "*")
    monkeypatch.setattr(bootstrap, "PROOF_S", 0.2)
    with pytest.raises(SystemExit, match="did not decode"):
        bootstrap.proved_wheel()
    assert list(cache(bootstrap).iterdir()) == []


def test_a_cached_wheel_that_works_elsewhere_only_is_compiled_anew(
    bootstrap: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD", "*-DMINE*")
    monkeypatch.setenv("BAD", "nothing")
    cached = cache(bootstrap) / NAME
    cached.parent.mkdir(parents=True)
    cached.write_text("for a different C library", encoding="utf-8")
    assert bootstrap.proved_wheel() == cached
    assert "-DMINE" in cached.read_text(encoding="utf-8")
    assert compiled(scripted) == 1


def test_a_cache_that_cannot_be_written_is_said_before_anything_is_compiled(
    bootstrap: ModuleType, scripted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SystemExit, match=r"can't be written .*\n.*PARITY_CACHE="):
        bootstrap.proved_wheel()
    assert compiled(scripted) == 0


def test_a_clone_that_was_moved_or_meets_a_different_cpu_is_made_ready_again(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = bootstrap.fingerprint([])
    assert bootstrap.fingerprint([]) == before
    monkeypatch.setattr(bootstrap, "cpu_flags", lambda: "fma avx2")
    elsewhere = bootstrap.fingerprint([])
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    assert len({before, elsewhere, bootstrap.fingerprint([])}) == 3


def test_an_older_python_is_told_so_and_does_not_stumble_over_the_syntax() -> None:
    tree = ast.parse((SCRIPTS / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
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
