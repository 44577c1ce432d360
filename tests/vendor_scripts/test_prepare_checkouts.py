"""Candle and paraphym checkouts: made once, left alone ever after."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from preparing import (
    CANDLE_FILES,
    PARAPHYM_FILES,
    SCRIPTS,
    commit,
    environment,
    git,
    make_repository,
    prepare,
    settings_of,
    snapshot,
    tools,
    write_files,
)

FILES = {"candle": CANDLE_FILES, "paraphym": PARAPHYM_FILES}
both = pytest.mark.parametrize("runtime", ["candle", "paraphym"])


@pytest.fixture
def candle(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "candle", CANDLE_FILES)


@pytest.fixture
def paraphym(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "paraphym", PARAPHYM_FILES)


@both
def test_a_url_and_a_tag_become_a_checkout_of_that_commit(runtime: str, tmp_path: Path) -> None:
    source = make_repository(tmp_path / "source", FILES[runtime])
    tagged = git(source, "rev-parse", "v1")
    write_files(source, {"later": "later"})
    commit(source)
    done = prepare(runtime, source.as_uri(), "--rev", "v1", "--device=cpu", home=tmp_path)
    assert done.code == 0, done.err
    tree = Path(done.tables[runtime]["path"])
    assert tree == tmp_path / "cache" / "checkouts" / runtime
    assert git(tree, "rev-parse", "HEAD") == tagged
    assert f"# {runtime.replace('candle', 'Candle')} at {tagged}" in done.out


@both
def test_a_second_run_says_so_and_needs_no_source(runtime: str, tmp_path: Path) -> None:
    source = make_repository(tmp_path / "source", FILES[runtime])
    url = source.as_uri()
    first = prepare(runtime, url, "--rev=main", "--device", "cpu", home=tmp_path)
    assert first.code == 0, first.err
    tree = Path(first.tables[runtime]["path"])
    source.rename(tmp_path / "gone")
    before = snapshot(tree)
    second = prepare(runtime, url, "--rev=main", "--device", "cpu", home=tmp_path)
    assert second.code == 0, second.err
    assert "already prepared, nothing to do" in second.err
    assert "+ " not in second.err
    assert second.out == first.out
    assert snapshot(tree) == before


@both
def test_a_path_is_prepared_in_place(runtime: str, tmp_path: Path) -> None:
    tree = make_repository(tmp_path / 'with "quotes" and späces', FILES[runtime])
    done = prepare(runtime, tree.name, "--device=cpu", home=tmp_path)
    assert done.code == 0, done.err
    assert done.tables[runtime]["path"] == str(tree)
    settings_of(done.tables[runtime])


@pytest.mark.slow
def test_a_commit_that_no_branch_holds_can_be_had(candle: Path, tmp_path: Path) -> None:
    git(candle, "checkout", "--quiet", "--detach")
    write_files(candle, {"later": "later"})
    lone = commit(candle)
    git(candle, "update-ref", "refs/pull/1/head", lone)
    git(candle, "checkout", "--quiet", "main")
    ask = ("candle", candle.as_uri(), "--rev", "refs/pull/1/head", "--device=cpu")
    done = prepare(*ask, home=tmp_path)
    assert done.code == 0, done.err
    assert git(Path(done.tables["candle"]["path"]), "rev-parse", "HEAD") == lone
    candle.rename(tmp_path / "gone")
    again = prepare(*ask, home=tmp_path)
    assert (again.code, again.out) == (0, done.out), again.err
    assert "already prepared, nothing to do" in again.err


@both
@pytest.mark.parametrize("name", ["Cargo.toml", "untracked.rs"])
def test_uncommitted_changes_are_refused_and_left_as_they_are(runtime: str, name: str, tmp_path: Path) -> None:
    tree = make_repository(tmp_path / "tree", FILES[runtime])
    with (tree / name).open("a", encoding="utf-8") as file:
        file.write("# mine\n")
    before = snapshot(tree)
    done = prepare(runtime, tree, "--device=cpu", home=tmp_path)
    assert done.code == 1
    assert "uncommitted changes" in done.err
    assert name in done.err
    assert done.out == ""
    assert snapshot(tree) == before
    allowed = prepare(runtime, tree, "--device=cpu", "--allow-dirty", home=tmp_path)
    assert allowed.code == 0, allowed.err
    assert (tree / name).read_text(encoding="utf-8").endswith("# mine\n")


@pytest.mark.parametrize("rev", ["v1", "no-such-revision"])
def test_a_checkout_at_another_revision_is_refused_and_left_there(rev: str, candle: Path, tmp_path: Path) -> None:
    write_files(candle, {"later": "later"})
    head = commit(candle)
    done = prepare("candle", candle, "--rev", rev, "--device=cpu", home=tmp_path)
    assert done.code == 1
    assert f"is at {head}, and --rev asks for {git(candle, 'rev-parse', 'v1') if rev == 'v1' else rev}" in done.err
    assert git(candle, "rev-parse", "HEAD") == head


def test_a_place_that_something_else_has_is_left_alone(candle: Path, paraphym: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    write_files(taken, {"letter": "dear"})
    other = prepare("candle", candle.as_uri(), "--into", taken, "--device=cpu", home=tmp_path)
    assert (other.code, "is no git checkout" in other.err) == (1, True)
    assert (taken / "letter").read_text(encoding="utf-8") == "dear"
    foreign = prepare("candle", candle.as_uri(), "--into", paraphym, "--device=cpu", home=tmp_path)
    assert (foreign.code, "not of file://" in foreign.err) == (1, True)


def test_what_cannot_be_cloned_leaves_nothing_behind(candle: Path, tmp_path: Path) -> None:
    into = tmp_path / "new" / "place"
    unknown = prepare("candle", candle.as_uri(), "--rev=nowhere", "--into", into, "--device=cpu", home=tmp_path)
    assert (unknown.code, "has no revision nowhere" in unknown.err) == (1, True)
    absent = prepare("candle", f"file://{tmp_path}/absent", "--into", into, "--device=cpu", home=tmp_path)
    assert (absent.code, "can't be cloned" in absent.err) == (1, True)
    assert list(into.parent.iterdir()) == []


def test_ctrl_c_in_the_midst_of_a_clone_leaves_nothing_behind(tmp_path: Path) -> None:
    scripted = {"git": 'mkdir "$5" && touch "$5/half" && exec sleep 60', "cargo": "exit 1", "c++": "exit 1"}
    into = tmp_path / "new" / "place"
    with subprocess.Popen(
        ["bash", SCRIPTS / "prepare-candle.sh", "file:///far", "--device=cpu", "--into", into],
        env=environment(tmp_path, PATH=tools(tmp_path / "bin", ["mkdir", "sleep", "touch"], scripted)),
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("new/.parity-clone.*/tree/half")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(into.parent.iterdir()) == []


@both
def test_a_folder_that_holds_something_else_is_named_for_what_it_lacks(runtime: str, tmp_path: Path) -> None:
    tree = make_repository(tmp_path / "tree", {"README": "another project"})
    done = prepare(runtime, tree, "--device=cpu", home=tmp_path)
    assert done.code == 1
    assert {"candle": "candle-examples/Cargo.toml", "paraphym": "fluent_builder.rs"}[runtime] in done.err


def test_a_folder_inside_a_checkout_is_refused_with_the_folder_to_name(candle: Path, tmp_path: Path) -> None:
    done = prepare("candle", candle / "candle-examples", "--device=cpu", home=tmp_path)
    assert (done.code, f"lies inside the checkout {candle}" in done.err) == (1, True)


@pytest.mark.slow
@pytest.mark.parametrize("ignored", ["target\nCargo.lock\n", "target\n"])
def test_candle_gets_the_lock_file_that_it_keeps_out_of_git(ignored: str, tmp_path: Path) -> None:
    """Given nothing but the folder, as the adapter's remedy has it; also where cargo can't do without the network."""
    tree = make_repository(tmp_path / "candle", {**CANDLE_FILES, ".gitignore": ignored})
    online = f'case " $* " in *" --offline "*) exit 101 ;; *) exec {shutil.which("cargo")} "$@" ;; esac'
    path = tools(tmp_path / "bin", scripted={"cargo": online}) + os.pathsep + os.environ["PATH"]
    done = prepare("candle", tree, home=tmp_path, env={"PATH": path})
    assert done.code == 0, done.err
    assert 'name = "candle-examples"' in (tree / "Cargo.lock").read_text(encoding="utf-8")
    subprocess.run(["cargo", "metadata", "--locked", "--offline"], cwd=tree, capture_output=True, check=True)
    again = prepare("candle", tree, home=tmp_path)
    assert (again.code, again.out) == (0, done.out), again.err
    assert "already prepared, nothing to do" in again.err


@pytest.mark.slow
def test_a_lock_file_of_another_revision_is_brought_up_to_date_unless_it_is_in_git(
    candle: Path, tmp_path: Path
) -> None:
    stale = 'version = 3\n\n[[package]]\nname = "candle-examples"\nversion = "9.9.9"\n'
    lock = candle / "Cargo.lock"
    lock.write_text(stale, encoding="utf-8")
    done = prepare("candle", candle, home=tmp_path)
    assert done.code == 0, done.err
    assert 'version = "0.0.0"' in lock.read_text(encoding="utf-8")
    lock.write_text(stale, encoding="utf-8")
    git(candle, "add", "--force", "Cargo.lock")
    commit(candle)
    refused = prepare("candle", candle, home=tmp_path)
    assert (refused.code, "--locked" in refused.err) == (1, True)
    assert lock.read_text(encoding="utf-8") == stale


def test_paraphym_without_its_lock_file_is_refused(tmp_path: Path) -> None:
    files = {name: text for name, text in PARAPHYM_FILES.items() if name != "Cargo.lock"}
    done = prepare("paraphym", make_repository(tmp_path / "p", files), "--device=cpu", home=tmp_path)
    assert (done.code, "has no Cargo.lock" in done.err) == (1, True)
    assert not (tmp_path / "p" / "Cargo.lock").exists()


def test_metal_is_left_out_of_paraphyms_default_features_where_it_cannot_build(paraphym: Path, tmp_path: Path) -> None:
    done = prepare("paraphym", paraphym, "--device=cpu", "--features=extra", home=tmp_path)
    assert done.tables["paraphym"]["default_features"] is False
    assert done.tables["paraphym"]["features"] == ["download-hf-hub", "api", "extra"]
    settings_of(done.tables["paraphym"])


@pytest.mark.slow
def test_empty_submodules_are_filled_with_the_commit_that_is_recorded(paraphym: Path, tmp_path: Path) -> None:
    fork = make_repository(tmp_path / "pingora", {"fork": "first"})
    git(paraphym, "submodule", "--quiet", "add", fork.as_uri(), "forks/pingora")
    commit(paraphym)
    write_files(fork, {"fork": "second"})
    commit(fork)
    done = prepare("paraphym", paraphym.as_uri(), "--device=cpu", home=tmp_path)
    assert done.code == 0, done.err
    filled = Path(done.tables["paraphym"]["path"]) / "forks" / "pingora" / "fork"
    assert filled.read_text(encoding="utf-8") == "first"
    assert "already" in prepare("paraphym", paraphym.as_uri(), "--device=cpu", home=tmp_path).err


@pytest.mark.slow
@pytest.mark.parametrize("source", ["{home}/surrealdb", "~/surrealdb"])
def test_a_submodule_without_a_url_is_named_and_can_be_had_from_elsewhere(
    source: str, paraphym: Path, tmp_path: Path
) -> None:
    fork = make_repository(tmp_path / "surrealdb", {"fork": "first"})
    recorded = git(fork, "rev-parse", "HEAD")
    git(paraphym, "update-index", "--add", "--cacheinfo", f"160000,{recorded},forks/surrealdb")
    git(paraphym, "commit", "--quiet", "--message=a submodule that .gitmodules doesn't know")
    url = paraphym.as_uri()
    done = prepare("paraphym", url, "--device=cpu", home=tmp_path)
    assert done.code == 1
    assert f"forks/surrealdb at {recorded}, from no known URL" in done.err
    assert "--submodule forks/surrealdb=URL" in done.err
    supplied = f"forks/surrealdb={source.format(home=tmp_path)}"
    filled = prepare("paraphym", url, "--device=cpu", "--submodule", supplied, home=tmp_path)
    assert filled.code == 0, filled.err
    tree = Path(filled.tables["paraphym"]["path"])
    assert git(tree / "forks" / "surrealdb", "rev-parse", "HEAD") == recorded
    assert git(tree, "status", "--porcelain") == ""


def test_all_empty_submodules_are_listed_at_once_with_what_is_known_of_them(paraphym: Path, tmp_path: Path) -> None:
    fork = make_repository(tmp_path / "fork", {"fork": "first"})
    recorded = git(fork, "rev-parse", "HEAD")
    git(paraphym, "submodule", "--quiet", "add", fork.as_uri(), "forks/pingora")
    for name in ("surrealdb", "termcolor"):
        git(paraphym, "update-index", "--add", "--cacheinfo", f"160000,{recorded},forks/{name}")
    git(paraphym, "commit", "--quiet", "--message=three submodules")
    done = prepare("paraphym", paraphym.as_uri(), "--device=cpu", home=tmp_path)
    assert done.code == 1
    for name, url in (("pingora", fork.as_uri()), ("surrealdb", "no known URL"), ("termcolor", "no known URL")):
        assert f"forks/{name} at {recorded}, from {url}" in done.err
    assert "Give one for each: --submodule forks/surrealdb=URL --submodule forks/termcolor=URL" in done.err
    assert "submodule update" not in done.err


@pytest.mark.slow
def test_all_submodules_that_cannot_be_fetched_are_listed_together(paraphym: Path, tmp_path: Path) -> None:
    forks = [make_repository(tmp_path / name, {"fork": "first"}) for name in ("one", "two", "three")]
    for fork in forks:
        git(paraphym, "submodule", "--quiet", "add", fork.as_uri(), f"forks/{fork.name}")
    commit(paraphym)
    for fork in forks[:2]:
        fork.rename(tmp_path / f"moved-{fork.name}")
    done = prepare("paraphym", paraphym.as_uri(), "--device=cpu", home=tmp_path)
    assert done.code == 1
    _, failed = done.err.split("these submodules can't be fetched")
    for fork in forks[:2]:
        assert f"forks/{fork.name} from {fork.as_uri()}" in failed
    assert "forks/three" not in failed
    assert (tmp_path / "cache/checkouts/paraphym/forks/three/fork").is_file()


@both
def test_a_dry_run_shows_the_commands_and_makes_nothing(runtime: str, tmp_path: Path) -> None:
    source = make_repository(tmp_path / "source", FILES[runtime])
    before = snapshot(tmp_path)
    done = prepare(runtime, source.as_uri(), "--dry-run", "--build", "--device=cpu", home=tmp_path)
    assert done.code == 0, done.err
    for command in ("git clone", "cargo fetch", "cargo build"):
        assert command in done.err
    assert done.tables[runtime]["path"] == str(tmp_path / "cache" / "checkouts" / runtime)
    assert snapshot(tmp_path) == before


@pytest.mark.slow
@both
def test_build_makes_the_examples_and_finds_them_made(runtime: str, tmp_path: Path) -> None:
    tree = make_repository(tmp_path / "tree", FILES[runtime])
    done = prepare(runtime, tree, "--build", "--device=cpu", home=tmp_path)
    assert done.code == 0, done.err
    example = {"candle": "quantized-qwen3", "paraphym": "fluent_builder"}[runtime]
    assert (tree / "target" / "release" / "examples" / example).is_file()
    assert "already prepared" in prepare(runtime, tree, "--build", "--device=cpu", home=tmp_path).err


@pytest.mark.slow
def test_a_build_that_fails_ends_with_the_first_compiler_error(tmp_path: Path) -> None:
    files = {**PARAPHYM_FILES, "packages/candle/src/lib.rs": "pub fn f() -> u8 { 1.5 }\npub fn g() -> u8 { 2.5 }\n"}
    done = prepare("paraphym", make_repository(tmp_path / "p", files), "--build", "--device=cpu", home=tmp_path)
    assert done.code == 1
    _, summary = done.err.split("The first error was:")
    assert "error[E0308]: mismatched types" in summary
    assert "1.5" in summary
    assert "2.5" not in summary
    assert "could not compile `cyrup_candle`" in summary
