"""Runtimes that Cargo builds: how it is asked, and what it says of a workspace, of a build and of a failure. Pure.

Public to adapters, as `parity.adapter` is.
"""

import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.adapter import Command, Marker, Transcript
from parity.errors import ReadError

BUILD_DEADLINE_S = 3600.0
MESSAGES = "--message-format=json-render-diagnostics"
"""Artifacts on standard output, compiler errors as text on standard error: what `executables` and `failure` read."""


@dataclass(frozen=True)
class Package:
    """A package of a workspace. `examples` are those that it has, whatever features they ask for."""

    name: str
    version: str
    examples: frozenset[str]


@dataclass(frozen=True)
class Known:
    """A failure that Cargo or the compiler words in a known way, and what would help.

    The remedy may use the pattern's named groups, and `folder`: where Cargo ran, quoted for a shell."""

    pattern: str
    remedy: str


@dataclass(frozen=True)
class Failure:
    """Why there is nothing: Cargo's first error, with the crate and the place that it is about, and what would help."""

    reason: str
    remedy: str


def command(
    *arguments: str,
    toolchain: str | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    deadline_s: float = BUILD_DEADLINE_S,
) -> Command:
    """Runs Cargo; each crate that it compiles is a step. A toolchain that is missing is told, not fetched: that is the
    user's to decide."""
    return Command(
        argv=("cargo", *((f"+{toolchain}",) if toolchain else ()), *arguments),
        cwd=cwd,
        env={"RUSTUP_AUTO_INSTALL": "0", "CARGO_TERM_COLOR": "never", **(env or {})},
        deadline_s=deadline_s,
        step=Marker(pattern=r"^ *Compiling ", stream="err"),
    )


def metadata(folder: str, toolchain: str | None = None) -> Command:
    """Asks for the packages of the workspace in a folder; compiles and fetches nothing."""
    return command("metadata", "--no-deps", "--format-version=1", toolchain=toolchain, cwd=folder, deadline_s=60.0)


def packages(transcript: Transcript) -> tuple[Package, ...]:
    """The packages that `metadata` told of.

    Raises:
        ReadError: it told of none in a form that is known.
    """
    try:
        told = json.loads(transcript.text("out"))["packages"]
        return tuple(
            Package(
                name=package["name"],
                version=package["version"],
                examples=frozenset(target["name"] for target in package["targets"] if "example" in target["kind"]),
            )
            for package in told
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ReadError("cargo metadata gave no readable answer") from error


def executables(transcript: Transcript) -> dict[str, str]:
    """Name → path of each executable that Cargo's messages tell of, freshly built or not."""
    return {
        message["target"]["name"]: message["executable"]
        for message in _messages(transcript)
        if message.get("reason") == "compiler-artifact" and message.get("executable")
    }


def _messages(transcript: Transcript) -> Iterator[dict[str, Any]]:
    """Cargo's messages; a build script may print lines of its own between them."""
    for line in transcript.lines("out"):
        try:
            message = json.loads(line.text)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message


def failure(transcript: Transcript, own: Sequence[Known] = ()) -> Failure | None:
    """Why Cargo failed; None where it ended well. `own` is what an adapter knows of its program's failures."""
    if transcript.no_spawn is not None:
        return _not_started(transcript.no_spawn.message, own)
    end = transcript.end
    if end is not None and end.by == "exit" and end.exit_code == 0:
        return None
    lines = [line.text for line in transcript.lines("err")]
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    if end is None or end.by != "exit":
        how = f"was ended ({end.by})" if end is not None else "did not end before parity did"
        return Failure(f"the build {how}; its last line: {last}", "run it again: Cargo goes on where it stopped")
    from_error = _from_first_error(lines)
    if not from_error:
        how = f"status {end.exit_code}" if end.exit_code is not None else f"signal {end.signal}"
        return Failure(f"cargo ended with {how}: {last}", _by_hand(transcript))
    folder = shlex.quote((transcript.launch and transcript.launch.cwd) or ".")
    error = _first_error(from_error)
    advice = _advice((error.text, "\n".join(from_error)), (*own, *KNOWN), folder)
    return Failure(str(error), advice or _by_hand(transcript))


@dataclass(frozen=True)
class _FirstError:
    """The first error of a build: what was said of it, where in the source, and in which crate, as far as shown."""

    text: str
    place: str | None
    crate: str | None

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        return f"crate `{self.crate}`: {self.text}{where}" if self.crate else f"{self.text}{where}"


_ERROR = re.compile(r"^error(?:\[E\d+\])?: .+")
_PLACE = re.compile(r"^ *--> (.+)$")
_NOT_COMPILED = re.compile(r"^error: could not compile `([^`]+)`")
_FETCHED = re.compile(r"^.*(?:/registry/src/[^/]+/(?P<crate>[^/]+?)-\d[^/]*|/git/checkouts/(?P<git>[^/]+)-[0-9a-f]+)/")
_FETCHED_INTO = re.compile(r"^.*(?:/registry/src/[^/]+/|/git/checkouts/)")


def _from_first_error(lines: Sequence[str]) -> Sequence[str]:
    """What Cargo wrote for people, from its first error on; nothing where no line is one."""
    return list(itertools.dropwhile(lambda line: not _ERROR.match(line), lines))


def _first_error(lines: Sequence[str]) -> _FirstError:
    """The error in the first line, by it and what follows."""
    error, *rest = lines
    compiled = next((m[1] for line in lines if (m := _NOT_COMPILED.match(line))), None)
    if compiled is None:
        return _FirstError(_with_cause(error, rest), None, None)
    place = _place(rest)
    fetched = _FETCHED.match(place) if place else None
    crate = (fetched["crate"] or fetched["git"]) if fetched else compiled
    return _FirstError(error, _FETCHED_INTO.sub("", place) if place else None, crate)


def _place(lines: Sequence[str]) -> str | None:
    """Where the error is; the next error's place is not its."""
    for line in lines:
        if _ERROR.match(line):
            return None
        if match := _PLACE.match(line):
            return match[1]
    return None


def _with_cause(error: str, rest: Sequence[str]) -> str:
    """An error that isn't a compiler's: with what a build script's panic said, else with the first cause named."""
    if error.endswith(":") and rest:
        return f"{error} {rest[0].strip()}"
    for heading in (" panicked at ", "Caused by:"):
        cause = next((after for line, after in itertools.pairwise(rest) if heading in line), None)
        if cause is not None:
            return f"{error}: {cause.strip()}"
    return error


def _not_started(message: str, own: Sequence[Known]) -> Failure:
    if "working folder" in message:
        return Failure(message, _advice((message,), own, ".") or "set `path` to a folder that exists")
    return Failure(
        f"cargo can't be started: {message}",
        "install Rust with rustup, or from the system's packages, and see that `cargo` is on PATH",
    )


LOCKED = r"lock file .* (?:because|but) --locked was passed"

KNOWN = (
    Known(r"could not find `Cargo\.toml`", "set `path` to the root folder of the checkout, where its Cargo.toml is"),
    Known(
        r"does not contain (?:this|these) features?|none of the selected packages contains",
        "correct `features`: the package's Cargo.toml lists them under [features]",
    ),
    Known(
        LOCKED,
        "check its Cargo.lock out again (`git checkout -- Cargo.lock`): without it the build takes newer libraries, "
        "which are another program",
    ),
    Known(
        r"toolchain '(?P<toolchain>[^']+)' is not installed",
        "rustup toolchain install {toolchain}, or choose another with `toolchain`",
    ),
    Known(r"no such (?:sub)?command: `\+", "`toolchain` needs rustup's cargo: install Rust with rustup"),
    Known(
        r"E0554|may not be used on the (?:stable|beta) release channel|-Z.* only accepted on the nightly",
        'it needs a nightly compiler: rustup toolchain install nightly, and set `toolchain = "nightly"`',
    ),
    Known(
        r"requires rustc \d|is not supported by the following packages|feature `edition\d+` is required",
        "it needs a newer compiler: rustup update, or choose one with `toolchain`",
    ),
    Known(r"only works on Apple platforms", "leave the feature `metal` out: it exists on Apple machines only"),
    Known(
        r"failed to run custom build command for `[^`]*(?:cuda|kernels)|nvcc|could not compile `cudarc`",
        "install the CUDA toolkit and see that `nvcc` is on PATH, or leave the feature `cuda` out",
    ),
    Known(
        r"linker `[^`]+` not found|linking with `[^`]+` failed",
        "install the system's C compiler and linker, and the libraries that the linker names",
    ),
    Known(
        r"failed to (?:download|fetch|clone) |[Cc]ould not resolve host|spurious network error|"
        r"unable to update registry",
        "the build needs the network once: see that Cargo reaches its registries, then run it again",
    ),
    Known(
        r"signal: 9",
        'the compiler was killed, most likely for want of memory: set env = {{ CARGO_BUILD_JOBS = "1" }} in its table',
    ),
    Known(r"No space left on device", "make room on the disk: a release build takes some GiB"),
)
"""Looked for in this order, after what an adapter knows; in the first error before the rest of the output."""


def _advice(texts: Sequence[str], known: Sequence[Known], folder: str) -> str | None:
    for text in texts:
        for failure in known:
            if match := re.search(failure.pattern, text):
                return failure.remedy.format(folder=folder, **match.groupdict())
    return None


def _by_hand(transcript: Transcript) -> str:
    if transcript.launch is None:
        return "build it by hand, and mend what Cargo says"
    folder = shlex.quote(transcript.launch.cwd or ".")
    words = [word for word in transcript.launch.argv if not word.startswith("--message-format")]
    return f"see all of it: cd {folder} && {shlex.join(words)}"
