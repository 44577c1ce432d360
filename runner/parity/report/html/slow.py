"""Why runtimes are slower than their gates allow, for the page."""

from collections.abc import Iterator

from parity.report.diagnosis import summary_of, text_of
from parity.report.html.view import FoundLine, SlowView
from parity.report.index import Index, Workload


def slow_views(index: Index, workload: Workload) -> Iterator[SlowView]:
    """One for each runtime that is slower on a test than its gate allows, or may be."""
    for runtime in index.implementations:
        diagnosis = index.diagnosis(workload, runtime.name)
        if diagnosis is not None:
            yield SlowView(
                title=runtime.title,
                baseline=index.baseline.title,
                findings=tuple(
                    FoundLine(text_of(finding, runtime.title, index.baseline.title), finding.next)
                    for finding in diagnosis.findings
                ),
                summary=summary_of(diagnosis),
                unknown=diagnosis.unknown,
                profile=diagnosis.profile,
            )
