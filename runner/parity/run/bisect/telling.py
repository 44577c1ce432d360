"""What a search found, in plain lines."""

import json
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from parity.records import FirstDifference, Scored
from parity.run.bisect.records import Bisected, Place, PromptsPart, Shortest, Token
from parity.run.bisect.search import SHOWN
from parity.visible import printable

_MOST_IDS = 64
"""Ids of a sequence that are shown; all of them are in `bisect.json`."""

_INDENT = "    "


@dataclass(frozen=True)
class Whole:
    """A line that is not wrapped: it shall be copied, or shows text in which each space counts."""

    text: str


Line = str | Whole


def render(found: Bisected, run: str, width: int) -> str:
    """`run`: the folder as the user named it. `width`: columns of what is wrapped."""
    return "".join(f"{_laid_out(line, width)}\n" for line in _lines(found, run))


def _laid_out(line: Line, width: int) -> str:
    if isinstance(line, Whole):
        return printable(line.text)
    begin = _INDENT if line.startswith(_INDENT) else ""
    return textwrap.fill(
        printable(line.strip()),
        width,
        initial_indent=begin,
        subsequent_indent=_INDENT + begin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _lines(found: Bisected, run: str) -> Iterator[Line]:
    cell = f"{found.model}/{found.test}/{found.runtime}"
    yield f"{cell} beside {found.baseline}: {found.verdict}: {found.sentence}"
    if found.prompts is not None:
        yield _of_prompts(found.prompts, found)
    if found.place is not None:
        yield from _of_place(found.place, found)
    if found.parts is not None:
        yield _of_parts(found.parts, found)
    if found.not_scored is not None:
        yield f"no shorter sequence is searched: {found.not_scored}"
    if found.shortest is not None:
        yield from _of_shortest(found.shortest)
    if found.stopped is not None:
        yield f"the search is not over: {found.stopped}"
        yield "to continue it, without the trials that are done:"
        yield Whole(f"{_INDENT}{shlex.join(['parity', 'bisect', run, cell])}")
    else:
        yield f"to find the commit, in the checkout of {found.runtime}:"
        # It is used in a different folder.
        at_commit = ["parity", "bisect", str(Path(run).resolve()), cell, "--command", "CMD"]
        yield Whole(f"{_INDENT}git bisect run {shlex.join(at_commit)}")


def _of_prompts(prompts: PromptsPart, found: Bisected) -> Line:
    if prompts.at is None:
        return "the prompts differ in length, and a side does not show its ids"
    one, other = (_token(side) if side is not None else "its end" for side in (prompts.theirs, prompts.ours))
    return Whole(f"first different id of the prompt: number {prompts.at + 1}: {one} ({found.baseline}) and {other}")


def _of_place(place: Place, found: Bisected) -> Iterator[Line]:
    where = f"token {place.token} of the continuation" if place.token is not None else "in the prompt"
    at = f"{place.position} of {place.positions} ids ({where})"
    yield Whole(f"first position that shows it: {at}: {_token(place.scored)}")
    yield (
        f"{_INDENT}the sides diverge by at least {place.apart.kl:.3g} nats there, and the bound is "
        f"{place.bound.shows:.3g} ({place.bound.source})"
    )
    yield Whole(f"{_INDENT}{found.baseline}: {_top(place.apart.theirs, found.top)}")
    yield Whole(f"{_INDENT}{found.runtime}: {_top(place.apart.ours, found.top)}")


def _of_parts(parts: FirstDifference, found: Bisected) -> Line:
    kind = "ids" if parts.unit == "token" else "texts"
    sides = f"{parts.theirs} ({found.baseline}) and {parts.ours} ({found.runtime})"
    return f"the {kind} part at {parts.unit} {parts.at}: {sides}"


def _of_shortest(shortest: Shortest) -> Iterator[Line]:
    again = "and a repeated trial shows it again" if shortest.repeated else "but a repeated trial does not show it"
    tried = ", ".join(str(length) for length in sorted(shortest.tried))
    only = " (all up to that position; nothing shorter that was tried shows it)" if shortest.whole else ""
    yield (
        f"shortest sequence that was tried and shows it: {len(shortest.ids)} ids{only}, {again}; "
        f"they diverge by {shortest.apart.kl:.3g} nats at the last one"
        f"{f'; lengths tried: {tried}' if tried else ''}"
    )
    shown = " ".join(map(str, shortest.ids[-_MOST_IDS:]))
    yield f"{_INDENT}ids: {'… ' if len(shortest.ids) > _MOST_IDS else ''}{shown}"
    if shortest.text is not None:
        yield Whole(f"{_INDENT}text: {_quoted(shortest.text)}")
    for runtime, line in shortest.reproduce.items():
        yield Whole(f"{_INDENT}{runtime}: {line}")


def _token(token: Token) -> str:
    return str(token.id) if token.text is None else f"{token.id} {_quoted(token.text)}"


def _top(scored: Scored, text: Mapping[int, str]) -> str:
    return ", ".join(
        f"{_token(Token(id=token, text=text.get(token)))} {value:.4g}" for token, value in scored.top[:SHOWN]
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
