"""How trials departed from each other, which no trial shows alone: facts, programs and prompts that changed. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from parity.reading.departures import CHANGED, OF_SPEED, OF_THE_PROMPT
from parity.reading.facts import FACTS, facts_in
from parity.records import Departure, Identity, Trial, by_cell

STEADY = ("device", "threads", "build_profile", "prefix_cache")
"""Facts that must not change between the trials of a cell."""


def with_departures(trials: Sequence[Trial], baseline: str) -> tuple[Trial, ...]:
    """The trials; each that gave a result also has the departures that only the whole run shows. What scores runs a
    sequence of this run instead of the test's prompt: of it, only a changed program is told."""
    ran = [trial for trial in trials if trial.identity is not None]
    first = {trial.runtime: trial for trial in reversed(ran)}
    prompts = {
        (trial.model, trial.test): trial.identity
        for trial in reversed(ran)
        if (trial.runtime, trial.task) == (baseline, "generate")
        and trial.identity is not None
        and trial.identity.prompt_ids_sha256 is not None
    }
    unsteady = {cell: tuple(_unsteady(mine)) for cell, mine in by_cell(ran).items()}
    found = []
    for trial in trials:
        if trial.identity is None:
            found.append(trial)
            continue
        more = tuple(_changed_programs(trial.identity, first[trial.runtime].identity))
        if trial.task == "generate":
            reference = prompts.get((trial.model, trial.test))
            more = (*more, *_other_prompt(trial.identity, reference, baseline), *unsteady[trial.cell])
        found.append(trial.but(departures=tuple(dict.fromkeys((*trial.departures, *more)))) if more else trial)
    return tuple(found)


def _changed_programs(ran: Identity, first: Identity | None) -> Iterator[Departure]:
    """A program is the one with which the runtime's first trial was started."""
    for path, sha256 in ran.programs.items():
        if first is not None and first.programs.get(path, sha256) != sha256:
            yield Departure(fact=CHANGED, sentence=f"its program {path} was changed while the run went on")


def _other_prompt(ran: Identity, reference: Identity | None, baseline: str) -> Iterator[Departure]:
    """All runtimes of a test get one prompt, so that of the baseline is the test's."""
    if reference is None or ran.prompt_ids_sha256 in (None, reference.prompt_ids_sha256):
        return
    lengths = f"{ran.prompt_tokens} tokens, and {baseline} ran {reference.prompt_tokens}"
    sentence = f"it ran other prompt ids than {baseline} ({lengths})"
    yield Departure(fact="prompt", sentence=sentence, metrics=OF_THE_PROMPT)


def _unsteady(trials: Sequence[Trial]) -> Iterator[Departure]:
    measured = [t.identity for t in trials if t.identity is not None and t.is_measured]
    values_of: list[tuple[str, tuple[str, ...] | None, list[str | None]]] = [
        (name, OF_SPEED, [facts_in(ran.settings).get(name) for ran in measured]) for name in STEADY
    ]
    values_of += [
        ("weights", None, [sha256[:12] if (sha256 := ran.weights_sha256) else None for ran in measured]),
        ("prompt", OF_THE_PROMPT, [ids[:12] if (ids := ran.prompt_ids_sha256) else None for ran in measured]),
        ("sampling", OF_THE_PROMPT, [ran.sampling for ran in measured]),
    ]
    for name, metrics, found in values_of:
        values = Counter(found)
        known = {value: count for value, count in values.items() if value is not None}
        if len(known) > 1:
            counts = ", ".join(f"{value} in {count}" for value, count in known.items())
            sentence = f"its {FACTS[name].title} changed between trials: {counts} of {len(measured)}"
            yield Departure(fact=CHANGED, sentence=sentence, metrics=metrics)
