"""The exact arm of a run: which models have an F32 file, which runtimes compute it, and how its trials are set up.

A trial of the arm runs the twin of a runtime: the same program, under settings with which it computes in F32
throughout.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from parity.config import Config
from parity.errors import ModelError, RefusedError
from parity.judging.scored import has_truth
from parity.models import Step, content_sha256
from parity.models.exact_cache import NoExactError, RoomOf, exact_model, room_of
from parity.records import LONGEST_S, Limits, ModelFacts
from parity.run.guarding import make_adapter
from parity.run.log import RunFolder
from parity.run.prepared import Prepared
from parity.run.schedule import pairs_of
from parity.run.session import LOCAL, Session, exact_arm

EXACT = "prepared/exact.json"
"""Model → the facts of its F32 file, or why it has none."""

PATIENCE = 10
"""How many times the limits of other trials one of the exact arm may take: its weights have up to eight times as many
bytes, and Candle computes one position a forward."""

NEW_RUN = "start a new run for an exact arm"
AGAIN = f"resume the run, which makes it again; if that does not help, {NEW_RUN}"

Exact = Mapping[str, ModelFacts | str]
"""Model → its F32 file, or why it has none. A model of which no gate asks for the truth is left out."""


class StoppedError(Exception):
    """The user wants to stop."""


def recorded_exact(folder: RunFolder) -> dict[str, ModelFacts | str]:
    """What the run folder holds."""
    recorded = folder.read_json(EXACT) or {}
    return {name: said if isinstance(said, str) else ModelFacts.model_validate(said) for name, said in recorded.items()}


def members(prepared: Mapping[str, Prepared], config: Config) -> tuple[str, ...]:
    """The runtimes whose twins are the exact arm here."""
    return exact_arm({name: found.adapter for name, found in prepared.items() if found.ready}, config)


def twin_of(prepared: Prepared) -> Prepared:
    """The same program under the settings of the exact arm."""
    settings = prepared.adapter.exact
    assert settings is not None, "only a runtime that has such settings is in the arm"
    return replace(prepared, adapter=make_adapter(type(prepared.adapter), settings, prepared.adapter.host))


def patient(limits: Limits) -> Limits:
    """The limits of a trial of the exact arm; one that does nothing is ended as soon as any other."""
    longer = ("load_s", "first_token_s", "total_s")
    return limits.but(**{name: min(PATIENCE * getattr(limits, name), LONGEST_S) for name in longer})


def check_ready(session: Session, model: ModelFacts, room: RoomOf = room_of) -> None:
    """Before a trial of the exact arm. Makes its file again if that is gone. `model`: the facts of the F32 file.

    Raises:
        RefusedError: the F32 file is not the recorded one any more, or can't be made again.
        StoppedError: the user wants to stop.
    """
    path = Path(model.path)
    if not path.exists():
        [source] = (known for known in session.folder.read_run().models if known.name == model.name)
        made = _made(session, source, room)
        if isinstance(made, str):
            gone = f"the F32 file of the exact arm was deleted and can't be made again: {made}"
            raise RefusedError(f"{gone}; `parity run --resume` tries it again")
    try:
        sha256 = content_sha256(path)
    except (OSError, ModelError) as error:
        why = error.wrong if isinstance(error, ModelError) else error.strerror
        raise RefusedError(f"the F32 file of the exact arm can't be read: {why}") from error
    if sha256 != model.sha256:
        raise RefusedError(f"{path} is not the F32 file that this run began with: {AGAIN}")


def supply_exact(
    session: Session, prepared: Mapping[str, Prepared], models: Sequence[ModelFacts], room: RoomOf = room_of
) -> dict[str, ModelFacts | str]:
    """Makes, or finds in the cache, the F32 file of each model of which a gate asks for the truth, and records it in
    the run folder, or why there is none. What is recorded of a file stays, so that a trial with any other is
    refused."""
    loaded, found = session.loaded, recorded_exact(session.folder)
    able = members(prepared, loaded.config)
    for model in wanted(loaded.config, loaded.not_set, models):
        try:
            made = _supply(session, model, able, room)
        except StoppedError:
            break
        known = found.get(model.name)
        if isinstance(made, str):
            session.progress.note(f"{model.name}: no exact arm: {made}")
        elif isinstance(known, ModelFacts) and known.sha256 != made.sha256:
            session.progress.note(f"{model.name}: {made.path} is not the F32 file that this run began with: {NEW_RUN}")
        if not isinstance(known, ModelFacts):
            found[model.name] = made
    if found:
        kept = {name: made if isinstance(made, str) else made.model_dump(mode="json") for name, made in found.items()}
        session.folder.write(EXACT, json.dumps(kept, indent=2) + "\n")
    return found


def wanted(config: Config, unset: Sequence[str], models: Sequence[ModelFacts]) -> list[ModelFacts]:
    """The models of which a gate asks for the truth on some test."""
    asked = {model for model, test in pairs_of(config) if has_truth(config, test, unset)}
    return [model for model in models if model.name in asked]


def _supply(session: Session, model: ModelFacts, able: Sequence[str], room: RoomOf) -> ModelFacts | str:
    if not able:
        return "no runtime of the config that is ready here can compute it"
    return _made(session, model, room)


def _made(session: Session, model: ModelFacts, room: RoomOf) -> ModelFacts | str:
    """Raises StoppedError where the user wants to stop."""

    def watch(step: Step) -> None:
        if session.cancel.count:
            raise StoppedError
        session.progress.fetched(step)

    cache = Path(session.hosts[LOCAL].facts().cache) / "exact"
    try:
        return exact_model(model, cache, watch, room)
    except NoExactError as error:
        return str(error)
