"""Installing a synthetic model where programs with a hard-wired repository look."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from parity.cache import user_hf_home
from parity.errors import ModelError
from parity.models import parse_source, silent
from parity_synth import check_install, install_as
from parity_synth.tokenizer import build_tokenizer, tokenizer_json

GGUF_REPO, TOKENIZER_REPO = "unsloth/Qwen3-1.7B-GGUF", "Qwen/Qwen3-1.7B"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Small files where the cache would hold the full-size model: installing never looks inside."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(build_tokenizer(400))))
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "qwen3-1.7b-Q4_K_M.gguf").write_bytes(b"GGUF of seed 1")
    return folder / "qwen3-1.7b-Q4_K_M.gguf"


def test_installed_model_is_found_offline_as_the_hub_lays_it_out(published: Path, tmp_path: Path) -> None:
    import huggingface_hub

    installed = install_as(published, GGUF_REPO, tmp_path / "hf")
    found = [
        Path(huggingface_hub.hf_hub_download(repo, file, cache_dir=tmp_path / "hf" / "hub", local_files_only=True))
        for repo, file in (
            (GGUF_REPO, "Qwen3-1.7B-Q4_K_M.gguf"),
            (TOKENIZER_REPO, "tokenizer.json"),
            (TOKENIZER_REPO, "tokenizer_config.json"),
        )
    ]
    assert found == list(installed)
    assert found[0].read_bytes() == published.read_bytes()
    assert all(path.is_symlink() and path.resolve().parent.name == "blobs" for path in found)


def test_installed_model_is_a_source_too(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install_as(published, GGUF_REPO, tmp_path / "hf")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    source = parse_source(f"hf://{GGUF_REPO}/Qwen3-1.7B-Q4_K_M.gguf@main", Path())
    assert source.fetch(silent) == installed[0]


def test_installing_again_changes_nothing_and_another_model_replaces_it(published: Path, tmp_path: Path) -> None:
    first = install_as(published, GGUF_REPO, tmp_path / "hf")
    assert install_as(published, GGUF_REPO, tmp_path / "hf") == first
    other = published.with_name("other")
    other.write_bytes(b"GGUF of seed 2")
    other.replace(published)
    second = install_as(published, GGUF_REPO, tmp_path / "hf")
    assert second[0] != first[0]
    reference = tmp_path / "hf" / "hub" / "models--unsloth--Qwen3-1.7B-GGUF" / "refs" / "main"
    assert reference.read_text() == second[0].parent.name


def test_another_quantisation_joins_the_ones_that_are_there(published: Path, tmp_path: Path) -> None:
    [first, *_] = install_as(published, GGUF_REPO, tmp_path / "hf")
    other = published.with_name("qwen3-1.7b-Q8_0.gguf")
    other.write_bytes(b"GGUF of other types")
    [second, *_] = install_as(other, GGUF_REPO, tmp_path / "hf")
    assert {path.name for path in second.parent.iterdir()} == {first.name, second.name}
    assert (second.parent / first.name).read_bytes() == published.read_bytes()
    assert install_as(published, GGUF_REPO, tmp_path / "hf")[0].parent == second.parent


def test_a_file_that_vanished_is_not_carried_on(published: Path, tmp_path: Path) -> None:
    [first, *_] = install_as(published, GGUF_REPO, tmp_path / "hf")
    first.resolve().unlink()
    other = published.with_name("qwen3-1.7b-Q8_0.gguf")
    other.write_bytes(b"GGUF of other types")
    [second, *_] = install_as(other, GGUF_REPO, tmp_path / "hf")
    assert [path.name for path in second.parent.iterdir()] == [second.name]


def test_model_is_copied_where_it_cannot_be_linked(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    installed = install_as(published, GGUF_REPO, tmp_path / "hf")
    assert installed[0].read_bytes() == published.read_bytes()
    assert not list((tmp_path / "hf").rglob("*.part"))


def test_a_copy_that_does_not_fit_is_refused_before_it_is_begun(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    size = published.stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=size - 1))
    with pytest.raises(ModelError, match=rf"{size:,} bytes on the disk of .*blobs, and {size - 1:,} bytes are free"):
        install_as(published, GGUF_REPO, tmp_path / "hf")
    assert list((tmp_path / "hf").rglob("blobs/*")) == []


@pytest.mark.parametrize("repo", [GGUF_REPO, TOKENIZER_REPO])
def test_real_model_is_never_replaced(published: Path, tmp_path: Path, repo: str) -> None:
    reference = tmp_path / "hf" / "hub" / f"models--{repo.replace('/', '--')}" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("fedcba98" * 5)
    with pytest.raises(ModelError, match="the real"):
        install_as(published, GGUF_REPO, tmp_path / "hf")
    assert not list((tmp_path / "hf").rglob("blobs"))
    with pytest.raises(ModelError, match="the real"):
        check_install("qwen3-1.7b", GGUF_REPO, tmp_path / "hf")


@pytest.mark.parametrize("repo", ["", "name", "a/b/c", "../x", "a/..", "a b/c"])
def test_repository_of_another_form_is_refused(published: Path, tmp_path: Path, repo: str) -> None:
    with pytest.raises(ModelError, match="ORG/NAME"):
        install_as(published, repo, tmp_path / "hf")


def test_default_folder_is_where_programs_on_hf_hub_look(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, "/elsewhere/hub")
    monkeypatch.setenv("HF_HOME", "/hf")
    assert user_hf_home() == Path("/hf")
    monkeypatch.setenv("HF_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert user_hf_home() == Path("/home/somebody/.cache/huggingface")
    monkeypatch.setenv("HF_HOME", "~/models")
    assert user_hf_home() == Path("/home/somebody/models")
    monkeypatch.setenv("HF_HOME", "models")
    assert user_hf_home() == Path.cwd() / "models"


def test_folder_that_cannot_be_written_is_reported(published: Path, tmp_path: Path) -> None:
    (tmp_path / "hf").write_text("in the way")
    with pytest.raises(ModelError, match="can be written"):
        install_as(published, GGUF_REPO, tmp_path / "hf")
