"""One thread, one selector: stamps and writes down what a process prints, keeps its deadlines, and ends it.

Memory and CPU time are sampled in the same thread, right after output was read: the next piece is furthest away
then.
"""

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from parity.hosts.cancel import Cancel
from parity.hosts.clocks import slept_s
from parity.hosts.conditions import look
from parity.hosts.local.counters import whole_trial
from parity.hosts.local.deadlines import Deadlines, ns
from parity.hosts.local.evidence import Mask, evidence_in_time
from parity.hosts.local.group import Group
from parity.hosts.local.leader import Leader, oom_kills
from parity.hosts.local.markers import BEHIND_S, Search, Sought
from parity.hosts.local.pace import FIRST_SAMPLE_S, Pace
from parity.hosts.local.tree import Tree, Usage
from parity.hosts.sighting import Sighting
from parity.records import Limits
from parity.transcript import (
    End,
    EndedBy,
    Piece,
    Sample,
    Spawned,
    Stream,
    TranscriptWriter,
)

READ_BYTES = 64 * 1024
READS_OF_A_FULL_PIPE = 16
MOST_PIECES = 1_000_000
"""A program that prints byte by byte without end is cut here, long before `max_output_bytes`."""

SETTLE_S = 0.5
"""What descendants get to end by themselves after a leader that exited of its own accord."""
SETTLE_LOOK_S = 0.02
PAUSE_S = 1.0
"""A turn of the loop that took so much longer than it asked for: parity was stopped, and watched nothing."""
CANCEL_GRACE_S = 1.5
"""The most of each grace once the run is to stop: what asks for it may kill parity itself within seconds."""
KILL_S = 10.0
"""How long a killed process may take to be gone (it may hang in a driver) before it is given up."""

LADDER = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class Supervision:
    """The state of one supervised process, from its spawn until nothing of it lives."""

    def __init__(
        self,
        leader: Leader,
        tree: Tree,
        group: Group,
        writer: TranscriptWriter,
        deadlines: Deadlines,
        limits: Limits,
        search: Search,
        watch: Callable[[Sighting], None] | None,
        around: bool,
        mask: Mask,
        protect: Callable[[], int | None],
    ) -> None:
        self._leader = leader
        self._tree = tree
        self._group = group
        self._writer = writer
        self._deadlines = deadlines
        self._grace_ns = ns(limits.grace_s)
        self._room_bytes = limits.max_output_bytes
        self._search = search
        self._watch = watch
        self._around = around
        self._mask = mask
        self._protect = protect
        self._guarded_fd: int | None = None
        self._most_memory_bytes = limits.max_memory_bytes
        self._selector = selectors.DefaultSelector()
        self._open: set[Stream] = {"out", "err"}
        self._output_cut = False
        self._pieces = self._dropped_bytes = self._tokens = 0

        kernel_watches = limits.max_memory_bytes is None or group.limited
        self._pace = Pace(leader.spawned_ns, always_every_s=None if kernel_watches else FIRST_SAMPLE_S)
        self._usage: Usage | None = None
        self._vram: int | str = "the process ended before parity could ask for it"
        self._oom_kills = oom_kills()

        self._turned_ns = time.monotonic_ns()
        self._paused_ns = 0
        self._behind_paused_ns = 0
        self._slept_s = slept_s()

        self._ended: tuple[EndedBy, int] | None = None
        self._sent: list[signal.Signals] = []
        self._next_step_ns = 0
        self._settled_ns: int | None = None

    def run(self, cancel: Cancel | None) -> None:
        """Until nothing of it lives, or what lives can't be killed."""
        self._guard()
        for stream, fd in self._leader.streams.items():
            self._selector.register(fd, selectors.EVENT_READ, stream)
        self._selector.register(self._leader.exit_fd, selectors.EVENT_READ, self._leader)
        if self._search.fd is not None:
            self._selector.register(self._search.fd, selectors.EVENT_READ, self._search)
        if cancel is not None:
            self._selector.register(cancel, selectors.EVENT_READ, cancel)
        spawned_ns = self._leader.spawned_ns
        self._writer.spawn(Spawned(t_ns=spawned_ns, pid=self._leader.pid, wall=datetime.now(UTC).isoformat()))
        self._sight("spawn", spawned_ns)
        while not self._over():
            self._turn()
        self._finish()

    def close(self) -> None:
        """Releases the selector."""
        self._selector.close()

    def _turn(self) -> None:
        patience_s = self._patience_s()
        asked_ns = time.monotonic_ns()
        events = self._selector.select(patience_s)
        self._notice_pause(patience_s)
        self._pace.breathe(time.monotonic_ns() - asked_ns)
        self._take_all(key for key, _ in events if key.data in self._open)
        for key, _ in events:
            if key.data is self._leader:
                self._selector.unregister(key.fileobj)
                self._begin_settling()
            elif key.data is self._search:
                self._heed_search()
            elif key.data is self._protect:
                self._guard()
            elif isinstance(key.data, Cancel):
                key.data.acknowledge()
                self._obey(key.data)
        if self._settled_ns is None:
            self._notice_pause(0.0)
            self._keep_deadlines(time.monotonic_ns())
            if time.monotonic_ns() >= self._pace.sample_due_ns:
                self._sample()

    def _guard(self) -> None:
        """Has a guardian know of the tree, and is woken when that one ends."""
        if self._guarded_fd is not None:
            # It may be closed already.
            with suppress(KeyError, ValueError, OSError):
                self._selector.unregister(self._guarded_fd)
        self._guarded_fd = self._protect()
        if self._guarded_fd is not None:
            self._selector.register(self._guarded_fd, selectors.EVENT_READ, self._protect)

    def _notice_pause(self, patience_s: float) -> None:
        """Finds out whether parity itself was stopped, or got no CPU, since it last asked: the program is not to blame
        for what was not seen of it. `patience_s`: for how long it waited by itself."""
        now_ns = time.monotonic_ns()
        over_ns = now_ns - self._turned_ns - ns(patience_s)
        self._turned_ns = now_ns
        if over_ns > ns(PAUSE_S):
            self._paused_ns += over_ns
            self._behind_paused_ns += over_ns
            self._deadlines.postpone(over_ns)

    def _read_waiting(self) -> None:
        """Takes what waits in the pipes. A deadline is judged by what the program did, not by what was read of it."""
        for _ in range(READS_OF_A_FULL_PIPE):
            if not self._take_all([key for key, _ in self._selector.select(0) if key.data in self._open]):
                return

    def _take_all(self, ready: Iterable[selectors.SelectorKey]) -> bool:
        """Reads and stamps every stream that is ready before it looks into any; whether anything came."""
        pieces = [piece for key in ready if (piece := self._read(key)) is not None]
        for piece in pieces:
            self._take(piece)
        return bool(pieces)

    def _read(self, key: selectors.SelectorKey) -> Piece | None:
        try:
            data = os.read(key.fd, READ_BYTES)
        except BlockingIOError:
            return None
        t_ns = time.monotonic_ns()
        if not data:
            self._selector.unregister(key.fileobj)
            self._open.discard(key.data)
            return None
        return Piece(t_ns, key.data, data)

    def _take(self, piece: Piece) -> None:
        self._deadlines.output(piece.t_ns)
        kept = b"" if self._output_cut else piece.data[: self._room_bytes]
        self._dropped_bytes += len(piece.data) - len(kept)
        if self._output_cut:
            return
        self._room_bytes -= len(kept)
        self._pieces += 1
        if kept:
            self._writer.piece(Piece(piece.t_ns, piece.stream, kept))
        for found in self._search.feed(Piece(piece.t_ns, piece.stream, kept)):
            self._found(*found)
        if len(kept) < len(piece.data) or self._pieces >= MOST_PIECES:
            self._output_cut = True
            self._end("output-limit", piece.t_ns)

    def _heed_search(self) -> None:
        """Takes what a child found in the output. A pattern that broke a limit there ends the trial: without its
        markers, no deadline can be kept."""
        for found in self._search.answers():
            self._found(*found)
        if self._search.broken:
            assert self._search.fd is not None
            self._selector.unregister(self._search.fd)
            self._end("markers", time.monotonic_ns())

    def _found(self, kind: Sought, count: int, t_ns: int) -> None:
        match kind:
            case "stop":
                self._end(kind, t_ns)
                return
            case "fail":
                self._deadlines.failed(t_ns)
                return
            case "ready":
                self._deadlines.ready(t_ns)
                self._pace.mark(t_ns)
            case "first-token":
                self._deadlines.first_token()
                self._pace.mark(t_ns)
            case "token":
                self._tokens += count
        self._sight(kind, t_ns)

    def _sight(self, kind: Literal["spawn", "waits", "ready", "first-token", "token", "end"], t_ns: int) -> None:
        if self._watch is not None:
            self._watch(Sighting(kind, t_ns, self._tokens))

    def _sample(self) -> None:
        self._pace.sampled(time.monotonic_ns())
        usage = self._tree.measure()
        if usage is None:
            return
        t_ns = time.monotonic_ns()
        self._writer.sample(
            Sample(
                t_ns=t_ns,
                rss_bytes=usage.rss_bytes,
                cpu_s=round(usage.cpu_s, 3),
                vram_bytes=usage.vram if isinstance(usage.vram, int) else None,
                counters=usage.counters,
            )
        )
        self._vram = usage.vram
        self._writer.flush()
        self._usage = usage
        self._deadlines.cpu(t_ns, usage.cpu_s)
        if self._takes_too_much(usage):
            self._end("memory-limit", t_ns)

    def _takes_too_much(self, usage: Usage) -> bool:
        """Whether it is over its limit of memory; where the kernel keeps the limit, whether a part of it was killed."""
        if self._most_memory_bytes is None:
            return False
        return self._group.oom_kills() > 0 if self._group.limited else usage.rss_bytes > self._most_memory_bytes

    def _keep_deadlines(self, now_ns: int) -> None:
        if self._ended is not None:
            if now_ns >= self._next_step_ns and self._sent[-1] != LADDER[-1]:
                self._send(LADDER[LADDER.index(self._sent[-1]) + 1])
            return
        if now_ns >= self._deadlines.next()[0]:
            self._read_waiting()
        behind_ns = self._search.behind_ns
        if behind_ns is None:
            self._behind_paused_ns = 0
        elif now_ns - behind_ns - self._behind_paused_ns >= ns(BEHIND_S):
            self._end("markers", now_ns)
            return
        due_ns, by = self._deadlines.next()
        if now_ns >= due_ns and behind_ns is not None and by in ("deadline:load", "deadline:first-token"):
            return  # a marker that it would be judged by may be about to be found
        if now_ns >= due_ns and by in ("stall", "fail"):
            self._sample()  # the last one may be older than the CPU time that counts
            due_ns, by = self._deadlines.next()
        if now_ns >= due_ns and self._ended is None:
            self._end(by, now_ns)

    def _end(self, by: EndedBy, t_ns: int) -> None:
        """Notes the first reason to end, and steps on the ladder. A cut counts even after a clean exit."""
        if self._ended is not None and (self._ended[0], by) != ("exit", "output-limit"):
            return
        self._ended = by, t_ns
        if self._settled_ns is None:
            if by in ("stall", "deadline:load", "deadline:first-token", "deadline:total"):
                began_ns = time.monotonic_ns()
                if (hang := evidence_in_time(self._tree.everyone(), self._mask)) is not None:
                    self._writer.hang(hang)
                    self._writer.flush()
                # What that took is no time in which parity was stopped.
                self._turned_ns += time.monotonic_ns() - began_ns
            self._send(LADDER[-1] if by == "memory-limit" else LADDER[0])

    def _send(self, number: signal.Signals) -> None:
        self._sent.append(number)
        self._next_step_ns = time.monotonic_ns() + (ns(KILL_S) if number == signal.SIGKILL else self._grace_ns)
        self._tree.signal(number)

    def _obey(self, cancel: Cancel) -> None:
        self._grace_ns = min(self._grace_ns, ns(CANCEL_GRACE_S))
        self._end("cancel", time.monotonic_ns())
        if cancel.count > 1 and signal.SIGKILL not in self._sent:
            self._send(signal.SIGKILL)

    def _begin_settling(self) -> None:
        """The leader has exited: descendants get a moment to do the same; a grace if they were signalled."""
        self._tree.measure()  # the last that the kernel tells of the leader, before it is reaped
        grace_ns = self._grace_ns if self._sent else min(ns(SETTLE_S), self._grace_ns)
        self._settled_ns = time.monotonic_ns() + grace_ns
        if self._leader.exited_ns is not None:
            self._end("exit", self._leader.exited_ns)

    def _over(self) -> bool:
        if self._settled_ns is not None:
            return time.monotonic_ns() >= self._settled_ns or (not self._open and not self._tree.living())
        return bool(self._sent) and self._sent[-1] == signal.SIGKILL and time.monotonic_ns() >= self._next_step_ns

    def _patience_s(self) -> float:
        """How long nothing has to be done as long as nothing happens."""
        now_ns = time.monotonic_ns()
        if self._settled_ns is not None:
            return min(SETTLE_LOOK_S, (self._settled_ns - now_ns) / 1e9)
        due_ns = self._next_step_ns if self._ended is not None else self._deadlines.next()[0]
        least_s = 0.0 if self._search.behind_ns is None else SETTLE_LOOK_S
        return max(least_s, (min(due_ns, self._pace.sample_due_ns) - now_ns) / 1e9)

    def _ran_out_of_memory(self) -> bool:
        """Whether the kernel killed a process for want of memory: one of this tree, where it counts those."""
        if self._group.counts_memory:
            return self._group.oom_kills() > 0
        return oom_kills() > self._oom_kills

    def _finish(self) -> None:
        """Kills what is left, reads what it left in the pipes, reaps the leader, and writes down the end."""
        killed_by_us = signal.SIGKILL in self._sent
        survivors = self._tree.living()
        survivors_cpu_s = self._tree.cpu_s_of(survivors)
        if survivors and not killed_by_us:
            self._sent.append(signal.SIGKILL)
        # Of processes that fork and exit without end, a look may find none that lives.
        left_behind = max(len(survivors), int(self._tree.kill(KILL_S) and not killed_by_us))
        for _ in range(READS_OF_A_FULL_PIPE):
            if not self._take_all([key for key in self._selector.get_map().values() if key.data in self._open]):
                break
        reaped = self._leader.reap(KILL_S if self._leader.exited_ns else 0.0)
        group = self._group.usage() if self._group.exists else None
        by, t_ns = self._ended or ("exit", time.monotonic_ns())
        if by == "exit" and group is not None and group.limited and group.oom_kills:
            by = "memory-limit"
        sampled_cpu_s, sampled_peak = (self._usage.cpu_s, self._usage.peak_rss_bytes) if self._usage else (0.0, 0)
        killed_by_kernel = reaped is not None and reaped.signal == signal.SIGKILL and not killed_by_us
        whole, absent = whole_trial(self._tree.tally, reaped.counters if reaped is not None else None)
        if self._around:
            self._writer.after(look())
        self._writer.end(
            End(
                t_ns=t_ns,
                by=by,
                exit_code=reaped.exit_code if reaped else None,
                signal=reaped.signal if reaped else None,
                signals=tuple(number.name for number in self._sent),
                vram_absent=self._vram if isinstance(self._vram, str) else None,
                peak_rss_bytes=max(sampled_peak, (reaped and reaped.peak_rss_bytes) or 0) or None,
                cpu_s=max(
                    sampled_cpu_s,
                    reaped.cpu_s + survivors_cpu_s if reaped else 0.0,
                    (group and group.cpu_s) or 0.0,
                )
                or None,
                left_behind=left_behind,
                oom=killed_by_kernel and self._ran_out_of_memory(),
                group=group,
                dropped_bytes=self._dropped_bytes,
                paused_s=round(self._paused_ns / 1e9 + max(0.0, slept_s() - self._slept_s), 3),
                counters=whole,
                counters_absent=absent,
                threads=self._tree.tally.threads,
            )
        )
        self._sight("end", t_ns)
