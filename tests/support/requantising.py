"""GGUF files in other tensor types, made by llama.cpp's own quantiser."""

import ctypes
from pathlib import Path

from gguf_editing import Added, edited


def requantised(source: Path, kind: str) -> Path:
    """`source` in the type `kind`, such as `Q6_K`; made beside it, once."""
    import llama_cpp

    path = source.with_name(f"{kind}.gguf")
    if not path.exists():
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
        assert llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), ctypes.byref(params)) == 0
    return path


def dequantised(source: Path, target: Path) -> Path:
    """`source` with all weights in F32, exactly what their types say; made once."""
    import gguf

    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        tensors = gguf.GGUFReader(source).tensors
        numbers = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in tensors}
        added = {name: Added(rows, gguf.GGMLQuantizationType.F32) for name, rows in numbers.items()}
        fields = {"general.file_type": int(gguf.LlamaFileType.ALL_F32)}
        edited(source, target, fields=fields, dropped=list(added), added=added)
    return target


def census(path: Path) -> dict[str, int]:
    """Tensor type → number of tensors."""
    import gguf

    kinds = [tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors]
    return {kind: kinds.count(kind) for kind in kinds}


def saved_by_llama_cpp(source: Path, target: Path) -> Path:
    """`source` as llama.cpp writes a model that it has loaded: with every key that it knows."""
    import llama_cpp

    params = llama_cpp.llama_model_default_params()
    params.use_extra_bufts = False
    model = llama_cpp.llama_model_load_from_file(str(source).encode(), params)
    assert model, f"llama.cpp can't load {source}"
    llama_cpp.llama_model_save_to_file(model, str(target).encode())
    llama_cpp.llama_model_free(model)
    return target
