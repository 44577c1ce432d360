"""Why a build by Cargo failed, and what would help. Pure.

A remedy is either a command, with no backtick in it, or a sentence that names commands and keys in backticks.
"""

import itertools
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from parity.adapter import Transcript
from parity.transcript import NoSpawn


@dataclass(frozen=True)
class Known:
    """A failure that Cargo or the compiler reports in known words, and what would help.

    The remedy can use the pattern's named groups, and `folder`: where Cargo ran, quoted for a shell."""

    pattern: str
    remedy: str


@dataclass(frozen=True)
class Failure:
    """Why nothing was built: Cargo's first error, with its crate and its place in the source, and what would help."""

    reason: str
    remedy: str


WRONG_FOLDER = "Set `path` to the root folder of the checkout, where its Cargo.toml is."


def failure(transcript: Transcript, own: Sequence[Known] = (), *, wrong_folder: str = WRONG_FOLDER) -> Failure | None:
    """Why Cargo failed; None where it succeeded. `own` is what an adapter knows of its program's failures;
    `wrong_folder` is the remedy where the folder doesn't exist or has no Cargo.toml."""
    if transcript.no_spawn is not None:
        return _not_started(transcript.no_spawn, wrong_folder)
    end = transcript.end
    if end is not None and end.by == "exit" and end.exit_code == 0:
        return None
    lines = [line.text for line in transcript.lines("err")]
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    if end is None or end.by != "exit":
        how = f"was ended ({end.by})" if end is not None else "did not end before parity did"
        return Failure(
            f"the build {how}; its last line: {last}", "Run the same `parity` command again: Cargo continues the build."
        )
    from_error = _from_first_error(lines)
    if not from_error:
        how = f"status {end.exit_code}" if end.exit_code is not None else f"signal {end.signal}"
        return Failure(f"cargo ended with {how}: {last}", _by_hand(transcript))
    folder = shlex.quote((transcript.launch and transcript.launch.cwd) or ".")
    error = _first_error(from_error)
    no_manifest = Known(NO_MANIFEST, wrong_folder)
    advice = _advice((error.text, "\n".join(from_error)), (no_manifest, *own, *KNOWN), folder)
    return Failure(str(error), advice or _by_hand(transcript))


@dataclass(frozen=True)
class _FirstError:
    """The first error of a build: its text, its place in the source and its crate, as far as Cargo shows them."""

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
    """What Cargo wrote for people, from its first error on; empty where there is none."""
    return list(itertools.dropwhile(lambda line: not _ERROR.match(line), lines))


def _first_error(lines: Sequence[str]) -> _FirstError:
    """The error in the first line, explained by the lines that follow."""
    error, *rest = lines
    compiled = next((m[1] for line in lines if (m := _NOT_COMPILED.match(line))), None)
    if compiled is None:
        return _FirstError(_with_cause(error, rest), None, None)
    place = _place(rest)
    fetched = _FETCHED.match(place) if place else None
    crate = (fetched["crate"] or fetched["git"]) if fetched else compiled
    return _FirstError(error, _FETCHED_INTO.sub("", place) if place else None, crate)


def _place(lines: Sequence[str]) -> str | None:
    """Where the first error is; a place behind the next error belongs to that one."""
    for line in lines:
        if _ERROR.match(line):
            return None
        if match := _PLACE.match(line):
            return match[1]
    return None


def _with_cause(error: str, rest: Sequence[str]) -> str:
    """An error that isn't the compiler's: with the message of a build script's panic, or with the first cause."""
    if error.endswith(":") and rest:
        return f"{error} {rest[0].strip()}"
    for heading in (" panicked at ", "Caused by:"):
        cause = next((after for line, after in itertools.pairwise(rest) if heading in line), None)
        if cause is not None:
            return f"{error}: {cause.strip()}"
    return error


def _not_started(no_spawn: NoSpawn, wrong_folder: str) -> Failure:
    if no_spawn.folder_missing:
        return Failure(no_spawn.message, wrong_folder)
    return Failure(
        f"cargo can't be started: {no_spawn.message}",
        "Install Rust with rustup or with the system's package manager, and make sure that `cargo` is on PATH.",
    )


NO_MANIFEST = r"could not find `Cargo\.toml`|manifest path `[^`]+` does not exist"
LOCKED = r"lock file .* (?:because|but) --locked was passed"

KNOWN = (
    Known(
        r"does not contain (?:this|these) features?|none of the selected packages contains",
        "Correct `features`: the package's Cargo.toml lists them under [features].",
    ),
    Known(
        LOCKED,
        "Check out its lock file again with `git -C {folder} checkout -- Cargo.lock`: without it, Cargo would build "
        "with newer libraries.",
    ),
    Known(
        r"toolchain '(?P<toolchain>[^']+)' is not installed",
        "rustup toolchain install {toolchain}",
    ),
    Known(
        r"help: run ['`]rustup (?P<what>default [A-Za-z0-9._-]+)['`]",
        "rustup {what}",
    ),
    Known(
        r"no such (?:sub)?command: `\+",
        "Install Rust with rustup, whose `cargo` knows toolchains, or leave `toolchain` out.",
    ),
    Known(
        r"E0554|may not be used on the (?:stable|beta) release channel|-Z.* only accepted on the nightly",
        'The source needs a nightly compiler: run `rustup toolchain install nightly`, and set `toolchain = "nightly"`.',
    ),
    Known(
        r"requires rustc \d|is not supported by the following packages|feature `edition\d+` is required",
        "The source needs a newer compiler: run `rustup update`, or choose one with `toolchain`.",
    ),
    Known(
        r"linker `[^`]+` not found|linking with `[^`]+` failed",
        "Install the system's C compiler and linker (`cc`), and the libraries that the linker's error names.",
    ),
    Known(
        r"failed to (?:download|fetch|clone) |[Cc]ould not resolve host|spurious network error|"
        r"unable to update registry",
        "The build needs the network once: make sure that `cargo fetch` works in {folder}, then try again.",
    ),
    Known(
        r"signal: 9",
        "The compiler was killed, most likely because memory ran out: set "
        '`env = {{ CARGO_BUILD_JOBS = "1" }}` in the runtime\'s table.',
    ),
    Known(
        r"No space left on device",
        "Free some disk space: a release build takes several GiB, and `cargo clean` removes earlier builds.",
    ),
)
"""Searched in this order, after what an adapter knows; in the first error before the rest of the output."""


def _advice(texts: Sequence[str], known: Sequence[Known], folder: str) -> str | None:
    for text in texts:
        for failure in known:
            if match := re.search(failure.pattern, text):
                return failure.remedy.format(folder=folder, **match.groupdict())
    return None


def _by_hand(transcript: Transcript) -> str:
    """The command that shows all that Cargo said."""
    if transcript.launch is None:
        return "Build it by hand with `cargo build`, and fix what Cargo reports."
    folder = shlex.quote(transcript.launch.cwd or ".")
    words = [word for word in transcript.launch.argv if not word.startswith("--message-format")]
    return f"cd {folder} && {shlex.join(words)}"
