"""parity's own version, from its installed metadata."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version


def version() -> str:
    """The version of the distribution `parity-matrix`, or `unknown` in a tree that was never installed."""
    try:
        return installed_version("parity-matrix")
    except PackageNotFoundError:
        return "unknown"
