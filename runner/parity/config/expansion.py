"""From the tests of a config as written to those that run: each with its prompt, and one for each prompt of a file."""

from collections.abc import Iterator, Mapping, Sequence

from parity.config.files import TextFileError
from parity.config.prompts import PromptLine, Texts, prompt_of, prompts_of
from parity.config.schema import Config, TestConfig
from parity.errors import Problem
from parity.gates import Gate

SHOWN_PROBLEMS = 10
"""Of one file of prompts: a file of a different kind has one in every line."""

Groups = Mapping[str, tuple[str, ...]]
"""Name of a test with `prompts` → the names of the tests that it becomes."""


def with_prompts(config: Config, texts: Texts, problems: list[Problem]) -> tuple[Config, Groups]:
    """The config with the prompt in every test. A test whose prompts can't be read stays as it is, and adds to
    `problems`."""
    tests: list[TestConfig] = []
    groups: dict[str, tuple[str, ...]] = {}
    for test in config.tests:
        found = _expanded(test, texts, problems)
        tests += found
        if test.prompts is not None:
            groups[test.name] = tuple(one.name for one in found)
    return config.but(tests=tuple(tests)), groups


def with_gates_on_groups(config: Config, groups: Groups) -> Config:
    """The config with every gate on a group as a gate on all of its tests."""
    return config.but(gates=tuple(_on_tests(gate, groups) for gate in config.gates))


def _on_tests(gate: Gate, groups: Groups) -> Gate:
    if gate.tests is None:
        return gate
    named = (name for test in gate.tests for name in groups.get(test, (test,)))
    return gate.but(tests=tuple(dict.fromkeys(named)))


def _expanded(test: TestConfig, texts: Texts, problems: list[Problem]) -> list[TestConfig]:
    if len(test.prompt_keys) != 1:
        return [test]
    try:
        if test.prompt_file is not None:
            return [test.but(prompt=prompt_of(test.prompt_file, texts))]
        if test.prompts is not None:
            found, wrong = prompts_of(test.prompts, texts, test.name)
            problems += _shown(f"tests.{test.name}.prompts", wrong)
            return [test] if wrong else [_with_prompt(test, prompt) for prompt in found]
    except TextFileError as error:
        problems.append(Problem(f"tests.{test.name}.{test.prompt_keys[0]}", error.wrong, error.remedy))
    return [test]


def _with_prompt(test: TestConfig, prompt: PromptLine) -> TestConfig:
    return test.but(
        name=f"{test.name}.{prompt.id}",
        title=f"{test.shown_as}: {prompt.id}",
        prompt=prompt.prompt,
        raw=test.raw if prompt.raw is None else prompt.raw,
    )


def _shown(key: str, problems: Sequence[Problem]) -> Iterator[Problem]:
    for problem in problems[:SHOWN_PROBLEMS]:
        yield Problem(f"{key}: {problem.where}", problem.wrong, problem.remedy)
    if (more := len(problems) - SHOWN_PROBLEMS) > 0:
        yield Problem(key, f"the file has {more} more {'problem' if more == 1 else 'problems'}", "correct these first")
