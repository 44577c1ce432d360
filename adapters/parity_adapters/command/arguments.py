"""The arguments of a program: placeholders, and arguments that only some tests need. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import PurePath
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from parity.adapter import Job, Record, RefusedError

PLACEHOLDERS = {
    "model": "path of the model's file or folder",
    "model_name": "name of the model in the config",
    "prompt": "the test's prompt",
    "chat_turn": "the prompt in the model's own chat template; unset if the test is `raw`, or the template fails",
    "max_tokens": "how many tokens to generate",
    "ignore_end": "`true` or `false`: whether to go on past end tokens",
    "raw": "`true` or `false`: whether the prompt is sent as it is, without a chat template",
    "temperature": "0.0 is greedy",
    "seed": "seed of the sampling",
    "top_k": "unset unless the test sets it",
    "top_p": "unset unless the test sets it",
    "tokenizer": "path of a `tokenizer.json` of the model; unset if none can be made",
    "scratch": "an empty folder for this trial; `job.json` in it holds the whole job",
    "round": "number of the round",
}
"""What `{name}` in an argument stands for."""

JOB_FILE = "{scratch}/job.json"
"""The argument by which a program is given its whole job."""

Condition = Literal["raw", "ignore_end", "chat_turn", "top_k", "top_p", "tokenizer"]


class OptionalArgs(Record):
    """Arguments that depend on the test, such as `{ when = "ignore_end", args = ["--ignore-eos"] }`. Give either `when`
    or `unless`."""

    when: Condition | None = Field(default=None, description="add them if the test sets this, or it is true")
    unless: Condition | None = Field(default=None, description="add them if the test doesn't set this, or it is false")
    args: tuple[str, ...] = Field(min_length=1, description="the arguments")

    @field_validator("args")
    @classmethod
    def _known(cls, args: tuple[str, ...]) -> tuple[str, ...]:
        return checked_args(args)

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if (self.when is None) == (self.unless is None):
            raise ValueError("give either `when` or `unless`")
        return self


def _form(argument: object) -> str:
    return "(table)" if isinstance(argument, dict | OptionalArgs) else "(string)"


Argument = Annotated[Annotated[str, Tag("(string)")] | Annotated[OptionalArgs, Tag("(table)")], Discriminator(_form)]
"""An argument. The form that it is written in decides which complaint a wrong one gets."""


def checked_args(args: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments. Raises ValueError for one that holds something in braces that is no placeholder."""
    for arg in args:
        if not _is_filled(arg):
            raise ValueError(
                f"{arg!r}: placeholders are {{{'}, {'.join(PLACEHOLDERS)}}}, without a format; {{{{ is a literal {{"
            )
    return args


def holds(args: Iterable[Argument], placeholder: str) -> bool:
    """Whether any argument, whatever it depends on, holds a placeholder such as `{model}`, or one in a path such as
    `{scratch}/job.json`; `{{model}}` holds none. `given` tells what a job gets."""
    words = (word for arg in args for word in ((arg,) if isinstance(arg, str) else arg.args))
    return any(_marked(placeholder) in _marked(word) for word in words)


def given(args: Iterable[Argument], job: Job) -> tuple[str, ...]:
    """The arguments that one job gets, their placeholders not filled in."""
    values = _values(job)

    def is_given(arg: OptionalArgs) -> bool:
        return _is_set(values, arg.when) if arg.when is not None else not _is_set(values, str(arg.unless))

    words = ((arg,) if isinstance(arg, str) else arg.args if is_given(arg) else () for arg in args)
    return tuple(chain.from_iterable(words))


def filled(args: Iterable[Argument], job: Job) -> Iterator[str]:
    """The arguments for one job.

    Raises:
        RefusedError: one holds a placeholder that the job leaves unset.
    """
    values = _values(job)
    for word in given(args, job):
        yield _fill(word, values)


def script_of(args: tuple[Argument, ...]) -> tuple[str, ...]:
    """What an interpreter is given to run, such as the name of `bench.py`, or the `bench` of `-m bench`; nothing for
    other programs."""
    rest = args[1:] if args[:1] == ("-m",) else args
    first = rest[0] if rest else None
    return (PurePath(first).name,) if isinstance(first, str) and first[:1] != "-" and "{" not in first else ()


def _values(job: Job) -> dict[str, str | None]:
    test, sampling = job.test, job.test.sampling
    return {
        "model": job.model.path,
        "model_name": job.model.name,
        "prompt": test.prompt,
        "chat_turn": job.chat_turn,
        "max_tokens": str(test.max_tokens),
        "ignore_end": "true" if test.ignore_end else "false",
        "raw": "true" if test.raw else "false",
        "temperature": str(sampling.temperature),
        "seed": str(sampling.seed),
        "top_k": None if sampling.top_k is None else str(sampling.top_k),
        "top_p": None if sampling.top_p is None else str(sampling.top_p),
        "tokenizer": job.tokenizer,
        "scratch": job.scratch,
        "round": str(job.round),
    }


def _is_set(values: Mapping[str, str | None], name: str) -> bool:
    return values[name] not in (None, "false")


def _is_filled(template: str) -> bool:
    """Whether a template holds nothing in braces but plain placeholders."""
    return all(name in PLACEHOLDERS and not form and conversion is None for name, form, conversion in _fields(template))


def _fields(template: str) -> list[tuple[str | None, str | None, str | None]]:
    try:
        return [
            (name, form, conversion) for _, name, form, conversion in Formatter().parse(template) if name is not None
        ]
    except ValueError:
        return [(None, None, None)]


def _marked(template: str) -> str:
    """A template with its placeholders written so that no text is taken for one: braces that stand for themselves are
    single ones here too."""
    return template.format_map({name: f"\0{name}\0" for name in PLACEHOLDERS})


def _fill(template: str, values: Mapping[str, str | None]) -> str:
    unset = [name for name, _, _ in _fields(template) if name is not None and values[name] is None]
    if unset:
        name = unset[0]
        raise RefusedError(
            f"its argument {template!r} needs a value for {{{name}}}, and there is none for this test: put the "
            f'argument, with its option, into {{ when = "{name}", args = […] }}, so that it is left out'
        )
    return template.format_map(values)
