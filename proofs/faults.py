"""Proves that faults of known size are not taken for good runs: at least 24 of a real model and of synthetic ones.

    .venv/bin/python proofs/faults.py [--case CASE]... [--mutant MUTANT]... [--write docs/mutants.md]

Each mutant of tests/support/mutants.py is run in llama-cpp-python, which is said to run the original, beside MLX on the
original. Its size is measured by a forward pass in f64, and not by the judge. All that are larger than three times what
honest engines differ by must be called DRIFT or WRONG, or be refused. With `--write` the tables of these cases replace
those in the page. `--exact` shows of ten mutants how far they and MLX lie from the same weights in F32. All takes about
an hour on two cores.
"""

import argparse
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from driving import Driver
from judged import ENOUGH, SOURCES, Bench, Outcome, Truth, case_of
from mutants import MUTANTS, Mutant
from tabulate import tabulate

from parity.hosts.machine import host_facts
from parity.units import format_times

DECIDED = (
    *("rope-default", "rope-scaling", "heads-swapped", "norms-dropped", "layer-repeated", "layer-skipped"),
    *("untied", "rows-swapped", "cache-hole", "temperature-twice"),
)
"""Mutants that the exact arm is to tell from the reference."""

EXACT_CASE = "tiny Qwen3, Q8_0"

HEADERS = ("Mutant", "class", "fault", "size", "floors", "verdict", "rung", "same engine", "or shown by")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=SOURCES, help="by default all")
    parser.add_argument("--mutant", action="append", choices=[mutant.name for mutant in MUTANTS])
    parser.add_argument("--exact", action="store_true", help="only the distances from the exact weights in F32")
    parser.add_argument("--write", type=Path, default=None, help="the page whose tables are replaced")
    options = parser.parse_args()
    if options.exact:
        return exact(options.write)
    missed: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="parity-faults-") as folder:
        for name in options.case or SOURCES:
            outcomes = list(outcomes_of(name, Path(folder), options.mutant))
            page = options.write.read_text(encoding="utf-8") if options.write is not None else ""
            text = section(outcomes, section_of(page, name))
            print(f"## {name}\n\n{text}\n", flush=True)
            missed += [outcome for outcome in outcomes if outcome.missed]
            if options.write is not None:
                options.write.write_text(replaced(page, name, text), encoding="utf-8")
    for outcome in missed:
        print(f"{outcome.case.name}: {outcome.mutant.name} is not caught: {outcome.found.sentence}")
    return 1 if missed else 0


def exact(page: Path | None) -> int:
    """Whether each of ten mutants lies farther from the exact weights than MLX, whichever side is the baseline."""
    with tempfile.TemporaryDirectory(prefix="parity-faults-") as folder:
        bench = Bench(Driver(Path(folder)), case_of(EXACT_CASE, Path(folder)))
        found = [bench.truth(mutant) for mutant in MUTANTS if mutant.name in DECIDED]
        none = bench.truth(Mutant("no fault", "weights", "none"))
    rows = [
        (t.mutant.name, *(f"{d:.2g}" for d in (t.ours, t.theirs, t.ours_as_baseline, t.theirs_as_baseline)), verdict(t))
        for t in (none, *found)
    ]
    headers = ("Mutant", "its mean KL", "of MLX", "as the baseline", "of MLX", "farther away")
    text = f"{made()}\n\n{tabulate(rows, headers=headers, tablefmt='github', disable_numparse=True)}"
    print(text)
    if page is not None:
        page.write_text(
            replaced(page.read_text(encoding="utf-8"), f"The exact arm: {EXACT_CASE}", text), encoding="utf-8"
        )
    nearest = min(min(truth.ours, truth.ours_as_baseline) for truth in found)
    return 0 if all(truth.names_the_mutant for truth in found) and nearest > ENOUGH * none.ours else 1


def verdict(truth: Truth) -> str:
    if truth.mutant.edit is None and truth.mutant.fault is None:
        return ""
    return "the mutant" if truth.names_the_mutant else "the reference"


def outcomes_of(name: str, folder: Path, only: Sequence[str] | None = None) -> Iterator[Outcome]:
    case = case_of(name, folder / name)
    bench = Bench(Driver(folder / name), case)
    for mutant in MUTANTS:
        if mutant.fits(case.architecture, quantised=case.quantised) and (only is None or mutant.name in only):
            found = bench.outcome(mutant)
            print(f"{name}: {mutant.name}: {found.size.floors:.3g} floors, {found.found.kind}", file=sys.stderr)
            yield found


def section(outcomes: Sequence[Outcome], earlier: str = "") -> str:
    """The tables of one case: how it was measured, each mutant, and what the verdicts say. `earlier`: the section as it
    was, of which the mutants stay that were not run anew."""
    kept = (
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in earlier.splitlines() if line[:1] == "|"
    )
    rows = {cells[0]: cells for cells in kept} | {o.mutant.name: row(o) for o in outcomes}
    lines = [line for line in earlier.splitlines() if line.startswith("- ")]
    said = {line[2:].partition(":")[0]: line for line in lines}
    said |= {o.mutant.name: f"- {o.mutant.name}: {plain(o.found.sentence)}." for o in outcomes}
    names = [mutant.name for mutant in MUTANTS if mutant.name in rows]
    table = tabulate([rows[name] for name in names], headers=HEADERS, tablefmt="github", disable_numparse=True)
    sentences = "\n".join(said[name] for name in names)
    return f"{made()}\n\n{table}\n\nWhat the verdicts say:\n\n{sentences}"


def section_of(page: str, name: str) -> str:
    found = re.search(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    return found[0] if found else ""


def row(o: Outcome) -> tuple[str, ...]:
    mutant = o.mutant
    shown = "" if o.found.caught else "the same engine, set up alike" if o.alike.caught else mutant.shown
    floors = "any" if o.size.floors == float("inf") else format_times(o.size.floors, 3)
    found = (mutant.name, mutant.kind, mutant.size, plain(o.size.said), floors, o.found.kind, o.found.rung)
    return (*found, o.alike.kind, shown)


def plain(text: str) -> str:
    """Without the bars that would end a cell."""
    return text.replace("|Δ log p|", "Δ log p").replace("|", "/")


def made() -> str:
    """When, on what and with which versions."""
    host = host_facts()
    names = ("llama-cpp-python", "mlx", "mlx-lm", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    day = datetime.now(UTC).date().isoformat()
    return f"Measured on {day} on {cpu_name()}, {host.platform} {platform.machine()}, with {versions}."


def cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor()


def replaced(page: str, name: str, text: str) -> str:
    """The page with a section of this name in the place of the old one, or at its end."""
    section = f"## {name}\n\n{text}\n"
    if earlier := section_of(page, name):
        return page.replace(earlier, section + "\n").rstrip("\n") + "\n"
    return f"{page.rstrip()}\n\n{section}"


if __name__ == "__main__":
    sys.exit(main())
