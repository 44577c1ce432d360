"""Isolated environments, made by real `venv` and real `pip`."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from preparing import SCRIPTS, commit, environment, git, make_repository, prepare, settings_of, snapshot, tools

PYTHON = f'exec "{sys.executable}" "$@"'
OFFLINE = {"PIP_NO_INDEX": "1"}


LLAMA_CPP = """
import atexit, os, signal
from types import SimpleNamespace

def llama_decode(context, batch):
    if CRASHES:
        os.kill(os.getpid(), signal.SIGSEGV)
    return 0

def llama_supports_gpu_offload(): return False
def llama_backend_init(): pass
def llama_model_default_params(): return SimpleNamespace()
def llama_context_default_params(): return SimpleNamespace()
def llama_batch_get_one(tokens, count): return 1
def llama_get_logits_ith(context, at): return [0.5] * 64

alive = set()
def llama_model_load_from_file(path, params):
    alive.add("model")
    return 1
def llama_init_from_model(model, params):
    alive.add("context")
    return 1
def llama_free(context): alive.remove("context")
def llama_model_free(model): alive.remove("model")

@atexit.register
def as_metal_does():
    if alive:
        os.abort()
"""
"""As much of llama-cpp-python as the scripts ask of it. Aborts at exit where its Metal backend would."""

AMX_CPU = f'case "$*" in *amx_tile*) exit "$AMX_ABSENT" ;; esac; exec {shutil.which("grep")} "$@"'
"""A `grep` that finds AMX in the CPU's flags unless AMX_ABSENT is 1."""


def make_wheel(folder: Path, *, crashes: bool = False) -> Path:
    """A stand-in for a compiled llama-cpp-python."""
    info = "llama_cpp_python-9.9.dist-info"
    files = {
        "llama_cpp/__init__.py": f"CRASHES = {crashes}\n{LLAMA_CPP}",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 9.9\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    folder.mkdir(exist_ok=True)
    path = folder / "llama_cpp_python-9.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD")))
    return path


def make_source(folder: Path) -> Path:
    """A checkout whose build takes no time, and crashes when it decodes unless it was compiled without AMX."""
    backend = """
import os, shutil
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    flags = os.environ.get("CFLAGS", ""), os.environ.get("CXXFLAGS", "")
    fine = all("-mno-amx-tile" in part and part.startswith("-DMINE") for part in flags)
    kind = "fine" if fine else "crashing"
    [wheel] = Path(__file__).parent.glob(f"{kind}/*.whl")
    shutil.copy(wheel, folder)
    return wheel.name
"""
    table = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    tree = make_repository(folder, {"pyproject.toml": table, "backend.py": backend, ".gitignore": "__pycache__\n"})
    make_wheel(tree / "fine")
    make_wheel(tree / "crashing", crashes=True)
    commit(tree)
    return tree


def amx_cpu(folder: Path, *, absent: bool = False) -> dict[str, str]:
    folder.mkdir()
    (folder / "grep").write_text(f"#!/bin/sh\n{AMX_CPU}\n", encoding="utf-8")
    (folder / "grep").chmod(0o755)
    return {**OFFLINE, "PATH": f"{folder}:{os.environ['PATH']}", "AMX_ABSENT": str(int(absent))}


@pytest.mark.slow
def test_a_wheel_becomes_an_environment_that_the_adapter_accepts_and_a_second_run_keeps(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    ask = ("llama-cpp-python", "--device=cpu", f"--wheel={wheel}")
    done = prepare("python-env", *ask, home=tmp_path, env=OFFLINE)
    assert done.code == 0, done.err
    assert "llama-cpp-python 9.9: imported, CPU" in done.err
    table = done.tables["llama-cpp-python"]
    python = tmp_path / "cache" / "environments" / "llama-cpp-python-cpu" / "bin" / "python"
    assert table == {"adapter": "llama_cpp", "python": str(python), "gpu_layers": 0}
    settings = settings_of(table)
    assert settings is not None
    assert settings.model_dump()["python"] == str(python)
    where = subprocess.run(
        [python, "-c", "import sys, llama_cpp; print(sys.prefix, llama_cpp.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert all(Path(path).is_relative_to(python.parent.parent) for path in where)

    again = prepare("python-env", *ask, home=tmp_path, env=OFFLINE)
    assert (again.code, again.out) == (0, done.out)
    assert "already prepared" in again.err
    assert "+ " not in again.err

    other = prepare("python-env", "llama-cpp-python", "--device=cpu", "--version=1.0", home=tmp_path, env=OFFLINE)
    assert other.code == 1
    assert "holds something other than what you ask for" in other.err
    assert python.exists()


@pytest.mark.slow
def test_an_installation_that_failed_is_taken_up_again(tmp_path: Path) -> None:
    """Also: wheels that pip is told to look for are found, and a GPU that isn't there isn't believed."""
    wheels = tmp_path / "wheels"
    ask = ("llama-cpp-python", "--device=cpu")
    env = {**OFFLINE, "PIP_FIND_LINKS": str(wheels)}
    wheels.mkdir()
    failed = prepare("python-env", *ask, home=tmp_path, env=env)
    assert failed.code == 1
    assert "pip failed" in failed.err
    wheel = make_wheel(wheels)
    done = prepare("python-env", *ask, home=tmp_path, env=env)
    assert done.code == 0, done.err

    cuda = prepare("python-env", "llama-cpp-python", "--device=cuda", "--wheel", wheel, home=tmp_path, env=env)
    assert cuda.code == 1
    assert "sees no GPU" in cuda.err
    assert cuda.out == ""


@pytest.mark.slow
def test_a_build_that_crashes_on_a_cpu_with_amx_is_compiled_again_without_it(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    ask = ("llama-cpp-python", "--device=cpu", "--source", source)
    env = {**amx_cpu(tmp_path / "bin"), "CFLAGS": "-DMINE", "CXXFLAGS": "-DMINE"}
    done = prepare("python-env", *ask, home=tmp_path, env=env)
    assert done.code == 0, done.err
    told = [line for line in done.err.splitlines() if "AMX" in line]
    assert told == ["llama-cpp-python crashes on this CPU (SIGSEGV) as compiled; compiling it without AMX"]
    again = prepare("python-env", *ask, home=tmp_path, env=env)
    assert (again.code, "already prepared" in again.err) == (0, True)


@pytest.mark.slow
def test_a_build_that_crashes_without_amx_in_the_cpu_is_reported_and_not_compiled_again(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    env = amx_cpu(tmp_path / "bin", absent=True)
    failed = prepare("python-env", "llama-cpp-python", "--device=cpu", "--source", source, home=tmp_path, env=env)
    assert (failed.code, failed.out) == (1, "")
    assert "crashes on this CPU (SIGSEGV)" in failed.err
    assert "CMAKE_ARGS=-DGGML_NATIVE=OFF" in failed.err
    assert failed.err.count("-m pip --disable-pip-version-check install") == 2
    into = tmp_path / "cache" / "environments" / "llama-cpp-python-cpu"
    left = subprocess.run([into / "bin" / "python", "-c", "import llama_cpp"], capture_output=True, check=False)
    assert left.returncode == 1, "what crashed would count as installed"


@pytest.mark.slow
def test_a_wheel_of_the_users_own_that_crashes_names_both_remedies(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", crashes=True)
    ask = ("llama-cpp-python", "--device=cpu", f"--wheel={wheel}")
    failed = prepare("python-env", *ask, home=tmp_path, env=amx_cpu(tmp_path / "bin"))
    assert (failed.code, failed.out) == (1, "")
    assert "-mno-amx-tile" in failed.err
    assert "extra_buffers = false" in failed.err
    assert f"{SCRIPTS}/prepare-python-env.sh llama-cpp-python --device cpu --into {tmp_path}/cache/" in failed.err


@pytest.mark.slow
def test_mlx_lm_is_installed_and_computes(tmp_path: Path) -> None:
    done = prepare("python-env", "mlx-lm", "--device=cpu", home=tmp_path)
    assert done.code == 0, done.err
    table = done.tables["mlx-lm"]
    assert settings_of(table) is not None
    assert "imported, " in done.err
    again = prepare("python-env", "mlx-lm", "--device=cpu", home=tmp_path)
    assert (again.code, again.out) == (0, done.out)


@pytest.mark.parametrize(
    ("device", "system", "wanted"),
    [
        ("cpu", "Linux", "mlx\\[cpu\\]"),
        ("cuda", "Linux", "mlx\\[cuda12\\]"),
        ("metal", "Darwin", "mlx"),
        ("cpu", "Darwin", "mlx"),
    ],
)
def test_mlx_is_asked_for_as_each_system_has_it(device: str, system: str, wanted: str, tmp_path: Path) -> None:
    scripted = {
        "uname": f"case $1 in -m) echo arm64 ;; *) echo {system} ;; esac",
        **dict.fromkeys(("c++", "nvidia-smi", "xcode-select"), "exit 0"),
        "getconf": "exit 1",
        "python3": PYTHON,
    }
    env = {"PATH": tools(tmp_path / "bin", scripted=scripted)}
    done = prepare("python-env", "mlx-lm", f"--device={device}", "--dry-run", home=tmp_path, env=env)
    assert done.code == 0, done.err
    assert f"install mlx-lm\\>=0.31 {wanted}\n" in done.err
    chosen = done.tables["mlx-lm"].get("device")
    assert chosen == ("cpu" if (device, system) == ("cpu", "Darwin") else None)
    assert settings_of(done.tables["mlx-lm"]) is not None


@pytest.mark.parametrize(
    ("device", "system", "flags"),
    [
        ("cpu", "Linux", "-DMINE=1"),
        ("cpu", "Darwin", "-DMINE=1 -DGGML_METAL=off"),
        ("metal", "Darwin", "-DMINE=1 -DGGML_METAL=on"),
        ("cuda", "Linux", "-DMINE=1 -DGGML_CUDA=on"),
    ],
)
def test_llama_cpp_is_compiled_for_its_device(device: str, system: str, flags: str, tmp_path: Path) -> None:
    scripted = {
        "uname": f"echo {system}",
        **dict.fromkeys(("c++", "nvcc", "xcode-select"), "exit 0"),
        "python3": PYTHON,
    }
    env = {"PATH": tools(tmp_path / "bin", scripted=scripted), "CMAKE_ARGS": "-DMINE=1"}
    before = snapshot(tmp_path)
    done = prepare("python-env", "llama-cpp-python", f"--device={device}", "--dry-run", home=tmp_path, env=env)
    assert done.code == 0, done.err
    assert f"CMAKE_ARGS={flags}\n" in done.err
    assert ("--no-binary llama-cpp-python" in done.err) == (device != "cpu")
    assert done.tables["llama-cpp-python"].get("gpu_layers") == (0 if device == "cpu" else None)
    assert snapshot(tmp_path) == before


@pytest.mark.slow
def test_a_checkout_or_a_git_url_can_be_compiled_instead_of_a_release(tmp_path: Path) -> None:
    tree = make_repository(tmp_path / "llama", {"pyproject.toml": ""})
    head = git(tree, "rev-parse", "HEAD")

    def dry(*args: str | Path) -> tuple[int, str]:
        done = prepare("python-env", "llama-cpp-python", "--device=cpu", "--dry-run", *args, home=tmp_path)
        return done.code, done.err

    code, err = dry("--source", tree, "--rev", head)
    assert (code, f"--no-cache-dir {tree}\n" in err) == (0, True)
    code, err = dry("--source", "git@example.invalid:some/llama.git", "--rev=v1")
    assert code == 0
    assert "git+ssh://git@example.invalid/some/llama.git@v1" in err
    (tree / "mine").touch()
    code, err = dry("--source", tree)
    assert (code, "uncommitted changes" in err) == (1, True)


@pytest.mark.slow
def test_a_checkout_without_its_llama_cpp_is_told_how_to_have_it(tmp_path: Path) -> None:
    inner = make_repository(tmp_path / "llama.cpp", {"CMakeLists.txt": ""})
    origin = make_repository(tmp_path / "origin", {"pyproject.toml": ""})
    git(origin, "submodule", "--quiet", "add", inner.as_uri(), "vendor/llama.cpp")
    commit(origin)
    tree = tmp_path / "my llama"
    git(tmp_path, "clone", "--quiet", origin.as_uri(), str(tree))
    ask = ("llama-cpp-python", "--device=cpu", "--source", tree)
    done = prepare("python-env", *ask, home=tmp_path)
    assert (done.code, done.out) == (3, "")
    assert f"{tree}/vendor/llama.cpp, a submodule, is empty" in done.err
    [remedy] = [line.strip() for line in done.err.splitlines() if "submodule update" in line]
    assert remedy == f"git -C {str(tree).replace(' ', chr(92) + ' ')} submodule update --init --recursive"
    subprocess.run(["bash", "-c", remedy], env=environment(tmp_path), check=True)
    filled = prepare("python-env", *ask, "--dry-run", home=tmp_path)
    assert filled.code == 0, filled.err


def test_a_folder_that_the_script_did_not_make_is_left_alone(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    done = prepare("python-env", "llama-cpp-python", f"--wheel={wheel}", "--into=mine", "--device=cpu", home=tmp_path)
    assert (done.code, "is not an environment that this script made" in done.err) == (1, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter"]
