"""`bootstrap.py`: what it asks of the machine, and the wheel that clones share."""

import importlib.util
import platform
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
    return module


def test_clones_that_compile_at_once_leave_each_others_wheel_alone(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []

    def compile_wheel(_: str, folder: Path) -> None:
        compiled.append(folder)
        (folder / NAME).write_text(f"by {len(compiled)}", encoding="utf-8")
        if len(compiled) == 1:
            assert bootstrap.compiled_wheel().read_text(encoding="utf-8") == "by 2"

    monkeypatch.setattr(bootstrap, "compile_wheel", compile_wheel)
    wheel = bootstrap.compiled_wheel()
    assert wheel.read_text(encoding="utf-8") == "by 1"
    assert list(wheel.parent.iterdir()) == [wheel]
    assert bootstrap.compiled_wheel() == wheel
    assert len(compiled) == 2


def test_a_wheel_that_cannot_be_compiled_leaves_nothing_behind(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def compile_wheel(_: str, folder: Path) -> None:
        (folder / "half.whl").touch()
        raise SystemExit("could not be compiled")

    monkeypatch.setattr(bootstrap, "compile_wheel", compile_wheel)
    with pytest.raises(SystemExit, match="could not be compiled"):
        bootstrap.compiled_wheel()
    [folder] = (tmp_path / "cache" / "wheels").iterdir()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("system", "scripted", "told"),
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
    scripted: dict[str, str],
    told: str | None,
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path / "bin", scripted=scripted))
    monkeypatch.setattr(platform, "system", lambda: system)
    if told is None:
        bootstrap.check_prerequisites()
        return
    with pytest.raises(SystemExit, match=told):
        bootstrap.check_prerequisites()
