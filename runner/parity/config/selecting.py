"""The part of a config that options select: some of its runtimes, some of its tests, and the gates on these. Pure."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from parity.config.choices import Choices
from parity.config.expansion import Groups
from parity.config.schema import Config
from parity.errors import Problem, unknown_names
from parity.gates import Gate


def selected(
    config: Config, groups: Groups, choices: Choices, not_set: Sequence[str], problems: list[Problem]
) -> Config:
    """The config with what is selected of it; itself where everything is. Names that select nothing are added to
    `problems`.

    Where the baseline is left out, the first runtime that is selected and set stands in its place in tables, and no
    gate that compares is left."""
    known = tuple(config.runtimes)
    wrong = [*unknown_names("--only", choices.only, known), *_unmatched(config, groups, choices)]
    runtimes = [name for name in known if not choices.only or name in choices.only]
    tests = _matched(config, groups, choices.tests) if choices.tests else [test.name for test in config.tests]
    set_here = [name for name in runtimes if name not in not_set]
    if not wrong and not set_here:
        wrong.append(Problem("--only", "names optional runtimes that are not set", "set one, or name another"))
    problems += wrong
    if wrong or (len(runtimes) == len(known) and len(tests) == len(config.tests)):
        return config
    kept = [test for test in config.tests if test.name in tests]
    page = config.report
    baseline = config.baseline if config.baseline in runtimes else set_here[0]
    others = [name for name in runtimes if name != baseline]
    return config.but(
        baseline=baseline,
        models=tuple(m for m in config.models if any(t.models is None or m.name in t.models for t in kept)),
        tests=tuple(kept),
        runtimes={name: config.runtimes[name] for name in runtimes},
        gates=tuple(gates_on(config, runtimes, tests)),
        report=page.but(
            test=page.test if page.test in tests else None,
            implementation=page.implementation if page.implementation in others else None,
            markdown=page.markdown if others else None,
        ),
    )


def gates_on(config: Config, runtimes: Sequence[str], tests: Sequence[str]) -> Iterator[Gate]:
    """Each gate of a whole config on the cells that are selected of its own: the runtimes that it judges stay those
    that it did. None that compares is left without the baseline."""
    for gate in config.gates:
        if gate.compares and config.baseline not in runtimes:
            continue
        judged = tuple(name for name in gate.runtimes or config.implementations if name in runtimes)
        on = gate.tests if gate.tests is None else tuple(name for name in gate.tests if name in tests)
        if judged and on != ():
            yield gate.but(runtimes=judged, tests=on)


def _matched(config: Config, groups: Groups, patterns: Sequence[str]) -> list[str]:
    """The tests that match a pattern, in the order of the config."""
    found = {name for pattern in patterns for name in _matching(config, groups, pattern)}
    return [test.name for test in config.tests if test.name in found]


def _matching(config: Config, groups: Groups, pattern: str) -> list[str]:
    """A whole name means that test alone, or all tests that its prompts became."""
    names = [test.name for test in config.tests]
    if pattern in names:
        return [pattern]
    if pattern in groups:
        return list(groups[pattern])
    return [name for name in names if fnmatchcase(name.lower(), f"*{pattern.lower()}*")]


def _unmatched(config: Config, groups: Groups, choices: Choices) -> Iterator[Problem]:
    for pattern in choices.tests:
        if not _matching(config, groups, pattern):
            names = dict.fromkeys((*groups, *(test.name for test in config.tests)))
            yield Problem("--test", f"no test matches {pattern!r}", f"known here: {', '.join(names)}")
