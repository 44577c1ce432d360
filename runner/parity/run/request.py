"""A program of a runtime, as a host is asked to run it."""

from parity.adapter import Command, Launch
from parity.config import RuntimeConfig
from parity.hosts.host import Request
from parity.records import Limits
from parity.transcript import Head


def request_of(
    common: RuntimeConfig, launch: Command | Launch, head: Head, limits: Limits, hidden: tuple[str, ...]
) -> Request:
    """The program with the environment that the runtime's table in the config gives it, which wins over the
    adapter's own."""
    launch = launch.but(env={**launch.env, **common.env})
    return Request(launch, head, limits, common.pass_env, hidden)
