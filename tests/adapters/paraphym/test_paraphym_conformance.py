"""The checks of an adapter, on a recorded run of the program."""

from collections.abc import Callable
from typing import Any

import pytest

from parity.adapter import Build
from parity.hosts.machine import host_facts
from parity.run.conformance import Evidence, conforms
from parity_adapters.paraphym import Paraphym, ParaphymSettings


@pytest.mark.parametrize("name", ["streamed-once"])
def test_paraphym_passes_every_check(recorded: Callable[..., Any], name: str) -> None:
    played = recorded(name, query="hello there")
    assert played.failure is None, played.failure
    adapter = Paraphym(ParaphymSettings(path="/checkout"), host_facts())
    build = Build(executables={"fluent_builder": "/fluent_builder"})
    found = conforms(adapter, Evidence(played.transcript, build=build), played.job)
    assert [(each.check, each.state, each.wrong) for each in found if each.state != "PASS"] == []
