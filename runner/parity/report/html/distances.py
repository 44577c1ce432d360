"""How far two sides' probabilities lie apart by position, and how far each runtime lies from the exact arm."""

from collections.abc import Iterator, Sequence
from statistics import median

from parity.outputs import Compared
from parity.outputs.distances import in_common, kl_at_least
from parity.records import OutputVerdict
from parity.report.html.answers import named
from parity.report.html.curves import Curve, curve_plot
from parity.report.html.rounds import Limit
from parity.report.html.speeds import series_of
from parity.report.html.spread import Row, spread_plot
from parity.report.html.view import Plot
from parity.report.index import Index, Workload
from parity.report.view import Marked, Table
from parity.stats import quantile
from parity.units import format_nats, format_times

_LISTED = 12
"""Positions that the table has."""

LEAST = 1e-6
"""Nats: what six printed digits hold. A smaller distance is drawn at it."""


def distance_plots(index: Index, key: str, workload: Workload) -> Iterator[Plot]:
    """A curve for each implementation that scored the same ids as the baseline, then the distances to the exact arm."""
    verdicts = index.outputs(workload)
    if not verdicts:
        return
    compared = index.compared(workload)
    theirs = compared.scores.get(index.baseline.name)
    for verdict in verdicts:
        ours = compared.scores.get(verdict.runtime)
        if theirs is None or ours is None or compared.sequence is None:
            continue
        both = zip(*in_common(theirs, ours), strict=True)
        points = tuple((one.position, kl_at_least(one, other)[0]) for one, other in both)
        yield _by_position(index, f"{key}-kl-{verdict.runtime}", verdict, points, compared)
    if (exact := _exact(index, key, verdicts)) is not None:
        yield exact


def _by_position(
    index: Index, key: str, verdict: OutputVerdict, points: tuple[tuple[int, float], ...], compared: Compared
) -> Plot:
    ours = index.runtime_title(verdict.runtime)
    title = f"Kullback-Leibler divergence of {ours} from {index.baseline.title}, by position"
    values = [value for _, value in points]
    at, most = max(points, key=lambda point: point[1])
    figures = (format_nats(median(values)), format_nats(quantile(values, 0.99)), format_nats(most))
    said = f"{len(points)} positions: median {figures[0]} nats, 99th percentile {figures[1]}, largest {figures[2]}"
    said += f" at position {at}."
    limits: tuple[Limit, ...] = ()
    if (tolerance := verdict.tolerance) is not None:
        limits = (
            Limit(tolerance.allowed.mean_kl, f"mean: at most {format_nats(tolerance.allowed.mean_kl)}"),
            Limit(tolerance.allowed.p99_kl, f"99th percentile: at most {format_nats(tolerance.allowed.p99_kl)}"),
        )
    borders = [(float(compared.sequence.prompt_tokens), "answer begins")] if compared.sequence is not None else []
    if (first := verdict.first_difference) is not None and first.position is not None:
        borders.append((float(first.position), "first difference"))
    curve = Curve(ours, points, series_of(index, verdict.runtime))
    return Plot(
        title=title,
        picture=curve_plot(
            key,
            title,
            said,
            [curve],
            unit="",
            along="position in the sequence",
            limits=limits,
            borders=borders,
            least=LEAST,
        ),
        notes=(said, "Each is at least so large, by the likeliest tokens that both sides list; in nats."),
        table=_farthest(points, compared),
        has_scale=True,
    )


def _farthest(points: Sequence[tuple[int, float]], compared: Compared) -> Table:
    """The positions that lie farthest apart, with the token there."""
    ids = compared.sequence.ids if compared.sequence is not None else ()
    found = sorted(points, key=lambda point: -point[1])[:_LISTED]
    rows = tuple(
        (Marked(str(position)), Marked(named(ids[position], compared)), Marked(format_nats(value)))
        for position, value in found
    )
    return Table(("Position", "Token", "Nats"), rows, title="The positions that lie farthest apart")


def _exact(index: Index, key: str, verdicts: Sequence[OutputVerdict]) -> Plot | None:
    """Each runtime's distance to the same weights computed in F32."""
    arm = next((verdict.exact for verdict in verdicts if verdict.exact is not None), None)
    if arm is None or not arm.distances:
        return None
    rows = [
        Row(
            index.runtime_title(found.runtime),
            f"{format_times(found.times)}× its tolerance, {found.nearness}",
            (max(found.times, LEAST),),
            max(found.times, LEAST),
            series_of(index, found.runtime),
        )
        for found in arm.distances
    ]
    title = "Distance of each runtime from the exact arm"
    table = Table(
        ("Runtime", "Mean KL", "99th percentile", "Largest |Δ log p|", "In tolerances", "Where"),
        tuple(
            (
                Marked(index.runtime_title(found.runtime)),
                Marked(format_nats(found.distances.mean_kl)),
                Marked(format_nats(found.distances.p99_kl)),
                Marked(format_nats(found.distances.largest_delta)),
                Marked(f"{format_times(found.times)}×"),
                Marked(found.nearness),
            )
            for found in arm.distances
        ),
    )
    return Plot(
        title=title,
        picture=spread_plot(f"{key}-exact", title, rows, "×", [Limit(1.0, "its tolerance")]),
        notes=("The exact arm is the same weights, dequantised to F32 and computed in F32 throughout.",),
        table=table,
    )
