"""Runs one job in llama-cpp-python and prints events, one JSON object a line (parity's event protocol, version 1).

A program of its own: `worker.py --job FILE` or `worker.py --probe`, under any Python from 3.9 with llama-cpp-python.
It imports that and the standard library, nothing of parity. The loop is the low-level one (decode, sample, decode),
in a fresh context without prefix cache and without a warm-up forward.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import importlib.util
import json
import math
import os
import re
import shlex
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = "llama-cpp-python"
OLDEST = "0.3.35"
CONTEXT_STEP = 256
LOG_WARN, LOG_ERROR = 3, 4


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
        kind = "oom" if isinstance(error, MemoryError) else "failed"
        events.send("error", kind=kind, message=f"{type(error).__name__}: {error}")
    else:
        events.send("bye", reason=reason)
        return 0
    events.send("bye", reason="error")
    return 1


def probe(events: Events) -> str:
    version = installed_version()
    try:
        llama = import_runtime() if version else None
    except WorkerError:
        hello(events, version)
        raise
    hello(events, version, device_name(llama) if llama else None)
    if llama is None:
        raise missing()
    return "probe"


def hello(events: Events, version: str | None, device: str | None = None) -> None:
    events.send("hello", protocol=1, runtime=PACKAGE, version=version or "not installed", device=device)


def run(events: Events, job: dict[str, Any]) -> str:
    """Does the job; returns the reason for `bye`."""
    version = installed_version()
    hello(events, version)
    if version is None:
        raise missing()
    settings, test = job["settings"], job["test"]

    events.phase("import", "begin")
    llama = import_runtime()
    events.phase("import", "end")

    log = Log(llama)
    events.phase("weights", "begin")
    model = load_model(llama, job["model"], settings, log)
    events.phase("weights", "end")

    events.phase("tokenizer", "begin")
    vocab = llama.llama_model_get_vocab(model)
    text = test["prompt"] if test["raw"] else render(llama, model, vocab, test["prompt"])
    ids = tokenize(llama, vocab, text)
    events.phase("tokenizer", "end")

    context = new_context(llama, model, settings, len(ids) + test["max_tokens"], log)
    sampler = new_sampler(llama, test["sampling"])
    load_ms = llama.llama_perf_context(context).t_load_ms
    events.phase("ready", "end")
    events.send("settings", values=in_force(llama, context, settings, test["sampling"], log))
    events.send("prompt", ids=ids, count=len(ids), text=text)

    sampled: list[int] = []
    ended_at: int | None = None
    events.phase("prefill", "begin")
    for token in generate(llama, context, sampler, ids, test["max_tokens"]):
        t_ns = time.monotonic_ns()
        end = llama.llama_vocab_is_eog(vocab, token)
        if not sampled:
            events.phase("prefill", "end", t_ns)
        sampled.append(token)
        events.token(t_ns, len(sampled), token, end)
        if end and ended_at is None:
            ended_at = len(sampled) - 1
            if not test["ignore_end"]:
                break

    events.send("text", text=decode(llama, vocab, sampled[:ended_at]))
    report(events, llama.llama_perf_context(context), load_ms)
    llama.llama_sampler_free(sampler)
    llama.llama_free(context)
    llama.llama_model_free(model)
    return "end-token" if ended_at is not None and not test["ignore_end"] else "length"


def installed_version() -> str | None:
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None


def install_command() -> str:
    """The command that puts the package into this very interpreter."""
    python = shlex.quote(sys.executable)
    pip = "" if importlib.util.find_spec("pip") else f"{python} -m ensurepip && "
    return f"{pip}{python} -m pip install '{PACKAGE}>={OLDEST}'"


def missing() -> WorkerError:
    return WorkerError("unavailable", f"{PACKAGE} is not installed in {sys.executable}", install_command())


def import_runtime() -> Any:
    try:
        import llama_cpp
    except Exception as error:
        message = f"{PACKAGE} can't be imported: {type(error).__name__}: {error}"
        raise WorkerError("unavailable", message, install_command()) from error
    if not hasattr(llama_cpp, "LLAMA_LOAD_MODE_NONE"):
        raise WorkerError("unavailable", f"{PACKAGE} is older than {OLDEST}", install_command())
    return llama_cpp


def device_name(llama: Any) -> str:
    """The backend that this build computes on: `cpu`, or the first one that isn't, such as `metal` or `cuda`."""
    if not llama.llama_supports_gpu_offload():
        return "cpu"
    backends = re.findall(r"(\w+) : ", llama.llama_print_system_info().decode())
    names: list[str] = [name.lower() for name in backends if name.lower() not in ("cpu", "blas")]
    return {"mtl": "metal"}.get(names[0], names[0]) if names else "gpu"


LOGGED = {
    "device": re.compile(r"using device (\S+)"),
    "weights_buffers": re.compile(r"load_tensors: +(\S+) model buffer size = +(\S+ \S+)"),
    "flash_attention": re.compile(r"flash_attn += (\S+)"),
    "kv_type": re.compile(r"llama_kv_cache: size .*K \((\S+)\)"),
    "offloaded": re.compile(r"offloaded (\d+/\d+) layers"),
}
"""What llama.cpp tells in its log and nowhere else."""


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

    def failure(self, what: str) -> WorkerError:
        """The first error that llama.cpp logged is the cause; those after it only pass it on."""
        cause = self.errors[0] if self.errors else "llama.cpp gave no reason"
        oom = re.search(r"out of memory|failed to allocate|unable to allocate", " ".join(self.errors))
        return WorkerError("oom" if oom else "failed", f"{what}: {cause}")


def load_model(llama: Any, facts: dict[str, Any], settings: dict[str, Any], log: Log) -> Any:
    """Reads the weights into memory: without mmap they are resident when this returns."""
    if facts["format"] != "gguf":
        raise WorkerError("refused", f"{PACKAGE} reads GGUF files only, and {facts['path']} is a folder")
    llama.llama_backend_init()
    params = llama.llama_model_default_params()
    params.load_mode = llama.LLAMA_LOAD_MODE_NONE
    params.n_gpu_layers = gpu_layers(llama, settings)
    model = llama.llama_model_load_from_file(facts["path"].encode(), params)
    if not model:
        raise log.failure(f"{facts['path']} can't be loaded")
    return model


def gpu_layers(llama: Any, settings: dict[str, Any]) -> int:
    """As set; else every layer where this build has a GPU. Below zero means every layer."""
    if settings.get("gpu_layers") is not None:
        return int(settings["gpu_layers"])
    return -1 if llama.llama_supports_gpu_offload() else 0


def render(llama: Any, model: Any, vocab: Any, prompt: str) -> str:
    """The prompt as a user turn in the model's own chat template."""
    template = llama.llama_model_chat_template(model, None)
    if not template:
        raise WorkerError(
            "refused", "the model has no chat template", "set `raw = true` in the test to send the prompt as it is"
        )
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    formatter = Jinja2ChatFormatter(
        template=template.decode(),
        bos_token=token_text(llama, vocab, llama.llama_vocab_bos(vocab)),
        eos_token=token_text(llama, vocab, llama.llama_vocab_eos(vocab)),
    )
    try:
        rendered: str = formatter(messages=[{"role": "user", "content": prompt}]).prompt
    except Exception as error:
        message = f"the model's chat template can't render a user turn: {error}"
        raise WorkerError("refused", message, "set `raw = true` in the test to send the prompt as it is") from error
    return rendered


def token_text(llama: Any, vocab: Any, token: int) -> str:
    return llama.llama_vocab_get_text(vocab, token).decode() if token >= 0 else ""


def tokenize(llama: Any, vocab: Any, text: str) -> list[int]:
    """Ids of `text`, special tokens recognised; the begin token comes first where the model wants one, and once."""
    data = text.encode()
    room = (llama.llama_token * (len(data) + 2))()
    count = llama.llama_tokenize(vocab, data, len(data), room, len(room), False, True)
    if count < 0:
        raise WorkerError("failed", "llama.cpp can't tokenise the prompt")
    ids = list(room[:count])
    bos = llama.llama_vocab_bos(vocab)
    if llama.llama_vocab_get_add_bos(vocab) and bos >= 0 and ids[:1] != [bos]:
        ids.insert(0, bos)
    if not ids:
        raise WorkerError("refused", "the prompt is empty: it has no token to begin with")
    return ids


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
    params.n_threads = params.n_threads_batch = settings.get("threads") or usable_cpus()
    params.type_k = params.type_v = types[settings.get("kv_type") or "f16"]
    params.flash_attn_type = 1 if settings.get("flash_attention") else 0
    params.no_perf = False
    context = llama.llama_init_from_model(model, params)
    if not context:
        raise log.failure(f"no context of {size} tokens")
    return context


def usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_force(
    llama: Any, context: Any, settings: dict[str, Any], sampling: dict[str, Any], log: Log
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
        "temperature": sampling["temperature"],
        "seed": sampling["seed"],
        "top_k": sampling["top_k"],
        "top_p": sampling["top_p"],
    }


def new_sampler(llama: Any, sampling: dict[str, Any]) -> Any:
    """Greedy at temperature 0; else truncation only where set, then temperature, then the seeded draw."""
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


def generate(llama: Any, context: Any, sampler: Any, prompt: list[int], max_tokens: int) -> Iterator[int]:
    """Ids, each as soon as it is sampled. What follows the last one is never computed."""
    n_batch = llama.llama_n_batch(context)
    for start in range(0, len(prompt), n_batch):
        forward(llama, context, prompt[start : start + n_batch])
    for k in range(1, max_tokens + 1):
        token = int(llama.llama_sampler_sample(sampler, context, -1))
        yield token
        if k < max_tokens:
            forward(llama, context, [token])


def forward(llama: Any, context: Any, tokens: list[int]) -> None:
    batch = (llama.llama_token * len(tokens))(*tokens)
    status = llama.llama_decode(context, llama.llama_batch_get_one(batch, len(tokens)))
    if status != 0:
        raise WorkerError("failed", f"llama_decode gave status {status}")


def decode(llama: Any, vocab: Any, tokens: Iterable[int]) -> str:
    """Text of the ids, special tokens left out; bytes that are no UTF-8 become U+FFFD."""
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
        "first_decode_s",
        "s",
        "llama.cpp t_load_ms after the run: start of llama_model_load_from_file to the end of the first decode",
        perf.t_load_ms / 1e3,
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


if __name__ == "__main__":
    sys.exit(main())
