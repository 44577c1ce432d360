"""What to run to learn whether Candle can be built, to build it, and what came of either."""

import json
import re

from parity.adapter import Availability, Build, Command, Marker, Transcript
from parity_adapters.candle import cargo
from parity_adapters.candle.settings import CandleSettings

DEADLINE_S = 3600.0
REFERENCE = "candle-reference"
APPLE_ONLY = frozenset({"metal", "accelerate"})


def probe(settings: CandleSettings) -> Command:
    """Before the build, ready means: Cargo is here and so is what it is to build."""
    if settings.source == "crate":
        return _command(settings, "--version", "--verbose")
    return _command(settings, "metadata", "--no-deps", "--format-version=1", cwd=settings.folder)


def read_probe(settings: CandleSettings, transcript: Transcript) -> Availability:
    failed = cargo.failure(transcript)
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
        packages = json.loads(transcript.text("out"))["packages"]
        package = next((package for package in packages if package["name"] == wanted), None)
    except (ValueError, KeyError, TypeError):
        return Availability(ready=False, reason="cargo metadata gave no readable answer", remedy="rustup update")
    if package is None:
        named = ", ".join(sorted(package["name"] for package in packages)) or "none"
        return Availability(
            ready=False,
            reason=f"{settings.folder} has no package {wanted}; it has {named}",
            remedy=f"set `path` to the folder that holds {wanted}",
        )
    examples = {target["name"] for target in package["targets"] if "example" in target["kind"]}
    missing = [name for name in settings.examples if name not in examples] if settings.source == "checkout" else []
    if missing:
        return Availability(
            ready=False,
            reason=f"{settings.folder} has no example {', '.join(missing)}",
            remedy="check a newer revision out, or leave it out of `examples`",
        )
    return Availability(ready=True, version=f"{wanted} {package['version']}", device=settings.device)


def build(settings: CandleSettings) -> Command:
    """Idempotent: where all is built already, Cargo says so within a second."""
    features = (f"--features={','.join(settings.features)}",) if settings.features else ()
    examples = tuple(f"--example={name}" for name in settings.examples)
    flags = {"RUSTFLAGS": f"-C target-cpu={settings.target_cpu}"} if settings.target_cpu else {}
    apart = {**flags, "CARGO_TARGET_DIR": str(settings.build_folder / "target")}
    if settings.source == "crate":
        what: tuple[str, ...] = ("install", "candle-examples", f"--version={settings.crate_version}", *examples)
        return _command(settings, *what, f"--root={settings.build_folder}", "--locked", *features, env=apart)
    how = ("--release", "--locked", "--message-format=json-render-diagnostics", *features)
    if settings.source == "checkout":
        what = ("build", "--package=candle-examples", *examples)
        return _command(settings, *what, *how, cwd=settings.folder, env=flags)
    return _command(settings, "build", f"--package={REFERENCE}", *how, cwd=settings.folder, env=apart)


def read_build(settings: CandleSettings, transcript: Transcript) -> Build:
    failed = cargo.failure(transcript)
    if failed is not None:
        return Build(reason=failed.reason, remedy=failed.remedy)
    if settings.source == "crate":
        return Build(executables={name: str(settings.build_folder / "bin" / name) for name in settings.examples})
    wanted = settings.examples if settings.source == "checkout" else (REFERENCE,)
    built = cargo.executables(transcript)
    missing = [name for name in wanted if name not in built]
    if missing:
        return Build(
            reason=f"cargo ended well and told of no executable {', '.join(missing)}",
            remedy=f"see that {settings.folder} is what `source` says",
        )
    return Build(executables={name: built[name] for name in wanted})


def _command(
    settings: CandleSettings, *arguments: str, cwd: str | None = None, env: dict[str, str] | None = None
) -> Command:
    """A toolchain that is missing is told, not fetched: that is the user's to decide."""
    toolchain = (f"+{settings.toolchain}",) if settings.toolchain else ()
    return Command(
        argv=("cargo", *toolchain, *arguments),
        cwd=cwd,
        env={"RUSTUP_AUTO_INSTALL": "0", **(env or {})},
        deadline_s=DEADLINE_S,
        step=Marker(pattern=r"^ *Compiling ", stream="err"),
    )
