"""Writes the reports of a run: into its folder, and the page where the config wants it."""

from pathlib import Path

from parity.records import Report
from parity.report import FORMATS
from parity.run.log import RunFolder
from parity.run.progress import Progress


def write_reports(report: Report, folder: RunFolder, progress: Progress) -> None:
    """Writes `report.json` and `report.md` into the run folder, and the page where the config wants it.

    A run that measured nothing, or warmed up alone, leaves the page of an earlier run alone."""
    folder.write("report.json", FORMATS["json"](report))
    folder.write("report.md", FORMATS["markdown"](report))
    if report.page.markdown is None:
        return
    page = Path(report.page.markdown)
    if not any(trial.failure is None and not trial.warmup for trial in report.trials):
        kept = folder.write("page.md", FORMATS["page"](report))
        progress.note(f"page: nothing was measured, so {page} was left as it is; this run's page is {kept}")
        return
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(FORMATS["page"](report), encoding="utf-8")
        progress.note(f"page: {page}")
    except OSError as error:
        kept = folder.write("page.md", FORMATS["page"](report))
        progress.note(f"warning: report.markdown: {page} can't be written ({error.strerror}); the page is in {kept}")
