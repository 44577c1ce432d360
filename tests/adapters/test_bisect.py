"""`parity bisect` in llama.cpp itself, beside llama.cpp that loads a faulty model in place of the original."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mutants import MUTANTS
from runs import ANY_MACHINE, PARITY, Done, Parity

pytestmark = pytest.mark.slow

SUPPORT = Path(__file__).parents[1] / "support"
SWAPPED, FAULTY = SUPPORT / "swapped_llama", SUPPORT / "faulty_llama"

TinyGguf = Callable[..., Path]


def write_mutant(name: str, original: Path, target: Path) -> Path:
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == name]
    return mutant.write(original, target)


def write_config(folder: Path, model: Path, other: str) -> Path:
    """`other`: the keys of the runtime that is compared with llama.cpp."""
    path = folder / "case.toml"
    path.write_text(
        f"""
baseline = "base"

[[models]]
name = "m"
source = "{model}"

[[tests]]
name = "t"
prompt = "the 123 in a the 12 and the"
max_tokens = 24

[runtimes.base]
adapter = "llama_cpp"
threads = 1
kv_type = "f32"

[runtimes.other]
adapter = "llama_cpp"
threads = 1
kv_type = "f32"
{other}

[rounds]
count = 1
warmup = 0

[[gates]]
name = "same-answers"
kind = "outputs"
{ANY_MACHINE}
""",
        encoding="utf-8",
    )
    return path


def ran(parity: Parity, config: Path) -> Done:
    done = parity("run", config, "--out", "run")
    assert done.code == 1, done.out + done.err
    assert done.verdicts() == {"same-answers": "FAIL"}
    return done


def found_in(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "bisect" / "bisect.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("mutant", "least"),
    # One id before the scored one has nobody to attend to but itself, so that no position matters.
    [("rms-epsilon", 2), ("rope-base", 3)],
)
def test_the_shortest_sequence_is_as_long_as_the_fault_needs(
    parity: Parity, tiny_gguf: TinyGguf, tmp_path: Path, mutant: str, least: int
) -> None:
    original = tiny_gguf("llama")
    changed = write_mutant(mutant, original, tmp_path / "mutant.gguf")
    env = f'env = {{ PYTHONPATH = "{SWAPPED}", LLAMA_MUTANT = "{changed}" }}'
    done = ran(parity, write_config(tmp_path, original, env))
    told = parity("bisect", "run", "other")
    assert told.code == 0, told.out + told.err
    found = found_in(done.run)
    shortest = found["shortest"]
    assert len(shortest["ids"]) >= least
    assert shortest["tried"].get("2", True) is (least == 2)
    assert shortest["repeated"]
    assert shortest["apart"]["kl"] > found["place"]["bound"]["shows"]
    assert shortest["text"]
    for runtime, side in (("base", "theirs"), ("other", "ours")):
        # The line works without parity, and gives the very score.
        line = shortest["reproduce"][runtime]
        assert line in told.out
        shell = ["/bin/sh", "-c", line]
        printed = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=True).stdout
        events = [json.loads(line) for line in printed.splitlines()]
        last = [event for event in events if event["ev"] == "scored"][-1]
        assert math.isclose(last["logprob"], shortest["apart"][side]["logprob"], abs_tol=1e-5)


def test_a_fault_in_the_choice_of_tokens_is_not_searched_in_the_scores(
    parity: Parity, tiny_gguf: TinyGguf, tmp_path: Path
) -> None:
    env = f'env = {{ PYTHONPATH = "{FAULTY}", LLAMA_FAULT = "second-best" }}'
    done = ran(parity, write_config(tmp_path, tiny_gguf("llama"), env))
    told = parity("bisect", "run", "other")
    assert told.code == 0, told.out + told.err
    assert "the ids part at token 10: " in told.out
    assert "the scores of both sides agree" in told.out
    assert found_in(done.run)["shortest"] is None
    assert parity("bisect", "run", "other", "--command", "true").code == 1


def git(repository: Path, *arguments: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    named = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *named, *arguments], cwd=repository, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_git_bisect_names_the_commit_that_brought_the_fault(
    parity: Parity, tiny_gguf: TinyGguf, tmp_path: Path
) -> None:
    """The runtime is a repository whose interpreter is a script: from the third of five commits on, it loads a faulty
    model. What is launched is made by the command."""
    original = tiny_gguf("llama")
    changed = write_mutant("rope-base", original, tmp_path / "mutant.gguf")
    repository = tmp_path / "runtime"
    repository.mkdir()
    git(repository, "init", "--quiet")
    good = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    faulty = good.replace("exec", f"export PYTHONPATH={SWAPPED} LLAMA_MUTANT={changed}\nexec")
    commits = []
    for number, source in enumerate((good, good, faulty, faulty, faulty), start=1):
        (repository / "source").write_text(f"{source}# {number}\n", encoding="utf-8")
        (repository / "build.sh").write_text("cp source python && chmod +x python\n", encoding="utf-8")
        (repository / ".gitignore").write_text("python\n", encoding="utf-8")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", f"commit {number}")
        commits.append(git(repository, "rev-parse", "HEAD").strip())
    subprocess.run(["sh", "build.sh"], cwd=repository, check=True)
    config = write_config(tmp_path, original, f'python = "{repository / "python"}"')
    run = ran(parity, config).run
    assert parity("bisect", "run", "other").code == 0
    git(repository, "bisect", "start", commits[-1], commits[0])
    bisect = (PARITY, "bisect", str(run), "other", "--command", "sh build.sh")
    said = git(repository, "bisect", "run", *bisect)
    assert f"{commits[2]} is the first bad commit" in said
    assert "the fault is gone" in said
    assert "the fault shows" in said
    git(repository, "bisect", "reset")
    # A build that fails is no verdict on its commit.
    for command, code, why in (
        ("exit 3", 125, "`exit 3` failed (exit code 3)"),
        ("./no-build.sh", 128, "`./no-build.sh` can't be run (exit code 127): "),
        ("yes flooding", 125, "(it printed more than 8.00 MiB, and was ended; let it print into a file): flooding / "),
    ):
        told = [*bisect[:-1], command]
        done = subprocess.run(told, cwd=repository, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, why in done.stdout) == (code, True), done.stdout + done.stderr
    assert sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) < 32 << 20
