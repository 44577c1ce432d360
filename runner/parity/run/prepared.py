"""What the preparation of a runtime came to, read from its transcripts: probe, checkout, build, proof. Pure but for
reading them."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from parity.adapter import Adapter, Availability, Build, Need, checkout
from parity.reading import outcome, stamps
from parity.reading.events import read_events
from parity.reading.timeline import Timeline
from parity.records import Record
from parity.run.giving_up import Absent
from parity.transcript import Transcript, read_begun

ProofKind = Literal["proved", "not proved", "failed"]


@dataclass(frozen=True)
class Proof:
    """Whether a runtime generated a token of a tiny model here. `reason`: why it is not known, or what failed."""

    kind: ProofKind
    reason: str | None = None
    first_token_s: float | None = None
    """How long it took for the first token on a CPU, where it shows that."""


@dataclass(frozen=True)
class Prepared:
    """A runtime as its preparation left it. `absent`: why it can't run here; `build`: what was built for it."""

    adapter: Adapter[Any]
    found: Availability
    build: Build | None = None
    proof: Proof | None = None
    absent: Absent | None = None

    @property
    def ready(self) -> bool:
        return self.found.ready and self.absent is None


UNASKED = Availability(ready=False, reason="the run was interrupted before it was asked")


def after_probe(adapter: Adapter[Any], probe: Transcript, tree: Transcript | None) -> Prepared:
    """`tree`: what git said of the runtime's checkout, where it has one and the probe found it."""
    found = adapter.read_probe(probe)
    if adapter.checkout is not None and tree is not None:
        found = checkout.built_from(found, checkout.read(tree, adapter.checkout))
    if found.ready:
        return Prepared(adapter, found)
    return Prepared(adapter, found, absent=Absent("unavailable", found.reason or "not available", found.remedy))


def without(prepared: Prepared, missing: Sequence[Need]) -> Prepared:
    """The same, with files missing that the runtime can't do without."""
    if not missing:
        return prepared
    reason = "; ".join(need.reason for need in missing)
    remedy = "; ".join(dict.fromkeys(need.remedy for need in missing))
    return _lost(prepared, Absent("unavailable", reason, remedy))


def after_build(prepared: Prepared, transcript: Transcript) -> Prepared:
    """The same with what a build gave."""
    build = prepared.adapter.read_build(transcript)
    if build.executables:
        return replace(prepared, build=build)
    return _lost(prepared, Absent("build", build.reason or "the build gave no executable", build.remedy))


def after_proof(prepared: Prepared, transcript: Transcript) -> Prepared:
    """The same with what a tiny model showed. A crash makes the runtime unavailable; a program that won't run that
    model may still run the real one, so anything else leaves it unproved."""
    proof = read_proof(prepared.adapter, transcript)
    proved = replace(prepared, proof=proof)
    if proof.kind != "failed":
        return proved
    remedy = "if it can run the config's own model all the same, set `prove = false` in its table"
    return _lost(proved, Absent("unavailable", f"it fails on a tiny model: {proof.reason}", remedy))


def unproved(prepared: Prepared, reason: str) -> Prepared:
    """The same, never asked for a proof."""
    return replace(prepared, proof=Proof("not proved", reason))


def read_proof(adapter: Adapter[Any], transcript: Transcript) -> Proof:
    """What the transcript of a proof shows."""
    job = transcript.head.job
    assert job is not None, "the transcript of a proof opens with its job"
    events, unreadable = read_events(adapter, transcript, job)
    failure = outcome.classify(transcript, events, unreadable)
    if failure is None:
        timeline = Timeline(transcript, events)
        begun, first = timeline.phase("prefill", "begin"), next(iter(timeline.tokens), None)
        if begun is None or first is None or not stamps.on_cpu(timeline):
            return Proof("proved")
        return Proof("proved", first_token_s=(first.t_ns - begun) * 1e-9)
    said = f"{failure.kind}: {failure.message}"
    if explained := adapter.explain(failure.kind, transcript):
        said = f"{said}. {explained}"
    crashed = failure.kind.startswith("crash") or failure.kind == "oom"
    return Proof("failed" if crashed else "not proved", said if crashed else f"a tiny model gave {said}")


def absent_of(prepared: Mapping[str, Prepared]) -> dict[str, Absent]:
    """Runtimes that can't run here, with the reason."""
    return {name: found.absent for name, found in prepared.items() if found.absent is not None}


def proof_step(number: int) -> str:
    """The name of a proof's step; a config with models of several kinds has several proofs."""
    return "proof" if number == 0 else f"proof-{number + 1}"


class Notes(Record):
    """What a preparation found out that no transcript holds; kept beside them."""

    missing: tuple[Need, ...] = ()
    unproved: str | None = Field(default=None, description="why no proof was asked for")


def read_prepared(adapter: Adapter[Any], path_of: Callable[[str], Path]) -> Prepared:
    """What was recorded of a runtime's preparation. `path_of`: name of a step → its file, which need not exist."""
    probe, tree, build = (_recorded(path_of(step)) for step in ("probe", "checkout", "build"))
    if probe is None:
        return Prepared(adapter, UNASKED)
    notes = read_notes(path_of("notes").with_suffix(".json"))
    prepared = without(after_probe(adapter, probe, tree), notes.missing)
    if prepared.ready and build is not None:
        prepared = after_build(prepared, build)
    for number in itertools.count():
        proof = _recorded(path_of(proof_step(number)))
        if proof is None or not prepared.ready:
            break
        prepared = after_proof(prepared, proof)
    return unproved(prepared, notes.unproved) if prepared.ready and notes.unproved else prepared


def read_notes(path: Path) -> Notes:
    """The notes of a preparation; empty where there are none."""
    try:
        return Notes.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Notes()


def _recorded(path: Path) -> Transcript | None:
    """A transcript that says something: a step that was cancelled, or never begun, says nothing."""
    transcript = read_begun(path)
    if transcript is None:
        return None
    if transcript.no_spawn is not None:
        return None if transcript.no_spawn.cause == "cancelled" else transcript
    return None if transcript.end is None or transcript.end.by == "cancel" else transcript


def _lost(prepared: Prepared, absent: Absent) -> Prepared:
    return replace(prepared, absent=absent)
