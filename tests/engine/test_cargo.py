"""Cargo's words, read: which executables there are, or what went wrong first and what to do about it."""

import json
from typing import Literal

import pytest

from parity.adapter import cargo
from parity.errors import ReadError
from parity.transcript import End, EndedBy, Head, Launched, NoSpawn, Piece, Spawned, Transcript

NOT_INSTALLED = """\
error: toolchain 'nightly-2025-01-02-x86_64-unknown-linux-gnu' is not installed
help: run `rustup toolchain install` to install it
"""
NO_DEFAULT = """\
error: rustup could not choose a version of cargo to run, because one wasn't specified explicitly, and no default is \
configured.
help: run 'rustup default nightly' to download the latest nightly release of Rust and set it as your default toolchain.
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


STALE_LOCK = """\
    Updating index
error: cannot update the lock file /my checkout/Cargo.lock because --locked was passed to prevent this
If you want to try to generate the lock file without accessing the network, remove the --locked flag and use --offline \
instead.
"""
OLDER_STALE_LOCK = """\
error: the lock file /my checkout/Cargo.lock needs to be updated but --locked was passed to prevent this
If you want to try to generate the lock file without accessing the network, remove the --locked flag and use --offline \
instead.
"""
RETRIED = """\
warning: spurious network error (3 tries remaining): [28] Timeout was reached
warning: nvcc was not found
   Compiling tiny v0.1.0 (/my checkout)
error[E0425]: cannot find function `one` in this scope
 --> src/lib.rs:1:1
error: could not compile `tiny` (lib) due to 1 previous error
"""
BUILD_SCRIPT = """\
   Compiling candle-kernels v0.11.1
error: failed to run custom build command for `candle-kernels v0.11.1`

Caused by:
  process didn't exit successfully: `/target/release/build/candle-kernels-0a/build-script-build` (exit status: 101)
  --- stderr

  thread 'main' (42) panicked at /checkout/build.rs:1:13:
  `nvcc` failed: No such file or directory
"""
TWO_ERRORS = """\
error[E0425]: cannot find function `one` in this scope
error[E0425]: cannot find function `two` in this scope
 --> src/lib.rs:2:1
error: could not compile `tiny` (lib) due to 2 previous errors
"""


@pytest.mark.parametrize(
    ("printed", "reason", "remedy"),
    [
        (NOT_INSTALLED, "is not installed", "rustup toolchain install nightly-2025-01-02-x86_64-unknown-linux-gnu"),
        (NO_DEFAULT, "rustup could not choose a version of cargo", "rustup default nightly"),
        (UNSTABLE, "crate `simd`: error[E0554]", 'set `toolchain = "nightly"`'),
        (
            FROM_A_REGISTRY,
            "crate `objc2`: error: `objc2` only works on Apple platforms. Pass `--target aarch64-apple-darwin` or "
            "similar to compile for macOS. (objc2-0.6.1/src/lib.rs:195:1)",
            "cd '/my checkout' && cargo build",
        ),
        (TOO_OLD, "rustc 1.70.0 is not supported", "rustup update"),
        (NO_NETWORK, "failed to get `candle-core`", "`cargo fetch` works in '/my checkout'"),
        (BUILD_SCRIPT, "`candle-kernels v0.11.1`: `nvcc` failed: No such file", "cargo build"),
        (STALE_LOCK, "because --locked was passed", "git -C '/my checkout' checkout -- Cargo.lock"),
        (OLDER_STALE_LOCK, "but --locked was passed", "git -C '/my checkout' checkout -- Cargo.lock"),
        (RETRIED, "crate `tiny`: error[E0425]", "cargo build"),
        (TWO_ERRORS, "crate `tiny`: error[E0425]: cannot find function `one` in this scope", "cargo build"),
        ("error: no such command: `+nightly`\n", "no such command", "Install Rust with rustup"),
        (
            "error: could not compile `tiny` (lib)\n\nCaused by:\n  process didn't exit (signal: 9)\n",
            "`tiny`",
            "memory",
        ),
        ("Killed\n", "cargo ended with status 101: Killed", "cd '/my checkout' && cargo build"),
        ("", "it printed nothing", "cd '/my checkout' && cargo build"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(printed: str, reason: str, remedy: str) -> None:
    found = cargo.failure(said("err", printed, exit_code=101))
    assert found is not None
    assert reason in found.reason
    assert remedy in found.remedy


def test_the_place_of_a_second_error_is_not_that_of_the_first() -> None:
    found = cargo.failure(said("err", TWO_ERRORS, exit_code=101))
    assert found is not None
    assert "src/lib.rs" not in found.reason


def test_what_an_adapter_knows_of_its_program_comes_first() -> None:
    own = cargo.Known(r"failed to get `(?P<crate>[^`]+)`", "fetch {crate} in {folder}")
    found = cargo.failure(said("err", NO_NETWORK, exit_code=101), (own,))
    assert found is not None
    assert found.remedy == "fetch candle-core in '/my checkout'"


@pytest.mark.parametrize("by", ["deadline:total", "cancel"])
def test_a_build_that_was_ended_is_no_compiler_error(by: EndedBy) -> None:
    found = cargo.failure(said("err", "    Blocking waiting for file lock on build directory\n", by=by))
    assert found is not None
    assert by in found.reason
    assert "Blocking waiting for file lock" in found.reason
    assert "Cargo continues the build" in found.remedy


def test_a_missing_cargo_and_a_missing_folder_have_different_remedies() -> None:
    missing_cargo = cargo.failure(not_started("No such file or directory"))
    assert missing_cargo is not None
    assert missing_cargo.reason == "cargo can't be started: No such file or directory"
    assert "Install Rust" in missing_cargo.remedy
    missing_folder = cargo.failure(not_started("No such file or directory: /gone", folder_missing=True))
    assert missing_folder == cargo.Failure("No such file or directory: /gone", cargo.WRONG_FOLDER)


def test_a_folder_that_is_not_the_checkout_has_the_adapters_remedy() -> None:
    """Whether it doesn't exist, has no manifest, or lacks the manifest that the adapter names."""
    mine = "Set `path` to the clone."
    for transcript in (
        not_started("No such file or directory: /gone", folder_missing=True),
        said("err", "error: could not find `Cargo.toml` in `/my checkout` or any parent directory\n", exit_code=101),
        said("err", "error: manifest path `packages/x/Cargo.toml` does not exist\n", exit_code=101),
    ):
        found = cargo.failure(transcript, wrong_folder=mine)
        assert found is not None
        assert found.remedy == mine


def not_started(message: str, *, folder_missing: bool = False) -> Transcript:
    return Transcript(
        head=Head(purpose="build", runtime="one"),
        launch=Launched(argv=("cargo",), env={}),
        no_spawn=NoSpawn(t_ns=1, errno=2, message=message, folder_missing=folder_missing),
    )


@pytest.mark.parametrize("known", cargo.KNOWN, ids=lambda known: known.pattern[:30])
def test_a_remedy_is_a_sentence_that_names_its_commands_and_keys_or_a_command(known: cargo.Known) -> None:
    sentence = "`" in known.remedy and known.remedy.endswith(".") and known.remedy[0].isupper()
    assert sentence or known.remedy.startswith("rustup ")


def test_a_build_that_waits_for_a_lock_of_cargos_is_seen_to_wait() -> None:
    waiting = cargo.command("build").waits
    assert waiting is not None
    lines = "    Blocking waiting for file lock on build directory\n   Compiling tiny v0.1.0\n"
    found = said("err", lines, exit_code=0).find(waiting.pattern, waiting.stream)
    assert found is not None
    assert found[0].text.strip() == "Blocking waiting for file lock on build directory"


def test_a_build_that_ended_well_is_no_failure_whatever_it_printed() -> None:
    assert cargo.failure(said("err", "error: told by a build script\n", exit_code=0)) is None


def test_lines_of_build_scripts_between_the_messages_are_passed_over() -> None:
    artifact = {"reason": "compiler-artifact", "target": {"name": "main"}, "executable": "/x/main"}
    library = {"reason": "compiler-artifact", "target": {"name": "tiny"}, "executable": None}
    out = f"warming up\n{json.dumps(library)}\n[1]\n{json.dumps(artifact)}\n"
    assert cargo.executables(said("out", out, exit_code=0)) == {"main": "/x/main"}


def linked(*packages: tuple[str, str]) -> Transcript:
    """A build that was linked with libraries of these ids, and of these folders."""
    lines = [
        {
            "reason": "compiler-artifact",
            "package_id": identifier,
            "manifest_path": f"{folder}/Cargo.toml",
            "target": {"name": "candle_core", "kind": ["lib"]},
            "executable": None,
        }
        for identifier, folder in packages
    ]
    return said("out", "".join(f"{json.dumps(line)}\n" for line in lines), exit_code=0)


@pytest.mark.parametrize(
    ("identifier", "folder", "version"),
    [
        ("registry+https://h/i#candle-core@0.11.1", "/c/registry/src/i-1/candle-core-0.11.1", "0.11.1"),
        ("candle-core 0.9.1 (registry+https://h/i)", "/c/registry/src/i-1/candle-core-0.9.1", "0.9.1"),
        (
            "git+https://h/candle?rev=1a2b#candle-core@0.9.1",
            "/c/git/checkouts/candle-9f/1a2b3c4/candle-core",
            "0.9.1 at 1a2b3c4",
        ),
        ("path+file:///src/candle-core#0.9.2-alpha.1", "/src/candle-core", "0.9.2-alpha.1 of /src/candle-core"),
        ("path+file:///src/core#candle-core@0.9.1", "/src/core", "0.9.1 of /src/core"),
    ],
    ids=["registry", "earlier cargo", "git", "path", "path of another name"],
)
def test_a_library_has_a_version_and_what_tells_it_from_others_of_that(
    identifier: str, folder: str, version: str
) -> None:
    other = ("registry+https://h/i#candle-nn@1.0.0", "/c/registry/src/i-1/candle-nn-1.0.0")
    assert cargo.libraries(linked((identifier, folder), other), "candle-core") == {"candle-core": version}


def test_a_library_of_two_versions_or_of_none_is_not_known() -> None:
    two = linked(
        ("registry+https://h/i#candle-core@0.11.1", "/c/registry/src/i-1/candle-core-0.11.1"),
        ("registry+https://h/i#candle-core@0.9.1", "/c/registry/src/i-1/candle-core-0.9.1"),
    )
    assert cargo.libraries(two, "candle-core") == {}
    assert cargo.libraries(said("out", "[1]\n{}\n", exit_code=0), "candle-core") == {}


def test_a_packages_features_include_what_they_turn_on() -> None:
    features = {
        "default": ["gpu", "api"],
        "gpu": ["metal", "dep:kernels"],
        "metal": ["core/metal"],
        "mkl": [],
        "api": [],
    }
    package = {
        "name": "tiny",
        "version": "0.1.0",
        "manifest_path": "/c/Cargo.toml",
        "targets": [],
        "features": features,
    }
    [found] = cargo.packages(said("out", json.dumps({"packages": [package]}), exit_code=0))
    assert {"metal", "mkl", "gpu"} <= found.enabled(["mkl"])
    assert found.enabled(["mkl"], default_features=False) == {"mkl"}


@pytest.mark.parametrize("out", ["", "[]", '{"packages": [{"name": "tiny"}]}'])
def test_packages_that_cannot_be_read_are_no_empty_list(out: str) -> None:
    with pytest.raises(ReadError, match="not in the known form"):
        cargo.packages(said("out", out, exit_code=0))


def said(stream: Literal["out", "err"], text: str, *, by: EndedBy = "exit", exit_code: int | None = None) -> Transcript:
    command = cargo.command("build", cargo.MESSAGES, cwd="/my checkout")
    return Transcript(
        head=Head(purpose="build", runtime="one"),
        launch=Launched(argv=command.argv, cwd=command.cwd, env={}),
        spawn=Spawned(t_ns=1, pid=1, wall=""),
        pieces=(Piece(2, stream, text.encode()),) if text else (),
        end=End(t_ns=4, by=by, exit_code=exit_code, signal=None if exit_code is not None else 9),
    )
