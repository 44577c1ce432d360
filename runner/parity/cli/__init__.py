"""The command line: one module a command, each imported only when its command is called.

Results go to standard output, progress and complaints to standard error. Exit codes: see `parity COMMAND --help`.
"""

from parity.cli.app import IoFailedError, app

__all__ = ["IoFailedError", "app"]
