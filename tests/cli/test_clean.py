"""`parity clean`: what it lists, what it removes, and all that it must leave alone."""

import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from scripted_host import KilledError, Program, config, table

from parity.__main__ import main
from parity.cache import in_use
from parity.run.cleaning import CACHES
from parity.run.log import RunFolder

CASE = config(table("base") + table("other"), rounds=1)
DAY_S = 24 * 3600


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that holds a folder with a file for each cache, and a file that is none of parity's."""
    folder = tmp_path / "parity-cache"
    monkeypatch.setenv("PARITY_CACHE", str(folder))
    for name in CACHES:
        (folder / name / "entry").mkdir(parents=True)
        (folder / name / "entry" / "content").write_bytes(b"x" * 100_000)
    (folder / "notes.txt").write_text("mine")
    return folder


def run(program: Program, name: str, age_days: float = 0) -> Path:
    """A run that ended so many days ago, before the machine was started last."""
    path = program.folder / ".parity" / "runs" / name
    shutil.copytree(program.folder / "done", path)
    end = json.loads((path / "end.json").read_text(encoding="utf-8"))
    (path / "end.json").write_text(json.dumps({**end, "boot": "an earlier one"}), encoding="utf-8")
    then = time.time() - age_days * DAY_S
    os.utime(path / "end.json", (then, then))
    return path


@pytest.fixture
def runs(program: Program, cache: Path) -> dict[str, Path]:
    program("run", program.write(CASE), "--out", "done")
    return {name: run(program, name, age) for name, age in (("old", 40), ("new", 2))}


def kept(program: Program, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(program("clean", *arguments, "--json").out)
    return found


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if ".in-use.lock" not in path.name}


def test_caches_and_runs_are_listed_with_sizes_and_ages(program: Program, cache: Path, runs: dict[str, Path]) -> None:
    found = kept(program)
    assert [one["name"] for one in found] == [*CACHES, "new", "old"]
    assert all(one["size_bytes"] >= 100_000 for one in found if one["kind"] == "cache")
    ages = {one["name"]: one["age_s"] / DAY_S for one in found}
    assert ages["old"] == pytest.approx(40, abs=0.1)
    assert ages["synth"] < 0.1
    out = program("clean").out
    assert "old    " in out
    assert "40 days" in out
    assert "Nothing is chosen." in out
    assert max(len(line) for line in out.splitlines()) <= 100


def test_nothing_is_removed_without_yes(program: Program, cache: Path, runs: dict[str, Path]) -> None:
    before = everything(program.folder)
    done = program("clean", "--caches", "--runs-older-than", "0")
    assert "Nothing was removed: add --yes" in done.out
    assert everything(program.folder) == before


def test_old_runs_go_and_others_and_caches_stay(program: Program, cache: Path, runs: dict[str, Path]) -> None:
    before = everything(cache)
    done = program("clean", "--runs-older-than", "30", "--yes")
    assert (done.code, runs["old"].exists(), runs["new"].exists()) == (0, False, True)
    assert everything(cache) == before
    assert [path.name for path in runs["new"].parent.iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "Nothing is chosen. Choose with"),
        (("--runs-older-than", "400"), "Nothing is chosen: no run ended more than 400 days ago."),
        (("--cache", "exact"), "Nothing is chosen: there is no cache exact."),
        (
            ("--cache", "exact", "--runs-older-than", "400"),
            "Nothing is chosen: there is no cache exact, and no run ended more than 400 days ago.",
        ),
    ],
)
def test_it_says_why_nothing_of_what_was_asked_for_is_chosen(
    program: Program, cache: Path, runs: dict[str, Path], asked: tuple[str, ...], said: str
) -> None:
    shutil.rmtree(cache / "exact")
    done = program("clean", *asked)
    assert done.code == 0
    assert said in done.out
    assert ("Choose with" in done.out) == (not asked)


def test_one_cache_goes_and_others_and_runs_stay(program: Program, cache: Path, runs: dict[str, Path]) -> None:
    done = program("clean", "--cache", "exact", "--yes")
    assert done.code == 0
    assert list((cache / "exact").iterdir()) == []
    assert all((cache / name / "entry" / "content").exists() for name in CACHES if name != "exact")
    assert runs["old"].exists()


def test_a_run_goes_on_as_before_once_all_caches_are_gone(program: Program, cache: Path, runs: dict[str, Path]) -> None:
    assert program("clean", "--caches", "--yes").code == 0
    assert {path.name for path in cache.iterdir() if path.is_file()} == {"notes.txt", ".in-use.lock"}
    assert [path for name in CACHES for path in (cache / name).iterdir()] == []
    assert program("run", "case.toml", "--out", "again").code == program("score", "done").code


def test_what_a_running_parity_uses_stays(program: Program, cache: Path, runs: dict[str, Path]) -> None:
    before = everything(program.folder)
    with in_use(cache), RunFolder(runs["old"]).held():
        done = program("clean", "--caches", "--runs-older-than", "30", "--yes")
    assert done.code == 74
    assert done.out.count("left: a parity at work uses it") == len(CACHES)
    assert "left: a parity is at work in it" in done.out
    assert everything(program.folder) == before


def test_a_run_keeps_its_caches_for_as_long_as_it_lasts(program: Program, cache: Path) -> None:
    seen: list[bool] = []

    def look(*_: object) -> None:
        with (cache / ".in-use.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                seen.append(False)
            except BlockingIOError:
                seen.append(True)

    host = program.host()
    host.before = look
    program("run", program.write(CASE), "--out", "run", host=host)
    assert seen
    assert all(seen)
    assert program("clean", "--caches", "--yes").code == 0


def test_links_are_neither_followed_nor_removed(program: Program, cache: Path, runs: dict[str, Path]) -> None:
    elsewhere = program.folder / "elsewhere"
    shutil.copytree(runs["old"], elsewhere / "run")
    (elsewhere / "models").mkdir()
    (elsewhere / "models" / "weights").write_text("precious")
    (runs["old"].parent / "linked").symlink_to(elsewhere / "run")
    (runs["old"] / "inside").symlink_to(elsewhere / "models")
    shutil.rmtree(cache / "synth")
    (cache / "synth").symlink_to(elsewhere / "models")
    (cache / "exact" / "linked").symlink_to(elsewhere / "models")
    before = everything(elsewhere)
    assert program("clean", "--caches", "--runs-older-than", "0", "--yes").code == 0
    assert everything(elsewhere) == before
    assert (runs["old"].parent / "linked").is_symlink()
    assert not runs["old"].exists()
    assert list((cache / "exact").iterdir()) == []


def test_only_run_folders_of_the_named_folder_go(program: Program, cache: Path, runs: dict[str, Path]) -> None:
    named = program.folder / "kept"
    shutil.move(runs["old"], named / "old")
    (named / "notes").mkdir()
    (named / "notes" / "page.md").write_text("mine")
    assert program("clean", "kept", "--runs-older-than", "0", "--yes").code == 0
    assert [path.name for path in named.iterdir()] == ["notes"]
    assert runs["new"].exists()
    wrong = program("clean", "done", "--runs-older-than", "0", "--yes")
    assert (wrong.code, (program.folder / "done" / "run.json").exists()) == (2, True)
    assert "name the folder that holds it" in " ".join(wrong.err.split())
    assert program("clean", "nowhere").code == 2


def test_a_clean_that_was_killed_leaves_nothing_under_a_name_that_counts_and_the_next_goes_on(
    program: Program, cache: Path, runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> None:
        (path / "run.json").unlink(missing_ok=True)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        for arguments in (["--cache", "synth"], ["--runs-older-than", "30"]):
            with pytest.raises(KilledError):
                main(["clean", *arguments, "--yes"])
    assert not (cache / "synth" / "entry").exists()
    assert not runs["old"].exists()
    assert program("clean", "--cache", "synth", "--runs-older-than", "0", "--yes").code == 0
    assert list((cache / "synth").iterdir()) == []
    assert list(runs["new"].parent.iterdir()) == []


def test_what_cannot_be_removed_is_named(
    program: Program, cache: Path, runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path / "trials"))

    monkeypatch.setattr(shutil, "rmtree", denied)
    done = program("clean", "--runs-older-than", "30", "--yes")
    assert done.code == 74
    assert "left in part: " in done.out
    assert "Permission denied" in done.out


def test_a_cache_that_is_not_known_is_a_usage_error(program: Program, cache: Path) -> None:
    done = program("clean", "--cache", "everything", "--yes")
    assert done.code == 2
    assert "there is no cache 'everything'" in " ".join(done.err.split())


def test_a_folder_of_a_different_tool_with_such_a_file_stays(
    program: Program, cache: Path, runs: dict[str, Path]
) -> None:
    foreign = program.folder / "runs" / "theirs"
    for name, text in (("run.json", '{"id": 1}'), ("trials/0.json", "{}")):
        (foreign / name).parent.mkdir(parents=True, exist_ok=True)
        (foreign / name).write_text(text, encoding="utf-8")
    left = foreign.with_name(".theirs.removed-1")
    left.mkdir()
    kept(program, str(foreign.parent), "--runs-older-than", "0", "--yes")
    assert (foreign / "trials" / "0.json").exists()
    assert left.exists()
