"""What came of a `cargo build`: where its executables are, or the first thing that went wrong and what to do."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from parity.adapter import Build, Transcript

INSTALL_RUST = "install Rust with rustup (or put cargo's folder on PATH)"


def read_cargo(transcript: Transcript, example: str) -> Build:
    """The executable of an example from cargo's JSON messages, or why there is none.

    The build must have run with `--message-format=json-render-diagnostics`: artifacts on standard output, compiler
    errors as text on standard error."""
    if transcript.no_spawn is not None:
        return _not_started(transcript)
    end = transcript.end
    if end is None or end.by == "cancel":
        return Build(reason="the build was interrupted", remedy="run parity again: cargo goes on where it was")
    if end.by == "deadline:total":
        return Build(
            reason="the build did not end in time", remedy="raise `build_deadline_s`, or build once by hand beforehand"
        )
    if end.exit_code != 0:
        return _failed(transcript)
    executables = {
        message["target"]["name"]: message["executable"]
        for message in _messages(transcript)
        if message.get("reason") == "compiler-artifact" and message.get("executable")
    }
    if example not in executables:
        return Build(
            reason=f"cargo ended well but names no executable of the example {example}",
            remedy="name the crate that has it with `package`",
        )
    return Build(executables={example: executables[example]})


def _messages(transcript: Transcript) -> Iterator[dict[str, Any]]:
    """cargo's messages; a build script may print lines of its own between them."""
    for line in transcript.lines("out"):
        try:
            message = json.loads(line.text)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message


def _not_started(transcript: Transcript) -> Build:
    assert transcript.no_spawn is not None
    message = transcript.no_spawn.message
    if "working folder" in message:
        return Build(reason=message, remedy="correct `path`, or clone the repository there")
    return Build(reason=f"cargo can't be started: {message}", remedy=INSTALL_RUST)


@dataclass(frozen=True)
class Known:
    """A failure that cargo or the compiler words in a known way."""

    pattern: str
    remedy: str


KNOWN = (
    Known(
        r"could not find `Cargo\.toml` in",
        "set `path` to the root folder of the clone, where its Cargo.toml is",
    ),
    Known(
        r"no example target named `",
        "set `path` to the clone that has it, or name the crate that has it with `package`",
    ),
    Known(r"package ID specification `.*` did not match", "correct `package`"),
    Known(
        r"(?:the package '.*' does not contain|none of the selected packages contains) (?:this|these) feature",
        "correct `features`: the crate's Cargo.toml lists them under [features]",
    ),
    Known(r"profile `.*` is not defined", "correct `profile`"),
    Known(
        r"cannot create the lock file .* because --locked|lock file .* needs to be updated but --locked",
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
        r"rustc \S+ is not supported by the following|feature `edition\d+` is required",
        "it needs a newer compiler: rustup update, or choose one with `toolchain`",
    ),
    Known(
        r"failed to read `[^`]*/forks/[^`]*Cargo\.toml`|failed to load manifest for workspace member .*/forks/",
        "its submodules are empty: git -C {folder} submodule update --init --recursive",
    ),
    Known(
        r"only works on Apple platforms|framework not found|unsupported platform.*metal",
        "its `metal` feature needs macOS: set `default_features = false` and `features` without it",
    ),
    Known(r"linker `[^`]+` not found", "install a C compiler and linker"),
    Known(
        r"Could not resolve host|failed to download|spurious network error|unable to update registry|"
        r"failed to (?:fetch|clone) ",
        "the build needs the network once: `cargo fetch --locked` in the checkout shows whether it gets through",
    ),
    Known(r"signal: 9", "the compiler was killed, most likely for want of memory: build with CARGO_BUILD_JOBS=1"),
    Known(r"No space left on device", "free some space: a build of it takes several GiB"),
)
"""Looked for in this order, in the first error before the rest of the output."""

_ERROR = re.compile(r"^error(?:\[E\d+\])?: .+")
_PLACE = re.compile(r"^ *--> (?P<place>.+)$")
_COMPILED = re.compile(r"^error: could not compile `(?P<crate>[^`]+)`")
_REGISTRY = re.compile(r"/registry/src/[^/]+/(?P<crate>[^/]+?)-\d[^/]*/|/git/checkouts/(?P<git>[^/]+)-[0-9a-f]+/")


@dataclass(frozen=True)
class FirstError:
    """The first error of a build: what was said of it, where in the source, and in which crate, as far as shown."""

    text: str
    place: str | None
    crate: str | None

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        return f"crate `{self.crate}`: {self.text}{where}" if self.crate else f"{self.text}{where}"


def first_error(lines: list[str]) -> FirstError | None:
    """The first error in what cargo wrote for people; None where no line is one."""
    start = next((k for k, line in enumerate(lines) if _ERROR.match(line)), None)
    if start is None:
        return None
    compiled = next((m for line in lines[start:] if (m := _COMPILED.match(line))), None)
    place = next((m["place"] for line in lines[start + 1 : start + 3] if (m := _PLACE.match(line))), None)
    crate = compiled["crate"] if compiled else None
    if place and (found := _REGISTRY.search(place)):
        crate = found["crate"] or found["git"]
    return FirstError(lines[start], place, crate)


def _failed(transcript: Transcript) -> Build:
    lines = [line.text for line in transcript.lines("err")]
    error = first_error(lines)
    if error is None:
        end = transcript.end
        how = f"status {end.exit_code}" if end and end.exit_code is not None else "a signal"
        last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
        return Build(reason=f"cargo ended with {how}: {last}", remedy=_by_hand(transcript))
    folder = shlex.quote((transcript.launch and transcript.launch.cwd) or ".")
    for text in (error.text, "\n".join(lines)):
        for known in KNOWN:
            if match := re.search(known.pattern, text):
                return Build(reason=str(error), remedy=known.remedy.format(folder=folder, **match.groupdict()))
    return Build(reason=str(error), remedy=_by_hand(transcript))


def _by_hand(transcript: Transcript) -> str:
    assert transcript.launch is not None
    words = [word for word in transcript.launch.argv if not word.startswith(("--message-format", "--color"))]
    return f"see all of it: cd {shlex.quote(transcript.launch.cwd or '.')} && {shlex.join(words)}"
