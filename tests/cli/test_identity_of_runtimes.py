"""Real runtimes that do not run the same: each is NOT COMPARABLE with the fact named, and a declaration turns each into
a comparison."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from runs import ANY_MACHINE, PARITY

import parity_worker
from parity.cache import cache_folder
from parity.models import parse_source, silent
from parity_adapters.candle.settings import CandleSettings
from parity_adapters.llama_cpp import WORKER

pytestmark = pytest.mark.slow

SCRIPTED = Path(__file__).parents[1] / "scripted"
MODEL = "synth://tiny-llama/Q8_0@0"
OTHER = "synth://tiny-llama/Q4_1@0"
PROMPT = "<|endoftext|><|im_start|>user\\nWhat is 2+2?<|im_end|>\\n<|im_start|>assistant\\n"
ROUNDS = 4
"""So many that one trial which a busy machine keeps from the CPU after its last token does not doubt the others."""

ENGINE = [sys.executable, parity_worker.__file__, str(WORKER), "--job"]
REFERENCE = Path(__file__).parents[2] / "vendor-scripts" / "candle-reference"

VARIANTS: dict[str, tuple[str, str, list[str]]] = {
    "same": ("", "gen_tps", []),
    "quantisation": ("weights", "gen_tps", ["--model", str(parse_source(OTHER, Path()).fetch(silent))]),
    "no-bos": ("prompt", "gen_tps", ["--prompt", PROMPT.replace("<|endoftext|>", "").replace("\\n", "\n")]),
    "template": ("prompt", "gen_tps", ["--prompt", "<|endoftext|>[INST] What is 2+2? [/INST]"]),
    "prompt": ("prompt", "gen_tps", ["--prompt", PROMPT.replace("2+2", "7+5").replace("\\n", "\n")]),
    "tokens": ("tokens", "total_s", ["--tokens", "300"]),
    "sampling": ("sampling", "gen_tps", ["--temperature", "1.0"]),
    "threads": ("threads", "gen_tps", ["--threads", "2"]),
    "fallback": ("device", "gen_tps", []),
    "prefix-cache": ("prefix_cache", "prompt_tps", []),
}
"""Runtime → the fact in which it differs, a metric that the fact concerns, and how it is told to differ."""


def table(name: str, program: Sequence[str], keys: str = "") -> str:
    first, *arguments = program
    args = json.dumps([*arguments]).replace("{", "{{").replace("}", "}}").replace("{{scratch}}", "{scratch}")
    head = f'[runtimes.{name}]\nadapter = "command"\nprogram = {json.dumps(first)}\nargs = {args}\nevents = true\n'
    return f'{head}version_args = ["-c", "print(1)"]\nprove = false\n{keys}\n'


def variant(name: str) -> str:
    if name == "prefix-cache":
        worker = str(SCRIPTED / "cached_llama.py")
        return table(name, [sys.executable, parity_worker.__file__, worker, "--job", "{scratch}/job.json"])
    changed = [sys.executable, str(SCRIPTED / "variant.py"), "{scratch}/job.json", *VARIANTS[name][2], "--", *ENGINE]
    return table(name, changed, 'device = "cuda"' if name == "fallback" else "")


def write(folder: Path, runtimes: str, rest: str = "") -> Path:
    path = folder / "case.toml"
    path.write_text(
        f'baseline = "base"\n\n[[models]]\nname = "m"\nsource = "{MODEL}"\n\n'
        f'[[tests]]\nname = "t"\nprompt = "{PROMPT}"\nraw = true\nmax_tokens = 400\n\n'
        f"[rounds]\ncount = {ROUNDS}\nwarmup = 0\n{ANY_MACHINE}\n{runtimes}\n{rest}",
        encoding="utf-8",
    )
    return path


def parity(folder: Path, *arguments: str) -> str:
    done = subprocess.run([PARITY, *arguments], cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run" / "report.json").read_text(encoding="utf-8"))
    assert [t["failure"] for t in found["trials"]] == [None] * len(found["trials"])
    return found


def comparison(folder: Path, runtime: str, metric: str) -> dict[str, Any]:
    """The comparison of a metric; by its first definition, where it has several."""
    found = [c for c in report(folder)["comparisons"] if (c["runtime"], c["metric"]) == (runtime, metric)]
    return dict(found[0])


def declared(folder: Path, facts: dict[str, str]) -> None:
    """Judges the run again as if its config had declared, for each runtime, one fact."""
    path = folder / "run" / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    run["loaded"]["config"]["declare"] = [
        {"fact": fact, "runtimes": [runtime], "reason": f"{runtime} is meant to differ"}
        for runtime, fact in facts.items()
        if fact
    ]
    path.write_text(json.dumps(run), encoding="utf-8")
    parity(folder, "score", "run")


@pytest.fixture(scope="module")
def undeclared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undeclared")
    base = '[runtimes.base]\nadapter = "llama_cpp"\nthreads = 1\nprove = false\n\n'
    parity(folder, "run", str(write(folder, base + "".join(map(variant, VARIANTS)))), "--out", "run")
    return folder


@pytest.fixture(scope="module")
def with_declarations(undeclared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("declared")
    shutil.copytree(undeclared / "run", folder / "run")
    declared(folder, {name: fact for name, (fact, _, _) in VARIANTS.items()})
    return folder


def test_the_same_engine_on_the_same_job_is_comparable(undeclared: Path) -> None:
    for metric in ("load_s", "prompt_tps", "gen_tps", "total_s"):
        found = comparison(undeclared, "same", metric)
        assert (found["comparable"], found["declared"]) == (True, []), found["reason"]


@pytest.mark.parametrize("name", [name for name, (fact, _, _) in VARIANTS.items() if fact])
def test_a_runtime_that_differs_in_one_fact_is_not_comparable_until_it_is_declared(
    undeclared: Path, with_declarations: Path, name: str
) -> None:
    fact, metric, _ = VARIANTS[name]
    before = comparison(undeclared, name, metric)
    assert (before["comparable"], before["ratio"]) == (False, None)
    titles = {
        "weights": "different weights",
        "prompt": "prompt ids differ",
        "tokens": "generated 400 and 300 tokens",
        "sampling": "sample differently (greedy against temperature 1)",
        "threads": "threads (1 against 2)",
        "device": "it ran on cpu, and the config asks for cuda",
        "prefix_cache": "prefix cache (off against on)",
    }
    assert titles[fact] in before["reason"]
    after = comparison(with_declarations, name, metric)
    assert after["comparable"], after["reason"]
    assert after["ratio"] is not None
    assert any(f"{name} is meant to differ" in entry for entry in after["declared"])


def test_one_engine_under_two_settings_declares_them_by_naming_them(tmp_path: Path) -> None:
    sides = "".join(
        f'[runtimes.{name}]\nadapter = "llama_cpp"\nprove = false\nthreads = {threads}\nflash_attention = {flash}\n'
        f"batch = {batch}\n\n"
        for name, threads, flash, batch in (("base", 1, "false", 64), ("other", 2, "true", 8))
    )
    out = parity(tmp_path, "run", str(write(tmp_path, sides)), "--out", "run")
    found = comparison(tmp_path, "other", "gen_tps")
    assert found["comparable"], found["reason"]
    assert found["declared"] == [
        "threads: 1 against 2 (set in the config: threads = 1 and threads = 2)",
        "flash attention: off against on (set in the config: flash_attention = false and flash_attention = true)",
        "batch: 64 against 8 (set in the config: batch = 64 and batch = 8)",
        "micro-batch: 64 against 8 (set in the config: batch = 64 and batch = 8)",
    ]
    assert "Delta (threads, flash attention, batch, micro-batch)" in " ".join(
        (tmp_path / "run" / "report.md").read_text(encoding="utf-8").split()
    ), out


@pytest.fixture(scope="module")
def builds() -> dict[str, Path]:
    """The Candle reference twice: as it is released, and with the assertions of a debug build."""
    if shutil.which("cargo") is None:
        assert not os.environ.get("CI"), "there is no cargo here, and CI has to build the Candle reference"
        pytest.skip("there is no cargo here to build the Candle reference")
    settings = CandleSettings(source="reference", path=str(REFERENCE))
    target = settings.build_folder(cache_folder())
    found = {}
    for profile, options in (
        ("release", ()),
        ("debug", ("--config", "profile.release.package.candle-reference.debug-assertions=true")),
    ):
        subprocess.run(
            ["cargo", "build", "--release", "--locked", *options],
            cwd=REFERENCE,
            env={
                **os.environ,
                "RUSTFLAGS": "",
                "CARGO_TARGET_DIR": str(target / ("target" if profile == "release" else "target-debug")),
                "CARGO_BUILD_BUILD_DIR": str(settings.shared_build_folder(cache_folder())),
            },
            check=True,
            capture_output=True,
        )
        found[profile] = target / ("target" if profile == "release" else "target-debug") / "release/candle-reference"
    return found


def test_a_debug_build_is_not_comparable_with_a_release_until_it_is_declared(
    builds: dict[str, Path], tmp_path: Path
) -> None:
    sides = "".join(
        table(
            name,
            [sys.executable, str(SCRIPTED / "variant.py"), "{scratch}/job.json", "--", str(builds[build]), "--job"],
        )
        for name, build in (("base", "release"), ("debug", "debug"))
    )
    parity(tmp_path, "run", str(write(tmp_path, sides)), "--out", "run")
    before = comparison(tmp_path, "debug", "gen_tps")
    assert not before["comparable"]
    assert "build profile (release against debug)" in before["reason"]
    declared(tmp_path, {"debug": "build_profile"})
    after = comparison(tmp_path, "debug", "gen_tps")
    assert (after["comparable"], after["ratio"] is not None) == (True, True), after["reason"]
