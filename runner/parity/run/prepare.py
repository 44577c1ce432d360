"""Makes a runtime ready on a host: probe → checkout → needs → build → proof, each step a transcript on disk.

The same steps serve `parity run`, which asks the cheap ones of every runtime first, `parity doctor`, which builds only
when it is asked to, and `--resume`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.adapter import Adapter, Command, Need, checkout
from parity.cache import cache_folder
from parity.config import RuntimeConfig
from parity.hosts.cancel import Cancel
from parity.hosts.host import Host
from parity.hosts.sighting import Sighting
from parity.private import OWNER_ALONE, write_private
from parity.records import Limits
from parity.redaction import known, redact_json
from parity.run import proof
from parity.run.guarding import StandIn
from parity.run.locking import waited
from parity.run.prepared import (
    Notes,
    Prepared,
    after_build,
    after_probe,
    after_proof,
    proof_step,
    read_notes,
    unproved,
    without,
)
from parity.run.request import request_of
from parity.run.unspawned import unspawned
from parity.transcript import Head, Transcript

BUILDS = "builds.lock"
ROOM = "free some space (`parity clean` lists what parity keeps), then start a new run"


def files_in(folder: Path) -> Callable[[str], Path]:
    """Where the transcripts of a preparation go that has a folder of its own."""
    return lambda step: folder / f"{step}.jsonl"


@dataclass(frozen=True)
class Preparation:
    """One runtime on one host. `path_of`: name of a step → where its transcript goes."""

    runtime: str
    adapter: Adapter[Any]
    common: RuntimeConfig
    settings: dict[str, Any]
    host: Host
    path_of: Callable[[str], Path]
    hidden: tuple[str, ...] = ()
    cancel: Cancel | None = None
    built: Callable[[str, int], None] = lambda runtime, steps: None
    note: Callable[[str], None] = lambda line: None

    def ask(self) -> Prepared:
        """The cheap steps: is it there, which sources would be built, and are the files there that it needs?"""
        if isinstance(self.adapter, StandIn):
            return after_probe(self.adapter, self._unasked(self.adapter.wrong), None)
        probe = self._run("probe", self.adapter.probe())
        tree = None
        if self.adapter.checkout is not None and self.adapter.read_probe(probe).ready:
            tree = self._run("checkout", checkout.command(self.adapter.checkout))
        prepared = after_probe(self.adapter, probe, tree)
        missing = tuple(need for need in self.adapter.needs if not self.host.holds(need.pattern))
        if prepared.ready and missing:
            self._note(Notes(missing=missing))
            return without(prepared, missing)
        return prepared

    def build(self, prepared: Prepared) -> Prepared:
        """Builds what the adapter says, if anything. One build at a time uses the cache: Cargo's own lock ends before
        it copies what it built, and a second build replaces that meanwhile."""
        command = self.adapter.build()
        if command is None or not prepared.ready:
            return prepared
        if (lacking := self._lacks_room()) is not None:
            self._note(Notes(missing=(lacking,)))
            return without(prepared, (lacking,))
        with waited(cache_folder() / BUILDS, self._waits_for, self._stopped):
            return after_build(prepared, self._run("build", command))

    def prove(self, prepared: Prepared, models: Iterable[proof.Kind]) -> Prepared:
        """Has the runtime generate a few tokens of a tiny model for each kind of model that the config has."""
        if not prepared.ready:
            return prepared
        unbuilt = prepared.build is None and self.adapter.build() is not None
        sources: tuple[str, ...] = ()
        reason = proof.why_not(self.common, self.adapter, unbuilt=unbuilt)
        if reason is None:
            sources, reason = proof.tiny_sources(models)
        asked = 0
        for source in sources:
            step = self.path_of(proof_step(asked))
            question = (self.host, prepared, self.common, self.runtime, self.settings, source, step)
            found = proof.ask(*question, self.hidden, self.cancel)
            if isinstance(found, str):
                reason = reason or found
                continue
            asked += 1
            prepared = after_proof(prepared, found)
            if prepared.proof is not None and prepared.proof.kind != "proved":
                return prepared
        if reason is None:
            return prepared
        self._note(read_notes(self._notes_path()).but(unproved=reason))
        return unproved(prepared, reason)

    def _lacks_room(self) -> Need | None:
        written = self.adapter.build_writes
        if written is None or not self.common.env.keys().isdisjoint(written.moved_by):
            return None
        wrong = self.host.no_room(written.folder, written.least_bytes, "the build")
        return None if wrong is None else Need(pattern=written.folder, reason=wrong, remedy=ROOM)

    def _unasked(self, wrong: str) -> Transcript:
        """The probe of an adapter that names no command for it."""
        return unspawned(self._fresh("probe"), Head(purpose="probe", runtime=self.runtime), wrong, "refused")

    def _fresh(self, step: str) -> Path:
        path = self.path_of(step)
        path.parent.mkdir(OWNER_ALONE, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path

    def _run(self, step: str, command: Command) -> Transcript:
        path = self._fresh(step)
        head = Head.model_validate({"purpose": step, "runtime": self.runtime})
        request = request_of(self.common, command, head, Limits(total_s=command.deadline_s), self.hidden)
        return self.host.run(request, path, cancel=self.cancel, watch=self._watch)

    def _watch(self, sighting: Sighting) -> None:
        if sighting.kind == "token":
            self.built(self.runtime, sighting.count)
        elif sighting.kind == "waits":
            self.note(f"{self.runtime}: waiting for another program that holds its build lock")

    def _stopped(self) -> bool:
        return self.cancel is not None and self.cancel.count > 0

    def _waits_for(self, holder: str) -> None:
        self.note(f"{self.runtime}: waiting for {holder}, which builds a runtime")

    def _notes_path(self) -> Path:
        return self.path_of("notes").with_suffix(".json")

    def _note(self, notes: Notes) -> None:
        path = self._notes_path()
        path.parent.mkdir(OWNER_ALONE, parents=True, exist_ok=True)
        write_private(path, redact_json(notes.model_dump_json(), known()) + "\n")
