"""Records what llama.cpp makes of awkward strings: the fixtures of the tokenizer tests.

    python record_tokens.py SmolLM2-135M-Instruct.Q4_1.gguf

Needs `gguf` and `llama-cpp-python`. `smollm2_ids.json` holds the ids of the whole vocabulary;
`small_vocabulary.json` a cut of it (bytes, first merges, special tokens) with the ids that each pre-tokenizer gives.
"""

import json
import sys
import tempfile
from pathlib import Path

import gguf
from llama_cpp import Llama

FIXTURES = Path(__file__).parent / "fixtures"
PRE_TOKENIZERS = ("default", "gpt-2", "smollm", "qwen2", "llama-bpe", "dbrx")
MERGES = 600
EXTRA_MERGES = ("1 2", "12 3", "3 4", "Ġ 1", "Ġ1 2", "4 5", "= =", "Ġ =", "Ġ <", "< =", "Ġ $")
"""SmolLM2 merges no digits; with these the pre-tokenizers' ways with digits and signs show in the ids."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
OTHER_TYPES = {"<|im_end|>": NORMAL, "<gh_stars>": UNKNOWN}
"""llama.cpp keeps both whole: the one because of its text, the other because of its type."""
TEXTS = (
    "What is 2+2?",
    "Hello, world!",
    " leading and trailing ",
    "two  spaces   three    four",
    "tabs\tand\n\nnewlines\r\n\r\n  indented\n",
    "\n",
    " ",
    "   \n   ",
    "a\n b",
    "it's we're I'LL they'Ve don't 'tis",
    "1 12 123 1234 12345 3.14159 1,000,000",
    "x1y2z3 v1.2.3-rc4",
    "naïve café Ångström ﬁ ǆ",
    "e\u0301 decomposed, \u00e9 composed, Z\u0351\u036b\u0343 zalgo",
    "日本語のテキスト、中文字符。한국어",
    "Привет, мир! Γειά σου. שלום مرحبا",
    "👩‍👧 🇩🇪 👍🏽 emoji",
    "٣٤٥ ½ Ⅷ ² numbers",
    "def f(x):\n    return x**2  # square\n\n\nif __name__ == '__main__':\n\tprint(f\"{f(3)=}\")\n",
    "$HOME <a href='x'> a^b ~|~ `tick` ==> != <= \\n",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_end|><|im_end|> <|im_start|",
    "no\u00a0break\u2003em\u3000ideographic\u200bzero",
    "\ufeffbom \u0000nul \u007fdel",
    "...!!!???---___***",
    "https://example.org/path?q=1&r=%20#frag",
    "CamelCaseHTTPServer snake_case_name",
    "The the THE quick brown fox jumps over the lazy dog, and then some more of the same.",
    "5<gh_stars>6 <gh_stars >",
    "",
)


def ids(model: Llama, text: str) -> list[int]:
    return model.tokenize(text.encode(), add_bos=False, special=True)


def cut(tokens: list[str], types: list[int], merges: list[str]) -> tuple[list[str], list[int], list[str]]:
    kept_merges = [*merges[:MERGES], *(m for m in EXTRA_MERGES if m not in merges[:MERGES])]
    special = [(t, k) for t, k in zip(tokens, types, strict=True) if k in (CONTROL, USER_DEFINED)]
    single = sorted(t for t, k in zip(tokens, types, strict=True) if k == NORMAL and len(t) == 1)
    merged = [m.replace(" ", "") for m in kept_merges]
    plain = list(dict.fromkeys(single + merged))
    kinds = [OTHER_TYPES.get(t, k) for t, k in special]
    return [t for t, _ in special] + plain, kinds + [NORMAL] * len(plain), kept_merges


def write_vocabulary(path: Path, pre: str, tokens: list[str], types: list[int], merges: list[str]) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_add_bos_token(False)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(source: Path) -> None:
    whole = Llama(str(source), vocab_only=True, verbose=False)
    cases = [{"text": text, "ids": ids(whole, text)} for text in TEXTS]
    (FIXTURES / "smollm2_ids.json").write_text(json.dumps(cases, ensure_ascii=True, indent=0) + "\n")

    reader = gguf.GGUFReader(source)
    field = {name: reader.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type", "merges")}
    tokens, types, merges = cut(field["tokens"], field["token_type"], field["merges"])
    recorded: dict[str, list[list[int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for pre in PRE_TOKENIZERS:
            path = Path(folder) / f"{pre}.gguf"
            write_vocabulary(path, pre, tokens, types, merges)
            small = Llama(str(path), vocab_only=True, verbose=False)
            recorded[pre] = [ids(small, text) for text in TEXTS]
    fixture = {"tokens": tokens, "types": types, "merges": merges, "texts": TEXTS, "ids": recorded}
    (FIXTURES / "small_vocabulary.json").write_text(json.dumps(fixture, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
