"""How to run Cargo, and what its output says of a workspace and of a build. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parity.adapter import Command, Marker, Transcript, Written
from parity.errors import ReadError

BUILD_DEADLINE_S = 3600.0
LEAST_BUILD_BYTES = 400 << 20
"""An estimate on the low side of a release build with all its crates: the Candle reference takes 446 MiB."""
MESSAGES = "--message-format=json-render-diagnostics"
"""Artifacts on standard output, compiler errors as text on standard error: what `executables` and `failure` read."""


@dataclass(frozen=True)
class Package:
    """A package of a workspace. `manifest` is the path of its Cargo.toml; `examples` are all that it has, whichever
    features they require; `features` maps each of its features to what that one turns on."""

    name: str
    version: str
    manifest: str
    examples: frozenset[str]
    features: Mapping[str, tuple[str, ...]]

    def enabled(self, features: Iterable[str], *, default_features: bool = True) -> frozenset[str]:
        """The features of a build that asks for `features`, with all that these turn on in the package itself."""
        found: set[str] = set()
        waiting = [*features, *(("default",) if default_features else ())]
        while waiting:
            feature = waiting.pop()
            if feature not in found:
                found.add(feature)
                waiting += self.features.get(feature, ())
        return frozenset(found)


def command(
    *arguments: str,
    toolchain: str | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    deadline_s: float = BUILD_DEADLINE_S,
) -> Command:
    """Runs Cargo; each crate that it compiles is a step. A missing toolchain is an error and is not installed: the user
    decides about that."""
    return Command(
        argv=("cargo", *((f"+{toolchain}",) if toolchain else ()), *arguments),
        cwd=cwd,
        env={"RUSTUP_AUTO_INSTALL": "0", "CARGO_TERM_COLOR": "never", **(env or {})},
        deadline_s=deadline_s,
        step=Marker(pattern=r"^ *Compiling ", stream="err"),
        waits=Marker(pattern=r"^ *Blocking waiting for file lock", stream="err"),
    )


def writes(target: str) -> Written:
    """What a release build writes into a target folder, which a config may move."""
    moved_by = ("CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR")
    return Written(folder=target, least_bytes=LEAST_BUILD_BYTES, moved_by=moved_by)


def metadata(folder: str, toolchain: str | None = None) -> Command:
    """Asks for the packages of the workspace in a folder; compiles and fetches nothing."""
    return command("metadata", "--no-deps", "--format-version=1", toolchain=toolchain, cwd=folder, deadline_s=60.0)


def packages(transcript: Transcript) -> tuple[Package, ...]:
    """The packages in the output of `metadata`.

    Raises:
        ReadError: the output is not in the known form.
    """
    try:
        return tuple(
            Package(
                name=package["name"],
                version=package["version"],
                manifest=package["manifest_path"],
                examples=frozenset(target["name"] for target in package["targets"] if "example" in target["kind"]),
                features={name: tuple(others) for name, others in package["features"].items()},
            )
            for package in json.loads(transcript.text("out"))["packages"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReadError("the output of cargo metadata is not in the known form") from error


def executables(transcript: Transcript) -> dict[str, str]:
    """Name → path of each executable that Cargo's messages name, whether built now or before."""
    return {
        message["target"]["name"]: message["executable"]
        for message in _messages(transcript)
        if message.get("reason") == "compiler-artifact" and message.get("executable")
    }


def libraries(transcript: Transcript, *names: str) -> dict[str, str]:
    """Name → version of each of these packages that a build was linked with, by Cargo's messages, followed by what else
    tells two of one version apart: `0.9.1 at 1a2b3c4` of a git revision, `0.9.1 of FOLDER` of a tree at hand. One of
    which it used several versions is left out."""
    found: dict[str, set[str]] = {}
    for message in _messages(transcript):
        target = message.get("target") or {}
        if message.get("reason") != "compiler-artifact" or "lib" not in target.get("kind", ()):
            continue
        name, version = _package(str(message.get("package_id")))
        if name in names and version is not None:
            manifest = str(message.get("manifest_path"))
            revision = re.search(r"/git/checkouts/[^/]+/([0-9a-f]+)/", manifest)
            registry = "/registry/src/" in manifest
            place = "" if registry else f" at {revision[1]}" if revision else f" of {manifest.rpartition('/')[0]}"
            found.setdefault(name, set()).add(f"{version}{place}")
    return {name: next(iter(versions)) for name, versions in found.items() if len(versions) == 1}


def _package(identifier: str) -> tuple[str, str | None]:
    """Name and version in Cargo's id of a package: `SOURCE#name@1.2.3`, `SOURCE/name#1.2.3`, or `name 1.2.3 (SOURCE)`
    before Cargo 1.77."""
    if match := re.fullmatch(r"(?P<name>\S+) (?P<version>\S+) \(.*\)", identifier):
        return match["name"], match["version"]
    source, _, named = identifier.rpartition("#")
    name, at, version = named.rpartition("@")
    return (name if at else source.rpartition("/")[2], version or None)


def _messages(transcript: Transcript) -> Iterator[dict[str, Any]]:
    """Cargo's messages; build scripts can print lines of their own between them."""
    for line in transcript.lines("out"):
        try:
            message = json.loads(line.text)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict):
            yield message
