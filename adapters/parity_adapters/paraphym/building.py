"""How `fluent_builder` is built from a checkout. Nothing is run here."""

from parity.adapter import Availability, Build, Command, ReadError, Transcript, cargo
from parity.adapter.cargo import Known
from parity_adapters.paraphym.settings import ParaphymSettings

EXAMPLE = "fluent_builder"
ANOTHER = "set `path` to the clone that has it, or name the crate that has it with `package`"
KNOWN = (
    Known(
        r"working folder|could not find `Cargo\.toml`",
        "set `path` to the root folder of a clone of paraphym; vendor-scripts/prepare-paraphym.sh GIT_URL makes one",
    ),
    Known(r"no example target named `", ANOTHER),
    Known(r"package ID specification `.*` did not match", "correct `package`"),
    Known(r"profile `.*` is not defined", "correct `profile`"),
    Known(
        r"failed to read `[^`]*/forks/[^`]*Cargo\.toml`|failed to load manifest for workspace member .*/forks/",
        "its submodules are empty: vendor-scripts/prepare-paraphym.sh {folder} fills them",
    ),
    Known(
        r"only works on Apple platforms|framework not found|unsupported platform.*metal",
        "its `metal` feature needs macOS: set `default_features = false` and `features` without it",
    ),
)
"""Failures of this program's build that Cargo words in a known way."""


def probe(settings: ParaphymSettings) -> Command:
    return cargo.metadata(settings.path, settings.toolchain)


def read_probe(settings: ParaphymSettings, transcript: Transcript) -> Availability:
    """Ready where Cargo finds a package with the example; whether it can be built is for the build to say."""
    failed = cargo.failure(transcript, KNOWN)
    if failed is not None:
        return Availability(ready=False, reason=failed.reason, remedy=failed.remedy)
    try:
        packages = cargo.packages(transcript)
    except ReadError as error:
        return Availability(ready=False, reason=str(error), remedy="rustup update")
    having = [package for package in packages if EXAMPLE in package.examples]
    if settings.package is not None:
        having = [package for package in having if package.name == settings.package]
    if not having:
        which = f"package {settings.package}" if settings.package else "package"
        return Availability(ready=False, reason=f"{settings.path} has no {which} with {EXAMPLE}", remedy=ANOTHER)
    return Availability(ready=True, version=f"{having[0].name} {having[0].version}")


def build(settings: ParaphymSettings) -> Command:
    """Always `--locked`: newer libraries than those of its lock file are another program."""
    return cargo.command(
        *("build", "--example", EXAMPLE),
        *(("--release",) if settings.profile == "release" else ("--profile", settings.profile)),
        *(("--package", settings.package) if settings.package else ()),
        *(() if settings.default_features else ("--no-default-features",)),
        *(("--features", ",".join(settings.features)) if settings.features else ()),
        *("--locked", cargo.MESSAGES),
        toolchain=settings.toolchain,
        cwd=settings.path,
        env={"RUSTFLAGS": settings.rustflags} if settings.rustflags else {},
        deadline_s=settings.build_deadline_s,
    )


def read_build(transcript: Transcript) -> Build:
    failed = cargo.failure(transcript, KNOWN)
    if failed is not None:
        return Build(reason=failed.reason, remedy=failed.remedy)
    executables = cargo.executables(transcript)
    if EXAMPLE not in executables:
        return Build(reason=f"cargo ended well but names no executable of the example {EXAMPLE}", remedy=ANOTHER)
    return Build(executables={EXAMPLE: executables[EXAMPLE]})
