"""Writes the generated parts of docs/*.md: commands, config keys, metrics, the event protocol, whole files.

    .venv/bin/python vendor-scripts/make-docs.py [--check] [FOLDER]

A generated part stands between two comments that name it, and a code block whose info string has `file=PATH` holds
that file; the rest of a page is written by hand and left alone.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import contract_reference as contract
from command_reference import shown_commands

from parity.adapter.events import EVENT
from parity.config import Config
from parity.gates import GateBase
from parity.reading.dictionary import METRICS
from parity.reading.facts import FACTS
from parity.registry import entries, settings_of
from parity_adapters.candle.examples import PROGRAMS
from parity_adapters.command.arguments import PLACEHOLDERS
from parity_adapters.llama_cpp.keys import READ
from parity_adapters.mlx_lm.worker.architectures import ARCHITECTURES
from parity_adapters.mlx_lm.worker.formats import AS_STORED, DEQUANTISED, REPACKED
from parity_synth.presets import PRESETS
from parity_worker import Events

ROOT = Path(__file__).resolve().parent.parent
OWN_PACKAGE = "parity-matrix"
REFERENCE_ARCHITECTURES = "vendor-scripts/candle-reference/src/architectures"
PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL)
PART_MARK = re.compile(r"<!-- (?:generated:|end of) [\w-]+ -->")
WHOLE_FILE = re.compile(r"^(```\w+ file=(?P<path>\S+)\n).*?^(```)$", re.DOTALL | re.MULTILINE)
NAME_PATTERN = Config.model_json_schema()["properties"]["name"]["pattern"]

Schema = Mapping[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is not up to date")
    arguments = parser.parse_args()
    stale = []
    for page in sorted(arguments.folder.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        fresh = regenerate(page.name, text)
        if fresh != text:
            stale.append(page)
            if not arguments.check:
                page.write_text(fresh, encoding="utf-8")
    state = "is not what the code says: run vendor-scripts/make-docs.py" if arguments.check else "written"
    for page in stale:
        print(f"{page}: {state}")
    return 1 if stale and arguments.check else 0


def regenerate(name: str, page: str) -> str:
    """The page with every generated part made anew. Exits where its comments don't pair."""
    if len(PART_MARK.findall(page)) != 2 * len(PART.findall(page)):
        sys.exit(f"{name}: the comments around a generated part don't pair")
    fresh = PART.sub(lambda part: f"{part[1]}\n{PARTS[part['name']]()}\n\n{part[3]}", page)
    return WHOLE_FILE.sub(lambda block: block[1] + (ROOT / block["path"]).read_text(encoding="utf-8") + block[3], fresh)


def config_tables() -> str:
    schema = Config.model_json_schema()
    blocks = ["### Top level", key_table(schema, only_plain=True)]
    for key, field in schema["properties"].items():
        for heading, record in sections(key, field, schema["$defs"]):
            blocks += [f"### {heading}", intro(record), key_table(record)]
            blocks += nested(record, schema["$defs"])
    return joined(blocks)


def sections(key: str, field: Schema, records: Schema) -> Iterator[tuple[str, Schema]]:
    """The headings under which a top-level key is explained, each with its record's schema."""
    if "$ref" in field:
        yield f"`[{key}]`", record_of(field, records)
    elif "patternProperties" in field:
        [value] = field["patternProperties"].values()
        yield f"`[{key}.NAME]`", record_of(value, records)
    elif "oneOf" in field.get("items", {}):
        common = GateBase.model_json_schema()
        yield f"`[[{key}]]`", common
        for kind in field["items"]["oneOf"]:
            record = record_of(kind, records)
            own = {name: value for name, value in record["properties"].items() if name not in common["properties"]}
            [constant] = [value["const"] for value in own.values() if "const" in value]
            yield f'`kind = "{constant}"`', {**record, "properties": own}
    elif "$ref" in field.get("items", {}):
        yield f"`[[{key}]]`", record_of(field["items"], records)


def adapter_tables() -> str:
    blocks = []
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    if unknown := own["parity.adapters"].keys() - {entry.name for entry in entries()}:
        install = f"{sys.executable} -m pip install --no-deps --no-build-isolation -e {ROOT}"
        sys.exit(f"this environment doesn't know {', '.join(sorted(unknown))} of pyproject.toml yet: {install}")
    for entry in entries():
        if entry.package != OWN_PACKAGE:
            continue
        schema = settings_of(entry.name).model_json_schema()
        blocks += [f'### `adapter = "{entry.name}"`', intro(schema), key_table(schema)]
        blocks += nested(schema, schema.get("$defs", {}))
    return joined(blocks)


def placeholder_table() -> str:
    return table(
        ("Placeholder", "What it stands for"), [(f"`{{{name}}}`", says) for name, says in PLACEHOLDERS.items()]
    )


def hook_table() -> str:
    return table(("Member", "Is", "What it says"), list(contract.hook_rows()))


def contract_tables() -> str:
    """Records that adapters make and are given, each once, then what they read of transcripts."""
    blocks: list[str] = []
    seen: set[str] = set()
    for heading, kinds in (("What an adapter makes", contract.MADE), ("What it is given", contract.GIVEN)):
        blocks.append(f"## {heading}")
        for kind in kinds:
            blocks += record_blocks(kind.__name__, contract.record_schema(kind), seen)
    blocks.append("## What it reads")
    for plain in contract.CLASSES:
        rows = list(contract.transcript_rows(plain))
        blocks += [f"#### `{plain.__name__}`", contract.introduction(plain), table(("Member", "What it says"), rows)]
    for kind in contract.OF_TRANSCRIPTS:
        blocks += record_blocks(kind.__name__, contract.record_schema(kind), seen)
    return joined(blocks)


def record_blocks(name: str, record: Schema, seen: set[str]) -> list[str]:
    """A record's fields, and those of the records that they hold which were not shown yet."""
    blocks, records = [], record.get("$defs", {})
    waiting = [(name, record)]
    while waiting:
        name, inner = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        rows = [
            (
                f"`{key}`",
                type_words(value),
                "yes" if key in inner.get("required", ()) else default_words(value),
                value.get("description", ""),
            )
            for key, value in inner["properties"].items()
        ]
        blocks += [f"#### `{name}`", intro(inner), table(("Field", "Type", "Required, or default", "Meaning"), rows)]
        waiting += [(found, records[found]) for found in references(inner)]
    return blocks


def worker_table() -> str:
    """What a worker in Python sends its events by."""
    return table(("Member", "What it does"), list(contract.transcript_rows(Events)))


def event_tables() -> str:
    schema = EVENT.json_schema()
    blocks = []
    for reference in schema["oneOf"]:
        record = record_of(reference, schema["$defs"])
        name = record["properties"]["ev"]["const"]
        own = {key: value for key, value in record["properties"].items() if key not in ("ev", "t_ns")}
        rows = [
            (f"`{key}`", type_words(value), "yes" if key in record["required"] else default_words(value))
            for key, value in own.items()
        ]
        blocks += [f"#### `{name}`", intro(record), table(("Field", "Type", "Required, or default"), rows)]
    return joined(blocks)


def metric_tables() -> str:
    rows = [
        (f"`{name}`", spec.title, spec.unit, spec.better or "neither", spec.meaning) for name, spec in METRICS.items()
    ]
    ways = [
        (f"`{name}`", f"`{definition.id}`", definition.sentence)
        for name, spec in METRICS.items()
        for definition in spec.definitions
    ]
    return joined(
        [
            "### What each metric is",
            table(("Metric", "In tables", "Unit", "Better", "Meaning"), rows),
            "### How each can be measured",
            table(("Metric", "Definition", "What is measured"), ways),
        ]
    )


RULES = {
    "proven": "must be equal, and shown or told",
    "equal": "must be equal where both sides report it",
    "engine": "must be equal between two runs of one program; shown between different ones",
    "shown": "shown",
    "judged": "judged by gates of the kind `outputs`",
}

DECIDING = ("proven", "equal", "engine")
"""Rules that keep two sides from being compared in some metrics."""


def fact_table() -> str:
    concerned = {
        fact.name: [name for name, spec in METRICS.items() if fact.concerns(spec) and fact.rule in DECIDING]
        for fact in FACTS.values()
    }
    every = list(METRICS)
    rows = [
        (
            f"`{fact.name}`",
            fact.meaning,
            RULES[fact.rule],
            "all" if concerned[fact.name] == every else ", ".join(f"`{name}`" for name in concerned[fact.name]),
        )
        for fact in FACTS.values()
    ]
    return table(("Fact", "What it is", "Between two sides it", "In these metrics"), rows)


def command_parts() -> str:
    """A section a command: how it is called, what it does, and its arguments and options."""
    blocks = []
    for command in shown_commands():
        blocks += [f"## `{command.name}`", f"```text\n{command.usage}\n```"]
        blocks += [f"```text\n{text}\n```" if verbatim else text for text, verbatim in command.help]
        rows = [(f"`{name}`", meaning) for name, meaning in command.rows]
        blocks.append(table(("Argument or option", "Meaning"), rows))
    return joined(blocks)


def architecture_table() -> str:
    """Which architecture and which tensor types each runtime takes from a GGUF file."""
    rows = []
    # Of the reference, a test of its own says that each architecture is a file of its name.
    reference = {path.stem for path in (ROOT / REFERENCE_ARCHITECTURES).glob("*.rs")} - {"mod"}
    runtimes = (READ, ARCHITECTURES, reference, PROGRAMS)
    for name in sorted({name for taken in runtimes for name in taken}):
        takes = [name in taken for taken in runtimes]
        presets = ", ".join(f"`{preset}`" for preset, shape in PRESETS.items() if shape.architecture == name)
        rows.append((f"`{name}`", *("yes" if one else "no" for one in takes), presets or "none"))
    headers = (
        *("Architecture", "llama-cpp-python", "mlx-lm", "Candle reference", "Candle's examples"),
        "Synthetic models",
    )
    forms = (
        ("llama-cpp-python", "all that its llama.cpp has"),
        ("mlx-lm, as stored", ", ".join(sorted(AS_STORED))),
        ("mlx-lm, converted to MLX's form of as many bits", ", ".join(sorted(REPACKED))),
        ("mlx-lm, dequantised", ", ".join(sorted(DEQUANTISED))),
        ("Candle", "all that Candle reads: F32, F16, BF16, Q4_0 to Q8_1, Q2_K to Q8_K"),
    )
    return joined([table(headers, rows), table(("Runtime", "Tensor types"), forms)])


def nested(record: Schema, records: Schema) -> list[str]:
    """The records that the keys of a record refer to, each explained once, deepest last."""
    blocks, seen = [], []
    waiting = list(references(record))
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.append(name)
        inner = records[name]
        blocks += [f"#### `{name}`", intro(inner), key_table(inner)]
        waiting += references(inner)
    return blocks


def references(record: Schema) -> Iterator[str]:
    for value in record["properties"].values():
        yield from re.findall(r'"#/\$defs/(\w+)"', json.dumps(value))


def key_table(record: Schema, *, only_plain: bool = False) -> str:
    """One row a key. `only_plain` leaves out the keys that have a table of their own."""
    rows = []
    for key, value in record["properties"].items():
        if only_plain and ("$defs" in json.dumps(value)):
            continue
        if "const" in value:
            continue
        if not value.get("description"):
            sys.exit(f"{record.get('title')}.{key} has no description")
        required = key in record.get("required", ()) and not (only_plain and key == "name")
        rows.append(
            (f"`{key}`", type_words(value), "required" if required else default_words(value), value["description"])
        )
    return table(("Key", "Type", "Default", "Meaning"), rows)


def type_words(value: Schema) -> str:
    """A type as a reader of TOML or JSON says it, with its bounds."""
    if "anyOf" in value or "oneOf" in value:
        parts = value.get("anyOf") or value["oneOf"]
        return alternatives([type_words(part) for part in parts if part.get("type") != "null"])
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"table [`{name}`](#{name.lower()})"
    if "enum" in value:
        return alternatives([f"`{json.dumps(item)}`" for item in value["enum"]])
    kind = value.get("type")
    if kind == "array" and "prefixItems" in value:
        return " and ".join(type_words(item) for item in value["prefixItems"])
    if kind == "array" and "prefixItems" in value.get("items", {}):
        return f"array of pairs of {type_words(value['items'])}"
    if kind == "array":
        return f"array of {plural(type_words(value['items']))}{', not empty' if value.get('minItems') else ''}"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"table of {plural(type_words(inner))}" if isinstance(inner, dict) and inner else "table"
    bounds = [
        f"{sign} {number_words(value[name])}"
        for name, sign in (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤"))
        if name in value
    ]
    words = {"boolean": "`true` or `false`"}.get(str(kind), str(kind))
    if value.get("pattern") == NAME_PATTERN:
        words = "name"
    elif "pattern" in value:
        words += f" like `{value['pattern']}`"
    return " ".join([words, ", ".join(bounds)]).strip()


def alternatives(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def plural(words: str) -> str:
    return re.sub(r"^(string|integer|number|name|table)\b", r"\1s", words)


def number_words(number: float) -> str:
    return f"{number:_}" if isinstance(number, int) and number >= 10_000 else f"{number:g}"


def default_words(value: Schema) -> str:
    default = value.get("default")
    if default is None:
        return "none"
    if isinstance(default, dict):
        return "an empty table"
    if default == []:
        return "`[]`"
    if isinstance(default, int) and not isinstance(default, bool):
        return f"`{number_words(default)}`"
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def record_of(reference: Schema, records: Schema) -> Schema:
    found: Schema = records[reference["$ref"].rpartition("/")[2]]
    return found


def intro(record: Schema) -> str:
    """A record's docstring, without the heading's own words before the colon; a line a paragraph."""
    text = re.sub(r"^`[^`]*`: ", "", record["description"])
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(part[:1].upper() + part[1:] for part in paragraphs)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown without padding, so that a changed row is a changed line; empty without rows."""
    if not rows:
        return ""
    cells = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


def joined(blocks: list[str]) -> str:
    return "\n\n".join(block for block in blocks if block)


PARTS: dict[str, Callable[[], str]] = {
    "commands": command_parts,
    "config": config_tables,
    "adapters": adapter_tables,
    "hooks": hook_table,
    "contract": contract_tables,
    "placeholders": placeholder_table,
    "events": event_tables,
    "worker": worker_table,
    "metrics": metric_tables,
    "facts": fact_table,
    "architectures": architecture_table,
}

if __name__ == "__main__":
    sys.exit(main())
