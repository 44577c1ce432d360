"""One side's values over the rounds."""

from collections.abc import Iterator, Sequence

from parity.compare.measured import Measured
from parity.compare.series import interval_of, side_of
from parity.reading.dictionary import METRICS
from parity.records import Cell, Measurement, Summary
from parity.stats import ONCE, Looks


def summarise(measured: Measured, cells: Sequence[Cell], looks: Looks = ONCE) -> Iterator[Summary]:
    """One summary for every metric and definition of every planned cell; one with a reason where there is none."""
    for cell in cells:
        for metric in METRICS:
            found = False
            for definition in measured.definitions(cell, metric):
                values = measured.values(cell, metric, definition)
                if values:
                    found = True
                    yield _summary(cell, metric, list(values.values()), looks)
            if not found:
                yield _missing(cell, metric, measured.reason(cell, metric))


def _summary(cell: Cell, metric: str, measurements: Sequence[Measurement], looks: Looks) -> Summary:
    values = tuple(m.value for m in measurements if m.value is not None)
    model, test, runtime = cell
    first, found = measurements[0], side_of(metric, measurements, looks)
    return Summary(
        model=model,
        test=test,
        runtime=runtime,
        metric=metric,
        unit=first.unit,
        definition=first.definition,
        provenance=first.provenance,
        values=values,
        centre=None if isinstance(found, str) else found.centre,
        interval=None if isinstance(found, str) else interval_of(found),
        reason=found if isinstance(found, str) else None,
        note=first.note,
    )


def _missing(cell: Cell, metric: str, reason: str) -> Summary:
    model, test, runtime = cell
    spec = METRICS[metric]
    return Summary(
        model=model,
        test=test,
        runtime=runtime,
        metric=metric,
        unit=spec.unit,
        definition=spec.definitions[0].id,
        provenance="observed",
        reason=reason,
    )
