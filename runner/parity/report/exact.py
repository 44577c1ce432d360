"""The exact arm of a model and test in the reports: how well it is known, and how far each runtime lies from it."""

from collections.abc import Iterator

from parity.records import ExactArm, ExactDistance, OutputVerdict
from parity.report.index import Index
from parity.units import format_nats, format_times

_WORDS = {"near": "near it", "between": "between near and far", "far": "far from it"}


def exact_lines(index: Index, verdict: OutputVerdict) -> Iterator[str]:
    """None where no gate asked for it. But for the last line, they are the same for all runtimes of a test."""
    where = f"Exact arm of {index.test_title(verdict.model, verdict.test)}"
    if verdict.exact is None:
        if verdict.no_exact is not None:
            yield f"{where}: there is none: {verdict.no_exact}."
        return
    yield f"{where}: {_members(index, verdict.exact)}."
    # Where all are near, that one is the farthest means nothing.
    apart = [found for found in verdict.exact.distances if found.nearness != "near"]
    farthest = max(apart, key=lambda found: found.times, default=None)
    for found in verdict.exact.distances:
        yield f"{where}: {index.runtime_title(found.runtime)} {_distance(found, farthest=found is farthest)}."
    if verdict.exact.doubt is not None:
        yield f"{where}, for {index.runtime_title(verdict.runtime)}: {verdict.exact.doubt}."


def _members(index: Index, arm: ExactArm) -> str:
    names = " and ".join(index.runtime_title(name) for name in arm.members)
    silent = f"; {'; '.join(arm.silent)}" if arm.silent else ""
    if arm.resolution is None:
        return f"the weights in F32, computed by {names} alone, so that how well it is known was not measured{silent}"
    found = arm.resolution
    mean, p99, delta = (format_nats(nats, 1) for nats in (found.mean_kl, found.p99_kl, found.delta))
    quarters = ", ".join(format_nats(nats, 1) for nats in arm.resolution_by_quarter)
    return (
        f"the weights in F32, computed by {names}, which differ by mean KL {mean} nats, 99th percentile {p99}, "
        f"|Δ log p| {delta} (by quarter of the sequence: {quarters}){silent}"
    )


def _distance(found: ExactDistance, *, farthest: bool) -> str:
    apart, where = found.distances, _WORDS[found.nearness]
    mean, p99, delta = (format_nats(nats) for nats in (apart.mean_kl, apart.p99_kl, apart.largest_delta))
    return (
        f"lies at mean KL {mean} nats, 99th percentile {p99}, |Δ log p| {delta} from it, {format_times(found.times)}× "
        f"its tolerance ({where}{', the farthest' if farthest else ''})"
    )
