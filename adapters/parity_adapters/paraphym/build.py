"""How `fluent_builder` is built from a checkout, and how its commit is learned. Nothing is run here."""

import re
from pathlib import Path

from parity.adapter import Availability, Command, Transcript
from parity_adapters.paraphym.settings import ParaphymSettings

EXAMPLE = "fluent_builder"
_COMMIT = re.compile(r"# branch\.oid ([0-9a-f]{40,64})$")


def build_command(settings: ParaphymSettings) -> Command:
    """Always `--locked`: newer libraries than those of its lock file are another program."""
    return Command(
        argv=(
            "cargo",
            *((f"+{settings.toolchain}",) if settings.toolchain else ()),
            *("build", "--example", EXAMPLE),
            *(("--release",) if settings.profile == "release" else ("--profile", settings.profile)),
            *(("--package", settings.package) if settings.package else ()),
            *(() if settings.default_features else ("--no-default-features",)),
            *(("--features", ",".join(settings.features)) if settings.features else ()),
            *("--locked", "--color=never", "--message-format=json-render-diagnostics"),
        ),
        env={"RUSTFLAGS": settings.rustflags} if settings.rustflags else {},
        cwd=settings.path,
        deadline_s=settings.build_deadline_s,
    )


def commit_command(settings: ParaphymSettings) -> Command:
    """Commit and changed files of the checkout. The repository around it, if any, isn't asked in its place."""
    return Command(
        argv=("git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"),
        env={"GIT_CEILING_DIRECTORIES": str(Path(settings.path).parent)},
        cwd=settings.path,
    )


def read_commit(transcript: Transcript) -> Availability:
    """Ready where there is a folder; whether it can be built is for the build to say."""
    if transcript.no_spawn is not None and "working folder" in transcript.no_spawn.message:
        return Availability(
            ready=False,
            reason=transcript.no_spawn.message,
            remedy="set `path` to a clone of paraphym; vendor-scripts/prepare-paraphym.sh makes one",
        )
    lines = [line.text for line in transcript.lines("out")]
    commit = next((match[1] for line in lines if (match := _COMMIT.match(line))), None)
    if commit is None or transcript.end is None or transcript.end.exit_code != 0:
        return Availability(ready=True, version="paraphym, commit unknown")
    changed = sum(not line.startswith("#") for line in lines)
    suffix = f" with {changed} changed file{'s' if changed > 1 else ''}" if changed else ""
    return Availability(ready=True, version=f"paraphym {commit[:12]}{suffix}")
