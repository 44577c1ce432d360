"""The tokenizer of a model: its own where it has one, else one that gives the ids that the runtime itself gives."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from runs import MODEL
from texts import AWKWARD

from parity.errors import ModelError
from parity.models import model_facts
from parity.models.tokenizer import PRE_TOKENIZERS, load_encoder, write_tokenizer
from parity.records import ModelFacts
from parity_synth.tokenizer import spelled

CUTS = (
    *("The theThe THEthe THE'LL theI'Ve don'T x'S", "JSONParser parseJSON aB Ab ÉcoleÉcole éÉa ǅAǅ \u4e2dA\u6587a"),
    *(
        "1 12 123 1234 12345 x1y22z333",
        "٣٤٥٦ ½¾ ⅧⅨ",
        "a/b//c\n/d /\r\n/ \\n",
        "!!! ...\n?\r\n\r\n",
        " \n \t\n  x",
        "\u00a0y\u3000z",
    ),
    *("e\u0301e\u0301 A\u0300a A\u0300A", "नमस्ते", "$9+9<=9>^~|", "snake_case_Name", "naïve Ωω ΩΣσ"),
)
"""Beside the awkward texts: letters, digits and signs where pre-tokenizers cut in different places."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def ids_of_llama_cpp(model: Path, texts: Sequence[str]) -> list[list[int]]:
    program = (
        "import json, sys; from llama_cpp import Llama; "
        "m = Llama(sys.argv[1], vocab_only=True, verbose=False); "
        "print(json.dumps([m.tokenize(t.encode(), add_bos=False, special=True) for t in json.loads(sys.argv[2])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(model), json.dumps(texts)], capture_output=True, text=True, check=True
    )
    ids: list[list[int]] = json.loads(done.stdout)
    return ids


@pytest.mark.slow
def test_a_rebuilt_tokenizer_agrees_with_llama_cpp(tmp_path: Path) -> None:
    model = model_facts("m", "m", MODEL, base=tmp_path)
    encode = load_encoder(write_tokenizer(model, tmp_path / "tokenizer.json"))
    assert [encode(text) for text in AWKWARD] == ids_of_llama_cpp(Path(model.path), AWKWARD)


def learned(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """A vocabulary that merges every run of characters of these texts, and its merges: each cut shows in the ids."""
    tokens = dict.fromkeys(spelled(chr(k)) for k in range(128)) | dict.fromkeys(c for t in texts for c in spelled(t))
    merges: dict[str, None] = {}
    for text in texts:
        whole = spelled(text)
        for start in range(len(whole)):
            for end in range(start + 2, min(start + 8, len(whole)) + 1):
                left, right = whole[start : end - 1], whole[end - 1]
                merges[f"{left} {right}"] = tokens[left + right] = None
    return list(tokens), list(merges)


def write_vocabulary(path: Path, texts: Sequence[str], pre: str, lacks: str = "", family: str = "gpt2") -> Path:
    """A GGUF file with a vocabulary and one small tensor."""
    import gguf
    import numpy as np

    tokens, merges = learned(texts)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(family)
    writer.add_tokenizer_pre(pre)
    special = ["<|endoftext|>", "<tool>", "[PAD]"]
    kinds = [gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED, gguf.TokenType.UNUSED]
    if lacks != "tokens":
        writer.add_token_list(tokens + special)
        writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens) + kinds)
    if lacks != "merges":
        writer.add_token_merges(merges)
    writer.add_add_bos_token(False)
    writer.add_bos_token_id(len(tokens))
    writer.add_eos_token_id(len(tokens))
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def facts(path: Path) -> ModelFacts:
    return model_facts("m", "m", str(path), base=path.parent)


@pytest.mark.slow
@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_every_pre_tokenizer_cuts_where_llama_cpp_does(pre: str, tmp_path: Path) -> None:
    model = write_vocabulary(tmp_path / "m.gguf", CUTS, pre)
    encode = load_encoder(write_tokenizer(facts(model), tmp_path / "rebuilt.json"))
    assert [encode(text) for text in CUTS] == ids_of_llama_cpp(model, CUTS)


def test_pre_tokenizers_that_are_not_the_same_give_other_ids(tmp_path: Path) -> None:
    given = {}
    for pre in PRE_TOKENIZERS:
        model = facts(write_vocabulary(tmp_path / "m.gguf", CUTS, pre))
        encode = load_encoder(write_tokenizer(model, tmp_path / "rebuilt.json"))
        given[pre] = str([encode(text) for text in CUTS])
    alike = [("qwen2", "deepseek-r1-qwen"), ("llama3", "llama-v3", "llama-bpe")]
    assert all(len({given[pre] for pre in names}) == 1 for names in alike)
    assert len(set(given.values())) == len(given) - 3


def test_the_worker_of_mlx_has_the_same_pre_tokenizers() -> None:
    from parity_adapters.mlx_lm.worker import formats

    assert {pre: (cut.patterns, cut.ignore_merges) for pre, cut in PRE_TOKENIZERS.items()} == {
        pre: (cut.patterns, cut.ignore_merges) for pre, cut in formats.PRE_TOKENIZERS.items()
    }


@pytest.fixture
def model(tmp_path: Path) -> ModelFacts:
    return facts(write_vocabulary(tmp_path / "m.gguf", ["hello"], "qwen2"))


def test_a_rebuilt_tokenizer_is_made_once_for_the_same_content(model: ModelFacts, tmp_path: Path) -> None:
    first = write_tokenizer(model, tmp_path / "one.json").read_text(encoding="utf-8")
    Path(model.path).unlink()
    assert write_tokenizer(model, tmp_path / "two.json").read_text(encoding="utf-8") == first
    changed = model.model_copy(update={"sha256": "f" * 64})
    with pytest.raises(ModelError, match=r"m\.gguf"):
        write_tokenizer(changed, tmp_path / "three.json")


@pytest.mark.parametrize("damage", [b"", b"[1]", b'{"version": "1.0", ', None])
def test_a_cache_that_is_of_no_use_is_only_a_slower_run(
    model: ModelFacts, tmp_path: Path, own_cache: Path, damage: bytes | None
) -> None:
    first = write_tokenizer(model, tmp_path / "one.json").read_bytes()
    cached = [path for path in own_cache.rglob("*") if path.is_file()]
    assert cached
    if damage is None:
        shutil.rmtree(own_cache)
        own_cache.write_text("in the way", encoding="utf-8")
    for path in cached if damage is not None else ():
        path.write_bytes(damage or b"")
    assert write_tokenizer(model, tmp_path / "two.json").read_bytes() == first


def tokenizer_of(model: ModelFacts, folder: Path) -> dict[str, Any]:
    """The content of the rebuilt `tokenizer.json`, with another version to know it by."""
    text = write_tokenizer(model, folder / "rebuilt.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    content["truncation"] = {"direction": "Right", "max_length": 9999, "strategy": "LongestFirst", "stride": 0}
    return content


def without_padding(content: dict[str, Any]) -> None:
    del content["model"]["vocab"]["[PAD]"]


@pytest.mark.parametrize("change", [None, without_padding])
def test_a_tokenizer_beside_the_model_is_taken_if_it_has_the_models_tokens(
    model: ModelFacts, tmp_path: Path, change: Any
) -> None:
    content = tokenizer_of(model, tmp_path)
    if change is not None:
        change(content)
    beside = tmp_path / "tokenizer.json"
    beside.write_text(json.dumps(content), encoding="utf-8")
    assert write_tokenizer(model, tmp_path / "taken.json").read_bytes() == beside.read_bytes()


def exchange(content: dict[str, Any]) -> None:
    vocabulary = content["model"]["vocab"]
    vocabulary["he"], vocabulary["ll"] = vocabulary["ll"], vocabulary["he"]


def add(content: dict[str, Any]) -> None:
    content["model"]["vocab"]["another"] = len(content["model"]["vocab"])


def leave_out(content: dict[str, Any]) -> None:
    content["model"]["merges"] = []
    del content["model"]["vocab"]["hello"]


def another_special_one(content: dict[str, Any]) -> None:
    content["added_tokens"][0]["content"] = "<|im_end|>"
    content["model"]["vocab"]["<|im_end|>"] = content["model"]["vocab"].pop("<|endoftext|>")


@pytest.mark.parametrize("change", [exchange, add, leave_out, another_special_one, dict.clear])
def test_a_foreign_tokenizer_beside_the_model_is_not_believed(model: ModelFacts, tmp_path: Path, change: Any) -> None:
    own = write_tokenizer(model, tmp_path / "own.json").read_bytes()
    content = tokenizer_of(model, tmp_path)
    change(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    assert write_tokenizer(model, tmp_path / "rebuilt.json").read_bytes() == own


def panics_when_loaded(content: dict[str, Any]) -> None:
    content["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": ""}


def panics_when_used(content: dict[str, Any]) -> None:
    content["truncation"] |= {"max_length": 2, "stride": 5}


def test_a_tokenizer_that_makes_the_library_panic_is_not_used(model: ModelFacts, tmp_path: Path) -> None:
    own = write_tokenizer(model, tmp_path / "own.json").read_bytes()
    content = tokenizer_of(model, tmp_path)
    panics_when_loaded(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    assert write_tokenizer(model, tmp_path / "rebuilt.json").read_bytes() == own


def searches_for_ever(content: dict[str, Any]) -> None:
    split = {"type": "Split", "pattern": {"Regex": "(he|hehe)+$"}, "behavior": "Isolated", "invert": False}
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split]}


@pytest.mark.parametrize("change", [panics_when_loaded, panics_when_used, searches_for_ever, dict.clear])
def test_a_tokenizer_that_the_library_fails_on_is_an_error_that_names_it(
    model: ModelFacts, tmp_path: Path, change: Any
) -> None:
    content = tokenizer_of(model, tmp_path)
    change(content)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        load_encoder(path)(f"{'he' * 40} said hello")
    assert str(path) in caught.value.wrong
    assert caught.value.remedy


def test_a_foreign_tokenizer_is_named_where_none_can_be_rebuilt(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    model = facts(write_vocabulary(tmp_path / "m.gguf", ["hello"], "qwen2", family="llama"))
    with pytest.raises(ModelError) as caught:
        write_tokenizer(model, tmp_path / "target.json")
    assert str(tmp_path / "tokenizer.json") in caught.value.wrong
    assert "the family llama" in caught.value.wrong
    assert not (tmp_path / "target.json").exists()


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({"lacks": "tokens"}, "no tokenizer.ggml.tokens"),
        ({"lacks": "merges"}, "no tokenizer.ggml.merges"),
        ({"pre": "tekken"}, "the pre-tokenizer tekken"),
        ({"family": "llama"}, "the family llama"),
    ],
)
def test_what_can_not_be_rebuilt_is_refused_by_name(tmp_path: Path, form: dict[str, str], wrong: str) -> None:
    model = facts(write_vocabulary(tmp_path / "m.gguf", ["hello"], **{"pre": "qwen2", **form}))
    with pytest.raises(ModelError) as caught:
        write_tokenizer(model, tmp_path / "target.json")
    assert wrong in caught.value.wrong
    assert model.path in caught.value.wrong
    assert "tokenizer.json beside" in caught.value.remedy


def test_a_folder_brings_its_own_tokenizer(model: ModelFacts, tmp_path: Path) -> None:
    folder = model.model_copy(update={"path": str(tmp_path), "format": "folder"})
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        write_tokenizer(folder, tmp_path / "target.json")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    assert write_tokenizer(folder, tmp_path / "target.json").read_text(encoding="utf-8") == "{}"
