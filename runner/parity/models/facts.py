"""What parity reads from a model's content, independent of its name and path: the cached part of `ModelFacts`."""

from typing import Final, Literal

from pydantic import Field

from parity.records import Record, Scalar

SYNTHETIC_DESCRIPTION: Final = "Random weights in the shape of a published model; its text means nothing."
"""`general.description` of synthetic GGUF files; they are recognised by it under any name and path."""


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
    architecture_keys: dict[str, Scalar] = Field(default_factory=dict)
    synthetic: bool = False
