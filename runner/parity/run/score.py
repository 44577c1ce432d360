"""From a run folder to its report: reads its transcripts, and computes every number and verdict again from them."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from parity.adapter import Adapter
from parity.config import with_gates_of
from parity.models.pieces import Pieces, load_pieces
from parity.models.tokenizer import Encode, load_encoder
from parity.reading.conditions import under_conditions
from parity.reading.identity import Sha256Of
from parity.reading.trial import read_trial
from parity.records import Report, Slot, Trial
from parity.run.due import interrupted
from parity.run.exact import recorded_exact, twin_of
from parity.run.guarding import refuse_broken
from parity.run.hashes import recorded_weights_sha256
from parity.run.log import RunFolder
from parity.run.prepared import Prepared, read_prepared
from parity.run.record import RunRecord
from parity.run.session import LOCAL, make_adapters
from parity.run.state import State
from parity.run.witnesses import recorded_witnesses
from parity.transcript import Transcript, read_begun


def score(folder: RunFolder, gates: Path | None = None) -> Report:
    """The report of a run. A pure function of the run folder: the same bytes each time. `gates`: a file of gates that
    the run is judged by in place of its own; the report says so.

    Raises:
        ConfigError: the file of gates is not valid.
    """
    run = folder.read_run()
    chosen = None if gates is None else with_gates_of(gates, run.loaded)
    prepared = recorded_runtimes(folder, make_adapters(run.loaded, run.hosts[LOCAL]))
    state = recorded_state(folder, run, prepared)
    report = state.report(folder.name, interrupted=folder.interrupted, chosen=chosen)
    return report.but(witnesses=recorded_witnesses(folder), gates_from=None if gates is None else str(gates))


def recorded_state(folder: RunFolder, run: RunRecord, prepared: Mapping[str, Prepared]) -> State:
    """A run as its transcripts show it."""
    trials: list[Trial] = []
    spawned = 0
    hashes = partial(recorded_weights_sha256, folder)
    for name, slot, transcript in folder.trials():
        spawned += transcript.spawn is not None
        ran = twin_of(prepared[slot.runtime]) if slot.kind == "exact" else prepared[slot.runtime]
        trial = read_slot(ran.adapter, slot, name, transcript, folder, hashes)
        trials.append(under_conditions(trial, transcript, run.loaded.config.conditions))
    return State(run, prepared, tuple(_without_cut_off(trials)), spawned, recorded_exact(folder))


def _without_cut_off(trials: Sequence[Trial]) -> list[Trial]:
    """The trials without those that were interrupted and tried again."""
    last = {trial.place: trial for trial in trials}
    return [trial for trial in trials if trial is last[trial.place] or not interrupted(trial)]


def recorded_runtimes(folder: RunFolder, adapters: Mapping[str, Adapter[Any]]) -> dict[str, Prepared]:
    """Runtime → what its recorded preparation came to.

    Raises:
        BrokenAdapterError: an adapter that was well then can't be made now, so that its trials can't be read.
    """
    probes = {name: read_begun(folder.prepared_path(name, "probe")) for name in adapters}
    refuse_broken(adapter for name, adapter in adapters.items() if _was_asked(probes[name]))
    return {name: read_prepared(adapter, partial(folder.prepared_path, name)) for name, adapter in adapters.items()}


def _was_asked(probe: Transcript | None) -> bool:
    """Whether an adapter was well enough to be asked whether its runtime is there."""
    return probe is not None and (probe.no_spawn is None or probe.no_spawn.cause != "refused")


def read_slot(
    adapter: Adapter[Any], slot: Slot, file: str, transcript: Transcript, folder: RunFolder, sha256_of: Sha256Of
) -> Trial:
    """The trial that a transcript of the run folder holds. `file`: its name within `trials/`."""
    job = transcript.head.job
    # A runtime may load a model of its own, whose tokenizer may be a different one.
    model = job.model.name if job is not None and slot.kind != "exact" else slot.model
    tokenizer = folder.tokenizer_path(model).absolute()
    encode, piece_of = _encoder(tokenizer), _pieces(tokenizer)
    return read_trial(adapter, slot, f"trials/{file}", transcript, encode, sha256_of, piece_of)


@cache
def _encoder(path: Path) -> Encode | None:
    """Each encoding asks a child, and all trials of a test have one prompt."""
    return lru_cache(maxsize=64)(load_encoder(path)) if path.exists() else None


@cache
def _pieces(path: Path) -> Pieces | None:
    return load_pieces(path) if path.exists() else None
