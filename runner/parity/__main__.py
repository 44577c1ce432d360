"""Entry point of `parity` and `python -m parity`: a failure that the user can mend is a message, not a traceback."""

import sys

USAGE = 2
INTERRUPTED = 130


def main() -> None:
    """Runs the command line and exits with its code."""
    if sys.argv[1:] == ["--version"]:
        # Answered before the command line and its libraries are imported: scripts ask this often.
        from parity.version import version

        print(f"parity {version()}")
        return
    from parity.cli import app
    from parity.errors import ParityError

    try:
        app()
    except ParityError as error:
        print(f"parity: {error}", file=sys.stderr)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        print("parity: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output left; there is nobody to tell.
        sys.stderr.close()
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
