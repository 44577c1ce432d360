"""The exact arm of a model and test in the reports: how well it is known, and how far each runtime lies from it."""

from collections.abc import Iterator

from parity.records import ExactArm, ExactDistance, OutputVerdict
from parity.report.index import Index

_WORDS = {"near": "near it", "between": "between near and far", "far": "far from it"}


def exact_lines(index: Index, verdict: OutputVerdict) -> Iterator[str]:
    """None where no gate asked for it. But for the last line, they are the same for all runtimes of a test."""
    where = f"Exact arm of {index.test_title(verdict.model, verdict.test)}"
    if verdict.exact is None:
        if verdict.no_exact is not None:
            yield f"{where}: there is none: {verdict.no_exact}."
        return
    yield f"{where}: {_members(index, verdict.exact)}."
    farthest = max(verdict.exact.distances, key=lambda found: found.times, default=None)
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
    quarters = ", ".join(f"{delta:.1g}" for delta in arm.resolution_by_quarter)
    return (
        f"the weights in F32, computed by {names}, which differ by mean KL {found.mean_kl:.1g} nats, 99th percentile "
        f"{found.p99_kl:.1g}, |Δ log p| {found.delta:.1g} (by quarter of the sequence: {quarters}){silent}"
    )


def _distance(found: ExactDistance, *, farthest: bool) -> str:
    apart = found.distances
    return (
        f"lies at mean KL {apart.mean_kl:.2g} nats, 99th percentile {apart.p99_kl:.2g}, |Δ log p| "
        f"{apart.largest_delta:.2g} from it, {found.times:.2g}× its tolerance ({_WORDS[found.nearness]}"
        f"{', the farthest' if farthest else ''})"
    )
