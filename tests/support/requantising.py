"""GGUF files in other tensor types, made by llama.cpp's own quantiser."""

import ctypes
from pathlib import Path


def requantised(source: Path, kind: str) -> Path:
    """`source` in the type `kind`, such as `Q6_K`; made beside it, once."""
    import llama_cpp

    path = source.with_name(f"{kind}.gguf")
    if not path.exists():
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
        assert llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), ctypes.byref(params)) == 0
    return path


def census(path: Path) -> dict[str, int]:
    """Tensor type → number of tensors."""
    import gguf

    kinds = [tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors]
    return {kind: kinds.count(kind) for kind in kinds}
