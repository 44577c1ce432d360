"""Starts a program and supervises it to its end: `supervise(launch) → transcript`."""

import errno
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from parity.adapter import Command, Launch, Markers
from parity.hosts.cancel import Cancel
from parity.hosts.conditions import look
from parity.hosts.local.adoption import adopt_orphans
from parity.hosts.local.deadlines import Deadlines
from parity.hosts.local.environment import TREE_VARIABLE, child_environment, recordable, secrets_for
from parity.hosts.local.group import Group
from parity.hosts.local.guardian import GUARDIAN
from parity.hosts.local.leader import Leader
from parity.hosts.local.loop import KILL_S, Supervision
from parity.hosts.local.markers import search_for
from parity.hosts.local.tree import Tree
from parity.hosts.sighting import Sighting
from parity.records import Limits, PageCache
from parity.redaction import redact
from parity.transcript import Head, Launched, NoSpawn, Transcript, TranscriptWriter, read_transcript

SWITCH_S = 0.0002
MOST_GUARDIANS = 4
"""Starts of a guardian within a trial: one that can't live here must not cost what is measured."""


class CancelledError(Exception):
    """The user's wish to stop came before the program was started."""


def supervise(
    launch: Command | Launch,
    *,
    head: Head,
    path: Path,
    limits: Limits,
    pass_env: Sequence[str] = (),
    cancel: Cancel | None = None,
    watch: Callable[[Sighting], None] | None = None,
    hidden: Sequence[str] = (),
    page_cache: PageCache | None = None,
) -> Transcript:
    """Runs a program to its end and returns the transcript, which grows at `path` meanwhile.

    No process of it is left behind. `hidden` is what may not be written down of its command line and environment.
    A program that can't be started is a transcript too.

    A `Launch` is held to all `limits`. A `Command` is held to its own deadline and to `grace_s` and
    `max_output_bytes`; it may be silent as long as it likes. The files of a launch must be there already.

    Around a trial the machine is looked at; `page_cache` is what is known of the model's files.

    `watch` is called between two reads, so it must return at once. If it raises, or a KeyboardInterrupt comes,
    the processes are killed before the exception goes on, and the transcript has no end.

    Raises:
        FileExistsError: there is something at `path`.
        re.error: a marker's pattern is none; nothing was started.
    """
    if isinstance(launch, Launch):
        search = search_for(launch.markers, watched=watch is not None)
    else:
        search = search_for(Markers(quick=True, token=launch.step), launch.waits, watched=watch is not None)
    around = head.purpose == "trial"
    tag = secrets.token_hex(8)
    folders = [head.job.scratch] if head.job is not None else []
    env = child_environment(os.environ, pass_env, {**launch.env, TREE_VARIABLE: tag})
    argv, recorded_env = recordable(launch.argv, env, hidden)
    most_memory = limits.max_memory_bytes if isinstance(launch, Launch) else None
    masked = secrets_for(env, hidden)
    with (
        closing(search),
        closing(TranscriptWriter(path, head, masked)) as writer,
        closing(Group.make(tag, most_memory)) as group,
    ):
        writer.launch(Launched(argv=argv, cwd=launch.cwd, env=recorded_env))
        adopt_orphans()
        GUARDIAN.ready()
        before = set(psutil.pids())
        if around:
            writer.before(look(page_cache))
        try:
            if cancel is not None and cancel.count:
                raise CancelledError
            leader = Leader(launch.argv, cwd=launch.cwd, env=env)
            group.add(leader.pid)
        except CancelledError:
            message = "parity was interrupted before it was started"
            writer.no_spawn(NoSpawn(t_ns=time.monotonic_ns(), errno=0, message=message, cause="cancelled"))
        except (OSError, ValueError) as error:
            writer.no_spawn(_no_spawn(error, launch))
        else:
            with closing(leader):
                starts = iter(range(MOST_GUARDIANS))

                def tell() -> int | None:
                    """What tells of the end of the guardian that knows of the tree now."""
                    if GUARDIAN.lost() and next(starts, None) is None:
                        return None
                    GUARDIAN.ready()
                    if GUARDIAN.pid is not None:
                        before.add(GUARDIAN.pid)  # one that was started just now is no orphan of the tree
                    GUARDIAN.tell(**tree.known(), folders=folders)
                    return GUARDIAN.end_fd

                tree = Tree(leader.pid, tag, before, group, changed=tell, untold=GUARDIAN.lost)
                deadlines = Deadlines.of(launch, limits, leader.spawned_ns)
                supervision = Supervision(
                    leader,
                    tree,
                    group,
                    writer,
                    deadlines,
                    limits.but(max_memory_bytes=most_memory),
                    search,
                    watch,
                    around,
                    lambda text: redact(text, masked),
                    tell,
                )
                try:
                    with closing(supervision), _prompt_threads():
                        supervision.run(cancel)
                finally:
                    if not leader.reaped:
                        tree.kill(KILL_S)
                    GUARDIAN.tell()
    return read_transcript(path)


@contextmanager
def _prompt_threads() -> Iterator[None]:
    """Another thread of ours, such as a progress display, may keep the interpreter for this long and no longer."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _no_spawn(error: OSError | ValueError, launch: Command | Launch) -> NoSpawn:
    """A ValueError is about argv or env: a NUL in it, or a name with an equals sign."""
    if not isinstance(error, OSError):
        return NoSpawn(t_ns=time.monotonic_ns(), errno=errno.EINVAL, message=str(error))
    message = error.strerror or str(error)
    folder_missing = launch.cwd is not None and error.filename == launch.cwd
    if folder_missing:
        message += f": working folder {launch.cwd}"
    return NoSpawn(t_ns=time.monotonic_ns(), errno=error.errno or 0, message=message, folder_missing=folder_missing)
