"""What no single key of a config can know: names given twice, names that nothing bears, bounds that cross."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from parity.config.schema import BoundGate, Config, Gate, NoFailedTrialsGate, RatioGate
from parity.errors import Problem
from parity.reading.dictionary import METRICS


def cross_check(config: Config) -> Iterator[Problem]:
    """What no single key can know: names given twice, and names that nothing bears."""
    for key, names in (
        ("models", [m.name for m in config.models]),
        ("tests", [t.name for t in config.tests]),
        ("gates", [g.name for g in config.gates]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield Problem(f"{key}.{name}", f"the name is given {count} times", "give each its own name")
    runtimes, tests = tuple(config.runtimes), [t.name for t in config.tests]
    yield from _unknown("baseline", [config.baseline], runtimes)
    for test in config.tests:
        yield from _unknown(f"tests.{test.name}.models", test.models or (), [m.name for m in config.models])
        if test.short_tokens is not None and test.short_tokens >= test.max_tokens:
            yield Problem(
                f"tests.{test.name}.short_tokens",
                f"{test.short_tokens} is not below max_tokens = {test.max_tokens}",
                "the difference between the two budgets is what is measured: make it small, such as 10",
            )
    for gate in config.gates:
        yield from _check_gate(gate, config, runtimes, tests)
    page = config.report
    yield from _unknown("report.test", [page.test] if page.test else [], tests)
    yield from _unknown(
        "report.implementation", [page.implementation] if page.implementation else [], config.implementations
    )
    for k, claim in enumerate(page.matching):
        yield from _unknown(f"report.matching[{k + 1}].gates", claim.gates, [g.name for g in config.gates])
    if page.markdown is not None and not config.implementations:
        yield Problem(
            "report.markdown",
            "there is no implementation to report on",
            "add a second runtime beside the baseline",
        )


def _check_gate(gate: Gate, config: Config, runtimes: Sequence[str], tests: Sequence[str]) -> Iterator[Problem]:
    at = f"gates.{gate.name}"
    yield from _unknown(f"{at}.runtimes", gate.runtimes or (), runtimes)
    yield from _unknown(f"{at}.tests", gate.tests or (), tests)
    if not isinstance(gate, NoFailedTrialsGate):
        yield from _unknown(f"{at}.metric", [gate.metric], tuple(METRICS))
    if gate.required and gate.runtimes is None and not config.implementations:
        yield Problem(
            at, "there is no implementation to judge", "add a runtime beside the baseline, or name `runtimes`"
        )
    if isinstance(gate, RatioGate) and config.baseline in (gate.runtimes or ()):
        yield Problem(f"{at}.runtimes", f"{config.baseline!r} is the baseline", "a ratio needs an implementation")
    low, high, keys = None, None, ("", "")
    if isinstance(gate, BoundGate):
        low, high, keys = gate.min, gate.max, ("min", "max")
    elif isinstance(gate, RatioGate):
        low, high, keys = gate.min_ratio, gate.max_ratio, ("min_ratio", "max_ratio")
    else:
        return
    if low is None and high is None:
        yield Problem(at, "asks for nothing", f"give `{keys[0]}`, `{keys[1]}` or both")
    if low is not None and high is not None and low > high:
        yield Problem(
            f"{at}.{keys[0]}", f"{low:g} is above {keys[1]} = {high:g}", "nothing can pass: swap or mend them"
        )


def _unknown(where: str, names: Sequence[str], known: Sequence[str]) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield Problem(
                where,
                f"{name!r} is not known",
                f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known) or 'none: there are none'}",
            )
