"""Writes the reports of a run: into its folder, and the project page where the caller says."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from parity.records import Report
from parity.redaction import known, redact_json
from parity.report import FORMATS, json_pieces
from parity.run.log import RunFolder


def write_reports(report: Report, folder: RunFolder, note: Callable[[str], None], page: Path | None) -> None:
    """Writes `report.json`, `report.md` and `report.html` into the run folder, and the project page to `page`; without
    one, into the folder if the config asks for such a page.

    A run that measured nothing, or warmed up alone, leaves the project page of an earlier run alone.

    Raises:
        OSError: a file of the folder can't be written.
    """
    folder.write_pieces("report.json", json_pieces(report, partial(redact_json, secrets=known())))
    folder.write("report.md", FORMATS["markdown"](report))
    if (html := _html(report, note)) is not None:
        folder.write("report.html", html)
    if page is None:
        if report.page.markdown is not None:
            note(f"project page: {folder.write('page.md', FORMATS['page'](report))}")
        return
    if not any(trial.failure is None and not trial.warmup for trial in report.trials):
        kept = folder.write("page.md", FORMATS["page"](report))
        note(f"project page: nothing was measured, so {page} was left as it is; this run's is {kept}")
        return
    try:
        write_masked(page, FORMATS["page"](report))
        note(f"project page: {page}")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        kept = folder.write("page.md", FORMATS["page"](report))
        note(f"warning: report.markdown: {page} can't be written ({why}); the project page is in {kept}")


def write_masked(path: Path, text: str) -> None:
    """Writes a file that lies where the user says, without secrets, with the folders that lead to it.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", opener=_unhindered) as file:
        file.write(redact_json(text, known()))


def _unhindered(path: str, flags: int) -> int:
    """Opens a file that may be a pipe which nobody reads: that is an error, and nothing to wait for."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    # Somebody reads it, and may take a while.
    os.set_blocking(descriptor, True)
    return descriptor


def append_masked(path: Path, text: str) -> None:
    """Adds to a file that other programs write to as well, without secrets.

    Raises:
        OSError: it can't be written.
    """
    with path.open("a", encoding="utf-8") as file:
        file.write(redact_json(text, known()))


def _html(report: Report, note: Callable[[str], None]) -> str | None:
    """The HTML report; None where it can't be made, which may cost no verdict."""
    try:
        return FORMATS["html"](report)
    except Exception as error:
        note(f"warning: report.html was not written, by a fault of parity's ({type(error).__name__}: {error})")
        return None
