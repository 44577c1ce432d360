"""Candle's examples as programs: which fits a model, what each does with a prompt, and at which token it stops."""

from collections.abc import Callable
from dataclasses import dataclass

from parity.adapter import Job, RefusedError
from parity_adapters.candle.settings import CandleSettings, Example

CHAT_HEAD = "<|im_start|>user\n"
CHAT_TAIL = "<|im_end|>\n<|im_start|>assistant\n"

QUANTIZED_CONTEXT = 4086
"""`quantized` keeps prompt and budget below its 4096 positions less 10: it silently truncates a longer prompt."""

MODES = ("interactive", "chat")
"""Prompts that make `quantized` wait for input."""


@dataclass(frozen=True)
class Program:
    """An example as it is used for one job. `which` is None where the default of `--which` changes nothing.

    `argument` is the `--prompt` that makes it take `prompt`; `label` stands before the echo of the prompt."""

    name: Example
    which: str | None
    end_token: str
    label: str
    prompt: str
    argument: str

    @property
    def echo(self) -> bytes:
        """What it prints between `model built` and the text."""
        return (self.label + self.prompt).encode("utf-8")

    @property
    def rope_table_dtype(self) -> str:
        return "f16 unless the file's general.dtype is 0" if self.name == "quantized-qwen3" else "f32"


def program_for(settings: CandleSettings, job: Job) -> Program:
    """The example that runs a job's model.

    Raises:
        RefusedError: none does, or it would not run what the job asks for.
    """
    if job.model.format != "gguf":
        raise RefusedError(f"Candle's quantised examples read GGUF files only, and {job.model.path} is a folder")
    fitting = PROGRAMS.get(job.model.architecture or "")
    if fitting is None:
        examples = ", ".join(settings.examples)
        raise RefusedError(f"none of the examples {examples} runs the architecture {job.model.architecture}")
    return fitting(settings, job)


def _qwen3(_settings: CandleSettings, job: Job) -> Program:
    """Wraps every prompt in a chat turn of its own; a raw prompt works only if it is such a turn."""
    prompt = job.test.prompt
    if job.test.raw:
        if not (prompt.startswith(CHAT_HEAD) and prompt.endswith(CHAT_TAIL)):
            raise RefusedError("quantized-qwen3 wraps every prompt in a ChatML turn, so it can't take a raw one")
        prompt = prompt[len(CHAT_HEAD) : -len(CHAT_TAIL)]
    return Program(
        name="quantized-qwen3",
        which=None,
        end_token="<|im_end|>",  # noqa: S106 - a token of text
        label="formatted prompt: ",
        prompt=CHAT_HEAD + prompt + CHAT_TAIL,
        argument=prompt,
    )


def _quantized(settings: CandleSettings, job: Job) -> Program:
    prompt = _as_given("quantized", job)
    if not job.model.path.endswith(".gguf"):
        raise RefusedError(f"quantized reads a file as GGUF only if its name ends in .gguf: {job.model.path}")
    if prompt in MODES:
        raise RefusedError(f"quantized waits for input if the prompt is {prompt!r}")
    # A byte-level tokenizer makes at most one token of each byte, and can add one at the start.
    most = len(prompt.encode("utf-8")) + 1 + job.test.max_tokens - 1
    if most > QUANTIZED_CONTEXT:
        raise RefusedError(
            f"quantized silently truncates the prompt if prompt and budget together exceed {QUANTIZED_CONTEXT} tokens, "
            f"and here they can reach {most}"
        )
    which = settings.which or _which_llama(job)
    return Program(name="quantized", which=which, end_token=_end_token(which), label="", prompt=prompt, argument=prompt)


def _phi(settings: CandleSettings, job: Job) -> Program:
    """All of its models end at the same token; `--which` chooses the model code, which Phi-3 and Phi-4 share."""
    prompt = _as_given("quantized-phi", job)
    if job.model.architecture == "phi2":
        fitting = "phi-2"
    else:
        fitting = "phi-4" if (job.model.tokenizer or "").startswith("gpt2") else "phi-3"
    return Program(
        name="quantized-phi",
        which=settings.which or fitting,
        end_token="<|endoftext|>",  # noqa: S106 - a token of text
        label="",
        prompt=prompt,
        argument=prompt,
    )


PROGRAMS: dict[str, Callable[[CandleSettings, Job], Program]] = {
    "llama": _quantized,
    "phi2": _phi,
    "phi3": _phi,
    "qwen3": _qwen3,
}
"""By architecture, how the example that runs it is used."""


def _as_given(name: str, job: Job) -> str:
    """These programs apply no template: the engine renders the chat turn."""
    if job.test.raw:
        return job.test.prompt
    if job.chat_turn is None:
        raise RefusedError(
            f"{name} knows no chat template, and the model has none that can be rendered: set raw = true, with the "
            "turn written out in the prompt"
        )
    return job.chat_turn


END_TOKENS = {
    "llama3-8b": "<|end_of_text|>",
    "SmoLM2-360M-Instruct": "<|endoftext|>",
    "SmoLM2-1.7B-Instruct": "<|endoftext|>",
    "deepseekr1-llama8b": "<｜end▁of▁sentence｜>",
    "7b-open-chat-3.5": "<|end_of_turn|>",
    "7b-starling-a": "<|end_of_turn|>",
}
"""`--which` of `quantized` → its end token, which is all that it decides where a GGUF and a prompt are given."""

WHICH = {
    "llama": "7b",
    "gpt2/smollm": "SmoLM2-360M-Instruct",
    "gpt2/qwen2": "SmoLM2-360M-Instruct",
    "gpt2/llama-bpe": "llama3-8b",
}
"""Tokenizer → a `--which` whose end token it has."""


def _end_token(which: str) -> str:
    return END_TOKENS.get(which, "</s>")


def _which_llama(job: Job) -> str:
    tokenizer = job.model.tokenizer or ""
    which = WHICH.get(tokenizer) or WHICH.get(tokenizer.partition("/")[0])
    if which is None:
        raise RefusedError(
            f"quantized panics after prefill unless the tokenizer has the end token of its `--which`, and parity knows "
            f"none that fits {tokenizer or 'this tokenizer'}: set `which`"
        )
    return which
