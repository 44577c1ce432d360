"""`make demo`: runs configs/quickstart.toml, and says what the result means.

Succeeds if every trial ran, whatever the gates say: a slow machine does not make the demo fail.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PARITY = Path(sys.executable).with_name("parity")
CONFIG = "configs/quickstart.toml"
GUEST = "candle-reference"
"""The third runtime is optional: a Rust toolchain that can't build it does not fail the demo."""


def main() -> int:
    run = Path(".parity") / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-demo"
    env = dict(os.environ)
    if shutil.which("cargo"):
        env.setdefault("CANDLE_REFERENCE", "../vendor-scripts/candle-reference")
    else:
        print(
            "cargo is not on PATH, so the demo leaves out the Candle reference. To include it, install Rust (rustup)."
        )
    code = subprocess.run([PARITY, "run", CONFIG, "--out", run], env=env, check=False).returncode
    report = run / "report.json"
    if not report.exists():
        print(f"\n`parity run {CONFIG}` exited with {code}; the reason is above.")
        print(f"To check each runtime: .venv/bin/parity doctor {CONFIG}")
        return code or 1
    found = json.loads(report.read_text(encoding="utf-8"))
    print(f"\n`parity run {CONFIG}` exited with {found['exit']['code']}; the reason is above.")
    for runtime in found["runtimes"]:
        if is_left_out(runtime) and runtime["status"] == "unavailable":
            print(f"The demo left out {GUEST}: {runtime['reason']}")
    faults = list(faults_in(found))
    if faults:
        print("\n".join(["The demo failed.", *faults, f"All transcripts: {run}/trials. Try again with: make demo"]))
        return 1
    print(f"All {len(found['trials'])} trials ran, so the demo succeeded. A CI job would gate on that exit code.")
    return 0


def is_left_out(runtime: Mapping[str, Any]) -> bool:
    return runtime["name"] == GUEST and runtime["status"] != "ready"


def faults_in(report: Mapping[str, Any]) -> Iterator[str]:
    """What went wrong for each runtime, and what to do about it: nothing where every trial ran."""
    ran = Counter(trial["runtime"] for trial in report["trials"])
    for runtime in report["runtimes"]:
        name = runtime["name"]
        failures = [t["failure"] for t in report["trials"] if t["runtime"] == name and t["failure"] is not None]
        if is_left_out(runtime):
            continue
        if runtime["status"] != "ready":
            yield f"{name} is not ready: {runtime['reason']}"
            if runtime["remedy"]:
                yield f"    To make it ready: {runtime['remedy']}"
        elif failures:
            first = failures[0]
            yield f"{name}: {len(failures)} of {ran[name]} trials failed, the first with {first['kind']}:"
            yield f"    {first['message']}"
        elif not ran[name]:
            yield f"{name}: no trial ran"


if __name__ == "__main__":
    sys.exit(main())
