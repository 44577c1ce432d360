"""What Cargo says: the executables that it built, or why it built none."""

import json
import re
from dataclasses import dataclass

from parity.adapter import Transcript

_ERROR = re.compile(r"^error(\[E\d+\])?: ")
_NOT_COMPILED = re.compile(r"^error: could not compile `([^`]+)`")
_PLACE = re.compile(r"^ *--> (\S+)")
_REGISTRY_SOURCE = re.compile(r"^.*/registry/src/[^/]+/")


@dataclass(frozen=True)
class BuildFailure:
    """Why nothing was built: Cargo's first error with the crate that it is about, and what would help."""

    reason: str
    remedy: str


def executables(transcript: Transcript) -> dict[str, str]:
    """Name → path of each executable that Cargo's JSON messages tell of, freshly built or not."""
    found: dict[str, str] = {}
    for line in transcript.lines("out"):
        if not line.text.startswith("{"):
            continue
        try:
            message = json.loads(line.text)
        except ValueError:
            continue
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            found[message["target"]["name"]] = message["executable"]
    return found


def failure(transcript: Transcript) -> BuildFailure | None:
    """None where Cargo ended well."""
    if transcript.no_spawn is not None:
        return _not_started(transcript)
    end = transcript.end
    if end is not None and end.by == "exit" and end.exit_code == 0:
        return None
    errors = [line.text for line in transcript.lines("err")]
    if end is None or end.by != "exit":
        last = next((text.strip() for text in reversed(errors) if text.strip()), "it had said nothing")
        return BuildFailure(
            f"the build was cut short ({end.by if end else 'parity ended before it did'}); its last line: {last}",
            "run it again: Cargo goes on where it stopped",
        )
    return BuildFailure(first_error(errors), _remedy("\n".join(errors)))


def first_error(lines: list[str]) -> str:
    """Cargo's first error in one line. A compiler's error gets crate and place, a failed build script its own words."""
    at = next((k for k, line in enumerate(lines) if _ERROR.match(line)), None)
    if at is None:
        return next((line.strip() for line in reversed(lines) if line.strip()), "cargo failed and did not say why")
    crate = next((match[1] for line in lines[at:] if (match := _NOT_COMPILED.match(line))), None)
    if crate is not None:
        place = next((match[1] for line in lines[at:] if (match := _PLACE.match(line))), None)
        where = f" ({_REGISTRY_SOURCE.sub('', place)})" if place else ""
        return f"{crate} does not compile: {lines[at]}{where}"
    rest = lines[at + 1 :]
    if lines[at].endswith(":") and rest:
        return f"{lines[at]} {rest[0].strip()}"
    cause = _cause(rest)
    return f"{lines[at]}: {cause}" if cause else lines[at]


def _cause(lines: list[str]) -> str | None:
    """What a build script's panic said, else the first cause that Cargo names."""
    for k, line in enumerate(lines):
        if " panicked at " in line and k + 1 < len(lines):
            return lines[k + 1].strip()
    after = next((k for k, line in enumerate(lines) if line == "Caused by:"), None)
    return lines[after + 1].strip() if after is not None and after + 1 < len(lines) else None


def _not_started(transcript: Transcript) -> BuildFailure:
    assert transcript.no_spawn is not None
    message = transcript.no_spawn.message
    if "working folder" in message:
        return BuildFailure(message, "name a folder that exists")
    return BuildFailure(
        f"cargo can't be started: {message}",
        "install Rust (rustup, or the system's packages) and see that `cargo` is on PATH",
    )


_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"could not find `Cargo\.toml`",
        "name the folder that holds Cargo.toml",
    ),
    (
        r"Cargo\.lock.* because --locked was passed",
        "run `cargo generate-lockfile` there once and keep Cargo.lock: without it, two builds of a revision can differ",
    ),
    (
        r"toolchain '([^']+)' is not installed",
        r"rustup toolchain install \1",
    ),
    (
        r"#!\[feature\]` may not be used|requires a nightly version|-Z.* only accepted on the nightly",
        'rustup toolchain install nightly, and set toolchain = "nightly"',
    ),
    (
        r"requires rustc (\d[\d.]*)|is not supported by the following packages",
        "rustup update",
    ),
    (
        r"only works on Apple platforms",
        "leave the feature `metal` out: it exists on Apple machines only",
    ),
    (
        r"failed to run custom build command for `[^`]*(?:cuda|kernels)|nvcc|cudarc.* does not compile",
        "install the CUDA toolkit and see that `nvcc` is on PATH, or leave the feature `cuda` out",
    ),
    (
        r"does not contain (?:this|these) features?|none of the selected packages contains",
        "correct `features`: Cargo knows only those that the package names",
    ),
    (
        r"no example target named|package ID specification .* did not match any packages",
        "name a checkout of Candle that has these examples, or leave out of `examples` what it doesn't have",
    ),
    (
        r"could not find `[^`]+` in registry",
        "name a version that is published",
    ),
    (
        r"signal: 9",
        "give the compiler more memory, or fewer jobs: CARGO_BUILD_JOBS=1",
    ),
    (
        r"No space left on device",
        "make room on the disk",
    ),
    (
        r"linker `[^`]+` not found|linking with `[^`]+` failed",
        "install the system's C compiler and linker, and the libraries that the linker names",
    ),
    (
        r"failed to (?:download|get|fetch)|[Cc]ould not resolve host|--offline|network",
        "see that Cargo reaches its registry, then run it again",
    ),
)


def _remedy(errors: str) -> str:
    for pattern, advice in _REMEDIES:
        if match := re.search(pattern, errors):
            return match.expand(advice)
    return "build it by hand with the command that the build's transcript opens with, and mend what it says"
