"""How Candle is probed and built, and what a failed build says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from candle_trials import EXAMPLES, adapter, printed

from parity.adapter import Transcript
from parity.adapter.cargo import Known
from parity.cache import cache_folder
from parity.hosts.machine import host_facts
from parity.transcript import Head, Launched, NoSpawn
from parity_adapters.candle import Candle, building
from parity_adapters.candle.settings import CandleSettings

Cargo = Callable[..., Transcript]


def test_the_crate_is_built_into_a_folder_of_its_version_and_features() -> None:
    command = adapter(features=["metal"], examples=["quantized"]).build()
    folder = cache_folder() / "candle" / "0.11.1-metal"
    assert command.argv == (
        "cargo",
        "install",
        "candle-examples",
        "--version=0.11.1",
        "--example=quantized",
        f"--root={folder}",
        "--locked",
        "--features=metal",
    )
    assert command.env["CARGO_TARGET_DIR"] == f"{folder}/target"
    assert command.deadline_s >= 3600


def test_two_builds_that_differ_share_no_folder() -> None:
    builds: list[dict[str, Any]] = [
        {},
        {"version": "0.11.0"},
        {"features": ["mkl"]},
        {"toolchain": "nightly"},
        {"target_cpu": "native"},
        {"source": "reference", "path": "/a"},
        {"source": "reference", "path": "/b"},
        {"source": "reference", "path": "/b", "features": ["mkl"]},
    ]
    folders = [adapter(**build).settings.build_folder(cache_folder()) for build in builds]
    assert len(set(folders)) == len(builds)


@pytest.mark.parametrize("source", [{}, {"source": "checkout", "path": "/c"}, {"source": "reference", "path": "/c"}])
def test_a_cpu_to_compile_for_is_handed_to_the_compiler(source: dict[str, Any]) -> None:
    assert adapter(**source, target_cpu="native").build().env["RUSTFLAGS"] == "-C target-cpu=native"
    assert "RUSTFLAGS" not in adapter(**source).build().env


def test_the_order_of_features_changes_nothing() -> None:
    one, other = adapter(features=["cuda", "cudnn"]), adapter(features=["cudnn", "cuda"])
    assert one.settings.build_folder(cache_folder()) == other.settings.build_folder(cache_folder())


def test_a_checkout_is_built_where_it_lies_and_the_reference_outside_its_clone() -> None:
    checkout = adapter(source="checkout", path="/candle").build()
    assert checkout.cwd == "/candle"
    assert "CARGO_TARGET_DIR" not in checkout.env
    assert adapter(source="checkout", path="/candle").checkout == "/candle"
    assert {"--release", "--locked", "--message-format=json-render-diagnostics"} <= set(checkout.argv)
    reference = adapter(source="reference", path="/clone/reference").build()
    assert reference.env["CARGO_TARGET_DIR"].startswith(str(cache_folder()))
    assert adapter(source="reference", path="/clone/reference").checkout is None


def test_room_is_asked_for_where_each_source_is_built() -> None:
    written = {
        str(cache_folder() / "candle" / "0.11.1-cpu"): adapter(),
        "/candle/target": adapter(source="checkout", path="/candle"),
        str(cache_folder() / "candle"): adapter(source="reference", path="/clone/reference"),
    }
    assert {made.build_writes.folder: made for made in written.values()} == written
    assert all("CARGO_TARGET_DIR" in made.build_writes.moved_by for made in written.values())


def test_two_clones_share_what_is_compiled_of_others_crates_and_not_the_executable() -> None:
    one, other = (adapter(source="reference", path=path).build().env for path in ("/a", "/b"))
    assert one["CARGO_BUILD_BUILD_DIR"] == other["CARGO_BUILD_BUILD_DIR"]
    assert one["CARGO_TARGET_DIR"] != other["CARGO_TARGET_DIR"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A workspace in the form of a Candle checkout, without dependencies."""
    member = tmp_path / "candle" / "candle-examples"
    (member / "src").mkdir(parents=True)
    (member / "src" / "lib.rs").write_text("pub fn nothing() {}\n")
    for name in EXAMPLES:
        (member / "examples" / name).mkdir(parents=True)
        (member / "examples" / name / "main.rs").write_text("fn main() {}\n")
    (member / "Cargo.toml").write_text(
        '[package]\nname = "candle-examples"\nversion = "0.1.2"\nedition = "2021"\n[features]\nmkl = []\n'
    )
    (tmp_path / "candle" / "Cargo.toml").write_text('[workspace]\nmembers = ["candle-examples"]\nresolver = "2"\n')
    (tmp_path / "candle" / "Cargo.lock").write_text(
        'version = 4\n\n[[package]]\nname = "candle-examples"\nversion = "0.1.2"\n'
    )
    return tmp_path / "candle"


def of(checkout: Path, **settings: Any) -> Candle:
    return adapter(source="checkout", path=str(checkout), **settings)


def refusal(candle: Candle, transcript: Transcript) -> tuple[str, str]:
    build = candle.read_build(transcript)
    assert build.executables == {}
    assert build.reason is not None
    assert build.remedy is not None
    return build.reason, build.remedy


def test_a_checkouts_executables_are_those_of_cargos_messages_also_when_nothing_is_left_to_do(
    cargo: Cargo, checkout: Path
) -> None:
    candle = of(checkout, features=["mkl"])
    first, second = candle.read_build(cargo(candle)), candle.read_build(cargo(candle))
    assert set(first.executables) == set(EXAMPLES)
    assert all(Path(path).is_file() for path in first.executables.values())
    assert second == first


def test_a_checkout_is_ready_with_its_version_before_it_is_built(cargo: Cargo, checkout: Path) -> None:
    found = of(checkout).read_probe(cargo(of(checkout), "probe"))
    assert (found.ready, found.version, found.device) == (True, "candle-examples 0.1.2", "cpu")


def test_cargo_that_is_not_there_is_said_with_how_to_get_it(cargo: Cargo, checkout: Path, tmp_path: Path) -> None:
    candle = adapter()
    found = candle.read_probe(cargo(candle, "probe", PATH=str(tmp_path)))
    assert not found.ready
    assert found.reason == "cargo can't be started: No such file or directory"
    assert found.remedy is not None
    assert "Install Rust" in found.remedy


def test_a_folder_that_is_not_there_is_named(cargo: Cargo, tmp_path: Path) -> None:
    candle = of(tmp_path / "nowhere")
    found = candle.read_probe(cargo(candle, "probe"))
    assert not found.ready
    assert found.reason is not None
    assert "nowhere" in found.reason
    assert found.remedy is not None
    assert "vendor-scripts/prepare-candle.sh GIT_URL" in found.remedy


def test_a_folder_without_a_cargo_toml_is_the_wrong_one(cargo: Cargo, tmp_path: Path) -> None:
    candle = of(tmp_path)
    found = candle.read_probe(cargo(candle, "probe"))
    assert not found.ready
    assert found.reason is not None
    assert "could not find `Cargo.toml`" in found.reason
    assert found.remedy is not None
    assert "Set `path` to the root folder of a checkout of Candle" in found.remedy
    assert refusal(candle, cargo(candle)) == (found.reason, found.remedy)


def test_another_projects_folder_is_the_wrong_one(cargo: Cargo, checkout: Path) -> None:
    candle = adapter(source="reference", path=str(checkout))
    found = candle.read_probe(cargo(candle, "probe"))
    assert not found.ready
    assert found.reason == f"{checkout} has no package candle-reference; it has candle-examples"


def test_an_example_that_the_checkout_does_not_have_is_named(cargo: Cargo, checkout: Path) -> None:
    (checkout / "candle-examples" / "examples" / "quantized-qwen3" / "main.rs").unlink()
    found = of(checkout).read_probe(cargo(of(checkout), "probe"))
    assert found.reason == f"{checkout} has no example quantized-qwen3"
    reason, remedy = refusal(of(checkout), cargo(of(checkout)))
    assert "no example target named `quantized-qwen3`" in reason
    assert "leave the missing ones out of `examples`" in remedy


def test_a_missing_lock_file_is_never_written_unasked(cargo: Cargo, checkout: Path) -> None:
    (checkout / "Cargo.lock").unlink()
    reason, remedy = refusal(of(checkout), cargo(of(checkout)))
    assert "cannot create the lock file" in reason
    assert remedy == f"vendor-scripts/prepare-candle.sh {checkout}"
    assert not (checkout / "Cargo.lock").exists()


def test_a_feature_that_does_not_exist_is_named(cargo: Cargo, checkout: Path) -> None:
    candle = of(checkout, features=["metall"])
    reason, remedy = refusal(candle, cargo(candle))
    assert "metall" in reason
    assert "Correct `features`" in remedy


def test_the_first_compiler_error_comes_with_its_crate_and_place(cargo: Cargo, checkout: Path) -> None:
    source = checkout / "candle-examples" / "src" / "lib.rs"
    source.write_text("pub fn nothing() {}\npub fn five() -> u32 { missing }\n")
    reason, _ = refusal(of(checkout), cargo(of(checkout)))
    assert reason == (
        "crate `candle-examples`: error[E0425]: cannot find value `missing` in this scope "
        "(candle-examples/src/lib.rs:2:24)"
    )


def test_a_build_script_that_fails_is_quoted(cargo: Cargo, checkout: Path) -> None:
    (checkout / "candle-examples" / "build.rs").write_text('fn main() { panic!("nvcc not found"); }\n')
    reason, remedy = refusal(of(checkout), cargo(of(checkout)))
    assert "failed to run custom build command for `candle-examples v0.1.2" in reason
    assert reason.endswith("nvcc not found")
    assert "CUDA toolkit" in remedy


def test_a_toolchain_file_that_asks_for_what_is_not_installed_is_told_and_nothing_is_installed(
    cargo: Cargo, checkout: Path
) -> None:
    (checkout / "rust-toolchain.toml").write_text('[toolchain]\nchannel = "nightly-2020-01-01"\n')
    candle = of(checkout)
    found = candle.read_probe(cargo(candle, "probe"))
    assert not found.ready
    assert found.reason is not None
    assert "toolchain 'nightly-2020-01-01" in found.reason
    assert found.remedy is not None
    assert found.remedy.startswith("rustup toolchain install nightly-2020-01-01")


def test_source_that_only_nightly_compiles_is_told_with_the_setting_for_it(cargo: Cargo, checkout: Path) -> None:
    source = checkout / "candle-examples" / "src" / "lib.rs"
    source.write_text("#![feature(never_type)]\npub fn nothing() {}\n")
    candle = of(checkout, toolchain="stable")
    reason, remedy = refusal(candle, cargo(candle))
    assert "may not be used on the stable release channel" in reason
    assert 'toolchain = "nightly"' in remedy


def test_a_compiler_that_is_too_old_is_told(cargo: Cargo, checkout: Path) -> None:
    manifest = checkout / "candle-examples" / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace('edition = "2021"', 'edition = "2021"\nrust-version = "1.999"'))
    reason, remedy = refusal(of(checkout), cargo(of(checkout)))
    assert "is not supported by the following packages: candle-examples@0.1.2 requires rustc 1.999" in reason
    assert "rustup update" in remedy


@pytest.mark.parametrize("source", ["crate", "checkout"])
def test_a_feature_of_a_different_platform_is_reported_before_anything_is_built(
    source: str, cargo: Cargo, checkout: Path
) -> None:
    settings = {"features": ["metal"], **({"source": source, "path": str(checkout)} if source == "checkout" else {})}
    linux, mac = (on(platform, **settings) for platform in ("linux", "darwin"))
    probe = cargo(linux, "probe")
    found = linux.read_probe(probe)
    assert not found.ready
    assert found.reason == "the feature `metal` builds on macOS only, and this machine runs linux"
    assert found.remedy == "Leave `metal` out of `features`."
    assert mac.read_probe(probe).ready


def on(platform: str, **settings: Any) -> Candle:
    host = host_facts().model_copy(update={"platform": platform})
    return Candle(CandleSettings.model_validate(settings, strict=False), host)


def test_a_checkout_needs_its_lock_file_and_nothing_else_needs_one() -> None:
    [need] = adapter(source="checkout", path="/my src/candle [2]").needs
    assert need.pattern == "/my src/candle [[]2]/Cargo.lock"
    assert "has no Cargo.lock" in need.reason
    assert need.remedy == "vendor-scripts/prepare-candle.sh '/my src/candle [2]'"
    assert adapter().needs == adapter(source="reference", path="/reference").needs == ()


def test_every_program_can_run_a_tiny_model_unless_its_end_token_was_chosen() -> None:
    assert adapter().no_proof is None
    assert adapter(source="reference", path="/reference").no_proof is None
    assert '`which = "7b"`' in (adapter(which="7b").no_proof or "")


@pytest.mark.parametrize("known", building.KNOWN, ids=lambda known: known.pattern[:30])
def test_a_remedy_is_a_sentence_that_names_its_commands_and_keys(known: Known) -> None:
    assert "`" in known.remedy
    assert known.remedy.endswith(".")


METAL_ON_LINUX = """   Compiling objc2 v0.6.5
error: `objc2` only works on Apple platforms. Pass `--target aarch64-apple-darwin` or similar to compile for macOS.
       (If you're absolutely certain that you're using GNUStep, you can specify that with another feature instead).
   --> /home/me/.cargo/registry/src/index-1949cf8c6b5b557f/objc2-0.6.5/src/lib.rs:219:1
    |

error: could not compile `objc2` (lib) due to 1 previous error
warning: build failed, waiting for other jobs to finish...
"""


def test_metal_elsewhere_is_known_by_its_first_crate() -> None:
    reason, remedy = refusal(adapter(), printed(METAL_ON_LINUX, exit_code=101, stream="err"))
    assert reason.startswith("crate `objc2`: error: `objc2` only works on Apple platforms.")
    assert reason.endswith("(objc2-0.6.5/src/lib.rs:219:1)")
    assert "Leave the feature `metal` out" in remedy


def test_the_crates_executables_are_known_without_looking() -> None:
    build = adapter(examples=["quantized"]).read_build(
        printed("     Ignored package `candle-examples v0.11.1` is already installed\n", stream="err")
    )
    assert build.executables == {"quantized": str(cache_folder() / "candle" / "0.11.1-cpu" / "bin" / "quantized")}


def test_a_probe_that_could_not_be_started_is_not_ready() -> None:
    transcript = Transcript(
        head=Head(purpose="probe", runtime="candle"),
        launch=Launched(argv=("cargo",), env={}),
        no_spawn=NoSpawn(t_ns=1, errno=13, message="Permission denied"),
    )
    assert adapter().read_probe(transcript).reason == "cargo can't be started: Permission denied"
