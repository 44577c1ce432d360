"""Hashes and facts of models are kept, and follow the content."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from model_files import facts_of

from parity.cache import cache_folder, read_json, write_json
from parity.errors import ModelError
from parity.models import Step, silent
from parity.models.digest import file_sha256


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
    seen: list[Step] = []
    for _ in range(2):
        file_sha256(gguf, seen.append)
    size = gguf.stat().st_size
    assert seen == [Step("hashing m.gguf", size, size, "bytes")]


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
