"""The wheel as a user gets it: built, installed into an empty environment, and used where the clone is not."""

import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from runs import ANY_MACHINE, SPEAKER

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
PARTS = ("pyproject.toml", "README.md", "LICENSE", "runner", "adapters")

pytestmark = pytest.mark.slow


def done(*words: str | Path, cwd: Path, env: dict[str, str] | None = None, code: int = 0) -> str:
    ended = subprocess.run(
        [*map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert ended.returncode == code, f"{words}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as for a release: a source distribution, and the wheel from that."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    # A build leaves things behind, and the clone must stay as it is.
    for part in PARTS:
        here = ROOT / part
        if here.is_dir():
            shutil.copytree(here, source / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(here, source)
    build = (BIN / "uv", "build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    done(*build, source, cwd=folder)
    shutil.rmtree(source)
    assert len(list(folder.glob("*.tar.gz"))) == 1
    [made] = folder.glob("*.whl")
    return made


@dataclass(frozen=True)
class Installed:
    """An environment with nothing but the wheel and what it requires, and an empty folder to work in."""

    binaries: Path
    folder: Path

    def __call__(self, *words: str, code: int = 0) -> str:
        return done(self.binaries / words[0], *words[1:], cwd=self.folder, env=self.env, code=code)

    @property
    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PARITY", "COV"))}
        return kept | {"PATH": f"{self.binaries}:/usr/bin:/bin", "PARITY_CACHE": str(self.folder / "cache")}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    (folder / "work").mkdir()
    found = Installed(folder / "venv" / "bin", folder / "work")
    found("python", "-m", "pip", "--quiet", "install", str(wheel))
    return found


def test_the_wheel_holds_what_parity_reads_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.partition("/")[0] for name in names}
    assert folders == {
        "parity",
        "parity_synth",
        "parity_worker",
        "parity_adapters",
        f"{wheel.name.rpartition('-py3')[0]}.dist-info",
    }
    for folder in ("runner", "adapters"):
        for file in (ROOT / folder).rglob("*"):
            read = file.suffix in (".py", ".j2", ".css", ".typed", ".json") and "tests" not in file.parts
            if read and file.is_file():
                assert file.relative_to(ROOT / folder).as_posix() in names
    assert not [name for name in names if name.endswith((".pyc", ".toml")) or "/tests/" in name]


def test_extras_name_the_runtimes(installed: Installed) -> None:
    shown = installed("python", "-c", "import importlib.metadata as m; print(m.metadata('parity-matrix'))")
    assert re.findall(r"^Provides-Extra: (\S+)$", shown, re.MULTILINE) == ["llama-cpp", "mlx", "quickstart"]
    where = installed(
        "python", "-c", "import parity, parity_adapters; print(parity.__file__, parity_adapters.__file__)"
    )
    assert all(path.startswith(str(installed.binaries.parent)) for path in where.split())
    assert str(ROOT) not in installed("python", "-c", "import sys; print(sys.path)")


def test_commands_that_need_no_runtime_work(installed: Installed) -> None:
    assert installed("parity", "--version").startswith("parity ")
    listed = installed("parity", "adapter", "list")
    for name in ("llama_cpp", "mlx_lm", "candle", "paraphym", "command"):
        assert re.search(rf"^{name} +\S+ +ok$", listed, re.MULTILINE), listed
    assert '"$defs"' in installed("parity", "schema", "config")


def test_readmes_example_runs_from_the_wheel(installed: Installed) -> None:
    """Its two runtimes are scripted here, and its model is one that is made on the spot."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [text] = re.findall(r"^```toml config=my-model.toml\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    shutil.copy(SPEAKER, installed.folder / "speaker.py")
    program = installed.folder / "speaker.py"
    scripted = (
        f'adapter = "command"\nprogram = "{installed.binaries}/python"\nargs = ["{program}", "{{scratch}}/job.json"]'
    )
    scripted += "\nevents = true\nprove = false"
    for adapter in ("llama_cpp", "mlx_lm"):
        text = text.replace(f'adapter = "{adapter}"', scripted)
    text = re.sub(r'source = "hf://[^"]*"', 'source = "synth://tiny-llama/Q8_0@0"', text)
    (installed.folder / "my-model.toml").write_text(text + ANY_MACHINE, encoding="utf-8")
    installed("parity", "doctor", "my-model.toml")
    installed("parity", "plan", "my-model.toml")
    out = installed("parity", "run", "my-model.toml", "--out", "run", "--junit", "junit.xml", "--inconclusive-ok")
    assert "no-hangs" in out
    assert (installed.folder / "run" / "report.html").stat().st_size > 10_000
    assert float(installed("parity", "report", "run", "--get", "gen_tps@mlx")) > 0
    assert installed("parity", "explain", "run", "mlx")


def test_one_line_runs_a_model_with_nothing_installed(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`uvx` with the extra of a runtime. llama-cpp-python is the wheel that the set-up of this clone compiled."""
    monkeypatch.syspath_prepend(ROOT / "vendor-scripts")
    wheels = importlib.import_module("compiled_wheel")
    compiled = wheels.cache_folder() / "wheels" / wheels.wheel_key()
    version = importlib.metadata.version("llama-cpp-python")
    env = Installed(tmp_path / "none", tmp_path).env
    uvx = (BIN / "uvx", "--python", sys.executable, "--find-links", compiled, "--no-build-package", "llama-cpp-python")
    package = ("--with", f"llama-cpp-python=={version}", "--from", f"parity-matrix[llama-cpp] @ {wheel.as_uri()}")
    command = ("parity", "run", "synth://tiny-llama/Q8_0@0", "--only", "llama_cpp", "--quick", "-k", "short")
    out = done(*uvx, *package, *command, cwd=tmp_path, env=env)
    assert "Exit code 0" in out
    assert "Token Generation" in out
