"""Puts a synthetic model into a Hugging Face cache under a published name, for programs with a hard-wired one."""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from parity.errors import ModelError
from parity.models import Watch, file_sha256, repo_folder, silent
from parity.room import no_room
from parity_synth.presets import PRESETS

SYNTHETIC_COMMIT: Final = "0" * 8
"""How the ids of made-up commits begin: real ones don't, and are never replaced."""

TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json")
_REPO: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def check_install(preset: str, repo: str, hf_home: Path) -> None:
    """Whether a model of `preset` can be installed as `repo` under `hf_home`; ask before it is made.

    Raises:
        ModelError: `repo` isn't of the form ORG/NAME, or there is a real model of that name.
    """
    if not _REPO.fullmatch(repo):
        raise ModelError(f"{repo!r} is not of the form ORG/NAME", "for example unsloth/Qwen3-1.7B-GGUF")
    for name in filter(None, (repo, tokenizer_repo(preset, repo))):
        folder = repo_folder(hf_home / "hub", name)
        if real := _real_commit(folder):
            raise ModelError(
                f"{folder}: the real {name} is there (commit {real}), and is not replaced",
                "name a different folder, and set HF_HOME to it for the program that is to use the synthetic model",
            )


def install_as(model: Path, repo: str, hf_home: Path, *, watch: Watch = silent) -> tuple[Path, ...]:
    """Installs the synthetic GGUF `model` as `repo`, and its tokenizer as that of the published model.

    Both are put under `hf_home` in the hub's own layout, where programs find them without a network. The file is named
    as such repositories do: `Qwen3-1.7B-Q4_K_M.gguf` in `unsloth/Qwen3-1.7B-GGUF`. Synthetic files of other names that
    were installed there before stay. Returns the installed files.

    Raises:
        ModelError: as `check_install`; or nothing can be written.
    """
    preset, _, quant = model.stem.rpartition("-")
    check_install(preset, repo, hf_home)
    contents = {repo: {f"{_title(repo)}-{quant}.gguf": model}}
    if (tokenizers := tokenizer_repo(preset, repo)) is not None:
        contents.setdefault(tokenizers, {}).update({name: model.with_name(name) for name in TOKENIZER_FILES})
    installed: list[Path] = []
    try:
        for name, files in contents.items():
            installed += _place(repo_folder(hf_home / "hub", name), files, watch)
    except OSError as error:
        raise ModelError(
            f"{error.filename or hf_home}: {error.strerror}", "name a folder that can be written"
        ) from error
    return tuple(installed)


def tokenizer_repo(preset: str, repo: str) -> str | None:
    """Where a program that loads the weights of `repo` looks for the tokenizer: at the published model of that name,
    whatever the preset; at the preset's own published model where no preset has that name."""
    name = _title(repo)
    published = (other.tokenizer_repo for other in PRESETS.values() if other.tokenizer_repo)
    return next((found for found in published if _title(found) == name), PRESETS[preset].tokenizer_repo)


def _title(repo: str) -> str:
    return repo.partition("/")[2].removesuffix("-GGUF")


def _real_commit(folder: Path) -> str | None:
    commits = [path.name for path in folder.glob("snapshots/*")]
    with contextlib.suppress(OSError, UnicodeDecodeError):
        commits.append((folder / "refs" / "main").read_text(encoding="utf-8").strip())
    return next((commit for commit in commits if not commit.startswith(SYNTHETIC_COMMIT)), None)


def _place(folder: Path, files: Mapping[str, Path], watch: Watch) -> list[Path]:
    new = {name: file_sha256(source, watch) for name, source in files.items()}
    digests = _current(folder) | new
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    commit = SYNTHETIC_COMMIT + hashlib.sha256(listing.encode()).hexdigest()[: 40 - len(SYNTHETIC_COMMIT)]
    blobs, snapshot = folder / "blobs", folder / "snapshots" / commit
    for needed in (blobs, snapshot, folder / "refs"):
        needed.mkdir(parents=True, exist_ok=True)
    for name, digest in digests.items():
        if name in files and not (blobs / digest).exists():
            _share(files[name], blobs / digest)
        with contextlib.suppress(FileExistsError):
            (snapshot / name).symlink_to(Path("..", "..", "blobs", digest))
    # Last, for it is what makes the files found.
    reference = folder / "refs" / "main"
    fresh = reference.with_name(f".main.{os.getpid()}")
    fresh.write_text(commit, encoding="utf-8")
    fresh.replace(reference)
    return [snapshot / name for name in files]


def _current(folder: Path) -> dict[str, str]:
    """Names of the files that are found in a repository now, and of their blobs."""
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
        entries = [path for path in (folder / "snapshots" / commit).iterdir() if path.is_symlink() and path.exists()]
    except (FileNotFoundError, UnicodeDecodeError):
        return {}
    return {path.name: path.readlink().name for path in entries}


def _share(source: Path, blob: Path) -> None:
    """A hard link where the file system can, otherwise a copy; never half a file under the final name."""
    try:
        os.link(source, blob)
    except FileExistsError:
        return
    except OSError:
        if wrong := no_room(blob.parent, source.stat().st_size, f"the copy of {source}"):
            raise ModelError(wrong, "free some space there, or name a folder on a larger disk") from None
        part = blob.with_name(f"{blob.name}.{os.getpid()}.part")
        try:
            shutil.copyfile(source, part)
            part.replace(blob)
        finally:
            part.unlink(missing_ok=True)
