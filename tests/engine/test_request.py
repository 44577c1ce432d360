"""What a host is asked to run for a runtime."""

from parity.adapter import Command
from parity.config import RuntimeConfig
from parity.records import Limits
from parity.run.request import request_of
from parity.transcript import Head


def test_the_table_of_a_runtime_wins_over_the_environment_that_its_adapter_sets() -> None:
    common = RuntimeConfig(adapter="command", env={"THREADS": "3", "OWN": "x"})
    command = Command(argv=("prog",), env={"THREADS": "1", "LANG": "C"})
    request = request_of(common, command, Head(purpose="probe", runtime="one"), Limits(), ())
    assert request.launch.env == {"THREADS": "3", "OWN": "x", "LANG": "C"}
    assert command.env == {"THREADS": "1", "LANG": "C"}
