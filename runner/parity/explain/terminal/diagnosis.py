"""Why a cell is slower than the baseline's, as far as its trials show it."""

from rich.console import Console

from parity.explain.terminal.layout import print_heading, print_indented
from parity.records import Diagnosis
from parity.report.diagnosis import summary_of, text_of
from parity.visible import printable


def print_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """Findings with the commands that look further, and what does not stand out or could not be looked at. Commands
    stand whole on lines of their own, so that they can be copied."""
    print_heading(console, f"What tells it from {diagnosis.baseline}")
    for finding in diagnosis.findings:
        console.print(printable(f"- {text_of(finding, diagnosis.runtime, diagnosis.baseline)}"))
        if finding.next is not None:
            console.print(f"    {printable(finding.next)}", soft_wrap=True)
    console.print(printable(f"- {summary_of(diagnosis)}"))
    if diagnosis.unknown:
        console.print("Not looked at:")
        for what in diagnosis.unknown:
            print_indented(console, what)
    console.print("A profile of it:")
    console.print(f"    {printable(diagnosis.profile)}", soft_wrap=True)
