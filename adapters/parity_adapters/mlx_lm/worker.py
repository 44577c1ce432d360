"""Runs one job in mlx-lm and prints events, one JSON object a line (parity's event protocol, version 1).

A program of its own: `worker.py --job FILE` or `worker.py --probe`, under any Python from 3.9 with mlx and mlx-lm.
It imports those (and the tokenizers and transformers that mlx-lm brings) and the standard library, nothing of parity.
A model is an ordinary MLX folder, or a GGUF file whose own weights, vocabulary and template are used as they are.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import math
import mmap
import os
import shlex
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "mlx-lm"
ARCHITECTURES = ("llama", "qwen3")
"""GGUF architectures whose tensors this worker can place in mlx-lm's model of the same name."""

AS_STORED = frozenset({"F32", "F16", "Q4_0", "Q4_1", "Q8_0"})
"""Tensor types that MLX's reader of GGUF files keeps without loss."""

REPACKED = frozenset({"Q4_K"})
"""Types that this worker reads itself: the scales of Q4_K's sub-blocks multiplied out, its 4 bits as they are."""

DEQUANTISED = frozenset({"BF16", "Q6_K"})
"""Types that MLX's reader turns into float16."""

READ_TYPES = AS_STORED | REPACKED | DEQUANTISED

BLOCK_SIZE = 32
"""Weights that share a scale in Q4_0, Q4_1, Q8_0 and a sub-block of Q4_K."""

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
CONTRACTIONS = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# A new word begins where an ASCII capital follows an ASCII small letter; other letters count as both.
CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?((?=[\p{{L}}])([^a-z]))*((?=[\p{{L}}])([^A-Z]))+{CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?((?=[\p{{L}}])([^a-z]))+((?=[\p{{L}}])([^A-Z]))*{CONTRACTIONS}?"
)
CASED_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class PreTokenizer(NamedTuple):
    """How text is cut before merging, and what a vocabulary of that name implies."""

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False


QWEN2 = PreTokenizer((rf"{CONTRACTIONS}|{WORDS}|\p{{N}}|{REST}",))
DBRX = PreTokenizer((rf"{CONTRACTIONS}|{WORDS}|\p{{N}}{{1,3}}|{REST}",))
LLAMA3 = DBRX._replace(ignore_merges=True, add_bos=True)
PRE_TOKENIZERS = {
    "default": PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": PreTokenizer((GPT2,)),
    "smollm": PreTokenizer((r"\p{N}", GPT2)),
    "qwen2": QWEN2,
    "deepseek-r1-qwen": QWEN2,
    "dbrx": DBRX,
    "llama3": LLAMA3,
    "llama-v3": LLAMA3,
    "llama-bpe": LLAMA3,
    "gpt-4o": PreTokenizer((rf"{CASED}|\p{{N}}{{1,3}}|{CASED_REST}",)),
}
"""By `tokenizer.ggml.pre`. The patterns are llama.cpp's (llama-vocab.cpp), which the name in the file stands for."""

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4

END_KEYS = ("eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep")
# fmt: off
END_TEXTS = frozenset({
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
    "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
    "<｜end▁of▁sentence｜>", "[e~[", "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]",
    "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>",
})
# fmt: on
"""Tokens that end generation by their text, whatever the metadata says: llama.cpp's list, so that both engines stop at
the same ones."""


class WorkerError(Exception):
    """Ends the job with an `error` event of this kind."""

    def __init__(self, kind: str, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.remedy = remedy


class Events:
    """Writes events to a private copy of standard output; descriptor 1 itself is pointed at standard error, so that
    nothing that a library prints gets between them."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._fd = os.dup(1)
        os.dup2(2, 1)

    def send(self, ev: str, t_ns: int | None = None, **fields: Any) -> None:
        body = {"ev": ev, "t_ns": t_ns or time.monotonic_ns(), **fields}
        self._write(json.dumps(body, allow_nan=False))

    def phase(self, name: str, edge: str, t_ns: int | None = None) -> None:
        self.send("phase", t_ns, name=name, edge=edge)

    def token(self, t_ns: int, k: int, token: int, end: bool) -> None:
        flag = "true" if end else "false"
        self._write(f'{{"ev": "token", "t_ns": {t_ns}, "k": {k}, "id": {token}, "end": {flag}}}')

    def figure(self, metric: str, unit: str, definition: str, value: float) -> None:
        """A figure of the runtime's own; what is no finite number goes into `raw`."""
        shown = {"value": value} if math.isfinite(value) else {"value": None, "raw": str(value)}
        self.send("report", metric=metric, unit=unit, definition=definition, **shown)

    def _write(self, line: str) -> None:
        data = line.encode("ascii") + b"\n"
        while data:
            data = data[os.write(self._fd, data) :]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--job", type=Path, help="a JSON file with the job")
    what.add_argument("--probe", action="store_true", help="say version and device, and end")
    arguments = parser.parse_args()
    events = Events()
    try:
        reason = probe(events) if arguments.probe else run(events, json.loads(arguments.job.read_bytes()))
    except WorkerError as error:
        traceback.print_exc()
        events.send("error", kind=error.kind, message=error.message, remedy=error.remedy)
    except Exception as error:
        traceback.print_exc()
        oom = isinstance(error, MemoryError) or "nable to allocate" in str(error)
        events.send("error", kind="oom" if oom else "failed", message=f"{type(error).__name__}: {error}")
    else:
        events.send("bye", reason=reason)
        return 0
    events.send("bye", reason="error")
    return 1


def probe(events: Events) -> str:
    version = installed_version(PACKAGE)
    try:
        mlx = import_runtime(None) if version else None
    except WorkerError:
        hello(events, version)
        raise
    hello(events, version, mlx.device if mlx else None)
    if mlx is None:
        raise missing()
    return "probe"


def hello(events: Events, version: str | None, device: str | None = None) -> None:
    events.send("hello", protocol=1, runtime=PACKAGE, version=version or "not installed", device=device)


def run(events: Events, job: dict[str, Any]) -> str:
    """Does the job; returns the reason for `bye`."""
    version = installed_version(PACKAGE)
    hello(events, version)
    if version is None:
        raise missing()
    settings, test = job["settings"], job["test"]

    events.phase("import", "begin")
    mlx = import_runtime(settings.get("device"))
    events.phase("import", "end")

    load = load_gguf if job["model"]["format"] == "gguf" else load_folder
    events.phase("weights", "begin")
    loaded = load(mlx, job["model"], settings.get("dtype"))
    mlx.mx.eval(loaded.model.parameters())
    events.phase("weights", "end")

    events.phase("tokenizer", "begin")
    tokenizer = loaded.tokenizer()
    text = test["prompt"] if test["raw"] else tokenizer.render(test["prompt"])
    ids = tokenizer.encode(text, test["raw"])
    if not ids:
        raise WorkerError("refused", "the prompt is empty: it has no token to begin with")
    events.phase("tokenizer", "end")
    events.phase("ready", "end")
    in_force = {
        "device": mlx.device,
        "dtype": loaded.dtype,
        "weights": loaded.weights,
        "threads": "MLX has no setting for them" if mlx.device == "cpu" else None,
        "compile": mlx.device != "cpu",
        "prefill_step": settings.get("prefill_step") or 2048,
        "kv_bits": settings.get("kv_bits"),
        "mmap": False,
        "prefix_cache": False,
        "warm_up": False,
        "loop": "mlx_lm.stream_generate",
        "mlx": installed_version("mlx"),
        "temperature": test["sampling"]["temperature"],
        "seed": test["sampling"]["seed"],
        "top_k": test["sampling"]["top_k"],
        "top_p": test["sampling"]["top_p"],
    }
    events.send("settings", values=in_force)
    events.send("prompt", ids=ids, count=len(ids), text=text)

    cache = mlx.make_prompt_cache(loaded.model)
    responses = generate(mlx, loaded.model, ids, test, settings, cache)
    sampled: list[int] = []
    ended_at: int | None = None
    events.phase("prefill", "begin")
    for response in responses:
        t_ns = time.monotonic_ns()
        token = response.token
        end = token in tokenizer.end_ids
        if not sampled:
            events.phase("prefill", "end", t_ns)
        sampled.append(token)
        events.token(t_ns, len(sampled), token, end)
        if end and ended_at is None:
            ended_at = len(sampled) - 1
            if not test["ignore_end"]:
                break

    events.send("text", text=tokenizer.decode(sampled[:ended_at]))
    events.send("settings", values={"kv_type": kv_type(cache)})
    report(events, response)
    return "end-token" if ended_at is not None and not test["ignore_end"] else "length"


def installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def install_command() -> str:
    """The command that puts the packages into this very interpreter."""
    python = shlex.quote(sys.executable)
    pip = "" if importlib.util.find_spec("pip") else f"{python} -m ensurepip && "
    backend = "" if sys.platform == "darwin" else " 'mlx[cpu]'"
    return f"{pip}{python} -m pip install {PACKAGE}{backend}"


def missing() -> WorkerError:
    return WorkerError("unavailable", f"{PACKAGE} is not installed in {sys.executable}", install_command())


class Mlx(NamedTuple):
    """What is used of mlx and mlx-lm, and where it computes: `cpu`, `metal` or `cuda`."""

    mx: Any
    nn: Any
    stream_generate: Any
    make_prompt_cache: Any
    make_sampler: Any
    utils: Any
    device: str


def import_runtime(device: str | None) -> Mlx:
    try:
        import mlx.core as mx

        # mlx-lm creates its stream on import, on what is the default device by then
        if device == "gpu" and not gpu_name(mx):
            raise WorkerError("refused", "MLX finds no GPU here", 'set `device = "cpu"`, or leave it out')
        if device is not None:
            mx.set_default_device(mx.gpu if device == "gpu" else mx.cpu)
        on_cpu = mx.default_device() == mx.Device(mx.cpu)
        if on_cpu:
            # a compiled function would call the C++ compiler in the first prefill on a machine, and only there
            mx.disable_compile()

        import mlx.nn as nn
        import mlx_lm.utils
        from mlx_lm import stream_generate
        from mlx_lm.models.cache import make_prompt_cache
        from mlx_lm.sample_utils import make_sampler
    except WorkerError:
        raise
    except Exception as error:
        message = f"{PACKAGE} can't be imported: {type(error).__name__}: {error}"
        raise WorkerError("unavailable", message, install_command()) from error
    name = "cpu" if on_cpu else gpu_name(mx) or "gpu"
    return Mlx(mx, nn, stream_generate, make_prompt_cache, make_sampler, mlx_lm.utils, name)


def gpu_name(mx: Any) -> str | None:
    for name in ("metal", "cuda"):
        backend = getattr(mx, name, None)
        if backend is not None and backend.is_available():
            return name
    return None


class Loaded(NamedTuple):
    """A model whose tokenizer is still to be built. `weights` says how the file's weights are held."""

    model: Any
    dtype: str
    weights: str
    tokenizer: Callable[[], Tokenizer]


class Tokenizer(NamedTuple):
    """`render` puts a prompt into the chat template as a user turn; `encode` takes a text and whether it is raw."""

    render: Callable[[str], str]
    encode: Callable[[str, bool], list[int]]
    decode: Callable[[Iterable[int]], str]
    end_ids: frozenset[int]


def load_folder(mlx: Mlx, facts: dict[str, Any], dtype: str | None) -> Loaded:
    """An ordinary MLX model folder, through mlx-lm's own loader."""
    path = Path(facts["path"])
    model, config = mlx.utils.load_model(path, lazy=False)
    if dtype is not None:
        model.set_dtype(getattr(mlx.mx, dtype))
    quantisation = config.get("quantization")
    weights = "as stored"
    if quantisation:
        weights += f": affine {quantisation['bits']} bits, groups of {quantisation['group_size']}"
    held = dtype or str(config.get("torch_dtype") or config.get("dtype") or "as stored")
    return Loaded(model, held, weights, lambda: folder_tokenizer(mlx, path, config))


def folder_tokenizer(mlx: Mlx, path: Path, config: dict[str, Any]) -> Tokenizer:
    ends = config.get("eos_token_id")
    tokenizer = mlx.utils.load_tokenizer(path, eos_token_ids=[ends] if isinstance(ends, int) else ends)

    def encode(text: str, raw: bool) -> list[int]:
        special = raw and (tokenizer.bos_token is None or not text.startswith(tokenizer.bos_token))
        ids: list[int] = tokenizer.encode(text, add_special_tokens=special)
        return ids

    return Tokenizer(
        render=lambda prompt: render(tokenizer, prompt),
        encode=encode,
        decode=lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=True)),
        end_ids=frozenset(tokenizer.eos_token_ids),
    )


def render(tokenizer: Any, prompt: str) -> str:
    remedy = "set `raw = true` in the test to send the prompt as it is"
    if not tokenizer.chat_template:
        raise WorkerError("refused", "the model has no chat template", remedy)
    turn = [{"role": "user", "content": prompt}]
    try:
        return str(tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False))
    except Exception as error:
        message = f"the model's chat template can't render a user turn: {error}"
        raise WorkerError("refused", message, remedy) from error


class Metadata:
    """The key-value pairs of a GGUF header as Python values."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self.architecture = str(raw.get("general.architecture"))

    def get(self, key: str, default: Any = None) -> Any:
        value = self._raw.get(key, default)
        return value.tolist() if hasattr(value, "tolist") else value

    def own(self, key: str, default: Any = None) -> Any:
        """A key under the architecture's name."""
        return self.get(f"{self.architecture}.{key}", default)

    def token(self, name: str) -> int | None:
        """The id of a special token, such as `bos`."""
        named = {"bos": "bos_token_id", "eos": "eos_token_id"}.get(name, f"{name}_token_id")
        return self.get(f"tokenizer.ggml.{named}")  # type: ignore[no-any-return]


def load_gguf(mlx: Mlx, facts: dict[str, Any], dtype: str | None) -> Loaded:
    """The file's own weights in mlx-lm's model of its architecture.

    Q4_0, Q4_1, Q8_0 and Q4_K are MLX's affine form with groups of 32, so that nothing is quantised anew. The rest that
    is not packed (scales, biases, norms, plain matrices) is held in `dtype`: float32 is lossless and, on the CPU, some
    25 times faster than float16; a GPU gets float16 unless the file is float32 throughout.
    """
    kinds = set(facts["quantisation"])
    unread = sorted(kinds - READ_TYPES)
    if unread:
        message = f"MLX doesn't read tensors of type {', '.join(unread)} from a GGUF file"
        raise WorkerError("refused", message, "give this runtime an MLX model folder, or another quantisation")
    try:
        weights, raw = mlx.mx.load(facts["path"], format="gguf", return_metadata=True)
    except (RuntimeError, ValueError) as error:
        raise WorkerError("failed", f"{facts['path']} can't be loaded: {error}") from error
    metadata = Metadata(raw)
    model = empty_model(metadata, weights)
    if not kinds or kinds & REPACKED:
        # MLX 0.32 dequantises every second sub-block of Q4_K wrongly
        weights.update(q4_k_tensors(mlx, facts["path"]))
    if dtype is None:
        halves = any(tensor.dtype in (mlx.mx.float16, mlx.mx.bfloat16) for tensor in weights.values())
        dtype = "float16" if mlx.device != "cpu" and halves else "float32"

    factors = weights.pop("rope_freqs.weight", None)
    held = {}
    for name in list(weights):
        tensor = weights.pop(name)
        held[model_name(name)] = tensor if tensor.dtype == mlx.mx.uint32 else tensor.astype(getattr(mlx.mx, dtype))

    def packed(name: str, _module: Any) -> bool | dict[str, int]:
        if f"{name}.scales" not in held:
            return False
        words, groups = held[f"{name}.weight"].shape[1], held[f"{name}.scales"].shape[1]
        return {"group_size": BLOCK_SIZE, "bits": words // groups}

    mlx.nn.quantize(model, group_size=BLOCK_SIZE, class_predicate=packed)
    try:
        model.load_weights(list(held.items()))
    except ValueError as error:
        message = f"the file's tensors don't fit mlx-lm's {metadata.architecture}: {error}"
        raise WorkerError("refused", message) from error
    if factors is not None:
        scale_rope(mlx, model, metadata, factors)
    return Loaded(model, dtype, how_held(facts["quantisation"], dtype), lambda: gguf_tokenizer(metadata))


def empty_model(metadata: Metadata, weights: dict[str, Any]) -> Any:
    """mlx-lm's model of the file's shape. llama.cpp keeps llama's query and key rows in the order of its interleaved
    RoPE, which MLX calls traditional; so the rows stay where they are."""
    if metadata.architecture not in ARCHITECTURES:
        message = f"GGUF files of architecture {metadata.architecture} aren't read; {' and '.join(ARCHITECTURES)} are"
        raise WorkerError("refused", message, "give this runtime an MLX model folder")
    heads, kv_heads = metadata.own("attention.head_count"), metadata.own("attention.head_count_kv")
    hidden = metadata.own("embedding_length")
    head_size = metadata.own("attention.key_length") or hidden // heads
    rotated = metadata.own("rope.dimension_count", head_size)
    scaling = metadata.own("rope.scaling.type")
    unread = {
        "expert_count": metadata.own("expert_count"),
        "rope.scaling.type": None if scaling in (None, "none", "linear") else scaling,
        "attention.head_count_kv": kv_heads if isinstance(kv_heads, list) else None,
        "rope.dimension_count": rotated if rotated != head_size else None,
    }
    for key, value in unread.items():
        if value:
            raise WorkerError("refused", f"{metadata.architecture}.{key} = {value} isn't read from a GGUF file")
    linear = {"type": "linear", "factor": metadata.own("rope.scaling.factor")} if scaling == "linear" else None
    shape = {
        "model_type": metadata.architecture,
        "hidden_size": hidden,
        "num_hidden_layers": metadata.own("block_count"),
        "intermediate_size": metadata.own("feed_forward_length"),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads or heads,
        "head_dim": head_size,
        "rms_norm_eps": metadata.own("attention.layer_norm_rms_epsilon"),
        "vocab_size": weights["token_embd.weight"].shape[0],
        "max_position_embeddings": metadata.own("context_length"),
        "rope_theta": metadata.own("rope.freq_base", 10000.0),
        "rope_scaling": linear,
        "tie_word_embeddings": "output.weight" not in weights,
    }
    if metadata.architecture == "llama":
        shape["rope_traditional"] = True
    module = importlib.import_module(f"mlx_lm.models.{metadata.architecture}")
    return module.Model(module.ModelArgs(**shape))


TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def model_name(name: str) -> str:
    """`blk.3.attn_q.scales` → `model.layers.3.self_attn.q_proj.scales`. A tensor of no known name keeps its own, and
    is refused when the weights are loaded."""
    head, _, rest = name.partition(".")
    if head != "blk":
        return f"{TOP_NAMES.get(head, head)}.{rest}"
    layer, module, kind = rest.split(".", 2)
    return f"model.layers.{layer}.{LAYER_NAMES.get(module, module)}.{kind}"


def scale_rope(mlx: Mlx, model: Any, metadata: Metadata, factors: Any) -> None:
    """Llama 3's frequencies, which the file holds as divisors of the plain ones."""
    size = factors.shape[0] * 2
    base = metadata.own("rope.freq_base", 10000.0)
    periods = base ** (mlx.mx.arange(0, size, 2, dtype=mlx.mx.float32) / size) * factors.astype(mlx.mx.float32)

    def rope(x: Any, offset: Any = 0) -> Any:
        return mlx.mx.fast.rope(x, size, traditional=True, base=None, scale=1.0, offset=offset, freqs=periods)

    for layer in model.layers:
        layer.self_attn.rope = rope


Q4_K_CODE = 12
Q4_K_SHAPE = (256, 144)
"""Weights and bytes of a Q4_K block: two float16 scales, 12 bytes of packed 6-bit scales and minima, 256 nibbles."""


def q4_k_tensors(mlx: Mlx, path: str) -> dict[str, Any]:
    """The file's Q4_K tensors as MLX's affine weight, scales and biases."""
    import numpy as np

    per_block, block_bytes = Q4_K_SHAPE
    tensors = {}
    for name, kind, shape, offset in gguf_tensors(path):
        if kind != Q4_K_CODE:
            continue
        rows, blocks = math.prod(shape[1:]), shape[0] // per_block
        stored = np.memmap(path, np.uint8, "r", offset, (rows, blocks, block_bytes))
        d: Any = stored[..., 0:2].view(np.float16)
        d_min: Any = stored[..., 2:4].view(np.float16)
        low, middle, high = stored[..., 4:8], stored[..., 8:12], stored[..., 12:16]
        scales = np.concatenate([low & 63, (high & 15) | (low >> 6 << 4)], axis=-1)
        minima = np.concatenate([middle & 63, (high >> 4) | (middle >> 6 << 4)], axis=-1)
        halves = stored[..., 16:].reshape(rows, blocks, 4, BLOCK_SIZE)
        nibbles = np.stack([halves & 15, halves >> 4], axis=-2)
        packed = nibbles[..., 0::2] | (nibbles[..., 1::2] << 4)
        stem = name.removesuffix(".weight")
        tensors[f"{stem}.weight"] = mlx.mx.array(packed.reshape(rows, -1).view(np.uint32))
        tensors[f"{stem}.scales"] = mlx.mx.array((d.astype(np.float32) * scales).reshape(rows, -1))
        tensors[f"{stem}.biases"] = mlx.mx.array((-d_min.astype(np.float32) * minima).reshape(rows, -1))
    return tensors


def gguf_tensors(path: str) -> Iterator[tuple[str, int, tuple[int, ...], int]]:
    """Name, type code, shape (fastest dimension first) and place in the file of each tensor of a GGUF file."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = Header(data)
        _magic, _version, tensors, keys = (header.number(form) for form in "IIQQ")
        alignment = 32
        for _ in range(keys):
            if header.text() == "general.alignment":
                _kind, alignment = header.number("I"), header.number("I")
            else:
                header.skip(header.number("I"))
        found = []
        for _ in range(tensors):
            name = header.text()
            shape = tuple(header.number("Q") for _ in range(header.number("I")))
            found.append((name, header.number("I"), shape, header.number("Q")))
        start = -(-header.at // alignment) * alignment
    for name, kind, shape, offset in found:
        yield name, kind, shape, start + offset


class Header:
    """Reads a GGUF header from front to back; `at` is where the next item begins."""

    STRING, ARRAY = 8, 9
    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # noqa: RUF012

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def number(self, form: str) -> int:
        value: int = struct.unpack_from(f"<{form}", self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def text(self) -> str:
        size = self.number("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode("utf-8", errors="replace")

    def skip(self, kind: int) -> None:
        """Passes over a metadata value of that type."""
        if kind == self.STRING:
            self.text()
        elif kind == self.ARRAY:
            item, count = self.number("I"), self.number("Q")
            if item in self.SIZES:
                self.at += self.SIZES[item] * count
            else:
                for _ in range(count):
                    self.skip(item)
        else:
            self.at += self.SIZES[kind]


def how_held(census: dict[str, int], dtype: str) -> str:
    """What became of the file's tensor types."""
    if not census:
        return "tensor types not known"
    ways = {
        "as stored": AS_STORED,
        "as stored, scales multiplied out": REPACKED,
        f"dequantised to float16, held in {dtype}": DEQUANTISED,
    }
    listed = {way: ", ".join(sorted(kinds & set(census))) for way, kinds in ways.items()}
    return "; ".join(f"{way}: {kinds}" for way, kinds in listed.items() if kinds)


def gguf_tokenizer(metadata: Metadata) -> Tokenizer:
    """The file's own tokenizer and template, its begin token and its end tokens."""
    chat = rebuild(metadata)
    core = chat.backend_tokenizer
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens")
    bos = metadata.token("bos")
    pre = PRE_TOKENIZERS[metadata.get("tokenizer.ggml.pre", "default")]
    begins = metadata.get("tokenizer.ggml.add_bos_token", pre.add_bos)

    def encode(text: str, _raw: bool) -> list[int]:
        ids: list[int] = core.encode(text, add_special_tokens=False).ids
        return ids if bos is None or not begins or ids[:1] == [bos] else [bos, *ids]

    ends = {metadata.token(name) for name in END_KEYS} | {k for k, token in enumerate(tokens) if token in END_TEXTS}
    return Tokenizer(
        render=lambda prompt: render(chat, prompt),
        encode=encode,
        decode=lambda ids: str(core.decode(list(ids), skip_special_tokens=True)),
        end_ids=frozenset(end for end in ends if end is not None),
    )


def rebuild(metadata: Metadata) -> Any:
    """The file's byte-level BPE tokenizer for transformers: vocabulary, merges, pre-tokenizer, special tokens and
    template. A GGUF names no normaliser, so there is none, as in llama.cpp."""
    import tokenizers
    import transformers
    from tokenizers import decoders, models, pre_tokenizers

    family, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre", "default")
    remedy = "give this runtime an MLX model folder, which brings its own tokenizer"
    if family != "gpt2":
        raise WorkerError("refused", f"tokenizer family {family} isn't rebuilt from a GGUF file; gpt2 is", remedy)
    if pre not in PRE_TOKENIZERS:
        message = f"pre-tokenizer {pre} isn't rebuilt from a GGUF file; {', '.join(PRE_TOKENIZERS)} are"
        raise WorkerError("refused", message, remedy)
    cut = PRE_TOKENIZERS[pre]
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens")
    merges = [split_merge(merge) for merge in metadata.get("tokenizer.ggml.merges")]
    kinds: list[int] = metadata.get("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)

    bpe = models.BPE({token: k for k, token in enumerate(tokens)}, merges, ignore_merges=cut.ignore_merges)
    core = tokenizers.Tokenizer(bpe)
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in cut.patterns]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    hidden = [t for k, t in enumerate(tokens) if kinds[k] in (CONTROL, UNKNOWN) or t in END_TEXTS]
    shown = [t for k, t in enumerate(tokens) if kinds[k] == USER_DEFINED and t not in END_TEXTS]
    core.add_special_tokens([tokenizers.AddedToken(t, normalized=False, special=True) for t in hidden])
    core.add_tokens([tokenizers.AddedToken(t, normalized=False, special=False) for t in shown])

    bos, eos = metadata.token("bos"), metadata.token("eos")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=None if bos is None else tokens[bos],
        eos_token=None if eos is None else tokens[eos],
        chat_template=metadata.get("tokenizer.chat_template"),
    )


def split_merge(merge: str) -> tuple[str, str]:
    """`a b` → (`a`, `b`). The first half may itself begin with a space."""
    at = merge.index(" ", 1)
    return merge[:at], merge[at + 1 :]


def generate(
    mlx: Mlx, model: Any, ids: list[int], test: dict[str, Any], settings: dict[str, Any], cache: list[Any]
) -> Any:
    """mlx-lm's own loop, fed with ids and read by ids: its detokeniser and its end tokens are left out, so that a
    response is there as soon as its id is, and generation ends where the test says."""

    from mlx_lm.tokenizer_utils import StreamingDetokenizer, TokenizerWrapper

    class NoText(StreamingDetokenizer):  # type: ignore[misc]
        text, offset, tokens = "", 0, ()

        def reset(self) -> None:
            pass

        def add_token(self, token: int) -> None:
            pass

        def finalize(self) -> None:
            pass

    class IdsOnly(TokenizerWrapper):  # type: ignore[misc]
        detokenizer = NoText()
        eos_token_ids: frozenset[int] = frozenset()

        def __init__(self) -> None:
            pass

    sampling = test["sampling"]
    mlx.mx.random.seed(sampling["seed"])
    quantised = {"kv_bits": settings["kv_bits"], "quantized_kv_start": 0} if settings.get("kv_bits") else {}
    return mlx.stream_generate(
        model,
        IdsOnly(),
        ids,
        max_tokens=test["max_tokens"],
        sampler=mlx.make_sampler(
            temp=sampling["temperature"], top_p=sampling["top_p"] or 0.0, top_k=sampling["top_k"] or 0
        ),
        prompt_cache=cache,
        prefill_step_size=settings.get("prefill_step") or 2048,
        **quantised,
    )


def kv_type(cache: list[Any]) -> str | None:
    """The type that the first layer's cache really has."""
    keys = getattr(cache[0], "keys", None)
    if isinstance(keys, (tuple, list)):
        return f"{cache[0].bits} bits in groups of {cache[0].group_size}"
    return str(keys.dtype).rsplit(".", 1)[-1] if keys is not None else None


def report(events: Events, last: Any) -> None:
    """mlx-lm's own figures, from its last response."""
    events.figure(
        "prompt_tps",
        "token/s",
        "mlx-lm prompt_tps: P / (start of its loop to the first token); holds the first sampling and the dispatch of "
        "the second step",
        last.prompt_tps,
    )
    events.figure(
        "gen_tps",
        "token/s",
        "mlx-lm generation_tps: N / (first token to last token), N tokens over N - 1 intervals, "
        "so N / (N - 1) times the rate by intervals",
        last.generation_tps,
    )
    events.figure(
        "peak_memory_bytes",
        "B",
        "mlx-lm peak_memory: highest bytes held by MLX's own allocator; not the resident set",
        last.peak_memory * 1e9,
    )


if __name__ == "__main__":
    sys.exit(main())
