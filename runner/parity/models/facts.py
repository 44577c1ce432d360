"""What is read of a model's content, whatever its name and place: the part of `ModelFacts` that is cached."""

from typing import Final, Literal

from pydantic import Field

from parity.records import Record

SYNTHETIC_DESCRIPTION: Final = "Random weights in the shape of a published model; its text means nothing."
"""`general.description` of the GGUF files that parity makes up: they are known by it under any name and place."""


class Inspection(Record):
    """Facts of the content alone. None: the model doesn't say."""

    format: Literal["gguf", "folder"]
    architecture: str | None = None
    parameters: int | None = None
    quantisation: dict[str, int] = Field(default_factory=dict)
    context_length: int | None = None
    tokenizer: str | None = None
    vocab_size: int | None = None
    chat_template_sha256: str | None = None
    synthetic: bool = False
