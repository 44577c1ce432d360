"""`parity score`"""

import typer

from parity.cli.common import AsJson, RunPath, print_report


def score(run: RunPath, as_json: AsJson = False) -> None:
    """Compute a run's figures and verdicts again from its transcripts, and rewrite its reports. Exits like `run`."""
    from parity.run.log import RunFolder
    from parity.run.progress import PlainProgress
    from parity.run.reports import write_reports
    from parity.run.score import score as rescore

    folder = RunFolder.open(run)
    report = rescore(folder)
    write_reports(report, folder, PlainProgress())
    print_report(report, as_json=as_json)
    raise typer.Exit(report.exit.code)
