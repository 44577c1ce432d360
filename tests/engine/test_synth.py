"""Synthetic models: true shapes, one tokenizer for all runtimes, text with clear margins, nothing half-made."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from texts import AWKWARD

from parity.adapter import Command
from parity.cache import user_hf_home
from parity.errors import ModelError
from parity.models import model_facts, parse_source, silent
from parity_synth import PRESETS, QUANTS, Synthetic, check_install, install_as, synthesise
from parity_synth.making import silent_ids
from parity_synth.quantising import GROUP
from parity_synth.tensors import Weights
from parity_synth.tokenizer import Tokenizer, build_tokenizer, tokenizer_json

GGUF_REPO, TOKENIZER_REPO = "unsloth/Qwen3-1.7B-GGUF", "Qwen/Qwen3-1.7B"
PROMPTS = ("What is 2+2?", "Explain quantum physics", "hello there", "Write a short poem", "def f(x): return x")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def tiny_tokenizer() -> Tokenizer:
    return build_tokenizer(PRESETS["tiny-qwen3"].tokens)


def chat(prompt: str) -> str:
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("preset", "published"),
    [("qwen3-0.6b", 596_049_920), ("qwen3-1.7b", 1_720_574_976), ("llama-135m", 134_515_008)],
)
def test_preset_has_as_many_parameters_as_the_published_model(preset: str, published: int) -> None:
    weights = Weights(PRESETS[preset], 1, words=[300, 301], silent=[])
    assert sum(_elements(tensor.shape) for tensor in weights.tensors()) == published


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("tiny")])
@pytest.mark.parametrize("quant", ["F32", "F16", "Q8_0", "Q4_0"])
def test_synthetic_model_is_a_model_of_its_preset(preset: str, quant: str) -> None:
    facts = model_facts("m", "M", f"synth://{preset}/{quant}@7", base=Path())
    shape = PRESETS[preset]
    assert (facts.architecture, facts.context_length, facts.vocab_size) == (
        shape.architecture,
        shape.context,
        shape.vocab,
    )
    assert facts.tokenizer == "gpt2/qwen2"
    assert quant in facts.quantisation
    assert facts.synthetic
    assert (Path(facts.path).parent / "tokenizer.json").is_file()


def test_seed_decides_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = []
    for cache, seed in (("one", 3), ("two", 3), ("three", 4)):
        monkeypatch.setenv("PARITY_CACHE", str(tmp_path / cache))
        contents.append(synthesise("tiny-llama", "Q4_0", seed).read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]
    assert len(contents[0]) > 1_000_000


def test_tensor_written_in_chunks_is_whole(tmp_path: Path) -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize

    path = synthesise("tiny-qwen3", "Q8_0", 1)
    rows = {tensor.name: tensor for tensor in GGUFReader(path).tensors}
    tokenizer = build_tokenizer(4090)
    weights = Weights(PRESETS["tiny-qwen3"], 1, tokenizer.words(), silent_ids(tokenizer, PRESETS["tiny-qwen3"]))
    for tensor in weights.tensors():
        wanted = list(tensor.chunks())
        stored = dequantize(rows[tensor.name].data, rows[tensor.name].tensor_type)
        assert stored.shape == tensor.shape
        begin = 0
        for chunk in wanted:
            piece = stored[begin : begin + len(chunk)]
            assert float(abs(piece - chunk).max()) <= float(abs(chunk).max()) / 127
            begin += len(chunk)
        assert begin == tensor.shape[0]


def test_model_is_made_once() -> None:
    source = parse_source("synth://tiny-qwen3/F16@5", Path())
    assert source.locate() is None
    steps: list[str] = []
    made = source.fetch(lambda what, *_: steps.append(what))
    assert steps[-1] == f"writing {made.name}"
    assert source.locate() == made
    steps.clear()
    assert source.fetch(lambda what, *_: steps.append(what)) == made
    assert steps == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("synth://", "form"),
        ("synth://tiny-qwen3", "form"),
        ("synth://tiny-qwen3/Q4_0@", "form"),
        ("synth://tiny-qwen3/Q4_0@-1", "form"),
        ("synth://tiny-qwen3/Q4_0@٣", "form"),
        ("synth://tiny-qwen3/Q4_0@9999999999", "seed"),
        ("synth://qwen3-1.7/Q4_0@1", "did you mean qwen3-1.7b"),
        ("synth://tiny-qwen3/Q5_K_M@1", "Q4_K_M"),
    ],
)
def test_malformed_synthetic_source_is_refused(text: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        parse_source(text, Path())


def test_tokenizer_gives_back_what_it_learned(tiny_tokenizer: Tokenizer) -> None:
    assert len(set(tiny_tokenizer.tokens)) == len(tiny_tokenizer.tokens) == 4090
    learned = set(tiny_tokenizer.tokens[:256])
    for left, right in tiny_tokenizer.merges:
        assert {left, right} <= learned, "a merge joins what earlier merges gave"
        learned.add(left + right)
    assert learned == set(tiny_tokenizer.tokens[: tiny_tokenizer.special_from])
    assert len(tiny_tokenizer.words()) > 500


@pytest.mark.slow
def test_full_vocabulary_has_qwens_sizes_and_ids() -> None:
    tokenizer = build_tokenizer(PRESETS["qwen3-1.7b"].tokens)
    assert len(tokenizer.merges) == 151_387
    ids = [tokenizer.id_of(token) for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")]
    assert ids == [151_643, 151_644, 151_645, 151_667, 151_668]
    assert len(tokenizer.words()) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_has_the_same_ids_in_every_tokenizer(
    text: str, runtime: Any, mlx_encode: Callable[[str, bool], list[int]], tokenizer_file: Any
) -> None:
    """Candle's is tested beside the Candle reference."""
    expected = tokenizer_file.encode(text, add_special_tokens=False).ids
    assert runtime.tokenize(text.encode(), add_bos=False, special=True) == expected
    assert mlx_encode(text, True) == expected
    assert tokenizer_file.decode(expected, skip_special_tokens=False) == text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Synthetic models that the tests of this module share."""
    cache = tmp_path_factory.mktemp("shared")

    def make(preset: str, quant: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PARITY_CACHE", str(cache))
            model = parse_source(f"synth://{preset}/{quant}@1", Path())
            return model.fetch(silent)

    return make


@pytest.fixture(scope="module")
def runtime(made: Callable[[str, str], Path]) -> Any:
    return loaded(made("tiny-qwen3", "F16"))


@pytest.fixture(scope="module")
def mlx_encode(made: Callable[[str, str], Path]) -> Callable[[str, bool], list[int]]:
    """The tokenizer that the worker of MLX rebuilds from the GGUF file."""
    import mlx.core as mx

    from parity_adapters.mlx_lm import worker

    _, metadata = cast(Any, mx.load(str(made("tiny-qwen3", "F16")), return_metadata=True))
    return worker.gguf_tokenizer(worker.Metadata(metadata)).encode


@pytest.fixture(scope="module")
def tokenizer_file(made: Callable[[str, str], Path]) -> Any:
    from tokenizers import Tokenizer as TokenizerFile

    return TokenizerFile.from_file(str(made("tiny-qwen3", "F16").with_name("tokenizer.json")))


def loaded(path: Path) -> Any:
    from llama_cpp import Llama

    return Llama(str(path), n_ctx=512, n_threads=1, verbose=False)


Step = namedtuple("Step", "token margin")


def greedy(model: Any, prompt: str, tokens: int) -> list[Step]:
    """Greedy decoding: each token, and how far its logit is above the next best."""
    import numpy as np

    model.reset()
    model.eval(model.tokenize(prompt.encode(), add_bos=False, special=True))
    steps = []
    for _ in range(tokens):
        logits = np.ctypeslib.as_array(model._ctx.get_logits(), shape=(model.n_vocab(),))
        second, best = np.argsort(logits)[-2:]
        steps.append(Step(int(best), float(logits[best] - logits[second])))
        model.eval([steps[-1].token])
    return steps


@pytest.mark.slow
@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("tiny")])
@pytest.mark.parametrize("quant", QUANTS)
def test_greedy_text_has_clear_margins_and_goes_on(
    preset: str, quant: str, made: Callable[[str, str], Path], tiny_tokenizer: Tokenizer
) -> None:
    model = loaded(made(preset, quant))
    words = set(tiny_tokenizer.words())
    for prompt in PROMPTS[:3]:
        steps = greedy(model, chat(prompt), 60)
        ids = [step.token for step in steps]
        assert len(set(ids)) == 60, "one long cycle of words: none comes again within it"
        assert set(ids) <= words
        assert model.tokenize(model.detokenize(ids), add_bos=False) == ids
        assert min(step.margin for step in steps[1:]) > 1
        assert steps[0].margin > 0.1


@pytest.mark.slow
def test_text_depends_on_the_prompt(made: Callable[[str, str], Path]) -> None:
    model = loaded(made("tiny-qwen3", "F16"))
    assert len({greedy(model, chat(prompt), 1)[0].token for prompt in PROMPTS}) >= 4


@pytest.mark.slow
def test_quantisations_of_one_seed_say_the_same(made: Callable[[str, str], Path]) -> None:
    texts = {
        tuple(step.token for step in greedy(loaded(made("tiny-llama", quant)), chat("hello there"), 60))
        for quant in QUANTS
    }
    assert len(texts) == 1


@pytest.mark.slow
def test_k_quants_are_the_runtimes_own(made: Callable[[str, str], Path]) -> None:
    facts = model_facts("m", "M", str(made("tiny-qwen3", "Q4_K_M")), base=Path())
    assert set(facts.quantisation) == {"F32", "Q4_K", "Q6_K"}
    assert facts.synthetic
    assert {path.name for path in Path(facts.path).parent.iterdir()} == {
        *("tiny-qwen3-Q4_K_M.gguf", "tokenizer.json", "tokenizer_config.json")
    }


KILLED = """
import os, signal, sys
from parity_synth import synthesise
def die(what, done, total):
    if what.startswith("writing") and done * 2 > total:
        os.kill(os.getpid(), signal.SIGKILL)
synthesise("tiny-qwen3", "F16", 1, progress=die)
"""


def test_killed_maker_leaves_nothing_under_the_final_name(own_cache: Path) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert process.returncode == -signal.SIGKILL
    assert parse_source("synth://tiny-qwen3/F16@1", Path()).locate() is None
    assert len(list((own_cache / "synth").glob(".*.part-*"))) == 1
    path = synthesise("tiny-qwen3", "F16", 1)
    assert model_facts("m", "M", str(path), base=Path()).architecture == "qwen3"
    assert not list((own_cache / "synth").glob(".*.part-*"))


def test_interrupted_maker_leaves_nothing_at_all(own_cache: Path) -> None:
    def interrupt(what: str, *_: object) -> None:
        if what.startswith("writing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise("tiny-qwen3", "F16", 1, progress=interrupt)
    assert {path.suffix for path in (own_cache / "synth").iterdir()} == {".lock"}


MAKER = """
from parity_synth import synthesise
steps = []
synthesise("tiny-qwen3", "F16", 1, progress=lambda what, *_: steps.append(what))
print(any(step.startswith("writing") for step in steps))
"""


def test_two_makers_at_once_make_one_model() -> None:
    makers = [subprocess.Popen([sys.executable, "-c", MAKER], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(maker.communicate(timeout=120)[0].strip() for maker in makers)
    assert said == ["False", "True"]


def test_a_maker_that_waits_for_another_says_so(own_cache: Path) -> None:
    model = Synthetic("tiny-qwen3", "F16", 1)
    model.folder.parent.mkdir(parents=True)
    steps: list[str] = []
    waiting = threading.Event()

    def told(what: str, *_: object) -> None:
        steps.append(what)
        waiting.set()

    with model.folder.with_name(f".{model.folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        maker = threading.Thread(target=model.fetch, args=(told,))
        maker.start()
        assert waiting.wait(timeout=60)
        assert steps == [f"waiting for another parity that is making {model.folder.name}"]
    maker.join(timeout=120)
    assert model.locate() is not None


def test_weights_are_in_memory_one_tensor_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = replace(PRESETS["tiny-qwen3"], name="deep", layers=40, vocab=1536, tokens=1500)
    monkeypatch.setitem(PRESETS, "deep", deep)
    tracemalloc.start()
    try:
        path = synthesise("deep", "F32", 1)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 90e6
    assert peak_bytes < 20e6


def test_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="PARITY_CACHE"):
        synthesise("tiny-qwen3", "F16", 1)


def test_too_little_room_is_told_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(ModelError, match=r"0\.0 GB are needed and 0\.0 GB are free"):
        synthesise("tiny-qwen3", "F16", 1)


def offered(monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Has these Python scripts be the installed quantisers; `sys.argv[1:]` are source, target and quantisation."""

    def point(name: str, script: str) -> SimpleNamespace:
        def quantiser(source: str, target: str, quant: str) -> Command:
            return Command(argv=(sys.executable, "-c", script, source, target, quant), deadline_s=1.0)

        return SimpleNamespace(name=name, load=lambda: quantiser)

    points = [point(name, script) for name, script in scripts.items()]
    monkeypatch.setattr("parity_synth.quantising.entry_points", lambda group: points)


COPY = "import shutil, sys; print('1 2', flush=True); shutil.copy(sys.argv[1], sys.argv[2]); print('2 2')"


def test_quantiser_is_a_command_whose_progress_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, copy="print('a line of another kind');" + COPY)
    steps: list[tuple[str, int, int | None]] = []
    path = synthesise("tiny-qwen3", "Q4_K_M", 1, progress=lambda *step: steps.append(step))
    assert steps[-2:] == [(f"quantising {path.name}", 1, 2), (f"quantising {path.name}", 2, 2)]


def test_quantiser_that_fails_makes_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, a="import sys; open(sys.argv[2], 'w').write('half'); sys.exit('no')", b=COPY)
    facts = model_facts("m", "M", str(synthesise("tiny-qwen3", "Q4_K_M", 1)), base=Path())
    assert facts.architecture == "qwen3"


def test_reasons_of_all_quantisers_are_told(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    sleeper = "import time; time.sleep(600)"
    offered(monkeypatch, a="import sys; sys.exit('runtime missing')", b=sleeper)
    with pytest.raises(ModelError) as caught:
        synthesise("tiny-qwen3", "Q4_K_M", 1)
    assert "a: runtime missing" in caught.value.wrong
    assert "b: it ended with status -9" in caught.value.wrong
    assert {path.suffix for path in (own_cache / "synth").iterdir()} == {".lock"}


def test_no_quantiser_is_told_with_the_command_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch)
    with pytest.raises(ModelError, match="pip install"):
        synthesise("tiny-qwen3", "Q4_K_M", 1)


@pytest.mark.slow
def test_the_quantiser_ends_with_whoever_asked_for_it(made: Callable[[str, str], Path], tmp_path: Path) -> None:
    [point] = entry_points(group=GROUP)
    command = point.load()(str(made("tiny-qwen3", "F16")), str(tmp_path / "out.gguf"), "Q4_K_M")
    process = subprocess.Popen(command.argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=120) == -signal.SIGPIPE


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Small files where the cache would hold the full-size model: installing never looks inside."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(build_tokenizer(400))))
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "qwen3-1.7b-Q4_K_M.gguf").write_bytes(b"GGUF of seed 1")
    return folder / "qwen3-1.7b-Q4_K_M.gguf"


def test_installed_model_is_found_offline_as_the_hub_lays_it_out(published: Path, tmp_path: Path) -> None:
    import huggingface_hub

    installed = install_as(published, GGUF_REPO, tmp_path / "hf")
    found = [
        Path(huggingface_hub.hf_hub_download(repo, file, cache_dir=tmp_path / "hf" / "hub", local_files_only=True))
        for repo, file in (
            (GGUF_REPO, "Qwen3-1.7B-Q4_K_M.gguf"),
            (TOKENIZER_REPO, "tokenizer.json"),
            (TOKENIZER_REPO, "tokenizer_config.json"),
        )
    ]
    assert found == list(installed)
    assert found[0].read_bytes() == published.read_bytes()
    assert all(path.is_symlink() and path.resolve().parent.name == "blobs" for path in found)


def test_installed_model_is_a_source_too(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install_as(published, GGUF_REPO, tmp_path / "hf")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    source = parse_source(f"hf://{GGUF_REPO}/Qwen3-1.7B-Q4_K_M.gguf@main", Path())
    assert source.fetch(silent) == installed[0]


def test_installing_again_changes_nothing_and_another_model_replaces_it(published: Path, tmp_path: Path) -> None:
    first = install_as(published, GGUF_REPO, tmp_path / "hf")
    assert install_as(published, GGUF_REPO, tmp_path / "hf") == first
    other = published.with_name("other")
    other.write_bytes(b"GGUF of seed 2")
    other.replace(published)
    second = install_as(published, GGUF_REPO, tmp_path / "hf")
    assert second[0] != first[0]
    reference = tmp_path / "hf" / "hub" / "models--unsloth--Qwen3-1.7B-GGUF" / "refs" / "main"
    assert reference.read_text() == second[0].parent.name


def test_another_quantisation_joins_the_ones_that_are_there(published: Path, tmp_path: Path) -> None:
    [first, *_] = install_as(published, GGUF_REPO, tmp_path / "hf")
    other = published.with_name("qwen3-1.7b-Q8_0.gguf")
    other.write_bytes(b"GGUF of other types")
    [second, *_] = install_as(other, GGUF_REPO, tmp_path / "hf")
    assert {path.name for path in second.parent.iterdir()} == {first.name, second.name}
    assert (second.parent / first.name).read_bytes() == published.read_bytes()
    assert install_as(published, GGUF_REPO, tmp_path / "hf")[0].parent == second.parent


def test_a_file_that_vanished_is_not_carried_on(published: Path, tmp_path: Path) -> None:
    [first, *_] = install_as(published, GGUF_REPO, tmp_path / "hf")
    first.resolve().unlink()
    other = published.with_name("qwen3-1.7b-Q8_0.gguf")
    other.write_bytes(b"GGUF of other types")
    [second, *_] = install_as(other, GGUF_REPO, tmp_path / "hf")
    assert [path.name for path in second.parent.iterdir()] == [second.name]


def test_model_is_copied_where_it_cannot_be_linked(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    installed = install_as(published, GGUF_REPO, tmp_path / "hf")
    assert installed[0].read_bytes() == published.read_bytes()
    assert not list((tmp_path / "hf").rglob("*.part"))


@pytest.mark.parametrize("repo", [GGUF_REPO, TOKENIZER_REPO])
def test_real_model_is_never_replaced(published: Path, tmp_path: Path, repo: str) -> None:
    reference = tmp_path / "hf" / "hub" / f"models--{repo.replace('/', '--')}" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("fedcba98" * 5)
    with pytest.raises(ModelError, match="the real"):
        install_as(published, GGUF_REPO, tmp_path / "hf")
    assert not list((tmp_path / "hf").rglob("blobs"))
    with pytest.raises(ModelError, match="the real"):
        check_install("qwen3-1.7b", GGUF_REPO, tmp_path / "hf")


@pytest.mark.parametrize("repo", ["", "name", "a/b/c", "../x", "a/..", "a b/c"])
def test_repository_of_another_form_is_refused(published: Path, tmp_path: Path, repo: str) -> None:
    with pytest.raises(ModelError, match="ORG/NAME"):
        install_as(published, repo, tmp_path / "hf")


def test_default_folder_is_where_programs_on_hf_hub_look(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, "/elsewhere/hub")
    monkeypatch.setenv("HF_HOME", "/hf")
    assert user_hf_home() == Path("/hf")
    monkeypatch.setenv("HF_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert user_hf_home() == Path("/home/somebody/.cache/huggingface")


def test_folder_that_cannot_be_written_is_told(published: Path, tmp_path: Path) -> None:
    (tmp_path / "hf").write_text("in the way")
    with pytest.raises(ModelError, match="can be written"):
        install_as(published, GGUF_REPO, tmp_path / "hf")


def test_importing_the_models_imports_no_heavy_library() -> None:
    script = "import sys, parity.models; print({'gguf', 'numpy', 'huggingface_hub'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
    assert Synthetic("tiny-qwen3", "F16").seed == 0
