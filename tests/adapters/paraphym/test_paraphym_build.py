"""What becomes of a build: an executable, or what went wrong first and what to do about it."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from parity.adapter import Build
from parity.process import supervise
from parity.records import Limits
from parity.transcript import End, EndedBy, Head, Launched, Piece, Spawned, Transcript
from parity_adapters.paraphym import Paraphym, ParaphymSettings

STAND_IN = Path(__file__).parents[2] / "standins" / "paraphym"
HELLO = 'fn main() { println!("hello") }\n'


def adapter(path: Path | str, **settings: Any) -> Paraphym:
    return Paraphym(ParaphymSettings.model_validate_json(json.dumps({"path": str(path), **settings})))


def built_from(path: Path, **settings: Any) -> Build:
    """Built for real, with the transcript beside the folder."""
    paraphym = adapter(path, **settings)
    command = paraphym.build()
    assert command is not None
    head = Head(purpose="build", runtime="paraphym")
    transcript = supervise(command, head=head, path=path.parent / f"{path.name}.jsonl", limits=Limits())
    return paraphym.read_build(transcript)


def package(folder: Path, *, manifest: str = "", lib: str = "", example: str | None = HELLO, lock: bool = True) -> Path:
    """A crate of one file and one example."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "lib.rs").write_text(lib)
    (folder / "Cargo.toml").write_text(f'[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2021"\n{manifest}\n')
    if example is not None:
        (folder / "examples").mkdir()
        (folder / "examples" / "fluent_builder.rs").write_text(example)
    if lock:
        (folder / "Cargo.lock").write_text('version = 3\n\n[[package]]\nname = "tiny"\nversion = "0.1.0"\n')
    return folder


def assert_failed(build: Build, reason: str, remedy: str) -> None:
    assert build.executables == {}
    assert reason in (build.reason or "")
    assert remedy in (build.remedy or "")


@pytest.mark.slow
def test_the_executable_is_where_cargo_says(built: tuple[Paraphym, Build]) -> None:
    _, build = built
    assert build.reason is None
    assert list(build.executables) == ["fluent_builder"]
    assert Path(build.executables["fluent_builder"]).is_file()


@pytest.mark.slow
def test_a_feature_that_needs_another_platform_names_crate_and_first_error(tmp_path: Path) -> None:
    lib = 'compile_error!("`objc2` only works on Apple platforms. Pass `--target aarch64-apple-darwin` or similar");'
    found = built_from(package(tmp_path / "checkout", lib=lib))
    assert_failed(found, "crate `tiny`: error: `objc2` only works on Apple platforms", "default_features = false")
    assert "src/lib.rs:1:1" in (found.reason or "")


@pytest.mark.slow
def test_the_first_compiler_error_is_shown_with_crate_and_place(tmp_path: Path) -> None:
    lib = 'pub fn one() -> u32 { missing() }\npub fn two() -> u32 { "x" }\n'
    found = built_from(package(tmp_path / "checkout", lib=lib))
    assert_failed(found, "crate `tiny`: error[E0425]: cannot find function `missing`", "cargo build --example")
    assert "src/lib.rs:1:23" in (found.reason or "")


@pytest.mark.slow
def test_a_folder_without_a_manifest_is_the_wrong_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_failed(built_from(tmp_path / "empty"), "could not find `Cargo.toml`", "set `path` to the root folder")


@pytest.mark.slow
def test_a_crate_without_the_example_is_the_wrong_one(tmp_path: Path) -> None:
    found = built_from(package(tmp_path / "checkout", example=None))
    assert_failed(found, "no example target named `fluent_builder`", "set `path` to the clone that has it")


@pytest.mark.slow
def test_a_missing_lock_file_is_said(tmp_path: Path) -> None:
    found = built_from(package(tmp_path / "checkout", lock=False))
    assert_failed(found, "because --locked was passed", "git checkout -- Cargo.lock")


@pytest.mark.slow
def test_a_feature_that_does_not_exist_is_said(tmp_path: Path) -> None:
    found = built_from(package(tmp_path / "checkout"), features=["mettal"])
    assert_failed(found, "does not contain this feature: mettal", "correct `features`")


@pytest.mark.slow
def test_a_profile_that_does_not_exist_is_said(tmp_path: Path) -> None:
    found = built_from(package(tmp_path / "checkout"), profile="release-lto")
    assert_failed(found, "profile `release-lto` is not defined", "correct `profile`")


@pytest.mark.slow
def test_empty_submodules_are_said_with_the_command_that_fills_them(tmp_path: Path) -> None:
    manifest = '[dependencies]\nsurrealdb = { path = "forks/surrealdb/crates/sdk" }'
    checkout = package(tmp_path / "my checkout", manifest=manifest)
    (checkout / "forks" / "surrealdb").mkdir(parents=True)
    found = built_from(checkout)
    assert_failed(found, "failed to get `surrealdb`", f"git -C '{checkout}' submodule update --init --recursive")


@pytest.mark.slow
def test_a_missing_folder_and_a_missing_cargo_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_failed(built_from(tmp_path / "gone"), str(tmp_path / "gone"), "correct `path`")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = built_from(package(tmp_path / "checkout"))
    assert_failed(found, "cargo can't be started", "install Rust with rustup")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="there they build")
def test_default_features_that_do_not_build_here_can_be_left_out(tmp_path: Path) -> None:
    checkout = shutil.copytree(STAND_IN, tmp_path / "checkout", ignore=shutil.ignore_patterns("target"))
    assert_failed(built_from(checkout), "crate `cyrup_candle`: error: `objc2` only works", "default_features = false")
    (tmp_path / "checkout.jsonl").unlink()
    assert built_from(checkout, default_features=False).reason is None


# what a machine may lack, in the words of cargo and rustup

NOT_INSTALLED = """\
error: toolchain 'nightly-2025-01-02-x86_64-unknown-linux-gnu' is not installed
help: run `rustup toolchain install` to install it
"""
UNSTABLE = """\
   Compiling simd v0.1.0 (/checkout/packages/simd)
error[E0554]: `#![feature]` may not be used on the stable release channel
 --> packages/simd/src/lib.rs:1:1
  |
1 | #![feature(portable_simd)]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^

For more information about this error, try `rustc --explain E0554`.
error: could not compile `simd` (lib) due to 1 previous error
"""
FROM_A_REGISTRY = """\
   Compiling objc2 v0.6.1
   Compiling half v2.6.0
error: `objc2` only works on Apple platforms. Pass `--target aarch64-apple-darwin` or similar to compile for macOS.
   --> /home/user/.cargo/registry/src/index-0123456789abcdef/objc2-0.6.1/src/lib.rs:195:1
    |
195 | compile_error!("`objc2` only works on Apple platforms.");
    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

error: could not compile `half` (lib) due to 1 previous error
error: could not compile `objc2` (lib) due to 1 previous error
"""
TOO_OLD = """\
error: rustc 1.70.0 is not supported by the following packages:
  tiny@0.1.0 requires rustc 1.85
"""
NO_NETWORK = """\
error: failed to get `candle-core` as a dependency of package `cyrup_candle v0.1.0 (/checkout/packages/candle)`

Caused by:
  failed to clone into: /home/user/.cargo/git/db/candle-0c2b4fa9e5801351

Caused by:
  failed to resolve address for example.org: Could not resolve host
"""


@pytest.mark.parametrize(
    ("printed", "reason", "remedy"),
    [
        (NOT_INSTALLED, "is not installed", "rustup toolchain install nightly-2025-01-02-x86_64-unknown-linux-gnu"),
        (UNSTABLE, "crate `simd`: error[E0554]", 'set `toolchain = "nightly"`'),
        (FROM_A_REGISTRY, "crate `objc2`: error: `objc2` only works", "default_features = false"),
        (TOO_OLD, "rustc 1.70.0 is not supported", "rustup update"),
        (NO_NETWORK, "failed to get `candle-core`", "needs the network once"),
        ("error: no such command: `+nightly`\n", "no such command", "install Rust with rustup"),
        (
            "error: could not compile `tiny` (lib)\n\nCaused by:\n  process didn't exit (signal: 9)\n",
            "`tiny`",
            "memory",
        ),
        ("Killed\n", "cargo ended with status 101: Killed", "see all of it: cd /checkout && cargo build"),
        ("", "it printed nothing", "see all of it"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(printed: str, reason: str, remedy: str) -> None:
    assert_failed(adapter("/checkout").read_build(ended(printed, exit_code=101)), reason, remedy)


@pytest.mark.parametrize(("by", "reason"), [("deadline:total", "did not end in time"), ("cancel", "interrupted")])
def test_a_build_that_was_ended_is_no_compiler_error(by: EndedBy, reason: str) -> None:
    assert reason in (adapter("/checkout").read_build(ended("", by=by)).reason or "")


def test_a_build_that_names_no_executable_is_a_failure() -> None:
    found = adapter("/checkout").read_build(ended("", exit_code=0))
    assert_failed(found, "names no executable", "`package`")


def test_lines_of_build_scripts_between_the_messages_are_passed_over() -> None:
    artifact = {"reason": "compiler-artifact", "target": {"name": "fluent_builder"}, "executable": "/x/fluent_builder"}
    library = {"reason": "compiler-artifact", "target": {"name": "tiny"}, "executable": None}
    out = f"warming up\n{json.dumps(library)}\n[1]\n{json.dumps(artifact)}\n"
    found = adapter("/checkout").read_build(ended("", out=out, exit_code=0))
    assert found.executables == {"fluent_builder": "/x/fluent_builder"}


def ended(err: str, *, out: str = "", by: EndedBy = "exit", exit_code: int | None = None) -> Transcript:
    pieces = [Piece(2, "err", err.encode()), Piece(3, "out", out.encode())]
    command = adapter("/checkout").build()
    assert command is not None
    return Transcript(
        head=Head(purpose="build", runtime="paraphym"),
        launch=Launched(argv=command.argv, cwd=command.cwd, env={}),
        spawn=Spawned(t_ns=1, pid=1, wall=""),
        pieces=tuple(piece for piece in pieces if piece.data),
        end=End(t_ns=4, by=by, exit_code=exit_code, signal=None if exit_code is not None else 9),
    )
