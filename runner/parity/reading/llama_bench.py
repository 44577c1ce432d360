"""Figures of llama.cpp's `llama-bench -o json` and `-o jsonl`, read by key: builds differ in their keys. Pure."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeGuard

from parity.errors import ParityError
from parity.records import Scalar
from parity.records.witness import Witness, WitnessComparison, Witnesses
from parity.visible import printable

MODEL = ("model_type", "model_size", "model_n_params")
"""What has to be known and equal for a ratio."""

_FIGURES = ("avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts")
_SHAPE = ("n_prompt", "n_gen", "n_depth")
_NOT_FACTS = {*_FIGURES, *_SHAPE, "build_commit", "build_number", "test_time"}

_TOO_MUCH = 1e30
"""No count, time or rate is as large; infinity is not either."""

_OFF = 0.01
"""How far, as a share, printed figures of one entry may contradict each other."""

UNPROVEN = ("the weights (llama-bench records no hash of them)", "the warm-up (nor whether there was one)")


def read_llama_bench(texts: Sequence[tuple[str, str]]) -> Witnesses:
    """The figures of files, and each beside the first of its definition. `texts`: the name and the text of each file.

    Raises:
        ParityError: a file is not what llama-bench writes, or contradicts itself; it names the file, entry and key.
    """
    entries = [(file, k, entry) for file, text in texts for k, entry in enumerate(_entries(file, text), 1)]
    return beside_each_other(_witness(number, *found) for number, found in enumerate(entries, 1))


def beside_each_other(found: Iterable[Witness]) -> Witnesses:
    """Each witness beside the first of its definition, numbered from 1."""
    witnesses = tuple(witness.but(number=number) for number, witness in enumerate(found, 1))
    return Witnesses(witnesses=witnesses, comparisons=tuple(_comparisons(witnesses)))


def _entries(file: str, text: str) -> list[dict[str, Any]]:
    found: Any
    try:
        if text.lstrip().startswith("["):
            found = json.loads(text, parse_constant=_refuse)
        else:
            found = [json.loads(line, parse_constant=_refuse) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise ParityError(
            f"{file}: is not what `llama-bench -o json` or `-o jsonl` writes ({error}); if llama-bench was "
            "interrupted, run it again with `-o jsonl`"
        ) from error
    if not found or not all(isinstance(entry, dict) for entry in found):
        raise ParityError(f"{file}: has no entries of llama-bench; write it with `llama-bench -o json` or `-o jsonl`")
    return list(found)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _witness(number: int, file: str, place: int, entry: dict[str, Any]) -> Witness:
    where = f"{file}: entry {place}"
    prompt, generated = _count(where, entry, "n_prompt"), _count(where, entry, "n_gen")
    depth = _count(where, entry, "n_depth") if "n_depth" in entry else 0
    if not prompt and not generated:
        raise ParityError(f"{where}: n_prompt, n_gen: both are 0, so that nothing was timed")
    value = _positive(where, "avg_ts", entry.get("avg_ts"))
    values = _samples(where, entry, "samples_ts")
    times = _samples(where, entry, "samples_ns")
    if times and len(times) != len(values):
        raise ParityError(
            f"{where}: samples_ns: has not as many numbers as samples_ts; take a file that nobody changed"
        )
    for sample, ns in zip(values, times, strict=False):
        _agree(where, "samples_ts", sample, (prompt + generated) / ns * 1e9, "what samples_ns makes of it")
    if values:
        _agree(where, "avg_ts", value, math.fsum(values) / len(values), "the mean of samples_ts")
    deviation = entry.get("stddev_ts")
    return Witness(
        number=number,
        file=file,
        entry=place,
        definition=_definition(prompt, generated, depth),
        meaning=_meaning(prompt, generated, depth),
        value=value,
        deviation=float(deviation) if _is_number(deviation) and deviation >= 0 else None,
        values=values,
        build=_joined(entry.get("build_commit"), entry.get("build_number")),
        when=_joined(entry.get("test_time")),
        facts={printable(key): fact for key, fact in _facts(entry)},
    )


def _facts(entry: dict[str, Any]) -> Iterator[tuple[str, Scalar]]:
    for key, value in entry.items():
        if key in _NOT_FACTS:
            continue
        if isinstance(value, str):
            yield key, printable(value)
        elif value is None or isinstance(value, bool) or _is_number(value):
            yield key, value


def _definition(prompt: int, generated: int, depth: int) -> str:
    """`llama-bench:pp512`, `llama-bench:tg128@d4096`, `llama-bench:pp512+tg128`: as its tables name tests."""
    parts = [f"pp{prompt}" if prompt else "", f"tg{generated}" if generated else ""]
    return f"llama-bench:{'+'.join(filter(None, parts))}{f'@d{depth}' if depth else ''}"


def _meaning(prompt: int, generated: int, depth: int) -> str:
    parts = [
        f"prefill of {prompt} random tokens" if prompt else "",
        f"decoding of {generated} random tokens, without sampling or text" if generated else "",
    ]
    return f"{' and '.join(filter(None, parts))}, after {depth or 'no'} tokens of context"


def _comparisons(witnesses: Sequence[Witness]) -> Iterator[WitnessComparison]:
    first: dict[str, Witness] = {}
    for witness in witnesses:
        base = first.setdefault(witness.definition, witness)
        if base is not witness:
            yield _compared(witness, base)


def _compared(ours: Witness, theirs: Witness) -> WitnessComparison:
    keys = dict.fromkeys((*theirs.facts, *ours.facts))
    odd = [key for key in keys if (key in ours.facts) != (key in theirs.facts)]
    differs = [key for key in keys if key not in odd and ours.facts[key] != theirs.facts[key]]
    reasons = [f"{key} differs" for key in MODEL if key in differs]
    reasons += [f"{key} is not known of both" for key in MODEL if key in odd or key not in keys]
    if bool(ours.facts.get("embeddings")) != bool(theirs.facts.get("embeddings")):
        # Builds before this key computed none.
        reasons.append("embeddings differs")
    said = [f"{key}: {ours.facts[key]} ({theirs.facts[key]})" for key in differs]
    said += [f"build: {ours.build} ({theirs.build})"] if ours.build != theirs.build else []
    return WitnessComparison(
        definition=ours.definition,
        ours=ours.number,
        theirs=theirs.number,
        ratio=None if reasons else ours.value / theirs.value,
        reason=", ".join(reasons) or None,
        differs=tuple(said),
        unproven=(*UNPROVEN, *(f"{key}: of one only" for key in odd)),
    )


def _count(where: str, entry: dict[str, Any], key: str) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _TOO_MUCH:
        raise ParityError(f"{where}: {key}: is {value!r}, not a number of tokens; take a file that llama-bench wrote")
    return value


def _positive(where: str, key: str, value: Any) -> float:
    if not _is_number(value) or value < 1 / _TOO_MUCH:
        raise ParityError(f"{where}: {key}: is {value!r}, not a number above 0; take a file that llama-bench wrote")
    return float(value)


def _samples(where: str, entry: dict[str, Any], key: str) -> tuple[float, ...]:
    found = entry.get(key, [])
    if not isinstance(found, list):
        raise ParityError(f"{where}: {key}: is not a list of numbers; take a file that llama-bench wrote")
    return tuple(_positive(where, key, value) for value in found)


def _agree(where: str, key: str, value: float, other: float, what: str) -> None:
    if not math.isclose(value, other, rel_tol=_OFF):
        raise ParityError(f"{where}: {key}: {value:g} is not {what}, {other:g}; take a file that nobody changed")


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _TOO_MUCH


def _joined(*parts: Any) -> str | None:
    return printable(" ".join(str(part) for part in parts if isinstance(part, str | int) and part != "")) or None
