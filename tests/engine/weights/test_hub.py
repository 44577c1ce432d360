"""Models of the Hugging Face hub: cached, downloaded, refused."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
    assert source.locate() == snapshot
    assert facts_of("hf://org/repo@main").architecture == "qwen3"


def test_uncached_hub_file_offline_names_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError) as caught:
        facts_of("hf://org/repo/m.gguf@main")
    assert "HF_HUB_OFFLINE" in caught.value.wrong
    assert "HF_HUB_OFFLINE" in caught.value.remedy


class Hub(BaseHTTPRequestHandler):
    """The few answers of a hub that a download needs. `content` None: the error that `code` names."""

    content: bytes | None = None
    code = ""
    status = 404

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        content = self.content if self.content is not None else b""
        self.send_response(200 if self.content is not None else self.status)
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
    handler = type("OwnHub", (Hub,), {})
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
