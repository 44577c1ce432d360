"""The text of a config, with comments that explain it, from what is known of the machine and the model. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.config.prompts import long_text
from parity.records import LONGEST_NAME

Value = str | int | float | bool | tuple[str, ...]

SHORT = "What is 2+2?"
SHORT_TOKENS, LONGER_TOKENS, SWEEP_TOKENS = 64, 128, 32
LONGER_PROMPT = 512
"""About so many tokens."""

WITHIN = 0.1
"""Rounds of a run without gates go on until a ratio is known to within this share."""

MOST_ROUNDS = 10


GATES: tuple[tuple[str, Mapping[str, Value]], ...] = (
    ("as-fast", {"kind": "ratio", "metric": "gen_tps", "min_ratio": 0.8}),
    ("no-hangs", {"kind": "no-failed-trials"}),
)


@dataclass(frozen=True)
class DraftRuntime:
    """A table of a runtime. `remark`: what is to be said of it. `absent`: why it is left out, and what would help; its
    table is a comment then. `offered`: it is left out though it is ready. `name`: of the table, if it is not the
    adapter's."""

    adapter: str
    keys: Mapping[str, Value]
    remark: str = ""
    absent: tuple[str, ...] = ()
    offered: bool = False
    name: str | None = None


@dataclass(frozen=True)
class DraftTest:
    """A test. `raw`: the prompt goes without a chat template. `remark`: what is to be said of the prompt."""

    name: str
    prompt: str
    max_tokens: int
    raw: bool = False
    remark: str = ""


@dataclass(frozen=True)
class Draft:
    """What a config is to say. `head`: its first comment. `notes`: what could not be made equal. `gates`: whether it
    has some. `max_s`: see `[rounds]`."""

    head: tuple[str, ...]
    name: str
    source: str
    tests: Sequence[DraftTest]
    runtimes: Sequence[DraftRuntime]
    notes: Sequence[str] = ()
    gates: bool = False
    max_s: float | None = None

    @property
    def ready(self) -> list[DraftRuntime]:
        return [runtime for runtime in self.runtimes if not runtime.absent]


def name_of_model(source: str) -> str:
    """A name for a model in tables and file names, from its address."""
    _, _, address = source.rpartition("://")
    last = address.rstrip("/").rpartition("/")[2]
    told = last.removesuffix(".gguf") if "://" not in source or last.endswith(".gguf") else address
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", told).strip("-._")
    return name[: LONGEST_NAME // 2].rstrip("-._") or "model"


def usual_tests() -> tuple[DraftTest, ...]:
    """A short test, and one with a longer prompt and a longer answer."""
    longer = DraftTest("longer", long_text(LONGER_PROMPT), LONGER_TOKENS)
    return (DraftTest("short", SHORT, SHORT_TOKENS), longer)


def sweep_tests(lengths: Sequence[int], prompts: Mapping[int, str]) -> tuple[DraftTest, ...]:
    """A test for each length of the prompt, in tokens. `prompts`: those of exactly a length by the model's own
    tokenizer; other lengths are of a usual tokenizer."""
    return tuple(_of_length(length, prompts.get(length)) for length in lengths)


def _of_length(length: int, prompt: str | None) -> DraftTest:
    exact = f"{length} tokens by the model's own tokenizer, without a token that a runtime puts before them"
    remark = exact if prompt is not None else f"about {length} tokens"
    return DraftTest(f"prompt-{length}", prompt or long_text(length), SWEEP_TOKENS, raw=True, remark=remark)


def draft_text(draft: Draft) -> str:
    """The TOML text."""
    return "\n".join(_lines(draft))


def _lines(draft: Draft) -> Iterator[str]:
    yield from (f"# {line}" for line in draft.head)
    yield from ("", f"name = {_toml(draft.name)} # in run folders and reports")
    yield ""
    yield "# The others are compared with this one."
    yield f"baseline = {_toml(draft.ready[0].adapter)}"
    yield from ("", "[[models]]", f"name = {_toml(draft.name)}", f"source = {_toml(draft.source)}")
    for test in draft.tests:
        yield from ("", "[[tests]]", f"name = {_toml(test.name)}")
        yield from ([f"# {test.remark}:"] if test.remark else [])
        yield f"prompt = {_toml(test.prompt)}"
        yield f"max_tokens = {test.max_tokens}"
        if test.raw:
            yield "raw = true # no chat template around it"
    for runtime in draft.runtimes:
        yield from ("", *_table(runtime))
    if draft.notes:
        yield from ("", "# Not the same for all, because no key of theirs sets it:")
        yield from (f"# - {note}" for note in draft.notes)
    yield from ("", *_rounds(draft))
    if draft.gates:
        yield from ("", *_gates(len(draft.ready) > 1))
    yield ""


def _table(runtime: DraftRuntime) -> Iterator[str]:
    mark = "# " if runtime.absent else ""
    yield from (f"# {line}" for line in runtime.absent)
    if runtime.absent:
        yield "# Take the marks away to include it."
    yield f"{mark}[runtimes.{runtime.name or runtime.adapter}]{f' # {runtime.remark}' if runtime.remark else ''}"
    yield f"{mark}adapter = {_toml(runtime.adapter)}"
    for key, value in runtime.keys.items():
        yield f"{mark}{key} = {_toml(value)}"


def _rounds(draft: Draft) -> Iterator[str]:
    until = "the required gates are decided" if draft.gates else "each ratio of speeds is known to within this share"
    # A ratio is known after several rounds alone, so that a limit of time may end the run before these.
    hurried = draft.max_s is not None and len(draft.ready) > 1
    yield f"# {'More rounds' if hurried else 'At least 5 rounds, and more'} until {until}."
    yield "[rounds]"
    if hurried:
        yield "least = 1"
    yield f"max = {20 if draft.gates else MOST_ROUNDS}"
    if not draft.gates:
        yield f"within = {WITHIN}"
    if draft.max_s is not None:
        yield f"max_s = {draft.max_s:g} # no further round begins once the trials have taken so many seconds"


def _gates(several: bool) -> Iterator[str]:
    """Commented out where there is nothing to compare."""
    mark = "" if several else "# "
    yield "# Conditions that decide the exit code. `parity schema config` and docs/config.md have all kinds."
    if not several:
        yield "# They judge the runtimes beside the baseline: take the marks away once there is one."
    for name, keys in GATES:
        yield from (f"{mark}[[gates]]", f"{mark}name = {_toml(name)}")
        yield from (f"{mark}{key} = {_toml(value)}" for key, value in keys.items())
        yield ""


def _toml(value: Value) -> str:
    """JSON writes these as TOML does, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
