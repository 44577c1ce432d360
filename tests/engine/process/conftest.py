"""The supervisor against real programs, and what must be left of each: nothing."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from supervised import Run, alive_with, limits

from parity.adapter import Launch, Markers
from parity.hosts.cancel import Cancel
from parity.hosts.local import supervise
from parity.hosts.sighting import Sighting
from parity.records import Limits
from parity.transcript import Head, Transcript


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    """`supervise`, and afterwards: no process, no descriptor, no thread and no zombie is left of it."""
    tag = f"{os.getpid()}:{request.node.name}"
    fds, threads = psutil.Process().num_fds(), threading.active_count()

    def run(
        argv: Sequence[str],
        bounds: Limits | None = None,
        *,
        markers: Markers | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        pass_env: Sequence[str] = (),
        cancel: Cancel | None = None,
        watch: Callable[[Sighting], None] | None = None,
    ) -> Transcript:
        return supervise(
            Launch(argv=tuple(argv), env={"TEST_TAG": tag, **(env or {})}, cwd=cwd, markers=markers or Markers()),
            head=Head(purpose="trial", runtime="test"),
            path=tmp_path / "transcript.jsonl",
            limits=bounds or limits(),
            pass_env=pass_env,
            cancel=cancel,
            watch=watch,
        )

    yield run
    assert alive_with("TEST_TAG", tag) == []
    assert psutil.Process().children(recursive=True) == []
    assert psutil.Process().num_fds() == fds
    assert threading.active_count() == threads
