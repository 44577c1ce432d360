"""A browser that opens the page of a run with four runtimes: a baseline, a slow one, one that is wrong, one that fails.

The browser is Chromium as the system has it; where there is none, tests that need it fail on CI and are left out
elsewhere.
"""

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_host import Meanwhile, Program, Script, config, table

from parity.transcript import Head
from parity_adapters.command import CommandLine

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

GATES = """
[[gates]]
name = "same-answers"
kind = "outputs"

[[gates]]
name = "as-fast"
kind = "ratio"
metric = "gen_tps"
min_ratio = 0.8

[[gates]]
name = "loads-soon"
kind = "bound"
metric = "load_s"
max = 2.0

[[gates]]
name = "no-hangs"
kind = "no-failed-trials"
"""

SECOND = """
[[tests]]
name = "u"
title = "A second test"
prompt = "bye"
max_tokens = 12
"""

WORDS = "The answer to the question is four, because two and two make four in every number system from base five on."


def wrong_token(head: Head, k: int) -> int:
    return 999 if k == 6 else 100 + k


def likeliest(head: Head, position: int) -> tuple[tuple[int, float], ...]:
    """Less sure of the sequence at each position, and one runtime a little less than the others."""
    assert head.job is not None
    assert head.job.score is not None
    sure = 0.995 - 0.01 * position - (0.002 * position if head.runtime == "other" else 0)
    others = [(1 - sure) * 2.0**-rank for rank in range(1, 8)]
    listed = [(head.job.score.ids[position], sure), *((6 + rank, p) for rank, p in enumerate(others))]
    return tuple((token, round(math.log(p), 6)) for token, p in listed)


def slower(head: Head) -> float:
    return 3.0 + 0.7 * (head.slot.round % 3) if head.slot is not None else 3.0


def crash(head: Head) -> str | None:
    """At its prompt, and not while it is proved."""
    return "crash" if head.purpose == "trial" else None


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page stays for all tests."""
    return tmp_path_factory.mktemp("page") / "report.html"


@pytest.fixture
def page(kept: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page that the run wrote into its folder."""
    if kept.exists():
        return kept
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))
    host = program.host(
        base=Script(text=lambda head: WORDS, top=likeliest),
        other=Script(text=lambda head: WORDS, top=likeliest, pause_ms=slower, load_ms=900, version="2.0"),
        wrong=Script(text=lambda head: WORDS.replace("four", "five", 1), token_id=wrong_token, top=likeliest),
        gone=Script(fault=crash),
    )
    host.meanwhile = lambda head: Meanwhile(others_cpu=0.1 * (len(host.asked) % 5))
    runtimes = "".join(map(table, ("base", "other", "wrong", "gone")))
    done = program(
        "run", program.write(config(runtimes, rounds=8, gates=GATES, rest=SECOND)), "--out", "run", host=host
    )
    assert done.code == 1, done.err
    shutil.copy(program.folder / "run" / "report.html", kept)
    return kept


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window, and without a network."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = f"there is no browser: none of {', '.join(NAMES)} is on the PATH"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield started
        started.close()
