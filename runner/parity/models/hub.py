"""Models of the Hugging Face hub, and the layout of its cache on disk.

What the cache holds is taken from there without asking the hub, also for a branch: a run doesn't change its
model because somebody pushed. The `huggingface_hub` package is imported only to download.
"""

import io
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar, Final

from parity.errors import ModelError
from parity.models.folder import PATTERNS, TOKENIZER_CONFIG, lacks
from parity.models.progress import Step, Unit, Watch
from parity.models.source import Scheme
from parity.room import no_room

_NAME: Final = re.compile(r"[\w.-]+", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_TRUE: Final = frozenset({"1", "ON", "YES", "TRUE"})


def hub_cache() -> Path:
    """The hub's cache folder, found as `huggingface_hub` finds it."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(variable):
            return _expanded(folder)
    if home := os.environ.get("HF_HOME"):
        return _expanded(home) / "hub"
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def repo_folder(cache: Path, repo: str) -> Path:
    """The folder of a model repository `ORG/NAME` in the hub's cache."""
    return cache / f"models--{repo.replace('/', '--')}"


def offline() -> bool:
    """Whether the user forbade the network, by the variables that `huggingface_hub` obeys."""
    switch = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return switch.upper() in _TRUE


@dataclass(frozen=True, slots=True)
class HubSource:
    """A file of a model repository, or (`file` None) the whole repository as a model folder."""

    can_fetch: ClassVar[bool] = True
    tiny: ClassVar[str | None] = None
    repo: str
    file: str | None
    revision: str

    def __str__(self) -> str:
        return f"hf://{self.repo}{f'/{self.file}' if self.file else ''}@{self.revision}"

    def locate(self) -> Path | None:
        try:
            snapshot = self._snapshot()
            if self.file is not None:
                return snapshot / self.file if (snapshot / self.file).is_file() else None
            return snapshot if lacks(snapshot) is None else None
        except (OSError, ValueError, ModelError):
            return None

    def _snapshot(self) -> Path:
        """Where the cache keeps the files of the revision, which need not be there.

        Raises:
            OSError, ValueError: the cache doesn't know which commit a branch or tag is.
        """
        folder = repo_folder(hub_cache(), self.repo)
        commit = self.revision
        if not _COMMIT.fullmatch(commit):
            commit = (folder / "refs" / self.revision).read_text(encoding="utf-8").strip()
        return folder / "snapshots" / commit

    def fetch(self, watch: Watch) -> Path:
        if path := self.locate():
            if self.file is None and not offline():
                self._complete(path)
            return path
        if offline():
            raise ModelError(
                f"{self}: {self._lacking()}, and HF_HUB_OFFLINE forbids a download",
                "unset HF_HUB_OFFLINE, or download it on a machine with a network and copy that cache here",
            )
        path = self._download(watch)
        if self.file is None and (missing := lacks(path)):
            # Without a network, `huggingface_hub` gives what the cache has.
            raise ModelError(
                f"{self}: {path} is without {missing}, and a download did not bring it",
                f"check the network; if it is well, the page of {self.repo} shows whether it is a whole model",
            )
        return path

    def _complete(self, snapshot: Path) -> None:
        """Fetches what most models have, runtimes read, and a download that was cut off may not have brought: of the
        commit that is here, whatever was pushed since. The hub's cache remembers what a commit does not have."""
        commit = snapshot.name
        known_absent = repo_folder(hub_cache(), self.repo) / ".no_exist" / commit / TOKENIZER_CONFIG
        if (snapshot / TOKENIZER_CONFIG).is_file() or known_absent.exists():
            return
        import huggingface_hub

        with suppress(Exception):
            # A download is tried again and again where there is no network; this is asked once.
            huggingface_hub.HfApi().model_info(self.repo, revision=commit)
            huggingface_hub.hf_hub_download(self.repo, TOKENIZER_CONFIG, revision=commit, cache_dir=hub_cache())

    def _lacking(self) -> str:
        """What of it is not in the cache, as a sentence says it."""
        try:
            snapshot = self._snapshot()
            if self.file is None and snapshot.is_dir() and (missing := lacks(snapshot)):
                return f"its copy in the hub's cache ({snapshot}) is without {missing}"
        except (OSError, ValueError, ModelError):
            pass
        return f"not in the hub's cache ({hub_cache()})"

    def _download(self, watch: Watch) -> Path:
        import huggingface_hub
        from huggingface_hub import errors

        where: dict[str, Any] = {
            "revision": self.revision,
            "cache_dir": hub_cache(),
            "tqdm_class": _bar(watch),
        }
        try:
            self._check_room()
            if self.file is not None:
                return Path(huggingface_hub.hf_hub_download(self.repo, self.file, **where))
            return Path(huggingface_hub.snapshot_download(self.repo, allow_patterns=list(PATTERNS), **where))
        except errors.GatedRepoError as error:
            wrong = "the repository is gated"
            remedy = f"accept its terms on the page of {self.repo}, then run `hf auth login` (or set HF_TOKEN)"
            raise ModelError(f"{self}: {wrong}", remedy) from error
        except errors.RepositoryNotFoundError as error:
            remedy = "check ORG/REPO; for a private repository run `hf auth login` (or set HF_TOKEN)"
            raise ModelError(f"{self}: the hub has no such repository, or it is private", remedy) from error
        except errors.RevisionNotFoundError as error:
            remedy = "name a branch, a tag or a full commit hash after @"
            raise ModelError(f"{self}: the repository has no revision {self.revision}", remedy) from error
        except errors.LocalEntryNotFoundError as error:
            remedy = f"check the network, or place the model in {hub_cache()}"
            raise ModelError(f"{self}: not in the hub's cache, and the hub can't be reached", remedy) from error
        except errors.EntryNotFoundError as error:
            remedy = f"see the list of files on the page of {self.repo}"
            raise ModelError(f"{self}: the repository has no such file", remedy) from error
        except (errors.HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ModelError(f"{self}: {reason}", "check the network, the free disk space and the name") from error

    def _check_room(self) -> None:
        """Raises ModelError where the disk can't take what is still to be downloaded."""
        try:
            sizes = self._sizes()
        except Exception:
            # The download itself says what is wrong.
            return
        needed = sum(size for blob, size in sizes.items() if not self._is_here(blob))
        if wrong := no_room(hub_cache(), needed, str(self)):
            raise ModelError(wrong, "free some space there, or set HF_HOME to a folder on a larger disk")

    def _sizes(self) -> dict[str, int]:
        """Name among the cache's blobs → bytes, of the files to download; without those whose size the hub doesn't
        tell."""
        import huggingface_hub

        if self.file is not None:
            told = huggingface_hub.get_hf_file_metadata(
                huggingface_hub.hf_hub_url(self.repo, self.file, revision=self.revision)
            )
            return {} if told.size is None else {told.etag or "": told.size}
        files = huggingface_hub.HfApi().model_info(self.repo, revision=self.revision, files_metadata=True).siblings
        wanted = [file for file in files or () if any(fnmatch(file.rfilename, pattern) for pattern in PATTERNS)]
        blobs = {file.lfs.sha256 if file.lfs else file.blob_id or file.rfilename: file.size for file in wanted}
        return {blob: size for blob, size in blobs.items() if size is not None}

    def _is_here(self, blob: str) -> bool:
        return bool(blob) and (repo_folder(hub_cache(), self.repo) / "blobs" / blob).exists()


def parse_hub(text: str) -> HubSource:
    """What follows `hf://`: ORG/REPO/FILE@REV, or ORG/REPO@REV. Without @REV it is `main`.

    Raises:
        ModelError: the text has neither form.
    """
    body, at, revision = text.rpartition("@")
    if not at:
        body, revision = text, "main"
    org, _, rest = body.partition("/")
    repo, slash, file = rest.partition("/")
    names = (org, repo, *revision.split("/"))
    steps = (*names, *file.split("/")) if slash else names
    if not all(_NAME.fullmatch(name) for name in names) or any(step in {"", ".", ".."} for step in steps):
        raise ModelError(
            f"hf://{text} is not of the form hf://ORG/REPO/FILE@REV or hf://ORG/REPO@REV",
            "for example hf://unsloth/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q4_K_M.gguf@main",
        )
    return HubSource(f"{org}/{repo}", file or None, revision)


def _expanded(folder: str) -> Path:
    return Path(os.path.expanduser(os.path.expandvars(folder)))  # noqa: PTH111


def _bar(watch: Watch) -> type[Any]:
    """A progress bar class for `huggingface_hub` that draws nothing and calls `watch`."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Reporting(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            total = int(self.total) if self.total else None
            # The bar of a folder counts files, that of a file its bytes.
            unit: Unit = "bytes" if self.unit == "B" else "files"
            watch(Step(f"fetching {self.desc or 'files'}", int(self.n), total, unit))

    return Reporting


SCHEME: Final = Scheme(
    forms=("hf://ORG/REPO/FILE@REV", "hf://ORG/REPO@REV (a whole model folder)"),
    parse=parse_hub,
)
