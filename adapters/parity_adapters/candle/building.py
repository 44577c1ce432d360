"""What to run to learn whether Candle can be built, to build it, and what came of either."""

import re
from functools import partial
from pathlib import Path

from parity.adapter import Availability, Build, Command, ReadError, Transcript, cargo
from parity.adapter.cargo import Known
from parity_adapters.candle.settings import CandleSettings

REFERENCE = "candle-reference"
APPLE_ONLY = frozenset({"metal", "accelerate"})
KNOWN = (
    Known(
        r"no example target named|package ID specification .* did not match any packages",
        "name a checkout of Candle that has these examples, or leave out of `examples` what it doesn't have",
    ),
    Known(r"could not find `[^`]+` in registry", "name a `version` that is published"),
)
NO_FOLDER = r"working folder|could not find `Cargo\.toml`"
OF_SOURCE: dict[str, tuple[Known, ...]] = {
    "crate": (),
    "checkout": (
        Known(
            NO_FOLDER,
            "set `path` to a checkout of Candle; vendor-scripts/prepare-candle.sh GIT_URL --rev REV makes one",
        ),
        Known(
            cargo.LOCKED,
            "vendor-scripts/prepare-candle.sh {folder} makes the Cargo.lock, which Candle leaves out of git: without "
            "it, two builds of a revision can differ",
        ),
    ),
    "reference": (Known(NO_FOLDER, f"set `path` to parity's vendor-scripts/{REFERENCE}"),),
}


def probe(settings: CandleSettings) -> Command:
    """Before the build, ready means: Cargo is here and so is what it is to build."""
    if settings.source == "crate":
        return cargo.command("--version", "--verbose", toolchain=settings.toolchain, deadline_s=60.0)
    return cargo.metadata(settings.folder, settings.toolchain)


def read_probe(settings: CandleSettings, transcript: Transcript) -> Availability:
    failed = _failure(settings, transcript)
    if failed is not None:
        return Availability(ready=False, reason=failed.reason, remedy=failed.remedy)
    if settings.source == "crate":
        return _published(settings, transcript)
    return _in_folder(settings, transcript)


def _published(settings: CandleSettings, transcript: Transcript) -> Availability:
    host = re.search(r"^host: (\S+)$", transcript.text("out"), re.MULTILINE)
    foreign = sorted(APPLE_ONLY.intersection(settings.features))
    if foreign and host and "-apple-" not in host[1]:
        return Availability(
            ready=False,
            reason=f"the feature `{foreign[0]}` exists on Apple machines only, and this is {host[1]}",
            remedy=f"leave `{foreign[0]}` out of `features`",
        )
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
            remedy=f"set `path` to the folder that holds {wanted}",
        )
    package = packages[wanted]
    missing = set(settings.examples) - package.examples if settings.source == "checkout" else ()
    if missing:
        return Availability(
            ready=False,
            reason=f"{settings.folder} has no example {', '.join(sorted(missing))}",
            remedy="check a newer revision out, or leave it out of `examples`",
        )
    return Availability(ready=True, version=f"{wanted} {package.version}", device=settings.device)


def build(settings: CandleSettings, cache: Path) -> Command:
    """Idempotent: where all is built already, Cargo says so within a second."""
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
    # Cargo from 1.91 on keeps what it compiles of others' crates there, for every clone of ours.
    apart["CARGO_BUILD_BUILD_DIR"] = str(settings.shared_build_folder(cache))
    return run(f"--package={REFERENCE}", env=apart)


def read_build(settings: CandleSettings, transcript: Transcript, cache: Path) -> Build:
    failed = _failure(settings, transcript)
    if failed is not None:
        return Build(reason=failed.reason, remedy=failed.remedy)
    if settings.source == "crate":
        return Build(executables={name: str(settings.build_folder(cache) / "bin" / name) for name in settings.examples})
    wanted = settings.examples if settings.source == "checkout" else (REFERENCE,)
    built = cargo.executables(transcript)
    missing = [name for name in wanted if name not in built]
    if missing:
        return Build(
            reason=f"cargo ended well and told of no executable {', '.join(missing)}",
            remedy=f"see that {settings.folder} is what `source` says",
        )
    return Build(executables={name: built[name] for name in wanted})


def _failure(settings: CandleSettings, transcript: Transcript) -> cargo.Failure | None:
    return cargo.failure(transcript, (*OF_SOURCE[settings.source], *KNOWN))
