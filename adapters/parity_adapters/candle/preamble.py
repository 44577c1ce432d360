"""What an example prints before it takes the prompt: nothing of it comes from prompt or model."""

import re
from dataclasses import dataclass

Value = str | int | float | bool | None

_FLAGS = re.compile(rb"^avx: (true|false), neon: (true|false), simd128: (?:true|false), f16c: (true|false)$", re.M)
_SAMPLING = re.compile(rb"^temp: ([0-9.]+) repeat-penalty: ([0-9.]+) repeat-last-n: [0-9]+$", re.M)
_ON_CPU = re.compile(rb"^Running on CPU, to run on GPU.*$", re.M)
_HEADER = re.compile(rb"^loaded ([0-9]+) tensors \(([0-9.]+)(B|KB|MB|GB)\) in ([0-9.]+)s$", re.M)
_BUILT = re.compile(rb"^model built$", re.M)
_UNIT_BYTES = {b"B": 1, b"KB": 10**3, b"MB": 10**6, b"GB": 10**9}


@dataclass(frozen=True)
class Header:
    """The line `loaded N tensors (SIZE) in X s`. X is of the header alone; SIZE follows from the tensors' shapes."""

    newline: int
    tensors: int
    weights_bytes: int
    seconds: str


@dataclass(frozen=True)
class Preamble:
    """What of it is there. Each `newline` is the place of the byte that ends the line: it arrives last."""

    opened_newline: int | None
    header: Header | None
    built_newline: int | None
    fell_back_to_cpu: bool
    facts: dict[str, Value]


def read_preamble(data: bytes) -> Preamble:
    """Reads standard output up to `model built`. A line counts once its newline is there."""
    built = _BUILT.search(data[: data.rfind(b"\n") + 1])
    lines = data[: built.end()] if built else data[: data.rfind(b"\n") + 1]
    sampling, header = _SAMPLING.search(lines), _HEADER.search(lines)
    facts: dict[str, Value] = {}
    if flags := _FLAGS.search(lines):
        names = ("cpu_avx2", "cpu_neon", "cpu_f16c")
        facts |= {name: flag == b"true" for name, flag in zip(names, flags.groups(), strict=True)}
    if sampling:
        facts |= {"temperature": float(sampling[1]), "repeat_penalty": float(sampling[2])}
    return Preamble(
        opened_newline=sampling.end() if sampling else None,
        header=_header(header) if header else None,
        built_newline=built.end() if built else None,
        fell_back_to_cpu=_ON_CPU.search(lines) is not None,
        facts=facts,
    )


def _header(found: re.Match[bytes]) -> Header:
    return Header(
        newline=found.end(),
        tensors=int(found[1]),
        weights_bytes=round(float(found[2]) * _UNIT_BYTES[found[3]]),
        seconds=found[4].decode(),
    )
