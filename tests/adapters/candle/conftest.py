"""Runs Cargo as the adapter asks for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from candle_trials import PATIENT

from parity.adapter import Transcript
from parity.hosts.local import supervise
from parity.transcript import Head
from parity_adapters.candle import Candle

Cargo = Callable[..., Transcript]


@pytest.fixture
def cargo(tmp_path: Path) -> Cargo:
    """Runs an adapter's probe or build."""
    runs = iter(range(1000))

    def run(candle: Candle, purpose: str = "build", **env: str) -> Transcript:
        command = candle.build() if purpose == "build" else candle.probe()
        command = command.model_copy(update={"env": {**command.env, **env}})
        head = Head.model_validate({"purpose": purpose, "runtime": "candle"})
        return supervise(command, head=head, path=tmp_path / f"{next(runs)}.jsonl", limits=PATIENT)

    return run
