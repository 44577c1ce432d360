"""The models that the program loads by itself from the Hugging Face cache: it takes no path of a model."""

import glob
import shlex
from pathlib import Path

from parity.adapter import HostFacts, Need
from parity_adapters.paraphym.settings import ParaphymSettings


def hf_home(settings: ParaphymSettings, host: HostFacts) -> str:
    """The Hugging Face cache that the program is given."""
    return settings.hf_home or host.hf_home


def needs(settings: ParaphymSettings, host: HostFacts) -> tuple[Need, ...]:
    """A file that is missing would be downloaded within a timed trial, or keep the program waiting where there is no
    network."""
    hub = Path(hf_home(settings, host)) / "hub"
    files: dict[str, list[str]] = {}
    for entry in settings.hub_files:
        organisation, name, file = entry.split("/", 2)
        files.setdefault(f"{organisation}/{name}", []).append(file)
    return tuple(
        Need(
            pattern=_cached(hub, repo, file),
            reason=f"{hub} has no {file} of {repo}, which paraphym loads from there by itself.",
            remedy=shlex.join(("hf", "download", repo, *wanted, "--cache-dir", str(hub))),
        )
        for repo, wanted in files.items()
        for file in wanted
    )


def _cached(hub: Path, repo: str, file: str) -> str:
    folder = hub / f"models--{repo.replace('/', '--')}" / "snapshots"
    return str(Path(glob.escape(str(folder))) / "*" / glob.escape(file))
