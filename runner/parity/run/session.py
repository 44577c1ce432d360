"""What a whole run has at hand: its config, its folder, its hosts, a display, and the user's wish to stop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.adapter import Adapter
from parity.config import Config, LoadedConfig
from parity.errors import RunFolderError
from parity.hosts.cancel import Cancel
from parity.hosts.host import Host
from parity.records import HostFacts
from parity.registry import UnknownAdapterError, adapter_class
from parity.run.guarding import BrokenAdapterError, StandIn, make_adapter
from parity.run.log import RunFolder
from parity.run.progress import Progress

LOCAL = "local"


@dataclass(frozen=True)
class Session:
    """`hosts`: label → host. `turns`: the rendered prompts that hold a secret, so that they are not kept in the
    folder."""

    loaded: LoadedConfig
    folder: RunFolder
    hosts: Mapping[str, Host]
    progress: Progress
    cancel: Cancel
    turns: dict[str, str] = field(default_factory=dict)

    def host_of(self, runtime: str) -> Host:
        """The host that a runtime runs on: this machine, until a config can name others."""
        return self.hosts[LOCAL]


def make_adapters(loaded: LoadedConfig, host: HostFacts) -> dict[str, Adapter[Any]]:
    """Runtime → its adapter with its settings, for every runtime that is set; a `StandIn` for one that can't be loaded,
    or fails on its settings. `host` are the facts of its host.

    Raises:
        RunFolderError: an adapter that the config names is not installed here.
    """
    adapters: dict[str, Adapter[Any]] = {}
    for name, runtime in loaded.config.runtimes.items():
        if name in loaded.not_set:
            continue
        try:
            cls = adapter_class(runtime.adapter)
            settings = cls.Settings.model_validate(loaded.settings[name], strict=False)
            adapters[name] = make_adapter(cls, settings, host)
        except UnknownAdapterError as error:
            if not error.installed:
                raise RunFolderError(f"runtimes.{name}: {error.args[0]}; {error.args[1]}") from error
            adapters[name] = StandIn(runtime.adapter, error.args[0], host)
        except BrokenAdapterError as error:
            adapters[name] = StandIn(runtime.adapter, str(error).partition("\n")[0], host)
    return adapters


def exact_arm(adapters: Mapping[str, Adapter[Any]], config: Config) -> tuple[str, ...]:
    """The runtimes among those with these adapters whose twins are the exact arm: of each adapter that has settings for
    it the first, the baseline ahead of all others. One with a model of its own is left out."""
    found: dict[str, str] = {}
    for name in sorted(adapters, key=lambda name: name != config.baseline):
        if adapters[name].exact is not None and config.runtimes[name].model is None:
            found.setdefault(adapters[name].name, name)
    return tuple(found.values())


def can_score(adapters: Mapping[str, Adapter[Any]]) -> frozenset[str]:
    """The runtimes among those with these adapters that can score a sequence of ids."""
    return frozenset(name for name, adapter in adapters.items() if "score" in adapter.tasks and not adapter.scores_own)


def can_score_own(adapters: Mapping[str, Adapter[Any]]) -> frozenset[str]:
    """Those that can score their own answer alone."""
    return frozenset(name for name, adapter in adapters.items() if "score" in adapter.tasks and adapter.scores_own)
