"""What lies behind a trial on disk, looked at just before it starts and after it is gone: model, weights, programs.

Looking costs a `stat` of each file. A file is hashed again only if anything changed that the system knows of it.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from parity.errors import ModelError
from parity.hosts.host import Request
from parity.models import content_sha256, content_stamp, file_sha256, silent, stamp_of
from parity.records import Job, Slot
from parity.run.session import Session
from parity.transcript import Files, SeenFile

INTERPRETER = re.compile(
    r"(python|pypy|(ba|da|z|k|fi)?sh|perl|ruby|node|deno|bun|lua|luajit|Rscript|julia|java|php|env|uv)[\d.]*"
)
"""Names of programs that run the first file among their arguments."""

SCRIPTS = frozenset(
    {
        *(".py", ".pyc", ".pyz", ".sh", ".bash", ".zsh", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".lua", ".php"),
        *(".R", ".jl", ".jar", ".wasm", ".so", ".dylib"),
    }
)
"""Endings of files that hold code."""

MOST_FILES = 1000
"""Of a package that is named by its folder."""


def look(job: Job, programs: Iterable[Path], weights: Iterable[str] = ()) -> Files:
    """The files of a trial as they are now. `weights`: paths of files that the runtime chose by itself."""
    return Files(
        model=_model(job.model.path),
        weights=tuple(_seen(path) for path in weights),
        programs=tuple(_seen(str(path)) for path in programs),
    )


def programs_of(request: Request, job: Job) -> tuple[Path, ...]:
    """The executable, the scripts and the worker files that a request starts. Files of the trial's own scratch folder
    and data files among the arguments are left out."""
    launch = request.launch
    folder = Path(launch.cwd) if launch.cwd is not None else Path.cwd()
    executable = shutil.which(launch.argv[0], path=launch.env.get("PATH", os.environ.get("PATH")))
    if executable is None and "/" in launch.argv[0]:
        executable = str(folder / launch.argv[0])
    found = [Path(executable)] if executable is not None else []
    interpreted = INTERPRETER.fullmatch(Path(launch.argv[0]).name) is not None
    for path in _named(launch.argv[1:], folder, outside=(job.scratch, job.model.path)):
        if path.is_dir():
            found += sorted(path.rglob("*.py"))[:MOST_FILES]
        elif interpreted or path.suffix in SCRIPTS or os.access(path, os.X_OK):
            found.append(path)
            interpreted = False
    return tuple(dict.fromkeys(found))


def may_be_weights(path: str, session: Session, slot: Slot, job: Job) -> bool:
    """Whether parity may read a file that a runtime names as its weights: a regular one beside the model, in the
    caches, in the config's folder, or in a folder that the runtime's table names."""
    loaded, facts = session.loaded, session.hosts[slot.host].facts()
    table = [*loaded.settings[slot.runtime].values(), *loaded.config.runtimes[slot.runtime].env.values()]
    named = [Path(value) for value in table if isinstance(value, str) and value.startswith("/")]
    model = Path(job.model.path)
    try:
        file = Path(path).resolve(strict=True)
        roots = [model.parent, model.resolve().parent, Path(facts.hf_home), Path(facts.cache), loaded.folder, *named]
        inside = any(file.is_relative_to(root.resolve()) for root in roots if root != Path("/"))
        return Path(path).is_absolute() and file.is_file() and inside
    except (OSError, ValueError, RuntimeError):
        return False


def _named(arguments: Sequence[str], folder: Path, outside: Sequence[str]) -> Iterator[Path]:
    """The regular files and Python packages among arguments, also as `--option=PATH`."""
    for argument in arguments:
        for word in dict.fromkeys((argument, argument.partition("=")[2])):
            if not word or "\0" in word or any(word.startswith(part) for part in outside):
                continue
            path = folder / word
            try:
                package = path.is_dir() and any((path / name).is_file() for name in ("__init__.py", "__main__.py"))
                if package or path.is_file():
                    yield path
            except OSError:
                # A prompt is no path, and may be too long for one.
                continue


def _model(path: str) -> SeenFile:
    try:
        return SeenFile(path=path, sha256=content_sha256(Path(path)), stamp=content_stamp(Path(path)))
    except (OSError, ModelError):
        return SeenFile(path=path)


def _seen(path: str) -> SeenFile:
    try:
        return SeenFile(path=path, sha256=file_sha256(Path(path), silent), stamp=stamp_of(Path(path)))
    except (OSError, ModelError, ValueError):
        return SeenFile(path=path)
