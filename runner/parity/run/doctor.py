"""Asks every runtime whether it can be used here, and says what would help where it can't."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tabulate import tabulate

from parity.adapter import Adapter, Availability, Command, checkout
from parity.config import LoadedConfig
from parity.hosts.local import supervise
from parity.hosts.machine import host_facts
from parity.judging.score import make_adapters
from parity.records import Limits, Record
from parity.registry import adapter_class, entries
from parity.transcript import Head, Transcript


class Checkup(Record):
    """One runtime, ready or not."""

    runtime: str
    adapter: str
    status: str
    version: str | None = None
    device: str | None = None
    reason: str | None = None
    remedy: str | None = None


def examine(loaded: LoadedConfig | None) -> Iterator[Checkup]:
    """Probes the runtimes of a config; without one, every adapter that needs no settings of its own."""
    if loaded is None:
        yield from _examine_adapters()
        return
    adapters = make_adapters(loaded)
    for name, runtime in loaded.config.runtimes.items():
        if name in adapters:
            yield _checkup(name, runtime.adapter, _probe(adapters[name], name, runtime.env, runtime.pass_env))
        else:
            yield Checkup(
                runtime=name,
                adapter=runtime.adapter,
                status="not set",
                reason=loaded.why_not_set(name),
            )


def _examine_adapters() -> Iterator[Checkup]:
    for entry in entries():
        if entry.broken is not None:
            yield Checkup(runtime=entry.name, adapter=entry.name, status="broken", reason=entry.broken)
            continue
        cls = adapter_class(entry.name)
        try:
            adapter = cls(cls.Settings(), host_facts())
        except ValidationError as error:
            keys = ", ".join(str(e["loc"][0]) for e in error.errors())
            yield Checkup(
                runtime=entry.name,
                adapter=entry.name,
                status="needs a config",
                reason=f"its table needs {keys}",
                remedy="parity doctor CONFIG",
            )
            continue
        yield _checkup(entry.name, entry.name, _probe(adapter, entry.name, {}, ()))


def _probe(adapter: Adapter[Any], runtime: str, env: Mapping[str, str], pass_env: tuple[str, ...]) -> Availability:
    """What a runtime says of itself, with the commit that it would be built from."""

    def ask(command: Command) -> Transcript:
        return _ask(command, runtime, env, pass_env)

    found, tree = adapter.read_probe(ask(adapter.probe())), adapter.checkout
    if tree is None or not found.ready:
        return found
    return checkout.built_from(found, checkout.read(ask(checkout.command(tree)), tree))


def _ask(command: Command, runtime: str, env: Mapping[str, str], pass_env: tuple[str, ...]) -> Transcript:
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        return supervise(
            command.model_copy(update={"env": {**command.env, **env}}),
            head=Head(purpose="probe", runtime=runtime),
            path=Path(folder) / "probe.jsonl",
            limits=Limits(total_s=command.deadline_s),
            pass_env=pass_env,
        )


def _checkup(runtime: str, adapter: str, found: Availability) -> Checkup:
    return Checkup(
        runtime=runtime,
        adapter=adapter,
        status="ready" if found.ready else "not ready",
        version=found.version,
        device=found.device,
        reason=found.reason,
        remedy=found.remedy,
    )


def render(checkups: list[Checkup]) -> str:
    """The checkups as a table, with the reason and the remedy of each that isn't ready beneath it."""
    rows = [(c.runtime, c.status, c.version or "—", c.device or "—") for c in checkups]
    lines = [
        tabulate(rows, headers=("Runtime", "Status", "Version", "Device"), tablefmt="simple", disable_numparse=True)
    ]
    for c in checkups:
        if c.status != "ready":
            lines.append(f"\n{c.runtime}: {c.reason or c.status}")
            if c.remedy:
                lines.append(f"    to mend it: {c.remedy}")
    return "\n".join(lines)
