"""The machine before a run: whether others keep it busy, and whether its page cache can be as the config asks."""

from collections.abc import Iterator, Sequence

from parity.config import LoadedConfig
from parity.errors import ConfigError, Problem
from parity.hosts.conditions import CannotDropError
from parity.hosts.host import Host
from parity.records import Busyness, ConditionLimits, ModelFacts, PageCache
from parity.run.session import Session
from parity.units import format_value, plural

LONG_READ_BYTES = 1 << 30
"""Of a model: reading it into memory is worth a line."""
MOST_OF_IT = 0.9


def busy_notes(found: Busyness, limits: ConditionLimits) -> Iterator[str]:
    """What a user should know of the machine before a run, in whole sentences; nothing on a quiet one."""
    most = limits.most_others_cpu(found.usable_cpus)
    if found.others_cpu > most:
        cpus = f"{plural(found.usable_cpus, 'CPU')}"
        yield (
            f"the machine is busy: other programs use {found.others_cpu:.2f} of its {cpus} (limit {most:.2f}); trials "
            "that they disturb are run again, and gates on speeds stay INCONCLUSIVE if this goes on"
        )
        for process in found.heaviest:
            yield f"    {process.name} (pid {process.pid}) uses {process.cores:.2f} cores"
    if found.on_battery:
        yield "the machine runs on battery power, on which its CPUs may be slower: plug it in"
    if found.throttled:
        yield "the machine's CPUs are throttled because they are too hot: let them cool down"


def check_page_cache(loaded: LoadedConfig, models: Sequence[ModelFacts], host: Host) -> None:
    """Refuses a run whose models are to be cold where they can't be.

    Raises:
        ConfigError: with the reason of the first such model.
    """
    if loaded.config.conditions.page_cache != "cold":
        return
    for model in models:
        try:
            host.bring(model.path, "cold")
        except CannotDropError as error:
            remedy = 'set it to "warm", or to "as-is" if its state does not matter'
            raise ConfigError(
                loaded.file, [Problem("conditions.page_cache", f'"cold" can\'t be used here: {error}', remedy)]
            ) from error


def brought(session: Session, host: Host, model: ModelFacts) -> PageCache:
    """The page cache of a model as the config asks; left as it is, with the reason, where that fails during a run."""
    wanted = session.loaded.config.conditions.page_cache
    if wanted == "warm" and model.size_bytes >= LONG_READ_BYTES:
        found = host.bring(model.path, "as-is").resident
        if found is not None and found < MOST_OF_IT:
            size = format_value(model.size_bytes, "bytes")
            session.progress.note(f"{model.name}: reading it into memory ({size}), so that every trial finds it there")
    try:
        return host.bring(model.path, wanted, session.cancel)
    except CannotDropError as error:
        return PageCache(state="as-is", reason=str(error))
