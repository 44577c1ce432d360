"""A program of a runtime, as a host is asked to run it."""

from parity.adapter import Command, Launch
from parity.config import RuntimeConfig
from parity.hosts.host import Request
from parity.records import LONGEST_S, Limits
from parity.transcript import Head

IDS_OF_TOTAL = 512
"""Ids that a trial has `limits.total_s` to score. Some runtimes compute them one by one, as slowly as they generate."""


def limits_of_score(limits: Limits, ids: int, *, own: bool = False) -> Limits:
    """The limits of a trial that scores so many ids: with more, it has proportionally longer in all. Of its own answer
    a runtime may show nothing before it is whole."""
    total_s = min(LONGEST_S, max(1.0, ids / IDS_OF_TOTAL) * limits.total_s)
    return limits.but(total_s=total_s, first_token_s=total_s if own else limits.first_token_s)


def request_of(
    common: RuntimeConfig, launch: Command | Launch, head: Head, limits: Limits, hidden: tuple[str, ...]
) -> Request:
    """The program with the environment that the runtime's table in the config gives it, which wins over the
    adapter's own."""
    launch = launch.but(env={**launch.env, **common.env})
    return Request(launch, head, limits, (*common.pass_env, *launch.pass_env), hidden)
