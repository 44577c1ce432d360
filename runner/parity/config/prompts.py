"""Prompts that a test of a config takes from a file, or from a set that comes with parity."""

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from parity.config.complaints import validate
from parity.config.files import TextFileError, read_text
from parity.errors import Problem
from parity.records import LONGEST_NAME, Name, Record

SET = "set:"
"""Before the name of a set that comes with parity; `./set:short` is a file."""

EXAMPLE = '{"id": "capital", "prompt": "What is the capital of France?"}'

_FOLDER = files("parity.config") / "prompt_sets"
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


class PromptLine(Record):
    """A line of a file of prompts."""

    id: Name = Field(description="the prompt's name in its file; the test is then called NAME.ID")
    prompt: str = Field(min_length=1, description="a user's turn")
    raw: bool | None = Field(
        default=None, description="send the prompt without a chat template; by default as the test says"
    )


class Texts:
    """The texts that a config takes from outside itself, each read once.

    `known`: texts read earlier, such as when a run began; they stand for what the files hold now. `read`: those that
    were asked for. Both by the name that stands in the config: a path, or `set:NAME`."""

    def __init__(self, folder: Path, known: Mapping[str, str]) -> None:
        self.read: dict[str, str] = {}
        self._folder = folder
        self._known = known

    def place(self, named: str) -> str:
        """The absolute path of a file, or `set:NAME`."""
        if named.startswith(SET):
            return named
        try:
            return str(self._folder.resolve() / Path(named).expanduser())
        except RuntimeError as error:
            raise TextFileError(f"{named}: {error}", "write the path without `~`") from error

    def text(self, named: str, kind: str, example: str) -> str:
        """A text, without a byte order mark.

        Raises:
            TextFileError: it can't be read; the complaint names the file or set.
        """
        if named not in self.read:
            found = self._known.get(named)
            self.read[named] = found if found is not None else _read(self.place(named), kind, example)
        return self.read[named]


LONG_TOKENS = 2048
"""Of the prompt of the set `long`, by the tokenizer of SmolLM2."""


def long_text(tokens: int) -> str:
    """A text of about so many tokens: a part of the prompt of the set `long`, or that again and again."""
    text = str(json.loads((_FOLDER / "long.jsonl").read_text(encoding="utf-8").splitlines()[0])["prompt"])
    whole, rest = divmod(tokens, LONG_TOKENS)
    part = text[: len(text) * rest // LONG_TOKENS]
    # Cut between words, for half a word is several tokens.
    part = part if rest < 4 else part[: part.rfind(" ")]
    return "\n\n".join([text] * whole + ([part.strip() or text[:3]] if rest else []))


def set_names() -> tuple[str, ...]:
    """The sets that come with parity."""
    return tuple(sorted(e.name.removesuffix(".jsonl") for e in _FOLDER.iterdir() if e.name.endswith(".jsonl")))


def prompt_of(named: str, texts: Texts) -> str:
    """The prompt that a text file holds, without the newline that editors put at the end of a file.

    Raises:
        TextFileError: it can't be read, or is empty.
    """
    text = texts.text(named, "text file", "prompts/story.txt")
    prompt = text[:-1].removesuffix("\r") if text.endswith("\n") else text
    if not prompt:
        raise TextFileError(f"{texts.place(named)}: is empty", "write the prompt into it")
    if "\0" in prompt:
        raise TextFileError(f"{texts.place(named)}: holds a NUL character, which no program can be given", "remove it")
    return prompt


def prompts_of(named: str, texts: Texts, test: str) -> tuple[list[PromptLine], list[Problem]]:
    """The prompts of a JSONL file or a set, for the test called `test`; and what is wrong with its lines: the file
    and the line in `where`.

    Raises:
        TextFileError: it can't be read, or holds no prompt.
    """
    text, where = texts.text(named, "JSONL file", "prompts/questions.jsonl"), texts.place(named)
    problems: list[Problem] = []
    found: list[PromptLine] = []
    first: dict[str, int] = {}
    # Not `splitlines`: JSON strings may hold U+2028 and its like as they are.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        wrong: list[Problem] = []
        if (prompt := _parse(line, wrong)) is not None:
            found.append(prompt)
            wrong += _too_long(test, prompt.id)
            if first.setdefault(prompt.id, number) != number:
                given = f"{prompt.id!r} is also the id of line {first[prompt.id]}"
                wrong.append(Problem("id", given, "give each its own id"))
        problems += [Problem(f"{where}, line {number}: {p.where}".removesuffix(": "), p.wrong, p.remedy) for p in wrong]
    if not found and not problems:
        raise TextFileError(f"{where}: holds no prompt", f"write one JSON object a line, such as {EXAMPLE}")
    return found, problems


def _read(where: str, kind: str, example: str) -> str:
    if not where.startswith(SET):
        try:
            return read_text(Path(where), kind, example)
        except TextFileError as error:
            raise TextFileError(f"{where}: {error.wrong}", error.remedy) from error
    name, names = where.removeprefix(SET), set_names()
    if name in names:
        return (_FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    near = difflib.get_close_matches(name, names, n=1)
    remedy = f'did you mean "{SET}{near[0]}"?' if near else f"one of {', '.join(SET + known for known in names)}"
    raise TextFileError(f"there is no set {name!r}", remedy)


def _parse(line: str, problems: list[Problem]) -> PromptLine | None:
    try:
        tree = json.loads(line, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        wrong = f"is not JSON ({error.msg} at column {error.colno})"
        problems.append(Problem("", wrong, f"write an object such as {EXAMPLE}"))
        return None
    except (ValueError, RecursionError) as error:
        problems.append(Problem("", f"can't be read ({error})", f"write an object such as {EXAMPLE}"))
        return None
    if not isinstance(tree, dict):
        problems.append(Problem("", "is not a JSON object", f"write an object such as {EXAMPLE}"))
        return None
    if half := _HALF_A_CHARACTER.search(json.dumps(tree, ensure_ascii=False)):
        remedy = "write the character itself, or both halves of its pair"
        problems.append(Problem("", f"has {ascii(half[0])[1:-1]} alone, which is half a character", remedy))
        return None
    found = validate(PromptLine, tree, (), problems)
    if found is not None and "\0" in found.prompt:
        problems.append(Problem("prompt", "holds a NUL character, which no program can be given", "remove it"))
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError for a key that is given twice, of which JSON would drop one silently."""
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            raise ValueError(f"the key {key!r} is given {count} times")
    return dict(pairs)


def _too_long(test: str, id: str) -> Iterator[Problem]:
    length = len(f"{test}.{id}")
    if length > LONGEST_NAME:
        wrong = f"with it the name of the test, {test}.{id}, has {length} characters"
        yield Problem("id", wrong, f"shorten the id or `name`, so that it has at most {LONGEST_NAME}")
