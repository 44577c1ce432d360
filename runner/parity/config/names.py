"""What no single key of a config can know: names given twice, and names that don't exist."""

from collections import Counter
from collections.abc import Iterator, Sequence

from parity.config.schema import Config, RoundsConfig
from parity.errors import Problem, unknown_names
from parity.gates import Gate
from parity.reading.facts import FACTS


def cross_check(config: Config) -> Iterator[Problem]:
    """The problems of a config of which every single key is valid."""
    for key, names in (
        ("models", [m.name for m in config.models]),
        ("tests", [t.name for t in config.tests]),
        ("gates", [g.name for g in config.gates]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield Problem(f"{key}.{name}", f"the name is given {count} times", "give each its own name")
    runtimes, tests = tuple(config.runtimes), [t.name for t in config.tests]
    yield from unknown_names("baseline", [config.baseline], runtimes)
    for test in config.tests:
        yield from unknown_names(f"tests.{test.name}.models", test.models or (), [m.name for m in config.models])
        if test.short_tokens is not None and test.short_tokens >= test.max_tokens:
            yield Problem(
                f"tests.{test.name}.short_tokens",
                f"{test.short_tokens} is not below max_tokens = {test.max_tokens}",
                "the difference between the two budgets is what is measured: make it small, such as 10",
            )
    for gate in config.gates:
        yield from _check_gate(gate, config, runtimes, tests)
    for k, declared in enumerate(config.declare):
        yield from unknown_names(f"declare[{k + 1}].fact", [declared.fact], tuple(FACTS))
        yield from unknown_names(f"declare[{k + 1}].runtimes", declared.runtimes, runtimes)
    yield from _check_rounds(config.rounds)
    page = config.report
    yield from unknown_names("report.test", [page.test] if page.test else [], tests)
    yield from unknown_names(
        "report.implementation", [page.implementation] if page.implementation else [], config.implementations
    )
    for k, claim in enumerate(page.matching):
        yield from unknown_names(f"report.matching[{k + 1}].gates", claim.gates, [g.name for g in config.gates])
    if page.markdown is not None and not config.implementations:
        yield Problem(
            "report.markdown",
            "there is no implementation to report on",
            "add a second runtime beside the baseline",
        )


def _check_rounds(rounds: RoundsConfig) -> Iterator[Problem]:
    if rounds.fixed is not None and rounds.count is not None:
        yield Problem("rounds.count", "says the same as `fixed`", "leave out `count`")
    if rounds.exactly is None and rounds.max < rounds.least:
        yield Problem(
            "rounds.max", f"{rounds.max} is below least = {rounds.least}", "raise `max`, or lower `least` as well"
        )


def _check_gate(gate: Gate, config: Config, runtimes: Sequence[str], tests: Sequence[str]) -> Iterator[Problem]:
    at = f"gates.{gate.name}"
    yield from unknown_names(f"{at}.runtimes", gate.runtimes or (), runtimes)
    yield from unknown_names(f"{at}.tests", gate.tests or (), tests)
    if gate.required and gate.runtimes is None and not config.implementations:
        yield Problem(
            at, "there is no implementation to judge", "add a runtime beside the baseline, or name `runtimes`"
        )
    yield from gate.problems(config.baseline)
