"""Entry point of `parity` and `python -m parity`: a failure that the user can fix is a message, not a traceback."""

import io
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.hosts.host import Host

USAGE = 2
INTERRUPTED = 130
BUG = 70
"""EX_SOFTWARE of sysexits.h: no verdict may be read from a failure of parity's own."""

NO_IO = 74
"""EX_IOERR of sysexits.h, such as a full disk."""

ABORT = 128
"""Ends `git bisect run`, which takes any smaller code but 125 for a verdict on the commit."""


def main(arguments: Sequence[str] | None = None, *, host: "Host | None" = None) -> None:
    """Runs the command line and exits with its code. `host`: the machine to work on; this one unless given."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _main(arguments, host)
    except SystemExit as ended:
        if ended.code in (USAGE, BUG, NO_IO) and _is_for_git_bisect(arguments):
            sys.exit(ABORT)
        raise


def _is_for_git_bisect(arguments: Sequence[str]) -> bool:
    return arguments[:1] == ["bisect"] and any(word.partition("=")[0] == "--command" for word in arguments)


def _main(arguments: Sequence[str], host: "Host | None") -> None:
    if arguments == ["--version"]:
        # Answered before the command line and its libraries are imported: scripts ask this often.
        from parity.version import version

        print(f"parity {version()}")
        sys.exit(0)
    from parity.cli import app
    from parity.errors import ParityError

    for stream in (sys.stdout, sys.stderr):
        # A result is not lost to a terminal that can't show a character of it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(list(arguments), obj=host)
    except ParityError as error:
        from parity.report.markdown import printable_lines

        print(printable_lines(f"parity: {error}"), file=sys.stderr)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        print("parity: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:
        print(f"parity: {error.filename or 'input or output'}: {error.strerror}", file=sys.stderr)
        sys.exit(NO_IO)
    except Exception:
        traceback.print_exc()
        print("parity: this is a bug in parity or in an adapter, and no verdict", file=sys.stderr)
        sys.exit(BUG)


if __name__ == "__main__":
    main()
