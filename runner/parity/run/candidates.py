"""The adapters of this machine that need no settings of their own, as they would stand in a config made for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parity.config.draft import DraftRuntime, Value
from parity.hosts.host import Host
from parity.records import HostFacts
from parity.registry import adapter_class, entries
from parity.run.doctor import Checkup, examine
from parity.run.progress import Progress

NEEDS_BUILD = "is ready, and left out because it is compiled first, which takes minutes"


@dataclass(frozen=True)
class Candidate:
    """An adapter as `parity doctor` finds it. `keys`: those of its table. `builds`: it is compiled before it runs."""

    checkup: Checkup
    keys: frozenset[str] = frozenset()
    builds: bool = False

    @property
    def name(self) -> str:
        return self.checkup.adapter

    @property
    def ready(self) -> bool:
        return self.checkup.status == "ready"

    @property
    def on_cpu(self) -> bool:
        """Whether it computes on the CPU; so does one that doesn't say."""
        return (self.checkup.device or "cpu").casefold().startswith("cpu")


def candidates(host: Host, progress: Progress) -> list[Candidate]:
    """Every adapter, in the order of their names."""
    return [_candidate(checkup, host.facts()) for checkup in examine(None, host, progress)]


def _candidate(checkup: Checkup, facts: HostFacts) -> Candidate:
    if checkup.status in ("broken", "needs a config"):
        return Candidate(checkup)
    cls = adapter_class(checkup.adapter)
    return Candidate(checkup, frozenset(cls.Settings.model_fields), cls(cls.Settings(), facts).build() is not None)


def examples(host: Host) -> list[DraftRuntime]:
    """The tables that adapters offer which have no settings by default, as comments."""
    classes = [adapter_class(entry.name) for entry in entries() if entry.broken is None]
    found = [(cls.name, example) for cls in classes if (example := cls.example(host.facts())) is not None]
    return [DraftRuntime(name, each.keys, absent=(each.remark,), name=each.name) for name, each in found]


def drafted(found: Sequence[Candidate], wanted: Sequence[str], threads: int) -> tuple[list[DraftRuntime], list[str]]:
    """The tables of those that are ready first, with as many threads and on the same device where they have keys for
    it; and what no key makes equal. `wanted`: adapters that are taken although they are compiled first."""
    usable = [c for c in found if c.ready and (not c.builds or c.name in wanted)]
    cpu = any(c.on_cpu for c in usable)
    # Processors differ less than devices do: where one computes on the CPU, all do that can.
    tables = [DraftRuntime(c.name, dict(_keys(c, threads, cpu=cpu)), _remark(c)) for c in usable]
    tables += [
        DraftRuntime(c.name, {}, absent=_absent(c), offered=c.ready) for c in found if c not in usable and c.keys
    ]
    return tables, [note for c in usable for note in _unequal(c, usable, cpu=cpu)]


def _keys(found: Candidate, threads: int, *, cpu: bool) -> Iterator[tuple[str, Value]]:
    if "threads" in found.keys:
        yield "threads", threads
    if not cpu:
        return
    if "device" in found.keys:
        yield "device", "cpu"
    elif "gpu_layers" in found.keys:
        yield "gpu_layers", 0
    elif "cpu" in found.keys:
        yield "cpu", True


def _unequal(found: Candidate, usable: Sequence[Candidate], *, cpu: bool) -> Iterator[str]:
    if len(usable) > 1 and cpu and "threads" not in found.keys:
        yield f"{found.name} has no key for its CPU threads"
    if len(usable) > 1 and cpu and not found.on_cpu and not {"device", "gpu_layers", "cpu"} & found.keys:
        yield f"{found.name} has no key for its device ({found.checkup.device})"


def _remark(found: Candidate) -> str:
    return " ".join(f"{found.checkup.version or ''} on {found.checkup.device or 'a device it does not tell'}".split())


def _absent(found: Candidate) -> tuple[str, ...]:
    if found.ready:
        return (f"{found.name} {NEEDS_BUILD}",)
    told = (f"{found.name} is not ready: {found.checkup.reason or found.checkup.status}",)
    lines = (*told, f"To fix it: {found.checkup.remedy}") if found.checkup.remedy else told
    return tuple(line for each in lines for line in each.splitlines())
