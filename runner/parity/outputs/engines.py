"""Which runtimes are of one engine, so that a fault of it may be in both. Pure."""

from collections.abc import Mapping

from parity.records import Identity

Engine = frozenset[str]
"""The names that tell an engine: of the program, and of each library that decides what it computes, of any version.
None where a program did not introduce itself."""


def engine_of(identity: Identity | None, libraries: Mapping[str, str] | None) -> Engine:
    """`libraries`: those that the program is built with, as far as that is known."""
    if identity is None or identity.runtime is None:
        return frozenset()
    return frozenset((identity.runtime, *(libraries or ())))


def akin(one: Engine, other: Engine) -> bool:
    """Whether two are, or may be, one engine."""
    return not one or not other or not one.isdisjoint(other)
