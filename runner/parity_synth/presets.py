"""The shapes and quantisations that can be made: shapes of published models, and tiny ones for tests and proofs."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Family = Literal["llama", "qwen2", "qwen3", "phi3", "gemma3"]
"""GGUF's name of an architecture."""

Quant = Literal["F32", "F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_M", "Q5_K_M", "Q6_K"]
QUANTS: Final[tuple[Quant, ...]] = get_args(Quant)
K_QUANTS: Final[frozenset[Quant]] = frozenset({"Q4_K_M", "Q5_K_M", "Q6_K"})
"""Made by llama.cpp's own quantiser; the `gguf` package writes the others."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A model's shape. `vocab` counts embedding rows, `tokens` those that name a token; the rest is padding. `window`:
    how many positions layers with a sliding window see. `rotated`: how many dimensions of a head RoPE turns, where not
    all.

    `title` goes into the GGUF, where programs take liberties with a tokenizer if it names certain models.
    """

    name: str
    title: str
    architecture: Family
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    tokens: int
    context: int
    rope_base: float
    rms_eps: float
    tied: bool = True
    window: int | None = None
    rotated: int | None = None
    tokenizer_repo: str | None = None

    @property
    def kv_dim(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def q_dim(self) -> int:
        return self.heads * self.head_dim


def _qwen3(name: str, published: str, hidden: int, ffn: int) -> Preset:
    return Preset(
        name=name,
        title=f"Synthetic {published}",
        architecture="qwen3",
        layers=28,
        hidden=hidden,
        heads=16,
        kv_heads=8,
        head_dim=128,
        ffn=ffn,
        vocab=151_936,
        tokens=151_669,
        context=40_960,
        rope_base=1e6,
        rms_eps=1e-6,
        tokenizer_repo=f"Qwen/{published}",
    )


def _tiny(
    architecture: Family, title: str, rope_base: float, rms_eps: float, layers: int = 4, window: int | None = None
) -> Preset:
    return Preset(
        name=f"tiny-{architecture}",
        title=title,
        architecture=architecture,
        layers=layers,
        hidden=256,
        heads=4,
        kv_heads=2,
        head_dim=64,
        ffn=512,
        vocab=4096,
        tokens=4090,
        context=2048,
        rope_base=rope_base,
        rms_eps=rms_eps,
        tied=architecture != "phi3",
        window=window,
    )


_LLAMA_135M: Final = Preset(
    name="llama-135m",
    title="Synthetic Llama 135M",
    architecture="llama",
    layers=30,
    hidden=576,
    heads=9,
    kv_heads=3,
    head_dim=64,
    ffn=1536,
    vocab=49_152,
    tokens=49_152,
    context=8192,
    rope_base=1e5,
    rms_eps=1e-5,
)

_QWEN2_5: Final = Preset(
    name="qwen2.5-0.5b",
    title="Synthetic Qwen2.5-0.5B",
    architecture="qwen2",
    layers=24,
    hidden=896,
    heads=14,
    kv_heads=2,
    head_dim=64,
    ffn=4864,
    vocab=151_936,
    tokens=151_665,
    context=32_768,
    rope_base=1e6,
    rms_eps=1e-6,
)

_PHI_4: Final = Preset(
    name="phi-4",
    title="Synthetic Phi-4",
    architecture="phi3",
    layers=40,
    hidden=5120,
    heads=40,
    kv_heads=10,
    head_dim=128,
    ffn=17_920,
    vocab=100_352,
    tokens=100_352,
    context=16_384,
    rope_base=2.5e5,
    rms_eps=1e-5,
    tied=False,
)

_PHI_4_MINI: Final = Preset(
    name="phi-4-mini",
    title="Synthetic Phi-4-mini",
    architecture="phi3",
    layers=32,
    hidden=3072,
    heads=24,
    kv_heads=8,
    head_dim=128,
    ffn=8192,
    vocab=200_064,
    tokens=200_029,
    context=131_072,
    rope_base=1e4,
    rms_eps=1e-5,
    rotated=96,
)

_GEMMA_3: Final = Preset(
    name="gemma3-270m",
    title="Synthetic Gemma 3 270M",
    architecture="gemma3",
    layers=18,
    hidden=640,
    heads=4,
    kv_heads=1,
    head_dim=256,
    ffn=2048,
    vocab=262_144,
    tokens=262_144,
    context=32_768,
    rope_base=1e6,
    rms_eps=1e-6,
    window=512,
)

PRESETS: Final[dict[str, Preset]] = {
    preset.name: preset
    for preset in (
        _qwen3("qwen3-0.6b", "Qwen3-0.6B", hidden=1024, ffn=3072),
        _qwen3("qwen3-1.7b", "Qwen3-1.7B", hidden=2048, ffn=6144),
        _QWEN2_5,
        _PHI_4,
        _PHI_4_MINI,
        _GEMMA_3,
        _LLAMA_135M,
        _tiny("qwen3", "Synthetic tiny Qwen3", rope_base=1e6, rms_eps=1e-6),
        _tiny("llama", "Synthetic tiny Llama", rope_base=1e5, rms_eps=1e-5),
        _tiny("phi3", "Synthetic tiny Phi", rope_base=2.5e5, rms_eps=1e-5),
        _tiny("qwen2", "Synthetic tiny Qwen2", rope_base=1e6, rms_eps=1e-6),
        _tiny("gemma3", "Synthetic tiny Gemma 3", rope_base=1e6, rms_eps=1e-6, layers=6, window=512),
    )
}
