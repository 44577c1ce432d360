"""How `fluent_builder` is probed and built, and what the output of either means. Nothing is run here."""

import shlex
from pathlib import Path

from parity.adapter import Availability, Build, Command, HostFacts, ReadError, Transcript, Written, cargo
from parity.adapter.cargo import Known, Package
from parity_adapters.paraphym.settings import ParaphymSettings

EXAMPLE = "fluent_builder"
CRATE = "packages/candle"
"""The folder of the crate that has the example; its name has changed, its place hasn't."""

PREPARE = "vendor-scripts/prepare-paraphym.sh"
NO_EXAMPLE = "Set `path` to the clone that has the example, or `package` to the crate that has it."
WRONG_FOLDER = (
    f"Set `path` to the root folder of a clone of paraphym that has {CRATE}/Cargo.toml, or `package` to the crate that "
    f"has the example; `{PREPARE} GIT_URL` makes a clone."
)
NO_METAL = f"Leave `metal` out: `{PREPARE} {{folder}} --device cpu` prints a table that lists the other features."
KNOWN = (
    Known(r"no example target named `", NO_EXAMPLE),
    Known(r"package ID specification `.*` did not match", "Correct `package`."),
    Known(r"profile `.*` is not defined", "Correct `profile`."),
    Known(
        r"failed to read `[^`]*/forks/[^`]*Cargo\.toml`|failed to load manifest for workspace member .*/forks/",
        f"Its submodules are empty: `{PREPARE} {{folder}}` fills all of them, and lists those that have no URL.",
    ),
    Known(r"only works on Apple platforms|framework not found|unsupported platform.*metal", NO_METAL),
    Known(
        r"failed to run custom build command for `[^`]*(?:cuda|kernels)|nvcc|could not compile `cudarc`",
        "Install the CUDA toolkit and make sure that `nvcc` is on PATH, or leave the feature `cuda` out.",
    ),
)
"""Failures of this program's build that Cargo or the compiler reports in known words."""


def probe(settings: ParaphymSettings) -> Command:
    return cargo.metadata(settings.path, settings.toolchain)


def read_probe(settings: ParaphymSettings, transcript: Transcript, host: HostFacts) -> Availability:
    """Ready where Cargo finds a package with the example, and its features exist on this platform. Only the build shows
    whether it compiles."""
    failed = cargo.failure(transcript, KNOWN, wrong_folder=WRONG_FOLDER)
    if failed is not None:
        return Availability(ready=False, reason=failed.reason, remedy=failed.remedy)
    try:
        packages = cargo.packages(transcript)
    except ReadError as error:
        return Availability(ready=False, reason=str(error), remedy="rustup update")
    package = next((package for package in packages if _has_the_example(package, settings)), None)
    if package is None:
        which = f"package {settings.package}" if settings.package else f"package in {CRATE}"
        return Availability(ready=False, reason=f"{settings.path} has no {which} with {EXAMPLE}", remedy=NO_EXAMPLE)
    enabled = package.enabled(settings.features, default_features=settings.default_features)
    if "metal" in enabled and host.platform != "darwin":
        how = (
            "the feature `metal`" if "metal" in settings.features else "`metal`, which is one of the default features,"
        )
        return Availability(
            ready=False,
            reason=f"{how} builds on macOS only, and this machine runs {host.platform}",
            remedy=NO_METAL.format(folder=shlex.quote(settings.path)),
        )
    return Availability(ready=True, version=f"{package.name} {package.version}")


def _has_the_example(package: Package, settings: ParaphymSettings) -> bool:
    if EXAMPLE not in package.examples:
        return False
    if settings.package is not None:
        return package.name == settings.package
    return package.manifest.endswith(f"/{CRATE}/Cargo.toml")


def build(settings: ParaphymSettings) -> Command:
    """Builds the one package, so that other members of the workspace change none of its features. Always `--locked`:
    libraries newer than those of its lock file would make it a different program."""
    return cargo.command(
        *("build", "--example", EXAMPLE),
        *(("--package", settings.package) if settings.package else ("--manifest-path", f"{CRATE}/Cargo.toml")),
        *(("--release",) if settings.profile == "release" else ("--profile", settings.profile)),
        *(() if settings.default_features else ("--no-default-features",)),
        *(("--features", ",".join(settings.features)) if settings.features else ()),
        *("--locked", cargo.MESSAGES),
        toolchain=settings.toolchain,
        cwd=settings.path,
        env={"RUSTFLAGS": settings.rustflags} if settings.rustflags else {},
        deadline_s=settings.build_deadline_s,
    )


def writes(settings: ParaphymSettings) -> Written:
    return cargo.writes(str(Path(settings.path) / "target"))


def read_build(transcript: Transcript) -> Build:
    failed = cargo.failure(transcript, KNOWN, wrong_folder=WRONG_FOLDER)
    if failed is not None:
        return Build(reason=failed.reason, remedy=failed.remedy)
    executables = cargo.executables(transcript)
    if EXAMPLE not in executables:
        return Build(reason=f"cargo succeeded but named no executable of the example {EXAMPLE}", remedy=NO_EXAMPLE)
    return Build(
        executables={EXAMPLE: executables[EXAMPLE]},
        libraries=cargo.libraries(transcript, "candle-core", "candle-transformers"),
    )
