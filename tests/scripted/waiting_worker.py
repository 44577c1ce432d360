"""A worker without a runtime, which waits in its load for as long as it is let."""

from __future__ import annotations

import os
import time
from typing import Any

from parity_worker import Events

PACKAGE = None
REQUIREMENTS = ()


def device() -> str:
    return "cpu"


def run(events: Events, job: dict[str, Any]) -> str:
    events.send("hello", protocol=1, runtime="waits", version="1", device="cpu")
    print(f"waits {os.getpid()}", flush=True)
    time.sleep(600)
    return "length"
