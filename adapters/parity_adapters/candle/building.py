"""How Candle is probed and built, and what the output of either means. Nothing is run here."""

import glob
import shlex
from functools import partial
from pathlib import Path

from parity.adapter import Availability, Build, Command, HostFacts, Need, ReadError, Transcript, Written, cargo
from parity.adapter.cargo import Known
from parity_adapters.candle.settings import CandleSettings

REFERENCE = "candle-reference"
LIBRARIES = ("candle-core", "candle-transformers")
APPLE_ONLY = frozenset({"metal", "accelerate"})
PREPARE = "vendor-scripts/prepare-candle.sh"
KNOWN = (
    Known(
        r"no example target named|package ID specification .* did not match any packages",
        "Set `path` to a checkout of Candle that has these examples, or leave the missing ones out of `examples`.",
    ),
    Known(r"could not find `[^`]+` in registry", "Set `version` to one that is published."),
    Known(r"only works on Apple platforms", "Leave the feature `metal` out: it builds on macOS only."),
    Known(
        r"failed to run custom build command for `[^`]*(?:cuda|kernels)|nvcc|could not compile `cudarc`",
        "Install the CUDA toolkit and make sure that `nvcc` is on PATH, or leave the feature `cuda` out.",
    ),
)
"""Failures of this program's build that Cargo or the compiler reports in known words."""

OF_SOURCE: dict[str, tuple[Known, ...]] = {
    "crate": (),
    "checkout": (Known(cargo.LOCKED, PREPARE + " {folder}"),),
    "reference": (),
}
WRONG_FOLDER = {
    "crate": cargo.WRONG_FOLDER,
    "checkout": f"Set `path` to the root folder of a checkout of Candle; `{PREPARE} GIT_URL --rev REV` makes one.",
    "reference": f"Set `path` to parity's `vendor-scripts/{REFERENCE}`.",
}


def needs(settings: CandleSettings) -> tuple[Need, ...]:
    """Candle leaves its lock file out of git, and every build is `--locked`."""
    if settings.source != "checkout":
        return ()
    return (
        Need(
            pattern=str(Path(glob.escape(settings.folder)) / "Cargo.lock"),
            reason=f"{settings.folder} has no Cargo.lock. Candle leaves that file out of git, and without it two "
            "builds of one commit can use different libraries.",
            remedy=f"{PREPARE} {shlex.quote(settings.folder)}",
        ),
    )


def probe(settings: CandleSettings) -> Command:
    """Before the build, ready means that Cargo is there, and what it will build."""
    if settings.source == "crate":
        return cargo.command("--version", "--verbose", toolchain=settings.toolchain, deadline_s=60.0)
    return cargo.metadata(settings.folder, settings.toolchain)


def read_probe(settings: CandleSettings, transcript: Transcript, host: HostFacts) -> Availability:
    failed = _failure(settings, transcript)
    if failed is not None:
        return Availability(ready=False, reason=failed.reason, remedy=failed.remedy)
    found = _published(settings) if settings.source == "crate" else _in_folder(settings, transcript)
    foreign = sorted(APPLE_ONLY.intersection(settings.features)) if host.platform != "darwin" else []
    if found.ready and foreign:
        return Availability(
            ready=False,
            reason=f"the feature `{foreign[0]}` builds on macOS only, and this machine runs {host.platform}",
            remedy=f"Leave `{foreign[0]}` out of `features`.",
        )
    return found


def _published(settings: CandleSettings) -> Availability:
    return Availability(ready=True, version=f"candle-examples {settings.crate_version}", device=settings.device)


def _in_folder(settings: CandleSettings, transcript: Transcript) -> Availability:
    wanted = REFERENCE if settings.source == "reference" else "candle-examples"
    try:
        packages = {package.name: package for package in cargo.packages(transcript)}
    except ReadError as error:
        return Availability(ready=False, reason=str(error), remedy="rustup update")
    if wanted not in packages:
        named = ", ".join(sorted(packages)) or "none"
        return Availability(
            ready=False,
            reason=f"{settings.folder} has no package {wanted}; it has {named}",
            remedy=f"Set `path` to the folder that holds `{wanted}`.",
        )
    package = packages[wanted]
    missing = set(settings.examples) - package.examples if settings.source == "checkout" else ()
    if missing:
        return Availability(
            ready=False,
            reason=f"{settings.folder} has no example {', '.join(sorted(missing))}",
            remedy="Check out a newer revision, or leave it out of `examples`.",
        )
    return Availability(ready=True, version=f"{wanted} {package.version}", device=settings.device)


def build(settings: CandleSettings, cache: Path) -> Command:
    """Can be repeated: where everything is built, Cargo finds that out within a second."""
    features = (f"--features={','.join(settings.features)}",) if settings.features else ()
    examples = tuple(f"--example={name}" for name in settings.examples)
    flags = {"RUSTFLAGS": f"-C target-cpu={settings.target_cpu}"} if settings.target_cpu else {}
    apart = {**flags, "CARGO_TARGET_DIR": str(settings.build_folder(cache) / "target")}
    run = partial(cargo.command, toolchain=settings.toolchain)
    if settings.source == "crate":
        what = ("install", "candle-examples", f"--version={settings.crate_version}", *examples)
        return run(*what, f"--root={settings.build_folder(cache)}", "--locked", *features, env=apart)
    run = partial(run, "build", "--release", "--locked", cargo.MESSAGES, *features, cwd=settings.folder)
    if settings.source == "checkout":
        return run("--package=candle-examples", *examples, env=flags)
    # From 1.91 on, Cargo keeps the compiled dependencies there, so that all clones of the reference share them.
    apart["CARGO_BUILD_BUILD_DIR"] = str(settings.shared_build_folder(cache))
    return run(f"--package={REFERENCE}", env=apart)


def writes(settings: CandleSettings, cache: Path) -> Written:
    """A build of the reference shares what it compiles with those of other clones, in a folder beside its own."""
    if settings.source == "checkout":
        return cargo.writes(str(Path(settings.folder) / "target"))
    return cargo.writes(str(settings.build_folder(cache) if settings.source == "crate" else cache / "candle"))


def read_build(settings: CandleSettings, transcript: Transcript, cache: Path) -> Build:
    failed = _failure(settings, transcript)
    if failed is not None:
        return Build(reason=failed.reason, remedy=failed.remedy)
    if settings.source == "crate":
        # The published lock file names the libraries of the same version, and Cargo's messages nothing.
        return Build(
            executables={name: str(settings.build_folder(cache) / "bin" / name) for name in settings.examples},
            libraries=dict.fromkeys(LIBRARIES, settings.crate_version),
        )
    wanted = settings.examples if settings.source == "checkout" else (REFERENCE,)
    built = cargo.executables(transcript)
    missing = [name for name in wanted if name not in built]
    if missing:
        return Build(
            reason=f"cargo succeeded but named no executable {', '.join(missing)}",
            remedy=f"Make sure that {settings.folder} is what `source` says.",
        )
    return Build(executables={name: built[name] for name in wanted}, libraries=cargo.libraries(transcript, *LIBRARIES))


def _failure(settings: CandleSettings, transcript: Transcript) -> cargo.Failure | None:
    own = (*OF_SOURCE[settings.source], *KNOWN)
    return cargo.failure(transcript, own, wrong_folder=WRONG_FOLDER[settings.source])
