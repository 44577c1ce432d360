"""Models of the Hugging Face hub: cached, downloaded, refused."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from model_files import COMMIT, CONFIG, LAYERS, facts_of, safetensors_bytes

from parity.errors import ModelError
from parity.models import Step, parse_source, silent
from parity.models.hub import HubSource


def cached_repo(hub: Path, repo: str) -> Path:
    folder = hub / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


@pytest.mark.parametrize("revision", ["@main", f"@{COMMIT}", ""])
def test_cached_hub_file_is_used_offline(
    tmp_path: Path, gguf: Path, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shutil.copy(gguf, cached_repo(tmp_path / "hf-home" / "hub", "org/repo") / "m.gguf")
    facts = facts_of(f"hf://org/repo/m.gguf{revision}")
    assert facts.architecture == "llama"
    assert facts.path.endswith(f"snapshots/{COMMIT}/m.gguf")


def test_cached_hub_folder_is_used_offline_once_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    snapshot = cached_repo(tmp_path / "hf-home" / "hub", "org/repo")
    source = parse_source("hf://org/repo@main", Path())
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    assert source.locate() is None
    (snapshot / "model.safetensors").write_bytes(safetensors_bytes(LAYERS))
    assert source.locate() is None
    with pytest.raises(ModelError, match=r"its copy in the hub's cache .* is without a tokenizer .*HF_HUB_OFFLINE"):
        source.fetch(silent)
    (snapshot / "tokenizer.json").write_text("{}")
    assert source.locate() == snapshot
    assert facts_of("hf://org/repo@main").architecture == "qwen3"


def test_uncached_hub_file_offline_names_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError) as caught:
        facts_of("hf://org/repo/m.gguf@main")
    assert "HF_HUB_OFFLINE" in caught.value.wrong
    assert "HF_HUB_OFFLINE" in caught.value.remedy


NOTHING = json.dumps({"id": "org/repo", "sha": COMMIT, "siblings": []}).encode()


class Hub(BaseHTTPRequestHandler):
    """The few answers of a hub that a download needs. `content` None: the error that `code` names."""

    content: bytes | None = None
    code = ""
    status = 404
    listing: bytes | None = None
    """What it says of the files of a repository."""
    asked: ClassVar[list[str]] = []
    """Paths, in order."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        self.asked.append(self.path)
        told = self.listing if self.path.startswith("/api/models/") else self.content
        content = told if told is not None else b""
        self.send_response(200 if told is not None else self.status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        if self.code:
            self.send_header("X-Error-Code", self.code)
            self.send_header("X-Error-Message", self.code)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("OwnHub", (Hub,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield handler
        server.shutdown()
        thread.join()


def test_hub_file_is_downloaded_once_with_progress(hub: type[Hub], gguf: Path) -> None:
    hub.content = gguf.read_bytes()
    seen: list[Step] = []
    facts = facts_of("hf://org/repo/sub/m.gguf@main", watch=seen.append)
    assert facts.sha256 == hashlib.sha256(hub.content).hexdigest()
    fetched = [step for step in seen if step.what.startswith("fetching")]
    size = len(hub.content)
    assert (fetched[-1].done, fetched[-1].total, fetched[-1].unit) == (size, size, "bytes")
    hub.content = None
    assert facts_of("hf://org/repo/sub/m.gguf@main") == facts


@pytest.mark.parametrize(
    ("status", "code", "wrong", "remedy"),
    [
        (403, "GatedRepo", "gated", "HF_TOKEN"),
        (404, "RepoNotFound", "no such repository", "ORG/REPO"),
        (404, "RevisionNotFound", "no revision v1", "branch"),
        (404, "EntryNotFound", "no such file", "list of files"),
    ],
)
def test_refusal_of_the_hub_is_reported_with_its_remedy(
    hub: type[Hub], status: int, code: str, wrong: str, remedy: str
) -> None:
    hub.status, hub.code = status, code
    with pytest.raises(ModelError) as caught:
        HubSource("org/repo", "m.gguf", "v1").fetch(silent)
    assert wrong in caught.value.wrong
    assert "hf://org/repo/m.gguf@v1" in caught.value.wrong
    assert remedy in caught.value.remedy


def test_hub_that_cannot_be_reached_is_reported_with_the_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError) as caught:
        facts_of("hf://org/repo@main")
    assert "can't be reached" in caught.value.wrong
    assert str(tmp_path / "hf-home" / "hub") in caught.value.remedy


def test_a_snapshot_that_a_download_leaves_without_a_file_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    snapshot = cached_repo(tmp_path / "hf-home" / "hub", "org/repo")
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    (snapshot / "model.safetensors").write_bytes(safetensors_bytes(LAYERS))
    with pytest.raises(ModelError, match=r"without a tokenizer .*, and a download did not bring it") as caught:
        facts_of("hf://org/repo@main")
    assert "check the network" in caught.value.remedy


def whole_but_for_tokenizer_config(hub_home: Path) -> Path:
    snapshot = cached_repo(hub_home, "org/repo")
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    (snapshot / "model.safetensors").write_bytes(safetensors_bytes(LAYERS))
    (snapshot / "tokenizer.json").write_text("{}")
    return snapshot


def test_a_snapshot_that_lacks_tokenizer_config_gets_that_of_its_own_commit(hub: type[Hub], tmp_path: Path) -> None:
    snapshot = whole_but_for_tokenizer_config(tmp_path / "hf-home" / "hub")
    hub.content = json.dumps({"chat_template": "{{ messages }}"}).encode()
    hub.listing = NOTHING
    facts = facts_of("hf://org/repo@main")
    assert {path.partition("?")[0] for path in hub.asked} == {
        f"/api/models/org/repo/revision/{COMMIT}",
        f"/org/repo/resolve/{COMMIT}/tokenizer_config.json",
    }
    assert (snapshot / "tokenizer_config.json").is_file()
    assert facts.chat_template_sha256 == hashlib.sha256(b"{{ messages }}").hexdigest()


def test_a_model_without_tokenizer_config_is_asked_for_it_once(hub: type[Hub], tmp_path: Path) -> None:
    snapshot = whole_but_for_tokenizer_config(tmp_path / "hf-home" / "hub")
    hub.code, hub.listing = "EntryNotFound", NOTHING
    assert HubSource("org/repo", None, "main").fetch(silent) == snapshot
    assert len(hub.asked) > 0
    hub.asked.clear()
    assert HubSource("org/repo", None, "main").fetch(silent) == snapshot
    assert hub.asked == []


def test_a_snapshot_is_used_as_it_is_where_the_hub_is_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "http://127.0.0.1:9"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", where)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", where + "/{repo_id}/resolve/{revision}/{filename}"
    )
    snapshot = whole_but_for_tokenizer_config(tmp_path / "hf-home" / "hub")
    assert HubSource("org/repo", None, "main").fetch(silent) == snapshot


def test_a_file_that_does_not_fit_on_the_disk_is_not_begun(
    hub: type[Hub], gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.content = gguf.read_bytes()
    size = len(hub.content)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=size - 1))
    with pytest.raises(ModelError) as caught:
        HubSource("org/repo", "m.gguf", "main").fetch(silent)
    assert caught.value.wrong == (
        f"hf://org/repo/m.gguf@main needs {size:,} bytes on the disk of {tmp_path}/hf-home/hub, "
        f"and {size - 1:,} bytes are free"
    )
    assert "HF_HOME" in caught.value.remedy
    assert not list((tmp_path / "hf-home").rglob("m.gguf"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=size))
    assert HubSource("org/repo", "m.gguf", "main").fetch(silent).stat().st_size == size


def test_only_files_of_a_folder_that_are_still_missing_need_room(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        {"rfilename": "model.safetensors", "size": 3000, "lfs": {"sha256": "ab" * 32, "size": 3000, "pointerSize": 1}},
        {"rfilename": "config.json", "size": 500, "blobId": "cd" * 20},
        {"rfilename": "picture.png", "size": 10**9, "blobId": "ef" * 20},
    ]
    hub.listing = json.dumps({"id": "org/repo", "sha": COMMIT, "siblings": files}).encode()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(ModelError, match=r"needs 3.42 KiB \(3,500 bytes\)"):
        HubSource("org/repo", None, "main").fetch(silent)
    blobs = tmp_path / "hf-home" / "hub" / "models--org--repo" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / ("ab" * 32)).write_bytes(b"")
    with pytest.raises(ModelError, match="needs 500 bytes"):
        HubSource("org/repo", None, "main").fetch(silent)
