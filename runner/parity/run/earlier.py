"""Reads what earlier versions of parity wrote. A reader of each earlier schema version stays, and none writes."""

import json
from pathlib import Path
from typing import Any

from parity.errors import RunFolderError
from parity.records import SCHEMA_VERSION

OLDEST = 1


def read_run_text(path: Path) -> str:
    """`run.json` of any version as text of this one.

    Raises:
        RunFolderError: a newer version wrote it, or no version of parity did.
        OSError, ValueError: it can't be read, or isn't JSON.
    """
    run = json.loads(path.read_bytes())
    version = run.get("schema_version") if isinstance(run, dict) else None
    if version not in range(OLDEST, SCHEMA_VERSION + 1):
        raise RunFolderError(
            f"{path}: schema version {version}; this parity reads versions {OLDEST} to {SCHEMA_VERSION}"
        )
    return json.dumps(_from_1(run) if version == 1 else run)


def _from_1(run: dict[str, Any]) -> dict[str, Any]:
    """Version 1 stored the plan, which follows from the config, and no facts of hosts: what it knew of the machine
    stands in for them."""
    machine = run["machine"]
    host = {
        "platform": machine["platform"],
        "arch": machine["arch"] or "unknown",
        "python": "python3",
        "usable_cpus": machine["cores_logical"] or 1,
        "cache": "",
        "hf_home": "",
    }
    kept = {key: value for key, value in run.items() if key != "plan"}
    return kept | {"schema_version": SCHEMA_VERSION, "hosts": {"local": host}}
