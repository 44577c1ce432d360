"""Runs one job in llama-cpp-python, under any Python from 3.9 that has it.

A worker of `parity_worker`, which starts it and speaks the event protocol. Imports that, llama_cpp and the standard
library, nothing of parity. The loop is the low-level one (decode, sample, decode), in a fresh context without prefix
cache and without a warm-up forward.
"""

from __future__ import annotations

import ctypes
import math
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from parity_worker import RAW_REMEDY, Events, WorkerError, asked_settings, unavailable, usable_cpus

PACKAGE = "llama-cpp-python"
OLDEST = "0.3.35"
REQUIREMENTS = (f"{PACKAGE}>={OLDEST}",)
CONTEXT_STEP = 256
LOG_WARN, LOG_ERROR = 3, 4


def device() -> str:
    """The backend that this build computes on: `cpu`, or the first one that isn't, such as `metal` or `cuda`."""
    llama = import_runtime()
    if not llama.llama_supports_gpu_offload():
        return "cpu"
    backends = re.findall(r"(\w+) : ", llama.llama_print_system_info().decode())
    names: list[str] = [name.lower() for name in backends if name.lower() not in ("cpu", "blas")]
    return {"mtl": "metal"}.get(names[0], names[0]) if names else "gpu"


def run(events: Events, job: dict[str, Any]) -> str:
    """Does the job; returns the reason for `bye`."""
    # What is not freed makes llama.cpp's Metal backend abort at exit, also after a job that failed.
    with ExitStack() as held:
        return run_holding(held, events, job)


def run_holding(held: ExitStack, events: Events, job: dict[str, Any]) -> str:
    settings, test = job["settings"], job["test"]

    events.phase("import", "begin")
    llama = import_runtime()
    events.phase("import", "end")

    log = Log(llama)
    events.phase("weights", "begin")
    model, extra_buffers = load_model(llama, job["model"], settings, log)
    held.callback(llama.llama_model_free, model)
    events.phase("weights", "end")

    events.phase("tokenizer", "begin")
    vocab = llama.llama_model_get_vocab(model)
    rendered = test["prompt"] if test["raw"] else job.get("chat_turn")
    text = rendered if rendered is not None else render(llama, model, vocab, test["prompt"])
    ids = tokenize(llama, vocab, text)
    events.phase("tokenizer", "end")

    context = new_context(llama, model, settings, len(ids) + test["max_tokens"], log)
    held.callback(llama.llama_free, context)
    sampler = new_sampler(llama, test["sampling"])
    held.callback(llama.llama_sampler_free, sampler)
    load_ms = llama.llama_perf_context(context).t_load_ms
    events.phase("ready", "end")
    used = settings_used(llama, context, settings, log)
    used["bos"] = bool(llama.llama_vocab_get_add_bos(vocab))
    used["begin_token"] = begin_token(llama, model, vocab)
    events.send("settings", values={**used, "extra_buffers": extra_buffers, **asked_settings(test)})
    events.send("prompt", ids=ids, count=len(ids), text=text)

    answer = Generation(llama, context, sampler, ids, test["max_tokens"])
    shown, reason = events.generation(answer, lambda token: llama.llama_vocab_is_eog(vocab, token), test)

    events.send("text", text=decode(llama, vocab, shown))
    events.send("sampling", seconds=answer.sampling_ns / 1e9)
    report(events, llama.llama_perf_context(context), load_ms)
    events.further_prefills(job["further_prefills"], answer.prefill_again)
    return reason


def import_runtime() -> Any:
    try:
        import llama_cpp
    except Exception as error:
        message = f"{PACKAGE} can't be imported: {type(error).__name__}: {error}"
        raise unavailable(message, REQUIREMENTS, anew=True) from error
    if not hasattr(llama_cpp, "LLAMA_LOAD_MODE_NONE"):
        raise unavailable(f"{PACKAGE} is older than {OLDEST}", REQUIREMENTS)
    return llama_cpp


LOGGED = {
    "device": re.compile(r"using device (\S+)"),
    "weights_buffers": re.compile(r"load_tensors: +(\S+) model buffer size = +(\S+ \S+)"),
    "flash_attention": re.compile(r"flash_attn += (\S+)"),
    "kv_type": re.compile(r"llama_kv_cache: size .*K \((\S+)\)"),
    "offloaded": re.compile(r"offloaded (\d+/\d+) layers"),
}
"""What llama.cpp writes into its log alone."""


class Log:
    """llama.cpp's log: warnings and errors go to standard error; what only the log says is kept in `facts`."""

    def __init__(self, llama: Any) -> None:
        self.facts: dict[str, list[str]] = {}
        self.errors: list[str] = []
        # ctypes frees a callback that nobody holds, and llama.cpp would call into freed memory
        self._callback = llama.llama_log_callback(self._line)
        llama.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _line(self, level: int, raw: bytes, _user: Any) -> None:
        line = raw.decode("utf-8", errors="replace")
        if level in (LOG_WARN, LOG_ERROR):
            sys.stderr.write(line)
        if level == LOG_ERROR:
            self.errors.append(line.strip())
        for name, pattern in LOGGED.items():
            match = pattern.search(line)
            if match:
                self.facts.setdefault(name, []).append(" ".join(match.groups()))

    def fact(self, name: str) -> str | None:
        return ", ".join(self.facts[name]) if name in self.facts else None

    def failure(self, what: str, kind: str = "failed") -> WorkerError:
        """The first error that llama.cpp logged is the cause; those after it only pass it on."""
        cause = self.errors[0] if self.errors else "llama.cpp gave no reason"
        oom = re.search(r"out of memory|failed to allocate|unable to allocate", " ".join(self.errors))
        return WorkerError("oom" if oom else kind, f"{what}: {cause}")


def load_model(llama: Any, facts: dict[str, Any], settings: dict[str, Any], log: Log) -> tuple[Any, bool]:
    """Reads the weights into memory: without mmap they are resident when this returns. Also returns whether llama.cpp
    may repack them into extra buffers."""
    if facts["format"] != "gguf":
        raise WorkerError("refused", f"{PACKAGE} reads GGUF files only, and {facts['path']} is a folder")
    llama.llama_backend_init()
    params = llama.llama_model_default_params()
    params.load_mode = llama.LLAMA_LOAD_MODE_NONE
    params.n_gpu_layers = gpu_layers(llama, settings)
    if settings.get("extra_buffers") is not None:
        params.use_extra_bufts = settings["extra_buffers"]
    model = llama.llama_model_load_from_file(facts["path"].encode(), params)
    if not model:
        raise log.failure(f"{facts['path']} can't be loaded", "refused")
    return model, params.use_extra_bufts


def gpu_layers(llama: Any, settings: dict[str, Any]) -> int:
    """The setting, or every layer where this build has a GPU. A negative number means every layer."""
    if settings.get("gpu_layers") is not None:
        return int(settings["gpu_layers"])
    return -1 if llama.llama_supports_gpu_offload() else 0


def render(llama: Any, model: Any, vocab: Any, prompt: str) -> str:
    """The prompt as a user turn in the model's own chat template."""
    template = llama.llama_model_chat_template(model, None)
    if not template:
        raise WorkerError("refused", "the model has no chat template", RAW_REMEDY)
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    try:
        formatter = Jinja2ChatFormatter(
            template=template.decode(),
            bos_token=token_text(llama, vocab, llama.llama_vocab_bos(vocab)),
            eos_token=token_text(llama, vocab, llama.llama_vocab_eos(vocab)),
        )
        rendered: str = formatter(messages=[{"role": "user", "content": prompt}]).prompt
    except Exception as error:
        message = f"the model's chat template can't render a user turn: {error}"
        raise WorkerError("refused", message, RAW_REMEDY) from error
    return rendered


def token_text(llama: Any, vocab: Any, token: int) -> str:
    return llama.llama_vocab_get_text(vocab, token).decode() if token >= 0 else ""


def tokenize(llama: Any, vocab: Any, text: str) -> list[int]:
    """Ids of `text`, special tokens recognised; the begin token comes first where the model wants one, and once."""
    data = text.encode()
    room = (llama.llama_token * (len(data) + 2))()
    count = llama.llama_tokenize(vocab, data, len(data), room, len(room), False, True)
    if count < 0:
        raise WorkerError("refused", "llama.cpp can't tokenise the prompt")
    ids = list(room[:count])
    bos = llama.llama_vocab_bos(vocab)
    if llama.llama_vocab_get_add_bos(vocab) and bos >= 0 and ids[:1] != [bos]:
        ids.insert(0, bos)
    if not ids:
        raise WorkerError("refused", "the prompt is empty: it has no token to begin with")
    return ids


def begin_token(llama: Any, model: Any, vocab: Any) -> str:
    """The token that comes first, unless the text begins with it."""
    if not llama.llama_vocab_get_add_bos(vocab):
        return "none"
    named = llama.llama_model_meta_val_str(model, b"tokenizer.ggml.bos_token_id", ctypes.create_string_buffer(32), 32)
    assumed = " (llama.cpp's own choice: the file names none)" if named < 0 else ""
    return f"token {llama.llama_vocab_bos(vocab)}{assumed}"


def new_context(llama: Any, model: Any, settings: dict[str, Any], need: int, log: Log) -> Any:
    """A fresh context; as large as prompt and budget need unless the settings say otherwise."""
    size = settings.get("context") or math.ceil(need / CONTEXT_STEP) * CONTEXT_STEP
    if size < need:
        message = f"prompt and budget need {need} tokens, and the context is set to {size}"
        raise WorkerError("refused", message, f"set `context = {need}` or more, or leave it out")
    types = {"f32": llama.GGML_TYPE_F32, "f16": llama.GGML_TYPE_F16, "q8_0": llama.GGML_TYPE_Q8_0}
    params = llama.llama_context_default_params()
    params.n_ctx = size
    params.n_batch = min(size, settings.get("batch") or 512)
    params.n_ubatch = min(params.n_batch, settings.get("ubatch") or 512)
    params.n_threads = params.n_threads_batch = settings.get("threads") or len(usable_cpus())
    params.type_k = params.type_v = types[settings.get("kv_type") or "f16"]
    params.flash_attn_type = 1 if settings.get("flash_attention") else 0
    params.no_perf = False
    context = llama.llama_init_from_model(model, params)
    if not context:
        raise log.failure(f"no context of {size} tokens", "refused")
    return context


def settings_used(
    llama: Any, context: Any, settings: dict[str, Any], log: Log
) -> dict[str, str | int | float | bool | None]:
    """Settings as llama.cpp reports them; from its log where it has no call for them."""
    device = log.fact("device")
    return {
        "device": re.sub(r"\d+$", "", device.split(",")[0]).lower().replace("mtl", "metal") if device else "cpu",
        "gpu_layers": log.fact("offloaded") or gpu_layers(llama, settings),
        "threads": llama.llama_n_threads(context),
        "threads_batch": llama.llama_n_threads_batch(context),
        "context": llama.llama_n_ctx(context),
        "batch": llama.llama_n_batch(context),
        "ubatch": llama.llama_n_ubatch(context),
        "kv_type": log.fact("kv_type"),
        "flash_attention": log.fact("flash_attention"),
        "mmap": False,
        "weights": "as stored",
        "weights_buffers": log.fact("weights_buffers"),
        "cpu_features": llama.llama_print_system_info().decode().strip(" |"),
        "prefix_cache": False,
        "warm_up": False,
    }


def new_sampler(llama: Any, sampling: dict[str, Any]) -> Any:
    """Greedy at temperature 0; otherwise truncation only where set, then temperature, then the seeded draw."""
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    if sampling["temperature"] == 0:
        steps = [llama.llama_sampler_init_greedy()]
    else:
        steps = [llama.llama_sampler_init_top_k(sampling["top_k"])] if sampling["top_k"] else []
        steps += [llama.llama_sampler_init_top_p(sampling["top_p"], 1)] if sampling["top_p"] else []
        steps.append(llama.llama_sampler_init_temp(sampling["temperature"]))
        steps.append(llama.llama_sampler_init_dist(sampling["seed"]))
    for step in steps:
        llama.llama_sampler_chain_add(chain, step)
    return chain


class Generation:
    """Ids, each as soon as it is sampled. What follows the last one is never computed.

    `sampling_ns`: how long the choice of all ids but the first took; the computing is over before each is chosen."""

    def __init__(self, llama: Any, context: Any, sampler: Any, prompt: list[int], max_tokens: int) -> None:
        self._llama, self._context, self._sampler = llama, context, sampler
        self._prompt, self._max_tokens = prompt, max_tokens
        self.sampling_ns = 0

    def __iter__(self) -> Iterator[int]:
        token, _ = self._prefill()
        yield token
        for _ in range(1, self._max_tokens):
            forward(self._llama, self._context, [token])
            token, took_ns = self._sample()
            self.sampling_ns += took_ns
            yield token

    def prefill_again(self) -> tuple[int, int]:
        """When a prefill of the prompt with an empty cache began and ended, in ns."""
        self._llama.llama_memory_clear(self._llama.llama_get_memory(self._context), True)
        begun_ns = time.monotonic_ns()
        self._prefill()
        return begun_ns, time.monotonic_ns()

    def _prefill(self) -> tuple[int, int]:
        n_batch = self._llama.llama_n_batch(self._context)
        for start in range(0, len(self._prompt), n_batch):
            forward(self._llama, self._context, self._prompt[start : start + n_batch])
        return self._sample()

    def _sample(self) -> tuple[int, int]:
        """A token, and how long its choice took in ns."""
        self._llama.llama_synchronize(self._context)
        begun_ns = time.perf_counter_ns()
        token = int(self._llama.llama_sampler_sample(self._sampler, self._context, -1))
        return token, time.perf_counter_ns() - begun_ns


def forward(llama: Any, context: Any, tokens: list[int]) -> None:
    batch = (llama.llama_token * len(tokens))(*tokens)
    status = llama.llama_decode(context, llama.llama_batch_get_one(batch, len(tokens)))
    if status != 0:
        raise WorkerError("failed", f"llama_decode gave status {status}")


def decode(llama: Any, vocab: Any, tokens: Iterable[int]) -> str:
    """Text of the ids, special tokens left out; bytes that are not UTF-8 become U+FFFD."""
    return b"".join(piece(llama, vocab, token) for token in tokens).decode("utf-8", errors="replace")


def piece(llama: Any, vocab: Any, token: int) -> bytes:
    size = 64
    while True:
        room = ctypes.create_string_buffer(size)
        count = llama.llama_token_to_piece(vocab, token, room, size, 0, False)
        if count >= 0:
            return room.raw[:count]
        size = -count


def report(events: Events, perf: Any, load_ms: float) -> None:
    """llama.cpp's own counters. It clamps them to 1, and a prompt of one token counts as generation."""
    events.figure(
        "load_s", "s", "llama.cpp t_load_ms before the first decode: llama_model_load_from_file alone", load_ms / 1e3
    )
    events.figure(
        "prompt_tps",
        "token/s",
        "llama.cpp n_p_eval / t_p_eval_ms: decode calls of several tokens, computing only, no sampling",
        rate(perf.n_p_eval, perf.t_p_eval_ms),
    )
    events.figure(
        "gen_tps",
        "token/s",
        "llama.cpp n_eval / t_eval_ms: decode calls of one token (N - 1 for N tokens), computing only, no sampling",
        rate(perf.n_eval, perf.t_eval_ms),
    )


def rate(count: int, total_ms: float) -> float:
    return count / total_ms * 1e3 if total_ms > 0 else math.inf
