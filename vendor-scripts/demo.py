"""`make demo`: runs configs/quickstart.toml and says what came of it.

Succeeds when every trial ran, whatever the gates say: a demo on a slow machine is not a broken demo.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

PARITY = Path(sys.executable).with_name("parity")
CONFIG = "configs/quickstart.toml"
GUEST = "candle-reference"


def main() -> int:
    run = Path(".parity") / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-demo"
    env = dict(os.environ)
    if shutil.which("cargo"):
        env.setdefault("CANDLE_REFERENCE", "../vendor-scripts/candle-reference")
    else:
        print("There is no cargo here, so the Candle reference is left out; Rust's own installer brings it.")
    code = subprocess.run([PARITY, "run", CONFIG, "--out", run], env=env, check=False).returncode
    report = run / "report.json"
    if not report.exists():
        print(f"\n`parity run {CONFIG}` exited with {code}; it says why above.")
        return code or 1
    found = json.loads(report.read_text(encoding="utf-8"))
    # The third runtime is a guest: a Rust toolchain that can't build it does not fail the demo.
    absent = {r["name"]: r["reason"] for r in found["runtimes"] if r["status"] == "unavailable" and r["name"] == GUEST}
    failed = [t for t in found["trials"] if t["failure"] is not None and t["runtime"] not in absent]
    print(f"\n`parity run {CONFIG}` exited with {found['exit']['code']}: {found['exit']['reason']}.")
    for name, reason in absent.items():
        print(f"{name} was left out: {reason}")
    if failed:
        print(f"The demo failed: {len(failed)} of {len(found['trials'])} trials did not run well.")
        return 1
    print(f"All {len(found['trials'])} trials ran, so the demo succeeded; a CI job would gate on that exit code.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
