"""The supervisor against real programs, and what must be left of each: nothing."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from supervised import Run, alive_with, limits

from parity.adapter import Launch, Markers
from parity.bounded import child_pid
from parity.hosts.cancel import Cancel
from parity.hosts.local import supervise
from parity.hosts.local.guardian import GUARDIAN
from parity.hosts.sighting import Sighting
from parity.records import Limits
from parity.transcript import Head, Transcript

CLOCK_TICK_S = 0.02
"""How exact the system's start times of processes are."""


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    """`supervise`, and afterwards: no process, no descriptor, no thread and no zombie is left of it."""
    GUARDIAN.ready()
    tag = f"{os.getpid()}:{request.node.name}"
    began, fds, threads = time.time(), psutil.Process().num_fds(), threading.active_count()

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
    assert children_since(began) <= {child_pid(), GUARDIAN.pid}
    assert psutil.Process().num_fds() == fds
    assert threading.active_count() == threads


def children_since(began: float) -> set[int]:
    """Those that were started since. What earlier tests killed may come to us at any time and stay a zombie, such as
    the guardian of a parity."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if child.create_time() >= began - CLOCK_TICK_S}
