"""Models as mlx-lm itself would keep them, for tests of what loads a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from parity_adapters.mlx_lm.worker import gguf_file, runtime, tokenizing, weights


def mlx_folder(model: Path, folder: Path, quantization: Mapping[str, Any] | None = None) -> Path:
    """The same model as a folder. `quantization`: as `config.json` has it, of a model whose weights stay packed."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    loaded = weights.load_gguf(runtime.import_runtime("cpu"), {"path": str(model), "quantisation": {}}, None)
    metadata = gguf_file.Metadata(cast(Any, mx.load(str(model), return_metadata=True))[1])
    tokenizing.rebuild(metadata).save_pretrained(folder)
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(loaded.model.parameters())))
    config = {name: value for name, value in vars(loaded.model.args).items() if value is not None}
    config |= {} if quantization is None else {"quantization": quantization}
    (folder / "config.json").write_text(json.dumps({**config, "eos_token_id": metadata.token("eos")}))
    return folder
