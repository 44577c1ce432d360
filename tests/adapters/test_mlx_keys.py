"""mlx-lm and metadata keys of a GGUF file: some are obeyed as llama.cpp does, and the rest are refused by name."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import job
from gguf import GGUFReader
from gguf_editing import edited
from requantising import census, requantised, saved_by_llama_cpp

import parity_worker
from parity.hosts.machine import host_facts
from parity.records import ScoreRequest
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings
from parity_adapters.mlx_lm import MlxLm, MlxLmSettings
from parity_adapters.mlx_lm.worker import runtime, weights
from parity_adapters.mlx_lm.worker.architectures import ARCHITECTURES
from parity_adapters.mlx_lm.worker.keys import AS_IF_ABSENT, IDLE, OTHER_FAMILIES
from parity_adapters.mlx_lm.worker.tokenizing import END_TEXTS

pytestmark = pytest.mark.slow

LONG = {"prompt": "the quick the 123 the " * 8, "raw": True, "max_tokens": 8}


def mlx_lm() -> MlxLm:
    return MlxLm(MlxLmSettings(device="cpu"), host_facts())


def llama_cpp() -> LlamaCpp:
    return LlamaCpp(LlamaCppSettings(kv_type="f32", threads=1), host_facts())


def load(path: Path) -> Any:
    return weights.load_gguf(runtime.import_runtime("cpu"), {"path": str(path), "quantisation": {}}, None)


def refusal(path: Path) -> str:
    with pytest.raises(parity_worker.WorkerError) as caught:
        load(path).tokenizer()
    assert caught.value.kind == "refused"
    assert caught.value.remedy == "give this runtime an MLX model folder"
    return caught.value.message


FOREIGN: list[tuple[str, Any, str]] = [
    ("rope.scaling.type", "yarn", "yarn"),
    ("rope.scaling.type", "longrope", "longrope"),
    ("rope.scaling.attn_factor", 1.2, "1.2"),
    ("rope.scaling.alpha", 1000.0, "1000"),
    ("rope.scaling.yarn_beta_fast", 16.0, "16"),
    ("rope.scaling.yarn_ext_factor", 1.0, "1"),
    ("rope.scaling.factor", -2.0, "-2"),
    ("rope.scale_linear", "2", "2"),
    ("rope.freq_base", 0.0, "0"),
    ("rope.freq_base_swa", 10000.0, "10000"),
    ("rope.dimension_count", 32, "32"),
    ("rope.dimension_sections", [16, 24, 24, 0], "[16, 24, 24, 0]"),
    ("attention.key_length", 32, "64"),
    ("attention.value_length", 32, "32"),
    ("attention.scale", 0.25, "0.25"),
    ("attention.causal", False, "False"),
    ("attention.clamp_kqv", 8.0, "8"),
    ("attention.max_alibi_bias", 8.0, "8"),
    ("attention.sliding_window", 128, "128"),
    ("attention.sliding_window_pattern", [True, False], "[True, False]"),
    ("attn_logit_softcapping", 50.0, "50"),
    ("final_logit_softcapping", 30.0, "30"),
    ("logit_scale", 0.5, "0.5"),
    ("embedding_scale", 12.0, "12"),
    ("residual_scale", 0.22, "0.22"),
    ("embedding_length_out", 128, "128"),
    ("vocab_size", 31, "31"),
    ("expert_count", 8, "8"),
    ("expert_used_count", 2, "2"),
    ("nextn_predict_layers", 1, "1"),
    ("leading_dense_block_count", 1, "1"),
    ("use_parallel_residual", True, "True"),
    ("classifier.output_labels", ["yes", "no"], "['yes', 'no']"),
    ("not_invented_yet", "x", "x"),
]


@pytest.mark.parametrize(
    ("architecture", "key", "value", "said"),
    [(name, *rest) for name, of in ARCHITECTURES.items() for rest in FOREIGN if rest[0] not in of.own_keys],
)
def test_a_key_that_is_not_obeyed_is_refused_by_name_and_value(
    architecture: str, key: str, value: Any, said: str, tiny_gguf: Callable[..., Path]
) -> None:
    message = refusal(tiny_gguf(architecture, keys={f"{architecture}.{key}": value}))
    shown = "attention.value_length" if key == "attention.key_length" else key
    assert f"{architecture}.{shown} = {said}" in message


@pytest.mark.parametrize("key", ["attention.head_count", "attention.head_count_kv", "feed_forward_length"])
def test_values_that_differ_from_layer_to_layer_are_refused(key: str, tiny_gguf: Callable[..., Path]) -> None:
    message = refusal(tiny_gguf("llama", keys={f"llama.{key}": [4, 2]}))
    assert f"llama.{key}: values that differ from layer to layer" in message


@pytest.mark.parametrize("key", ["attention.layer_norm_rms_epsilon", "feed_forward_length"])
def test_a_key_that_is_missing_is_named(key: str, tiny_gguf: Callable[..., Path]) -> None:
    assert f"the file has no llama.{key}" in refusal(tiny_gguf("llama", keys={f"llama.{key}": None}))


def test_the_worker_ends_with_the_refusal(tiny_gguf: Callable[..., Path], run_job: Callable[..., Any]) -> None:
    ran = run_job(mlx_lm(), tiny_gguf("llama", keys={"llama.final_logit_softcapping": 30.0}))
    assert ran.error.kind == "refused"
    assert "llama.final_logit_softcapping = 30" in ran.error.message
    assert ran.transcript.end.exit_code == 1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_keys_that_say_what_is_computed_anyway_change_nothing(
    architecture: str, tiny_gguf: Callable[..., Path], run_job: Callable[..., Any]
) -> None:
    neutral = {key: values[-1] for key, values in AS_IF_ABSENT.items()}
    floats = {key: float(value) for key, value in neutral.items() if "scal" in key or "cap" in key}
    idle = {"context_length": 4096, "pooling_type": 3, "rope.scaling.finetuned": True, "tensor_data_layout": "as is"}
    idle["rope.scaling.original_context_length"] = 32
    assert set(idle) == IDLE
    sizes = {"attention.value_length": 64, "rope.dimension_count": 64, "embedding_length_out": 256}
    said = {**neutral, **floats, **idle, **sizes, "rope.scaling.type": "none", "rope.scaling.factor": 8.0}
    # What an architecture has keys of its own for is computed by them.
    said = {key: value for key, value in said.items() if key not in ARCHITECTURES[architecture].own_keys}
    model = tiny_gguf(architecture, keys={f"{architecture}.{key}": value for key, value in said.items()})
    plain = tiny_gguf(architecture)
    ran = run_job(mlx_lm(), model, **LONG)
    assert ran.ids == run_job(mlx_lm(), plain, **LONG).ids
    assert ran.ids == run_job(llama_cpp(), model, **LONG).ids


SCALINGS: list[dict[str, Any]] = [
    {"rope.scale_linear": 4.0},
    {"rope.scaling.factor": 4.0},
    {"rope.scaling.factor": 4.0, "rope.scaling.type": "linear", "rope.scale_linear": 16.0},
]


@pytest.mark.parametrize(("architecture", "form"), [("qwen3", {}), ("llama", {}), ("llama", {"rope_factors": True})])
@pytest.mark.parametrize("scaling", SCALINGS, ids="+".join)
def test_linear_scaling_by_any_key_gives_llama_cpps_ids_and_not_those_without_it(
    architecture: str,
    form: dict[str, Any],
    scaling: dict[str, Any],
    tiny_gguf: Callable[..., Path],
    run_job: Callable[..., Any],
) -> None:
    scaled = tiny_gguf(architecture, keys={f"{architecture}.{key}": value for key, value in scaling.items()}, **form)
    mine, theirs = run_job(mlx_lm(), scaled, **LONG), run_job(llama_cpp(), scaled, **LONG)
    assert mine.prompt.ids == theirs.prompt.ids
    assert mine.ids == theirs.ids
    assert mine.ids != run_job(mlx_lm(), tiny_gguf(architecture, **form), **LONG).ids


@pytest.mark.parametrize("key", ["rope.scale_linear", "rope.scaling.factor"])
@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_a_factor_of_one_or_none_scales_nothing(key: str, factor: float, tiny_gguf: Callable[..., Path]) -> None:
    assert load(tiny_gguf("llama", keys={f"llama.{key}": factor})).origin.shape.rope_factor == 1


@pytest.mark.parametrize(
    ("architecture", "tensor", "named"),
    [
        ("llama", "blk.0.attn_q.bias", "layers.0.self_attn.q_proj.bias"),
        ("llama", "blk.1.attn_v.bias", "layers.1.self_attn.v_proj.bias"),
        ("qwen3", "blk.1.ffn_down.bias", "layers.1.mlp.down_proj.bias"),
        ("llama", "blk.0.attn_q_norm.weight", "layers.0.attn_q_norm.weight"),
        ("llama", "blk.0.post_attention_norm.weight", "layers.0.post_attention_norm.weight"),
        ("llama", "rope_factors_long.weight", "rope_factors_long.weight"),
        ("llama", "rope_factors_short.weight", "rope_factors_short.weight"),
        ("qwen3", "rope_freqs.weight", "rope_freqs.weight"),
        ("llama", "blk.0.attn_q.scale", "layers.0.self_attn.q_proj.scale"),
        ("qwen3", "output.bias", "lm_head.bias"),
    ],
)
def test_a_tensor_that_the_model_does_not_take_is_refused_by_name(
    architecture: str, tensor: str, named: str, tiny_gguf: Callable[..., Path]
) -> None:
    assert named in refusal(tiny_gguf(architecture, tensors={tensor: 32}))


def test_a_file_without_embeddings_is_refused_by_the_name_of_what_it_lacks(tiny_gguf: Callable[..., Path]) -> None:
    model = tiny_gguf("llama")
    model.write_bytes(model.read_bytes().replace(b"token_embd.weight", b"token_lost.weight"))
    assert "the file has no tensor token_embd.weight" in refusal(model)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("eos_token_ids", [1, 2], "tokenizer.ggml.eos_token_ids = [1, 2]"),
        ("suppress_tokens", [3], "tokenizer.ggml.suppress_tokens = [3]"),
        ("escape_whitespaces", True, "tokenizer.ggml.escape_whitespaces = True"),
        ("clean_up_spaces", True, "tokenizer.ggml.clean_up_spaces = True"),
        ("normalizer.lowercase", True, "tokenizer.ggml.normalizer.lowercase = True"),
        ("eot_token_id", 9999, "tokenizer.ggml.eot_token_id = 9999"),
        ("eos_token_id", None, "tokenizer.ggml.eos_token_id ends generation, and the file has none"),
        ("not_invented_yet", "x", "tokenizer.ggml.not_invented_yet = x"),
    ],
)
def test_a_tokenizers_key_that_is_not_obeyed_is_refused_by_name(
    key: str, value: Any, said: str, tiny_gguf: Callable[..., Path]
) -> None:
    assert said in refusal(tiny_gguf("qwen3", keys={f"tokenizer.ggml.{key}": value}))


def test_a_begin_token_that_the_file_wants_and_does_not_name_is_refused(tiny_gguf: Callable[..., Path]) -> None:
    model = tiny_gguf("qwen3", add_bos=True, keys={"tokenizer.ggml.bos_token_id": None})
    assert "tokenizer.ggml.bos_token_id, and the file has none" in refusal(model)
    without = tiny_gguf("qwen3", add_bos=False, keys={"tokenizer.ggml.bos_token_id": None})
    assert load(without).tokenizer().begin == "none"


def test_a_name_that_makes_llama_cpp_tokenise_otherwise_is_refused(tiny_gguf: Callable[..., Path]) -> None:
    assert "general.name = My Phi-3" in refusal(tiny_gguf("llama", keys={"general.name": "My Phi-3"}))


def test_keys_for_other_families_change_no_id(tiny_gguf: Callable[..., Path], run_job: Callable[..., Any]) -> None:
    said = {key: 5 for key in OTHER_FAMILIES if key.endswith("_token_id")}
    said |= {"add_space_prefix": True, "remove_extra_whitespaces": True, "add_sep_token": True, "token_type_count": 2}
    model = tiny_gguf("qwen3", keys={f"tokenizer.ggml.{key}": value for key, value in said.items()})
    texts = {"prompt": "the  quick\n the <|im_end|> 123", "raw": True}
    mine, theirs = run_job(mlx_lm(), model, **texts), run_job(llama_cpp(), model, **texts)
    assert mine.prompt.ids == theirs.prompt.ids
    assert mine.prompt.ids == run_job(mlx_lm(), tiny_gguf("qwen3"), **texts).prompt.ids


def test_both_workers_end_a_prompt_with_the_token_that_the_file_wants_there(
    tiny_gguf: Callable[..., Path], run_job: Callable[..., Any]
) -> None:
    model = tiny_gguf("qwen3", add_bos=True, keys={"tokenizer.ggml.add_eos_token": True})
    plain = run_job(mlx_lm(), tiny_gguf("qwen3", add_bos=True), prompt="the 123", raw=True).prompt.ids
    end = load(model).metadata.token("eos")
    assert run_job(mlx_lm(), model, prompt="the 123", raw=True).prompt.ids == [*plain, end]
    assert run_job(llama_cpp(), model, prompt="the 123", raw=True).prompt.ids == [*plain, end]


@pytest.mark.parametrize(
    "special",
    [
        (*sorted(END_TEXTS - {"<|endoftext|>", "<|im_end|>"}), "<|fim_pad|>", "<reponame>", "<|file_sep|>", "<other>"),
        ("</s>", "<|end|>", "<|return|>", "<|fim_repo|>"),
    ],
)
@pytest.mark.parametrize("by_key", [False, True])
def test_generation_ends_at_llama_cpps_end_tokens(
    special: tuple[str, ...], by_key: bool, tiny_gguf: Callable[..., Path]
) -> None:
    import llama_cpp

    keys = {"eot_token_id": 7, "eom_token_id": 9} if by_key else {}
    keys |= {"fim_pad_token_id": 11, "fim_rep_token_id": 12, "fim_sep_token_id": 13} if by_key else {}
    model = tiny_gguf(
        "qwen3", more_special=special, keys={f"tokenizer.ggml.{key}": value for key, value in keys.items()}
    )
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    loaded = llama_cpp.llama_model_load_from_file(str(model).encode(), params)
    vocab = llama_cpp.llama_model_get_vocab(loaded)
    theirs = {k for k in range(llama_cpp.llama_vocab_n_tokens(vocab)) if llama_cpp.llama_vocab_is_eog(vocab, k)}
    llama_cpp.llama_model_free(loaded)
    assert load(model).tokenizer().end_ids == theirs


PADS = ("[PAD]", "<PAD>")


def test_end_tokens_that_llama_cpp_would_choose_by_chance_are_refused_where_one_may_end_the_answer(
    tiny_gguf: Callable[..., Path], run_job: Callable[..., Any]
) -> None:
    model = tiny_gguf("qwen3", more_special=PADS)
    ran = run_job(mlx_lm(), model, prompt="the quick", raw=True, ignore_end=False)
    assert ran.error.kind == "refused"
    assert "no tokenizer.ggml.fim_pad_token_id, and <PAD> and [PAD] would do" in ran.error.message
    assert "`ignore_end = true`" in ran.error.remedy
    mine, theirs = (run_job(a, model, ignore_end=True, **LONG) for a in (mlx_lm(), llama_cpp()))
    assert mine.prompt.ids == theirs.prompt.ids
    assert mine.ids == theirs.ids
    scored = run_job(mlx_lm(), model, score=ScoreRequest(ids=tuple(mine.prompt.ids[:4]), prompt_tokens=2))
    assert [score.id for score in scored.scores] == mine.prompt.ids[1:4]


def test_end_tokens_that_also_decide_how_a_text_is_cut_are_refused_always(tiny_gguf: Callable[..., Path]) -> None:
    model = tiny_gguf("qwen3", more_special=PADS)
    fields = GGUFReader(model).fields
    tokens, kinds = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type"))
    kinds[tokens.index("<PAD>")] = 1
    normal = edited(model, model.parent / "normal.gguf", fields={"tokenizer.ggml.token_type": kinds})
    assert "<PAD> and [PAD] would do" in refusal(normal)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_file_that_llama_cpp_wrote_gives_its_ids_and_an_edited_one_is_refused(
    architecture: str, tiny_gguf: Callable[..., Path], run_job: Callable[..., Any], tmp_path: Path
) -> None:
    plain = tiny_gguf(architecture)
    saved = saved_by_llama_cpp(plain, tmp_path / "saved.gguf")
    mine = run_job(mlx_lm(), saved, **LONG)
    assert mine.ids == run_job(mlx_lm(), plain, **LONG).ids
    assert mine.ids == run_job(llama_cpp(), saved, **LONG).ids
    changed = {"logit_scale": 0.5, "final_logit_softcapping": 20.0, "rope.dimension_sections": [1, 0, 0, 0]}
    for key, value in changed.items():
        odd = edited(saved, tmp_path / "odd.gguf", fields={f"{architecture}.{key}": value})
        assert f"{architecture}.{key} = " in refusal(odd)


def test_divisors_of_another_number_of_frequencies_are_refused(tiny_gguf: Callable[..., Path]) -> None:
    message = refusal(tiny_gguf("llama", tensors={"rope_freqs.weight": 16}))
    assert "rope_freqs.weight isn't of half a head: 16 values" in message


def convert(model: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    command = mlx_lm().conversion(job(path=str(model), quantisation=census(model)).model, str(folder))
    assert command is not None
    return subprocess.run(command.argv, env={**os.environ, **command.env}, capture_output=True, text=True, check=False)


def test_a_conversion_refuses_the_same_files(tiny_gguf: Callable[..., Path], tmp_path: Path) -> None:
    model = requantised(tiny_gguf("llama", keys={"llama.logit_scale": 0.5}), "Q6_K")
    done = convert(model, tmp_path / "mlx")
    [error] = [event for event in map(json.loads, done.stdout.splitlines()) if event["ev"] == "error"]
    assert error["kind"] == "refused"
    assert re.search(r"llama\.logit_scale = 0\.5", error["message"])
    assert not list((tmp_path / "mlx").iterdir())


@pytest.mark.parametrize("form", [{}, {"rope_factors": True}], ids=str)
def test_a_converted_model_keeps_its_linear_scaling(
    form: dict[str, Any], tiny_gguf: Callable[..., Path], run_job: Callable[..., Any], tmp_path: Path
) -> None:
    model = requantised(tiny_gguf("llama", keys={"llama.rope.scale_linear": 4.0}, **form), "Q6_K")
    assert convert(model, tmp_path / "mlx").returncode == 0
    proof = json.loads((tmp_path / "mlx" / "conversion.json").read_text(encoding="utf-8"))
    converted = {"folder": str(tmp_path / "mlx"), "sha256": "cd" * 32, "converted_from": "ab" * 32, "proof": proof}
    mine = run_job(mlx_lm(), model, converted=converted, **LONG)
    assert mine.ids == run_job(mlx_lm(), model, **LONG).ids
    # llama.cpp rounds activations for Q6_K, which turns a near-tie sooner or later
    assert mine.ids[:4] == run_job(llama_cpp(), model, **LONG).ids[:4]
