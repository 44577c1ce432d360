"""The program of the guardian: `python -I -S guarding.py LIBRARY…`. See guardian.py.

It imports what it needs to end a tree only once parity is gone, so that it costs nothing meanwhile.
"""

import contextlib
import json
import os
import signal
import sys
from typing import Any

KILL_S = 5.0


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    told: dict[str, Any] = {}
    for line in sys.stdin.buffer:
        if line.endswith(b"\n"):
            told = json.loads(line)
    if told:
        _kill_known(told)
        sys.path += sys.argv[1:]
        from parity.hosts.local.tree import end_told

        end_told(told, KILL_S)
    os._exit(0)


def _kill_known(told: dict[str, Any]) -> None:
    """Kills at once what parity saw last. A process that isn't in one of the tree's sessions any more is a stranger
    with the number of one that is gone."""
    for pid, _ in told["members"]:
        with contextlib.suppress(OSError):
            if os.getsid(pid) in told["sessions"]:
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
