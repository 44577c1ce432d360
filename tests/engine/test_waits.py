"""A build that waits for another program says so, instead of looking as if it were at work."""

import sys
from pathlib import Path

from parity.adapter import cargo
from parity.hosts.local import supervise
from parity.records import Limits
from parity.transcript import Head

WAITS = "    Blocking waiting for file lock on build directory"


def test_a_cargo_that_waits_for_a_lock_is_sighted_as_waiting_once(tmp_path: Path) -> None:
    seen: list[str] = []
    script = f"import sys; print({WAITS!r}, file=sys.stderr); print('   Compiling one v1.0.0', file=sys.stderr)"
    command = cargo.command("build").but(argv=(sys.executable, "-c", script))
    supervise(
        command,
        head=Head(purpose="build", runtime="r"),
        path=tmp_path / "build.jsonl",
        limits=Limits(),
        watch=lambda sighting: seen.append(sighting.kind),
    )
    assert [kind for kind in seen if kind in ("waits", "token")] == ["waits", "token"]
