"""What parity reads of strangers, each as a function of bytes: it reads them, or raises what it documents."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from builders import SPAWN_NS, job, timeline
from candle_trials import a_job
from candle_trials import adapter as candle
from model_files import CONFIG, VALUES, gguf_bytes, safetensors_bytes
from pydantic import ValidationError
from runs import config_text, speaker_table

from parity.adapter import Adapter, Job, ReadError, read_protocol
from parity.adapter.events import EVENT
from parity.bounded import LimitError, RaisedError, call
from parity.config import load_config
from parity.errors import ConfigError, ModelError, RunFolderError
from parity.hosts.machine import host_facts
from parity.models.folder import inspect_folder, special_tokens
from parity.models.gguf_header import Array, read_array, read_header
from parity.models.inspect import inspect_gguf
from parity.models.tokenizer import load_encoder
from parity.registry import prompt_as, settings_of
from parity.transcript import End, Head, Launched, Piece, Spawned, Stream, Transcript, read_transcript
from parity.transcript.writing import TranscriptWriter
from parity_adapters.command import CommandLine, CommandSettings
from parity_adapters.paraphym import Paraphym, ParaphymSettings

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Target:
    """`read` may raise `documented` alone. `seeds` are whole inputs; `words` are pieces that mean something in them."""

    read: Callable[[bytes], object]
    documented: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...]


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="parity-fuzz-"))


def _written(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def _config(data: bytes) -> None:
    load_config(_written("case.toml", data), settings_of, {"SET": "x", "EMPTY": ""}, prompt_as=prompt_as)


def _configs() -> list[bytes]:
    whole = sorted((TESTS.parent / "configs").glob("*.toml"))
    return [config_text(speaker_table("one", []) + speaker_table("two", [])).encode(), *(p.read_bytes() for p in whole)]


def _transcript(data: bytes) -> None:
    found = read_transcript(_written("t.jsonl", data))
    for stream in _STREAMS:
        list(found.lines(stream))
    found.tail()


def _transcripts() -> list[bytes]:
    path = _folder() / "seed.jsonl"
    path.unlink(missing_ok=True)
    writer = TranscriptWriter(path, Head(purpose="trial", runtime="one", job=job()))
    ran = _printed(b"loading\nr\xffady\n", job())
    assert ran.launch is not None
    assert ran.spawn is not None
    assert ran.end is not None
    writer.launch(ran.launch)
    writer.spawn(ran.spawn)
    for piece in ran.pieces:
        writer.piece(piece)
    writer.end(ran.end)
    writer.close()
    return [path.read_bytes()]


_STREAMS: tuple[Stream, Stream] = ("out", "err")


def _printed(data: bytes, asked: Job, *, mixed: bool = False) -> Transcript:
    """A program that printed the bytes in pieces; `mixed`: some of them on standard error."""
    cuts = [0, *range(7, len(data), 61), len(data)]
    pieces = [
        Piece(SPAWN_NS + 10**9 * (k + 1), _STREAMS[mixed and k % 5 == 4], data[a:b])
        for k, (a, b) in enumerate(pairwise(cuts))
    ]
    last = pieces[-1].t_ns if pieces else SPAWN_NS
    return Transcript(
        head=Head(purpose="trial", runtime="one", job=asked),
        launch=Launched(argv=("prog",), env={}),
        spawn=Spawned(t_ns=SPAWN_NS, pid=1, wall="2026-01-01T00:00:00Z"),
        pieces=tuple(pieces),
        end=End(t_ns=last + 1, by="exit", exit_code=0),
    )


def _protocol(data: bytes) -> None:
    for event in read_protocol(_printed(data, job())):
        EVENT.dump_json(event)


def _reader(adapter: Adapter[Any], asked: Job, *, mixed: bool = False) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        for event in adapter.read(_printed(data, asked, mixed=mixed), asked):
            EVENT.dump_json(event)

    return read


def _command() -> Adapter[Any]:
    table = {
        "program": "bench",
        "markers": {"ready": {"pattern": "^loaded"}, "prefill": {"pattern": "> ", "partial": True}},
        "figures": [
            {"pattern": r"(?P<prompt_tokens>\d+) prompt tokens: (?P<prompt_tps>\S+) t/s"},
            {"pattern": r"took (?P<total_s>\S+) ms", "scale": 0.001},
        ],
        "text": r"> (?P<text>.*?)\n\n",
    }
    return CommandLine(CommandSettings.model_validate_json(json.dumps(table)), host_facts())


def _paraphym() -> Adapter[Any]:
    given = {"path": "/checkout", "greedy_temperature": 0.001, "tokio_threads": 3, "rayon_threads": 2}
    return Paraphym(ParaphymSettings.model_validate_json(json.dumps(given)), host_facts())


def _recorded(folder: Path, *streams: str) -> list[bytes]:
    """What the programs of recordings printed on these streams, one for each section."""
    found = []
    for path in sorted(folder.glob("*.tsv")):
        for section in path.read_text(encoding="utf-8").split("\n# --- "):
            rows = [line.split("\t", 2) for line in section.splitlines()[1:] if line and line[0] != "#"]
            found.append("".join(json.loads(row[2]) for row in rows if row[1] in streams).encode())
    return [printed for printed in found if printed]


def _gguf(data: bytes) -> None:
    path = _written("m.gguf", data)
    inspect_gguf(path)
    for value in read_header(path).values.values():
        if isinstance(value, Array):
            read_array(path, value)


def _weights(data: bytes) -> None:
    _written("folder/config.json", json.dumps(CONFIG).encode())
    _written("folder/tokenizer.json", b"{}")
    _written("folder/model.safetensors", data)
    inspect_folder(_folder() / "folder").model_dump_json()


def _model_config(data: bytes) -> None:
    _written("other/model.safetensors", safetensors_bytes({"a.weight": ("F32", [2, 3])}))
    _written("other/config.json", data)
    _written("other/tokenizer.json", data)
    _written("other/tokenizer_config.json", data)
    inspect_folder(_folder() / "other").model_dump_json()
    special_tokens(_folder() / "other")


def _template(data: bytes) -> None:
    source = data.decode("utf-8", errors="replace")
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    call("parity.models.template:render", source, "What is 2+2?", tokens, cpu_s=2.0, memory_bytes=1024**3)


def _templates() -> list[bytes]:
    loops = "{% for m in messages %}{{ m.role + m['content'] | trim }}{% if loop.last %}{{ eos_token }}{% endif %}"
    loops += "{% endfor %}"
    spaces = "{% set ns = namespace(s='x') %}{% macro f(a) %}{{ a ~ ns.s }}{% endmacro %}{{ f(messages | tojson) }}"
    return [loops.encode(), spaces.encode(), b"{% generation %}{{ strftime_now('%Y') }}{% endgeneration %}"]


def _tokenizer(data: bytes) -> None:
    load_encoder(_written("tokenizer.json", data))("What is 2+2?")


def _tokenizers() -> list[bytes]:
    flags = dict.fromkeys(("special", "normalized", "single_word", "lstrip", "rstrip"), False)
    split = {"type": "Split", "pattern": {"Regex": "\\d+| ?\\w+"}, "behavior": "Isolated", "invert": False}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": 3, "content": "<s>", **flags}],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": split,
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {"W": 0, "h": 1, "Wh": 2}, "merges": [["W", "h"]]},
    }
    return [json.dumps(whole).encode()]


def _events() -> list[bytes]:
    return [EVENT.dump_json(event) for event in timeline()]


_JSON = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"\\ud800",
    b"\\u0000",
)
_TEXT = (b"\n", b"\r", b"\t", b"\0", b"\xff", b"\xc3", "é⏎\u202e".encode(), b"0", b"1", b" ", b"x" * 300, b"%s")

TARGETS: Mapping[str, Target] = {
    "config": Target(
        _config,
        (ConfigError,),
        _configs,
        (b"${", b"${SET}", b"${EMPTY:-}", b"[[", b"]]", b"'''", b'"""', b"a.a", b"= {", b"1979-05-27", b"0x", *_TEXT),
    ),
    "events": Target(EVENT.validate_json, (ValidationError,), _events, _JSON),
    "protocol": Target(
        _protocol,
        (ReadError,),
        lambda: [b"\n".join(_events()) + b"\n"],
        (*_JSON, b'"t_ns":', b'"ev":"token"', b'"ev":"bye"', b"\n", b"\r", b"\xff"),
    ),
    "candle": Target(
        _reader(candle(), a_job()), (ReadError,), lambda: _recorded(TESTS / "adapters" / "candle", "out"), _TEXT
    ),
    "paraphym": Target(
        _reader(_paraphym(), job(), mixed=True),
        (ReadError,),
        lambda: _recorded(TESTS / "adapters" / "paraphym" / "recordings", *_STREAMS),
        _TEXT,
    ),
    "command": Target(
        _reader(_command(), job()),
        (ReadError,),
        lambda: [b"loaded\n> Two lines\n\n12 prompt tokens: 34.5 t/s\ntook 250 ms\n"],
        (*_TEXT, b"1e9", b"nan", b"inf", b"1.2e+03", b",", b"12 prompt tokens: ", b"\xd9\xa3"),
    ),
    "transcript": Target(_transcript, (RunFolderError,), _transcripts, (*_JSON, b'{"t":', b'"b":', b'"end"', b"\n")),
    "gguf": Target(
        _gguf,
        (ModelError,),
        lambda: [gguf_bytes(), gguf_bytes({**VALUES, "split.count": 2, "llama.flag": True})],
        (b"\0" * 8, b"\xff" * 8, b"\x01" + b"\0" * 7, b"\x09\0\0\0", b"\x08\0\0\0", b"general.alignment", b"\x80"),
    ),
    "safetensors": Target(
        _weights, (ModelError,), lambda: [safetensors_bytes({"a.weight": ("F32", [2, 3])})], (*_JSON, b"\xff" * 8)
    ),
    "model-config": Target(_model_config, (ModelError,), lambda: [json.dumps(CONFIG).encode()], _JSON),
    "template": Target(
        _template,
        (RaisedError, LimitError),
        _templates,
        (
            b"{{",
            b"}}",
            b"{%",
            b"%}",
            b"|",
            b"(",
            b")",
            b"range(9)",
            b"* 9",
            b"~",
            b".x",
            b"['']",
            b"'",
            b"|tojson",
            b"loop",
        ),
    ),
    "tokenizer": Target(_tokenizer, (ModelError,), _tokenizers, (*_JSON, b"(a|aa)+", b"\\\\p{L}", b'"Regex"', b"BPE")),
}


def reads(target: Target, data: bytes) -> bool:
    """Whether the bytes are read; False where they are refused as documented."""
    with suppress(*target.documented):
        target.read(data)
        return True
    return False


def corpus(name: str) -> Iterator[Path]:
    """The inputs of a target that once failed, or that resemble such."""
    yield from sorted((TESTS / "proofs" / "corpus" / name).glob("*"))
