"""Runtimes that Cargo builds: how to run it, and what its output says of a workspace, a build and a failure. Pure.

Public to adapters, as `parity.adapter` is. Nothing here knows what is built: an adapter adds the failures and the
features of its own program.
"""

from parity.adapter.cargo.building import MESSAGES, Package, command, executables, libraries, metadata, packages, writes
from parity.adapter.cargo.failing import KNOWN, LOCKED, WRONG_FOLDER, Failure, Known, failure

__all__ = [
    "KNOWN",
    "LOCKED",
    "MESSAGES",
    "WRONG_FOLDER",
    "Failure",
    "Known",
    "Package",
    "command",
    "executables",
    "failure",
    "libraries",
    "metadata",
    "packages",
    "writes",
]
