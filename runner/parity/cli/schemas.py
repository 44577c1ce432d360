"""The JSON Schemas that parity publishes, made from the records themselves."""

import json
from typing import Any

from pydantic import TypeAdapter

from parity.adapter.events import EVENT
from parity.config import Config
from parity.errors import ParityError
from parity.explain import Explained
from parity.records import Job, Report, Trial
from parity.registry import entries, settings_of
from parity.run.record import RunRecord

NAMES = ("config", "events", "explanation", "job", "report", "results", "run")


def schema_of(what: str) -> str:
    """One schema as indented JSON.

    Raises:
        ParityError: there is none of this name.
    """
    makers = {
        "config": config_schema,
        "events": EVENT.json_schema,
        "explanation": TypeAdapter(Explained).json_schema,
        "job": Job.model_json_schema,
        "report": Report.model_json_schema,
        "results": Trial.model_json_schema,
        "run": RunRecord.model_json_schema,
    }
    if what not in makers:
        raise ParityError(f"there is no schema {what!r}: one of {', '.join(NAMES)}")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **makers[what]()}, indent=2)


def config_schema() -> dict[str, Any]:
    """The schema of a config file, with every installed adapter's own keys in the runtimes' tables."""
    schema = Config.model_json_schema()
    schema["required"] = [key for key in schema["required"] if key != "name"]
    # A config as written has one of them; a run's has the prompt as well, once it was read.
    schema["$defs"]["TestConfig"]["oneOf"] = [{"required": [key]} for key in ("prompt", "prompt_file", "prompts")]
    common = schema["$defs"]["RuntimeConfig"]
    tables = []
    for entry in entries():
        if entry.broken is not None:
            continue
        own = settings_of(entry.name).model_json_schema()
        schema["$defs"] |= own.get("$defs", {})
        tables.append(
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    **common["properties"],
                    "adapter": {"const": entry.name},
                    **own.get("properties", {}),
                },
                "required": ["adapter", *own.get("required", ())],
            }
        )
    # The adapter decides which keys a runtime's table has; adapters not installed here can't be described.
    schema["$defs"]["RuntimeConfig"] = {"anyOf": tables, "description": common.get("description", "")}
    return schema
