"""From a run folder to its report: reads its transcripts, and computes every number and verdict again from them."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from parity.adapter import Adapter
from parity.models.pieces import Pieces, load_pieces
from parity.models.tokenizer import Encode, load_encoder
from parity.reading.conditions import under_conditions
from parity.reading.identity import Sha256Of
from parity.reading.trial import read_trial
from parity.records import Report, Slot, Trial
from parity.run.exact import recorded_exact, twin_of
from parity.run.hashes import recorded_weights_sha256
from parity.run.log import RunFolder, RunRecord
from parity.run.prepared import Prepared, read_prepared
from parity.run.schedule import interrupted
from parity.run.session import LOCAL, make_adapters
from parity.run.state import State
from parity.transcript import Transcript


def score(folder: RunFolder) -> Report:
    """The report of a run. A pure function of the run folder: the same bytes each time."""
    run = folder.read_run()
    prepared = recorded_runtimes(folder, make_adapters(run.loaded, run.hosts[LOCAL]))
    return recorded_state(folder, run, prepared).report(folder.name, interrupted=folder.interrupted)


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
    """Runtime → what its recorded preparation came to."""
    return {name: read_prepared(adapter, partial(folder.prepared_path, name)) for name, adapter in adapters.items()}


def read_slot(
    adapter: Adapter[Any], slot: Slot, file: str, transcript: Transcript, folder: RunFolder, sha256_of: Sha256Of
) -> Trial:
    """The trial that a transcript of the run folder holds. `file`: its name within `trials/`."""
    tokenizer = folder.tokenizer_path(slot.model).resolve()
    encode, piece_of = _encoder(tokenizer), _pieces(tokenizer)
    return read_trial(adapter, slot, f"trials/{file}", transcript, encode, sha256_of, piece_of)


@cache
def _encoder(path: Path) -> Encode | None:
    return load_encoder(path) if path.exists() else None


@cache
def _pieces(path: Path) -> Pieces | None:
    return load_pieces(path) if path.exists() else None
