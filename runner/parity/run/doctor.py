"""Asks every runtime whether it can be used here, and says what would help where it can't."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tabulate import tabulate

from parity.adapter import Adapter
from parity.config import LoadedConfig, RuntimeConfig
from parity.errors import ModelError
from parity.hosts.host import Host
from parity.models import locate, model_facts, parse_source
from parity.records import Record
from parity.registry import adapter_class, entries
from parity.run.guarding import BrokenAdapterError, make_adapter
from parity.run.prepare import Preparation, files_in
from parity.run.prepared import Prepared
from parity.run.progress import Progress
from parity.run.proof import Kind, Unknown
from parity.run.session import make_adapters


class Checkup(Record):
    """One runtime, ready or not. `proof` says whether it generated tokens here, or why that is not known."""

    runtime: str
    adapter: str
    status: str
    proof: str | None = None
    version: str | None = None
    device: str | None = None
    reason: str | None = None
    remedy: str | None = None


def examine(loaded: LoadedConfig | None, host: Host, progress: Progress, *, build: bool = False) -> Iterator[Checkup]:
    """Prepares the runtimes of a config as a run does, but builds only with `build`; without a config, probes every
    adapter that needs no settings of its own."""
    if loaded is None:
        yield from _examine_adapters(host)
        return
    adapters = make_adapters(loaded, host.facts())
    models = _models_here(loaded, progress)
    for name, runtime in loaded.config.runtimes.items():
        if name in adapters:
            with _preparing(name, adapters[name], runtime, host, loaded.settings[name], loaded.secrets) as preparation:
                watched = replace(preparation, built=progress.built, note=progress.note)
                yield _checkup(name, runtime.adapter, _prepare(watched, models, build=build))
        else:
            yield Checkup(runtime=name, adapter=runtime.adapter, status="not set", reason=loaded.why_not_set(name))


def versions(loaded: LoadedConfig, host: Host) -> dict[str, str | None]:
    """Runtime → its version as it is now; None where it isn't available."""
    found = {}
    for name, adapter in make_adapters(loaded, host.facts()).items():
        with _preparing(name, adapter, loaded.config.runtimes[name], host) as preparation:
            asked = preparation.ask()
            found[name] = asked.found.version if asked.ready else None
    return found


def _examine_adapters(host: Host) -> Iterator[Checkup]:
    for entry in entries():
        if entry.broken is not None:
            yield Checkup(runtime=entry.name, adapter=entry.name, status="broken", reason=entry.broken)
            continue
        cls = adapter_class(entry.name)
        try:
            adapter = make_adapter(cls, cls.Settings(), host.facts())
        except BrokenAdapterError as error:
            yield Checkup(runtime=entry.name, adapter=entry.name, status="broken", reason=str(error))
            continue
        except ValidationError as error:
            keys = ", ".join(str(e["loc"][0]) for e in error.errors() if e["loc"])
            said = (e["msg"].removeprefix("Value error, ") for e in error.errors() if not e["loc"])
            yield Checkup(
                runtime=entry.name,
                adapter=entry.name,
                status="needs a config",
                reason=f"its table {'; '.join((f'needs {keys}',) if keys else said)}",
                remedy="name a config that has such a table: parity doctor CONFIG",
            )
            continue
        with _preparing(entry.name, adapter, RuntimeConfig(adapter=entry.name), host) as preparation:
            yield _checkup(entry.name, entry.name, preparation.ask())


def _prepare(preparation: Preparation, models: list[Kind], *, build: bool) -> Prepared:
    prepared = preparation.ask()
    if build and preparation.adapter.build() is not None:
        preparation.note(f"{preparation.runtime}: building")
        prepared = preparation.build(prepared)
    return preparation.prove(prepared, models)


@contextmanager
def _preparing(
    name: str,
    adapter: Adapter[Any],
    common: RuntimeConfig,
    host: Host,
    settings: dict[str, Any] | None = None,
    hidden: tuple[str, ...] = (),
) -> Iterator[Preparation]:
    """A preparation whose transcripts nobody keeps."""
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        yield Preparation(name, adapter, common, settings or {}, host, files_in(Path(folder)), hidden)


def _models_here(loaded: LoadedConfig, progress: Progress) -> list[Kind]:
    """What is known of each model of the config without fetching or making any."""
    found: list[Kind] = []
    watch = progress.fetched
    own = [table.model for table in loaded.config.runtimes.values() if table.model is not None]
    named = [(model.title or model.name, model.source) for model in loaded.config.models]
    for title, source in (*named, *((source, source) for source in own)):
        try:
            if locate(source, loaded.folder) is None:
                reason = f"the model {title} is not on this machine yet; `parity run` fetches it"
                found.append(Unknown(reason, parse_source(source, loaded.folder).tiny))
            else:
                found.append(model_facts(title, title, source, base=loaded.folder, watch=watch))
        except ModelError as error:
            found.append(Unknown(f"the model {title} can't be used: {error.wrong}; {error.remedy}"))
    return found


def _checkup(runtime: str, adapter: str, prepared: Prepared) -> Checkup:
    proof = None
    if prepared.ready and prepared.proof is not None:
        reason = f": {prepared.proof.reason}" if prepared.proof.reason else ""
        proof = f"{prepared.proof.kind}{reason}"
    gone = prepared.absent
    return Checkup(
        runtime=runtime,
        adapter=adapter,
        status="ready" if prepared.ready else "not ready",
        proof=proof,
        version=prepared.found.version,
        device=prepared.found.device,
        reason=gone.reason if gone else prepared.found.reason,
        remedy=gone.remedy if gone else prepared.found.remedy,
    )


def render(checkups: list[Checkup]) -> str:
    """The checkups as a table, with what is to be said of each beneath it."""
    rows = [(c.runtime, _status(c), c.version or "—", c.device or "—") for c in checkups]
    headers = ("Runtime", "Status", "Version", "Device")
    lines = [tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)]
    for c in checkups:
        if c.status != "ready":
            lines.append(f"\n{c.runtime}: {c.reason or c.status}")
            if c.remedy:
                lines.append(f"    to fix it: {c.remedy}")
            continue
        if c.proof is not None and c.proof != "proved":
            lines.append(f"\n{c.runtime}: ready ({c.proof})")
        if c.reason:
            lines.append(f"\n{c.runtime}: {c.reason}")
    return "\n".join(lines)


def _status(checkup: Checkup) -> str:
    if checkup.status != "ready" or checkup.proof is None:
        return checkup.status
    return "ready (proved)" if checkup.proof == "proved" else "ready (not proved)"
