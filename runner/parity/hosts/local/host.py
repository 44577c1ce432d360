"""This machine as a host of trials."""

import glob
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.adapter import Launch
from parity.hosts.cancel import Cancel
from parity.hosts.conditions import bring, busyness
from parity.hosts.host import Request
from parity.hosts.local.starting import supervise
from parity.hosts.machine import facts, host_facts
from parity.hosts.sighting import Sighting
from parity.models.folder import files_that_matter
from parity.records import Busyness, ConditionLimits, HostFacts, PageCache, PageCachePolicy, Scalar
from parity.room import held_bytes, no_room
from parity.transcript import Transcript


class LocalHost:
    """Runs programs on this machine, one at a time."""

    label = "local"

    def facts(self) -> HostFacts:
        return host_facts()

    def machine(self) -> dict[str, Scalar]:
        return facts()

    def busyness(self, limits: ConditionLimits) -> Busyness:
        return busyness(limits)

    def bring(self, model: str, wanted: PageCachePolicy, cancel: Cancel | None = None) -> PageCache:
        path = Path(model)
        return bring(files_that_matter(path) if path.is_dir() else (path,), wanted, cancel)

    def holds(self, pattern: str) -> bool:
        return any(Path(path).is_file() for path in glob.iglob(pattern))  # noqa: PTH207 - the pattern is absolute

    def no_room(self, folder: str, needed: int, what: str) -> str | None:
        path = Path(folder)
        if no_room(path, needed, what) is None:
            return None
        return no_room(path, needed - held_bytes(path), what)

    @contextmanager
    def scratch(self) -> Iterator[str]:
        # What a program locked or left unreadable in it must not end the run.
        path = Path(tempfile.mkdtemp(prefix="parity-"))
        try:
            yield str(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def run(
        self,
        request: Request,
        to: Path,
        *,
        cancel: Cancel | None = None,
        watch: Callable[[Sighting], None] | None = None,
    ) -> Transcript:
        launch, job = request.launch, request.head.job
        if isinstance(launch, Launch) and job is not None:
            for name, content in launch.files.items():
                (Path(job.scratch) / name).write_text(content, encoding="utf-8")
        return supervise(
            launch,
            head=request.head,
            path=to,
            limits=request.limits,
            pass_env=request.pass_env,
            cancel=cancel,
            watch=watch,
            hidden=request.hidden,
            page_cache=request.page_cache,
        )
