"""Which adapter is checked, with which settings, and where the output of a trial comes from."""

import importlib
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from parity.adapter import Adapter, AdapterSettings
from parity.config import LoadedConfig, RuntimeConfig
from parity.errors import ModelError, ParityError, RunFolderError
from parity.hosts.host import Host
from parity.records import HostFacts, Job, ModelFacts, TestSpec
from parity.registry import UnknownAdapterError, adapter_class, checked_class
from parity.run import proof
from parity.run.conformance.battery import Evidence
from parity.run.guarding import BrokenAdapterError, make_adapter
from parity.run.log import RunFolder
from parity.run.prepare import Preparation, files_in
from parity.run.prepared import read_prepared
from parity.transcript import Transcript, read_transcript

TINY = "synth://tiny-llama/Q8_0@0"
"""The model of the short trial."""

ELSEWHERE = "name the runtime of a config that says where it is: --config FILE"
"""What helps where a runtime is not found by the default settings of its adapter."""


@dataclass(frozen=True)
class Subject:
    """An adapter with settings. `named`: as configs name it; `broken`: why nothing can be asked of its runtime."""

    runtime: str
    named: str
    adapter: Adapter[Any]
    common: RuntimeConfig
    settings: dict[str, Any]
    hidden: tuple[str, ...] = ()
    broken: str | None = None

    @property
    def job(self) -> Job:
        """A job that nobody asks it, for a model that isn't there."""
        model = ModelFacts(
            name="m", title="m", source="m.gguf", path="/nowhere/m.gguf", format="gguf", sha256="0" * 64, size_bytes=1
        )
        test = TestSpec(name="check", title="Check", prompt="Hello", max_tokens=4)
        return Job(
            runtime=self.runtime,
            adapter=self.named,
            settings=self.settings,
            model=model,
            test=test,
            round=1,
            scratch="/nowhere/scratch",
        )


def subject_of(name: str, loaded: LoadedConfig | None, host: Host) -> Subject:
    """`name`: a runtime of the config; without one, an adapter's name, or its class as `MODULE:CLASS` or
    `FILE.py:CLASS`.

    Raises:
        ParityError: there is none of this name, it can't be loaded, or needs settings that only a config gives.
        BrokenAdapterError: it can't be made of its settings.
    """
    if loaded is not None:
        if name not in loaded.set_runtimes:
            known = ", ".join(loaded.set_runtimes)
            raise ParityError(f"{loaded.file} has no runtime {name!r} that is set\n    its runtimes are {known}")
        common, own = loaded.config.runtimes[name], loaded.settings[name]
        kind = _class(common.adapter)
        adapter, broken = _made(kind, kind.Settings.model_validate(own, strict=False), host.facts())
        return Subject(name, common.adapter, adapter, common, own, loaded.secrets, broken)
    kind = _class(name)
    try:
        settings = kind.Settings()
    except ValidationError as error:
        keys = ", ".join(str(each["loc"][0]) for each in error.errors())
        raise ParityError(
            f"the adapter {name!r} needs settings: {keys}\n    name a config with such a table, and the runtime in it: "
            "parity adapter check RUNTIME --config FILE"
        ) from error
    adapter, broken = _made(kind, settings, host.facts())
    named = kind.name if ":" in name else name
    own = settings.model_dump(mode="json")
    return Subject(named, named, adapter, RuntimeConfig(adapter=named), own, broken=broken)


def _made(kind: type[Adapter[Any]], settings: AdapterSettings, host: HostFacts) -> tuple[Adapter[Any], str | None]:
    """The adapter; one that can't say the least of what is needed is made all the same, for the checks to say so."""
    try:
        return make_adapter(kind, settings, host), None
    except BrokenAdapterError as error:
        try:
            return kind(settings, host), str(error).partition("\n")[0]
        except Exception:
            raise error from None


def _class(name: str) -> type[Adapter[Any]]:
    try:
        if ":" not in name:
            return adapter_class(name)
        return checked_class(name, lambda: _loaded(name), name, "correct the class, or its name")
    except UnknownAdapterError as error:
        wrong, remedy = error.args
        raise ParityError(f"{wrong}\n    {remedy}") from error


def _loaded(target: str) -> object:
    """The object that `MODULE:CLASS` or `FILE.py:CLASS` names, or `FOLDER:CLASS` of a package. The folder of a file is
    searched for modules from then on, by the child of the checks too."""
    where, _, name = target.rpartition(":")
    path = Path(where)
    if path.exists():
        sys.path.insert(0, str(path.resolve().parent))
        where = path.stem
    return getattr(importlib.import_module(where), name)


def evidence_in(path: Path, subject: Subject) -> Evidence:
    """The trial of a transcript, or the first good one of a run folder, with what was built there.

    Raises:
        RunFolderError: it can't be read.
        ParityError: it holds no trial of this adapter.
    """
    if not path.is_dir():
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        return Evidence(_of_adapter(read_transcript(plain), path, subject))
    folder = RunFolder.open(path)
    ours = [
        (slot, transcript)
        for _, slot, transcript in folder.trials()
        if transcript.head.job is not None and transcript.head.job.adapter == subject.named
        if slot.task == "generate" and slot.kind in ("full", "short")
    ]
    good = [
        each for each in ours if (end := each[1].end) is not None and end.by in ("exit", "stop") and not end.exit_code
    ]
    if not ours:
        raise ParityError(f"{path}: holds no trial of the adapter {subject.named!r}\n    name a run that has one")
    slot, transcript = (good or ours)[0]
    prepared = read_prepared(subject.adapter, partial(folder.prepared_path, slot.runtime))
    return Evidence(transcript, build=prepared.build)


def _of_adapter(transcript: Transcript, path: Path, subject: Subject) -> Transcript:
    job = transcript.head.job
    if job is None:
        raise ParityError(
            f"{path}: is the transcript of no trial ({transcript.head.purpose})\n    name that of a trial"
        )
    if job.adapter != subject.named:
        raise ParityError(f"{path}: is a trial of the adapter {job.adapter!r}\n    name one of {subject.named!r}")
    return transcript


def one_trial(subject: Subject, host: Host) -> Evidence:
    """A trial of a tiny model that was run for it, or why there is none."""
    if subject.broken is not None:
        return Evidence(why_none=subject.broken)
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        preparation = Preparation(
            subject.runtime,
            subject.adapter,
            subject.common,
            subject.settings,
            host,
            files_in(Path(folder)),
            subject.hidden,
        )
        prepared = preparation.ask()
        if not prepared.ready:
            gone = prepared.absent
            return Evidence(
                why_none=f"the runtime is not ready: {gone.reason if gone else 'it was not asked'}",
                remedy="; or ".join(filter(None, (gone.remedy if gone else None, ELSEWHERE))),
            )
        asked_all_the_same = subject.common.but(prove=True)
        why_not = proof.why_not(asked_all_the_same, subject.adapter, unbuilt=subject.adapter.build() is not None)
        if why_not is not None:
            return Evidence(why_none=f"no trial can be run: {why_not}")
        step = Path(folder) / "trial.jsonl"
        try:
            asked = (host, prepared, subject.common, subject.runtime, subject.settings, TINY, step, subject.hidden)
            found = proof.ask(*asked)
        except (ModelError, RunFolderError) as error:
            return Evidence(why_none=f"no trial could be run: {error}")
        return Evidence(why_none=f"no trial could be run: {found}") if isinstance(found, str) else Evidence(found)
