"""All runtimes of one test in one table: what their gates came to, and the figures that matter most."""

from parity.report.brief import ran, row_of
from parity.report.delta import ALWAYS
from parity.report.html.view import Figure, Glance, GlanceRow
from parity.report.index import Index, Workload, worst


def glance(index: Index, workload: Workload) -> Glance | None:
    """A row for each runtime that ran, the baseline's first; None where no implementation ran."""
    runtimes = ran(index)
    if not runtimes:
        return None
    columns = [row for metric in ALWAYS if (row := row_of(index, workload, metric, runtimes)) is not None]
    baseline = GlanceRow(f"{index.baseline.title} (baseline)", None, tuple(Figure(row.baseline) for row in columns))
    rows = [baseline]
    for place, runtime in enumerate(runtimes):
        cell = index.cell(workload.model.name, workload.test.name, runtime.name)
        sides = [row.implementations[place] for row in columns]
        figures = tuple(Figure(side.value, side.ratio) for side in sides)
        rows.append(GlanceRow(cell.title, worst(v for v in cell.verdicts if v.required), figures))
    return Glance(
        metrics=tuple(row.title for row in columns),
        rows=tuple(rows),
        marked=any(figure.value.endswith("*") for row in rows for figure in row.figures),
    )
