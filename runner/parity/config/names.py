"""What no single key of a config can know: names given twice, and names that don't exist."""

from collections import Counter
from collections.abc import Iterator, Sequence

from parity.config.expansion import Groups
from parity.config.schema import Config, RoundsConfig, TestConfig
from parity.errors import Problem, unknown_names
from parity.gates import Gate
from parity.reading.facts import FACTS


def check_tests(config: Config) -> Iterator[Problem]:
    """The problems of the tests as they are written, each of whose keys is valid."""
    yield from _given_twice("tests", [test.name for test in config.tests])
    for test in config.tests:
        yield from _check_prompt(test)
        yield from unknown_names(f"tests.{test.name}.models", test.models or (), [m.name for m in config.models])
        if test.short_tokens is not None and test.short_tokens >= test.max_tokens:
            yield Problem(
                f"tests.{test.name}.short_tokens",
                f"{test.short_tokens} is not below max_tokens = {test.max_tokens}",
                "the difference between the two budgets is what is measured: make it small, such as 10",
            )


def cross_check(config: Config, groups: Groups) -> Iterator[Problem]:
    """The problems of a config of which every single key is valid, and each test has its prompt."""
    tests = [test.name for test in config.tests]
    yield from _given_twice("models", [model.name for model in config.models])
    yield from _shared(tests, groups)
    runtimes = tuple(config.runtimes)
    yield from unknown_names("baseline", [config.baseline], runtimes)
    yield from _check_own_models(config)
    yield from check_gates(config, list(dict.fromkeys([*groups, *tests])))
    for k, declared in enumerate(config.declare):
        yield from unknown_names(f"declare[{k + 1}].fact", [declared.fact], tuple(FACTS))
        yield from unknown_names(f"declare[{k + 1}].runtimes", declared.runtimes, runtimes)
    yield from _check_rounds(config.rounds)
    page = config.report
    if page.test:
        yield from _check_headline(page.test, tests, groups)
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


def check_gates(config: Config, tests: Sequence[str]) -> Iterator[Problem]:
    """The problems of gates of which every single key is valid. `tests`: the names that they may give."""
    yield from _given_twice("gates", [gate.name for gate in config.gates])
    for gate in config.gates:
        yield from _check_gate(gate, config, tuple(config.runtimes), tests)


def _given_twice(key: str, names: Sequence[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(f"{key}.{name}", f"the name is given {count} times", "give each its own name")


def _check_prompt(test: TestConfig) -> Iterator[Problem]:
    if not test.prompt_keys:
        yield Problem(f"tests.{test.name}", "has no prompt", "give `prompt`, `prompt_file` or `prompts`")
    for other in test.prompt_keys[1:]:
        yield Problem(
            f"tests.{test.name}.{other}", f"stands beside `{test.prompt_keys[0]}`", "give only one of the two"
        )


def _shared(tests: Sequence[str], groups: Groups) -> Iterator[Problem]:
    """Names that a prompt's test and a different test have in common."""
    made = {name: group for group, names in groups.items() for name in names if name != group}
    for name, count in Counter(tests).items():
        if count > 1 and name in made:
            wrong = f"the prompt {name.removeprefix(made[name] + '.')!r} makes a test named {name}, and there is one"
            yield Problem(f"tests.{made[name]}.prompts", wrong, "give one of the two a different name")
    for name in sorted(groups.keys() & made.keys()):
        prompt = name.removeprefix(made[name] + ".")
        wrong = f"the prompt {prompt!r} makes a test named {name}, and a test of that name has prompts of its own"
        yield Problem(f"tests.{made[name]}.prompts", wrong, "give one of the two a different name")


def _check_headline(test: str, tests: Sequence[str], groups: Groups) -> Iterator[Problem]:
    if test in groups and test not in tests:
        named = groups[test]
        yield Problem("report.test", f"{test!r} is {len(named)} tests", f"name one of them, such as {named[0]!r}")
    else:
        yield from unknown_names("report.test", [test], tests)


def _check_own_models(config: Config) -> Iterator[Problem]:
    for name, runtime in config.runtimes.items():
        if runtime.model is None:
            continue
        at = f"runtimes.{name}.model"
        if name == config.baseline:
            yield Problem(at, f"{name!r} is the baseline", "name its model in [[models]], and the others' here")
        if len(config.models) > 1:
            wrong = f"there are {len(config.models)} [[models]], and it would stand in for each"
            yield Problem(at, wrong, "leave one [[models]], or write a config for each")


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
