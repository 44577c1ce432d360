"""A model as it lies on disk."""

from typing import Literal

from pydantic import Field

from parity.records.base import Record, Scalar


class ModelFacts(Record):
    """A model as it lies on disk. `sha256` is of the file, or of the sorted file list of a folder."""

    name: str
    title: str
    source: str
    path: str
    format: Literal["gguf", "folder"]
    sha256: str
    size_bytes: int
    architecture: str | None = None
    parameters: int | None = None
    quantisation: dict[str, int] = Field(default_factory=dict, description="tensor type -> number of tensors")
    context_length: int | None = None
    tokenizer: str | None = Field(default=None, description="tokenizer family and pre-tokenizer, such as gpt2/smollm")
    vocab_size: int | None = None
    chat_template_sha256: str | None = None
    architecture_keys: dict[str, Scalar] = Field(
        default_factory=dict, description="GGUF metadata under the architecture's name; an array as text"
    )
    synthetic: bool = Field(default=False, description="made up by `parity synth`: true shape, meaningless text")
