"""What becomes of a build: an executable, or what went wrong first and what to do about it."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from parity.adapter import Availability, Build
from parity.adapter.cargo import Known
from parity.hosts.local import supervise
from parity.hosts.machine import host_facts
from parity.records import Limits
from parity.transcript import End, Head, Launched, Spawned, Transcript
from parity_adapters.paraphym import Paraphym, ParaphymSettings, building

STAND_IN = Path(__file__).parents[2] / "standins" / "paraphym"
HELLO = 'fn main() { println!("hello") }\n'


def adapter(path: Path | str, *, platform: str | None = None, **settings: Any) -> Paraphym:
    host = host_facts()
    return Paraphym(
        ParaphymSettings.model_validate_json(json.dumps({"path": str(path), **settings})),
        host.model_copy(update={"platform": platform or host.platform}),
    )


def probed(path: Path, **settings: Any) -> Availability:
    """What its probe, run for real, finds."""
    paraphym = adapter(path, **settings)
    head = Head(purpose="probe", runtime="paraphym")
    out = Path(tempfile.mkdtemp(dir=path.parent)) / "probe.jsonl"
    return paraphym.read_probe(supervise(paraphym.probe(), head=head, path=out, limits=Limits()))


def built_from(path: Path, **settings: Any) -> Build:
    """Built for real, with the transcript beside the folder."""
    paraphym = adapter(path, **settings)
    command = paraphym.build()
    assert command is not None
    head = Head(purpose="build", runtime="paraphym")
    transcript = supervise(command, head=head, path=path.parent / f"{path.name}.jsonl", limits=Limits())
    return paraphym.read_build(transcript)


def clone(
    folder: Path,
    *,
    manifest: str = "",
    lib: str = "",
    example: str | None = HELLO,
    lock: bool = True,
    place: str = "packages/candle",
) -> Path:
    """A workspace of one crate with one example, where paraphym has its own unless `place` names a different folder."""
    crate = folder / place
    (crate / "src").mkdir(parents=True)
    (crate / "src" / "lib.rs").write_text(lib)
    (crate / "Cargo.toml").write_text(f'[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2021"\n{manifest}\n')
    (folder / "Cargo.toml").write_text(f'[workspace]\nmembers = ["{place}"]\nresolver = "2"\n')
    if example is not None:
        (crate / "examples").mkdir()
        (crate / "examples" / "fluent_builder.rs").write_text(example)
    if lock:
        (folder / "Cargo.lock").write_text('version = 3\n\n[[package]]\nname = "tiny"\nversion = "0.1.0"\n')
    return folder


def assert_failed(build: Build, reason: str, remedy: str) -> None:
    assert build.executables == {}
    assert reason in (build.reason or "")
    assert remedy in (build.remedy or "")


def test_a_clone_is_ready_with_the_version_of_the_crate_that_has_the_example(tmp_path: Path) -> None:
    found = probed(clone(tmp_path / "checkout"))
    assert (found.ready, found.version) == (True, "tiny 0.1.0")


def test_a_clone_without_the_example_or_the_named_package_is_not_ready(tmp_path: Path) -> None:
    without = probed(clone(tmp_path / "without", example=None))
    assert (without.ready, without.reason) == (
        False,
        f"{tmp_path}/without has no package in packages/candle with fluent_builder",
    )
    named = probed(clone(tmp_path / "checkout"), package="paraphym_candle")
    assert (named.ready, named.reason) == (
        False,
        f"{tmp_path}/checkout has no package paraphym_candle with fluent_builder",
    )
    assert named.remedy is not None
    assert "`package`" in named.remedy


def test_a_folder_that_is_no_clone_is_told_with_the_script_that_makes_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, reason in (("gone", "working folder"), ("empty", "could not find `Cargo.toml`")):
        found = probed(tmp_path / folder)
        assert not found.ready
        assert reason in (found.reason or "")
        assert "vendor-scripts/prepare-paraphym.sh GIT_URL" in (found.remedy or "")


def test_an_example_in_a_different_place_needs_the_crates_name(tmp_path: Path) -> None:
    moved = clone(tmp_path / "moved", place="crates/engine")
    assert probed(moved).reason == f"{moved} has no package in packages/candle with fluent_builder"
    assert probed(moved, package="tiny").ready


METAL = '[features]\ndefault = ["gpu"]\ngpu = ["metal"]\nmetal = []\napi = []'


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"features": ["metal"], "default_features": False}, "the feature `metal` builds on macOS only"),
        ({}, "`metal`, which is one of the default features, builds on macOS only"),
        ({"features": ["api"], "default_features": False}, None),
    ],
)
def test_metal_is_reported_before_anything_is_built_where_it_does_not_build(
    settings: dict[str, Any], reason: str | None, tmp_path: Path
) -> None:
    checkout = clone(tmp_path / "checkout", manifest=METAL)
    found = probed(checkout, platform="linux", **settings)
    assert found.ready == (reason is None)
    if reason is not None:
        assert found.reason == f"{reason}, and this machine runs linux"
        assert f"`vendor-scripts/prepare-paraphym.sh {checkout} --device cpu`" in (found.remedy or "")
    assert probed(checkout, platform="darwin", **settings).ready


@pytest.mark.parametrize("known", building.KNOWN, ids=lambda known: known.pattern[:30])
def test_a_remedy_is_a_sentence_that_names_its_commands_and_keys(known: Known) -> None:
    assert "`" in known.remedy
    assert known.remedy.endswith(".")


def test_a_build_selects_the_one_package_so_that_other_members_change_none_of_its_features() -> None:
    found, named = adapter("/checkout").build().argv, adapter("/checkout", package="tiny").build().argv
    assert found[found.index("--manifest-path") + 1] == "packages/candle/Cargo.toml"
    assert named[named.index("--package") + 1] == "tiny"
    assert "--manifest-path" not in named


@pytest.mark.slow
def test_the_executable_is_where_cargo_says(built: tuple[Paraphym, Build]) -> None:
    _, build = built
    assert build.reason is None
    assert list(build.executables) == ["fluent_builder"]
    assert Path(build.executables["fluent_builder"]).is_file()


@pytest.mark.slow
def test_a_feature_that_needs_another_platform_names_crate_and_first_error(tmp_path: Path) -> None:
    lib = 'compile_error!("`objc2` only works on Apple platforms. Pass `--target aarch64-apple-darwin` or similar");'
    found = built_from(clone(tmp_path / "checkout", lib=lib))
    assert_failed(found, "crate `tiny`: error: `objc2` only works on Apple platforms", "Leave `metal` out")
    assert "src/lib.rs:1:1" in (found.reason or "")


@pytest.mark.slow
def test_the_first_compiler_error_is_shown_with_crate_and_place(tmp_path: Path) -> None:
    lib = 'pub fn one() -> u32 { missing() }\npub fn two() -> u32 { "x" }\n'
    found = built_from(clone(tmp_path / "checkout", lib=lib))
    assert_failed(found, "crate `tiny`: error[E0425]: cannot find function `missing`", "cargo build --example")
    assert "src/lib.rs:1:23" in (found.reason or "")


@pytest.mark.slow
def test_a_folder_without_a_manifest_is_the_wrong_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_failed(
        built_from(tmp_path / "empty"), "packages/candle/Cargo.toml` does not exist", "Set `path` to the root folder"
    )


@pytest.mark.slow
def test_a_crate_without_the_example_is_the_wrong_one(tmp_path: Path) -> None:
    found = built_from(clone(tmp_path / "checkout", example=None))
    assert_failed(found, "no example target named `fluent_builder`", "Set `path` to the clone that has the example")


@pytest.mark.slow
def test_a_missing_lock_file_is_said(tmp_path: Path) -> None:
    found = built_from(clone(tmp_path / "checkout", lock=False))
    assert_failed(found, "because --locked was passed", "checkout -- Cargo.lock`")


@pytest.mark.slow
def test_a_feature_that_does_not_exist_is_said(tmp_path: Path) -> None:
    found = built_from(clone(tmp_path / "checkout"), features=["mettal"])
    assert_failed(found, "does not contain this feature: mettal", "Correct `features`")


@pytest.mark.slow
def test_a_profile_that_does_not_exist_is_said(tmp_path: Path) -> None:
    found = built_from(clone(tmp_path / "checkout"), profile="release-lto")
    assert_failed(found, "profile `release-lto` is not defined", "Correct `profile`")


@pytest.mark.slow
def test_empty_submodules_are_said_with_the_command_that_fills_them(tmp_path: Path) -> None:
    manifest = '[dependencies]\nsurrealdb = { path = "../../forks/surrealdb/crates/sdk" }'
    checkout = clone(tmp_path / "my checkout", manifest=manifest)
    (checkout / "forks" / "surrealdb").mkdir(parents=True)
    found = built_from(checkout)
    assert_failed(
        found, "dependency `surrealdb`", f"`vendor-scripts/prepare-paraphym.sh '{checkout}'` fills all of them"
    )


@pytest.mark.slow
def test_a_missing_folder_and_a_missing_cargo_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_failed(built_from(tmp_path / "gone"), str(tmp_path / "gone"), "Set `path`")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = built_from(clone(tmp_path / "checkout"))
    assert_failed(found, "cargo can't be started", "Install Rust with rustup")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="there they build")
def test_default_features_that_do_not_build_here_can_be_left_out(tmp_path: Path) -> None:
    checkout = shutil.copytree(STAND_IN, tmp_path / "checkout", ignore=shutil.ignore_patterns("target"))
    assert_failed(built_from(checkout), "crate `cyrup_candle`: error: `objc2` only works", "Leave `metal` out")
    (tmp_path / "checkout.jsonl").unlink()
    assert built_from(checkout, default_features=False).reason is None


def test_a_build_that_names_no_executable_is_a_failure() -> None:
    found = adapter("/checkout").read_build(ended(exit_code=0))
    assert_failed(found, "named no executable", "`package`")


def ended(*, exit_code: int) -> Transcript:
    """A build that said nothing."""
    command = adapter("/checkout").build()
    assert command is not None
    return Transcript(
        head=Head(purpose="build", runtime="paraphym"),
        launch=Launched(argv=command.argv, cwd=command.cwd, env={}),
        spawn=Spawned(t_ns=1, pid=1, wall=""),
        end=End(t_ns=4, by="exit", exit_code=exit_code),
    )
