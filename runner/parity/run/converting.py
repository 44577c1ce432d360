"""Converts models for runtimes that can't read them as they are stored: once, before the trials, and kept in the cache.

A conversion is kept under what it depends on. It is made in a folder beside its final place and renamed, so that a
killed one leaves nothing that counts; two runs at once wait for one another. Before each trial that reads it, its files
are the recorded ones, or the trial is refused.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from parity.adapter import Command
from parity.cache import alone, read_json
from parity.errors import ModelError, RefusedError
from parity.models import silent
from parity.models.digest import files_sha256
from parity.records import Converted, Limits, ModelFacts
from parity.run.log import RunFolder
from parity.run.prepared import Prepared
from parity.run.request import request_of
from parity.run.session import Session
from parity.transcript import Head, Transcript

CONVERSIONS = "prepared/conversions.json"
"""Runtime and model → the conversion that its trials read, or why there is none."""
ModelsOf = Callable[[str], Sequence[ModelFacts]]
"""Runtime → the models that it loads."""

PROOF, RECORD = "conversion.json", "record.json"


def supply_conversions(session: Session, prepared: Mapping[str, Prepared], models_of: ModelsOf) -> None:
    """Makes, or finds in the cache, what each runtime needs of each of its models, and records it in the run folder."""
    found = session.folder.read_json(CONVERSIONS) or {}
    for name, runtime in prepared.items():
        for model in models_of(name) if runtime.ready else ():
            try:
                if session.cancel.count or runtime.adapter.conversion(model, "") is None:
                    continue
                session.progress.note(f"{name}: converting {model.name} once, or finding it in the cache")
                made = _supply(session, name, runtime, model)
            except RefusedError as error:
                made = str(error)
            found[_key(name, model.name)] = made if isinstance(made, str) else made.model_dump(mode="json")
    if found:
        session.folder.write(CONVERSIONS, json.dumps(found, indent=2) + "\n")


def converted_for(folder: RunFolder, runtime: str, model: str) -> Converted | None:
    """What a trial reads instead of the model as it is stored; None where it reads that.

    Raises:
        RefusedError: it could not be made, or it is no longer what was made.
    """
    found = (folder.read_json(CONVERSIONS) or {}).get(_key(runtime, model))
    if found is None:
        return None
    if isinstance(found, str):
        raise RefusedError(f"the model could not be converted for this runtime: {found}")
    converted = Converted.model_validate(found)
    if _sha256(Path(converted.folder)) != converted.sha256:
        raise RefusedError(f"{converted.folder} is not what the conversion made: remove it and run again")
    return converted


def _supply(session: Session, name: str, runtime: Prepared, model: ModelFacts) -> Converted | str:
    cache = Path(session.host_of(name).facts().cache) / "converted"
    what = runtime.adapter.conversion(model, "")
    depends_on = [model.sha256, runtime.found.version, runtime.found.device, what and what.model_dump(mode="json")]
    final = cache / hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with alone(final):
            return _kept(final, model) or _make(session, name, runtime, model, final)
    except (OSError, ModelError) as error:
        return f"{final}: {error}"


def _kept(final: Path, model: ModelFacts) -> Converted | None:
    """An earlier conversion, if its files are still what they were."""
    try:
        converted = Converted.model_validate(read_json(final / RECORD))
    except ValidationError:
        return None
    same = converted.converted_from == model.sha256 and converted.folder == str(final)
    return converted if same and _sha256(final) == converted.sha256 else None


def _make(session: Session, name: str, runtime: Prepared, model: ModelFacts, final: Path) -> Converted | str:
    for abandoned in final.parent.glob(f".{final.name}.part-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{final.name}.part-", dir=final.parent))
    try:
        command = runtime.adapter.conversion(model, str(partial))
        assert command is not None, "it was asked for"
        transcript = _run(session, name, model, command)
        proof = read_json(partial / PROOF)
        if transcript.end is None or transcript.end.exit_code != 0 or not isinstance(proof, dict):
            return _cause(runtime, transcript)
        sha256 = _sha256(partial)
        assert sha256 is not None, "it was just written"
        converted = Converted(folder=str(final), sha256=sha256, converted_from=model.sha256, proof=proof)
        (partial / RECORD).write_text(converted.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.chmod(0o755)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(partial, final)  # noqa: PTH104
        return converted
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _run(session: Session, name: str, model: ModelFacts, command: Command) -> Transcript:
    number = hashlib.sha256(model.name.encode()).hexdigest()[:8]
    to = session.folder.prepared_path(name, f"conversion-{number}")
    to.parent.mkdir(parents=True, exist_ok=True)
    to.unlink(missing_ok=True)
    common = session.loaded.config.runtimes[name]
    limits = Limits(total_s=command.deadline_s, stall_s=command.deadline_s, load_s=command.deadline_s)
    head = Head(purpose="conversion", runtime=name)
    request = request_of(common, command, head, limits, session.loaded.secrets)
    return session.host_of(name).run(request, to, cancel=session.cancel)


def _cause(runtime: Prepared, transcript: Transcript) -> str:
    """Why a conversion gave nothing, in the words of the program that was asked."""
    said = runtime.adapter.read_probe(transcript)
    if said.reason:
        return f"{said.reason}{f' ({said.remedy})' if said.remedy else ''}"
    by = transcript.end.by if transcript.end else "nothing"
    return f"the conversion ended by {by}: {' / '.join(transcript.tail(3)) or 'it printed nothing'}"


def _sha256(folder: Path) -> str | None:
    """Of all files of a conversion but the record of this very hash; None where they can't be read."""
    try:
        files = [path for path in folder.iterdir() if path.name != RECORD]
        return files_sha256(folder, files, silent) if files else None
    except (OSError, ModelError):
        return None


def _key(runtime: str, model: str) -> str:
    return f"{runtime} · {model}"
