"""Entry point of `parity` and `python -m parity`: a failure that the user can fix is a message, not a traceback."""

import _signal  # type: ignore[import-not-found]  # `signal` itself takes milliseconds to import
import os
import sys

if (__name__ == "__main__" or sys.argv[0].endswith("/parity")) and (
    _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
):
    # Ahead of all that takes time to import: nothing has begun that Ctrl-C could interrupt. Before this line, an
    # interpreter is starting that knows nothing of parity.
    _signal.signal(_signal.SIGINT, lambda number, frame: os._exit(130))

from parity import interrupts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from parity.hosts.host import Host

USAGE = 2
BUG = 70
"""EX_SOFTWARE of sysexits.h: no verdict may be read from a failure of parity's own."""

NO_IO = 74
"""EX_IOERR of sysexits.h, such as a full disk."""

ABORT = 128
"""Ends `git bisect run`, which takes any smaller code but 125 for a verdict on the commit."""


def main(arguments: "Sequence[str] | None" = None, *, host: "Host | None" = None) -> None:
    """Runs the command line and exits with its code. `host`: the machine to work on; this one unless given."""
    if arguments is not None:
        _exit_with(list(arguments), host, program=False)
        return
    interrupts.begin()
    try:
        _exit_with(sys.argv[1:], host, program=True)
    except KeyboardInterrupt:
        # One more, while the first one was told of.
        sys.exit(interrupts.INTERRUPTED)
    finally:
        interrupts.begin()


def _exit_with(arguments: "Sequence[str]", host: "Host | None", *, program: bool) -> None:
    from parity.outlet import outlets
    from parity.redaction import ambient_secrets, forget, learn

    forget()
    learn(ambient_secrets(os.environ))
    try:
        with outlets():
            _main(arguments, host, program=program)
    except SystemExit as ended:
        if ended.code in (USAGE, BUG, NO_IO) and _is_for_git_bisect(arguments):
            sys.exit(ABORT)
        raise


def _is_for_git_bisect(arguments: "Sequence[str]") -> bool:
    return arguments[:1] == ["bisect"] and any(word.partition("=")[0] == "--command" for word in arguments)


def _main(arguments: "Sequence[str]", host: "Host | None", *, program: bool) -> None:
    if arguments == ["--version"]:
        # Answered before the command line and its libraries are imported: scripts ask this often.
        from parity.version import version

        print(f"parity {version()}")
        sys.exit(0)
    import traceback

    from parity.cli import IoFailedError, app
    from parity.errors import ParityError

    try:
        if program:
            interrupts.raise_from_now_on()
        app(list(arguments), obj=host)
    except ParityError as error:
        from parity.visible import printable_lines

        print(printable_lines(f"parity: {error}"), file=sys.stderr)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        print("parity: interrupted", file=sys.stderr)
        sys.exit(interrupts.INTERRUPTED)
    except (OSError, IoFailedError) as failed:
        print(f"parity: {_said_of(failed)}", file=sys.stderr)
        sys.exit(NO_IO)
    except Exception:
        traceback.print_exc()
        print("parity: this is a bug in parity or in an adapter, and no verdict", file=sys.stderr)
        sys.exit(BUG)


def _said_of(failed: Exception) -> str:
    from parity.visible import printable

    error = failed.__cause__ or failed
    if not isinstance(error, OSError):
        return printable(str(error))
    return printable(f"{error.filename or 'input or output'}: {error.strerror or error}")


if __name__ == "__main__":
    main()
