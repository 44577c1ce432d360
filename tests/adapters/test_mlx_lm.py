"""mlx-lm: what its adapter launches and reads, and real runs of its worker beside llama.cpp on the same weights."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from builders import job
from llama_tokens import llama_cpp_ids
from mlx_models import mlx_folder
from pydantic import ValidationError
from requantising import census, requantised
from texts import AWKWARD

import parity_worker
from parity.adapter import PROTOCOL_MARKERS, Adapter, Transcript
from parity.adapter.events import Aside, Phase, RuntimeFigure, Settings, Text, Token
from parity.errors import RefusedError
from parity.hosts.machine import host_facts
from parity.transcript import read_transcript
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings
from parity_adapters.mlx_lm import WORKER, MlxLm, MlxLmSettings
from parity_adapters.mlx_lm.worker import converting, dequantising, gguf_file, reading, runtime, tokenizing, weights
from parity_adapters.mlx_lm.worker.architectures import ARCHITECTURES
from parity_adapters.mlx_lm.worker.formats import PRE_TOKENIZERS

TRANSCRIPTS = Path(__file__).parent / "transcripts"


def adapter(**settings: Any) -> MlxLm:
    return MlxLm(MlxLmSettings.model_validate(settings), host_facts())


def llama_cpp() -> LlamaCpp:
    return LlamaCpp(LlamaCppSettings(kv_type="f32", threads=1), host_facts())


def test_a_job_is_launched_offline_with_its_record_as_a_file() -> None:
    asked = job()
    launch = adapter(python="/opt/py").launch(asked, None)
    assert launch.argv == ("/opt/py", parity_worker.__file__, str(WORKER), "--job", "/nowhere/job.json")
    assert launch.env["HF_HUB_OFFLINE"] == "1"
    assert json.loads(launch.files["job.json"]) == json.loads(asked.model_dump_json())
    assert launch.markers == PROTOCOL_MARKERS


def test_it_generates_and_scores() -> None:
    assert adapter().tasks == {"generate", "score"}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"architecture": "phi2"}, "architecture llama, qwen2, qwen3, phi3 and gemma3, and this one is phi2"),
        ({"architecture": "llama", "tokenizer": "t5/default"}, "family t5"),
        ({"architecture": "llama", "tokenizer": "gpt2/tekken"}, "pre-tokenizer tekken"),
        ({"architecture": "qwen3", "quantisation": {"Q3_K": 3, "F32": 1, "IQ4_NL": 1}}, "type IQ4_NL, Q3_K"),
    ],
)
def test_a_gguf_that_cannot_be_held_is_refused_by_name(facts: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        adapter().launch(job(**facts), None)


@pytest.mark.parametrize(
    "facts", [{}, {"architecture": "qwen3", "tokenizer": "gpt2/qwen2"}, {"architecture": "phi3", "format": "folder"}]
)
def test_what_is_not_known_to_fail_is_launched(facts: dict[str, Any]) -> None:
    assert adapter().launch(job(**facts), None).files


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"threads": 2}, "threads"),
        ({"device": "tpu"}, "device"),
        ({"kv_bits": 3}, "kv_bits"),
        ({"dtype": "f16"}, "dtype"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(settings: dict[str, Any], about: str) -> None:
    with pytest.raises(ValidationError, match=about):
        MlxLmSettings.model_validate(settings)


def test_a_recorded_run_has_llama_cpps_ids_and_names_the_bias_of_its_own_rate() -> None:
    transcript = read_transcript(TRANSCRIPTS / "mlx_lm-smollm2.jsonl")
    other = read_transcript(TRANSCRIPTS / "llama_cpp-smollm2.jsonl")
    assert transcript.head.job is not None
    assert other.head.job is not None
    events = list(adapter().read(transcript, transcript.head.job))
    others = list(llama_cpp().read(other, other.head.job))
    tokens = [e for e in events if isinstance(e, Token)]
    assert [t.id for t in tokens] == [e.id for e in others if isinstance(e, Token)]
    assert [e.text for e in events if isinstance(e, Text)] == ["The answer to this classic math problem is 4."]
    [figure] = [e for e in events if isinstance(e, RuntimeFigure) and e.metric == "gen_tps"]
    assert "N - 1 intervals" in figure.definition
    assert figure.value is not None
    by_intervals = (len(tokens) - 1) / (tokens[-1].t_ns - tokens[0].t_ns) * 1e9
    assert figure.value / by_intervals == pytest.approx(len(tokens) / (len(tokens) - 1), rel=0.02)
    settings = {k: v for e in events if isinstance(e, Settings) for k, v in e.values.items()}
    assert settings["weights"] == "as stored: F32, Q4_1, Q8_0"
    assert settings["kv_type"] == "float32"


@pytest.mark.parametrize(
    ("census", "said"),
    [
        ({"F32": 1, "Q4_1": 2}, "as stored: F32, Q4_1"),
        ({"F32": 1, "Q6_K": 2}, "as stored: F32; dequantised, held in float32: Q6_K"),
        ({"Q4_K": 1}, "as stored, scales multiplied out: Q4_K"),
        ({}, "tensor types not known"),
    ],
)
def test_what_became_of_each_tensor_type_is_said(census: dict[str, int], said: str) -> None:
    assert weights.how_held(census, "float32") == said


@pytest.mark.parametrize(
    ("gguf_name", "mlx_name"),
    [
        ("token_embd.scales", "model.embed_tokens.scales"),
        ("output.weight", "lm_head.weight"),
        ("blk.11.attn_q_norm.weight", "model.layers.11.self_attn.q_norm.weight"),
        ("blk.0.ffn_gate.biases", "model.layers.0.mlp.gate_proj.biases"),
        ("blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias"),
        ("blk.0.ffn_gate_exps.weight", "model.layers.0.ffn_gate_exps.weight"),
    ],
)
def test_tensors_take_mlx_lms_names(gguf_name: str, mlx_name: str) -> None:
    assert ARCHITECTURES["qwen3"].mlx_name(gguf_name) == mlx_name


def test_a_merge_may_begin_with_a_space() -> None:
    assert tokenizing.split_merge("a b") == ("a", "b")
    assert tokenizing.split_merge("  b") == (" ", "b")


def rebuilt(model: Path) -> tokenizing.Tokenizer:
    import mlx.core as mx

    _, metadata = cast(Any, mx.load(str(model), return_metadata=True))
    return tokenizing.gguf_tokenizer(gguf_file.Metadata(metadata))


@pytest.mark.slow
def test_smollm2s_rebuilt_tokenizer_gives_llama_cpps_ids(smollm2: Path) -> None:
    tokenizer = rebuilt(smollm2)
    assert [tokenizer.encode(text, True) for text in AWKWARD] == llama_cpp_ids(smollm2, AWKWARD)


@pytest.mark.slow
@pytest.mark.parametrize("pre", sorted(PRE_TOKENIZERS))
def test_every_pre_tokenizer_gives_llama_cpps_ids(pre: str, tiny_gguf: Callable[..., Path]) -> None:
    model = tiny_gguf("qwen3", pre=pre)
    tokenizer = rebuilt(model)
    assert [tokenizer.encode(text, True) for text in AWKWARD] == llama_cpp_ids(model, AWKWARD)


@pytest.mark.slow
@pytest.mark.parametrize("add_bos", [True, False, None])
@pytest.mark.parametrize("pre", ["qwen2", "llama-bpe"])
def test_the_begin_token_is_as_the_metadata_say(pre: str, add_bos: bool | None, tiny_gguf: Callable[..., Path]) -> None:
    model = tiny_gguf("qwen3", pre=pre, add_bos=add_bos)
    texts = ("the", "<|endoftext|>the")
    tokenizer = rebuilt(model)
    assert [tokenizer.encode(text, True) for text in texts] == llama_cpp_ids(model, texts)


@pytest.mark.slow
def test_what_was_encoded_is_decoded_again_without_special_tokens(smollm2: Path) -> None:
    tokenizer = rebuilt(smollm2)
    for text in AWKWARD:
        shown = text
        for special in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"):
            shown = shown.replace(special, "")
        assert tokenizer.decode(tokenizer.encode(text, True)) == shown


@pytest.mark.slow
def test_end_tokens_are_llama_cpps(smollm2: Path) -> None:
    assert rebuilt(smollm2).end_ids == {0, 2, 4}


KINDS = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_M", "Q5_K_M", "Q6_K"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_this_worker_reads_is_held_to_the_last_bit(kind: str, quantised: Callable[[str], Path]) -> None:
    import gguf
    import mlx.core as mx
    import numpy as np

    path = quantised(kind)
    held = dict(reading.tensors_of(runtime.import_runtime("cpu"), str(path), set(dequantising.NAMES)))
    for tensor in gguf.GGUFReader(path).tensors:
        stem = tensor.name.removesuffix(".weight")
        got = held[tensor.name]
        if f"{stem}.scales" in held:
            bits = reading.BITS[tensor.tensor_type.name]
            got = mx.dequantize(got, held[f"{stem}.scales"], held[f"{stem}.biases"], group_size=32, bits=bits)
        want = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.array_equal(np.array(got).reshape(want.shape), want), tensor.name


@pytest.mark.slow
def test_metadata_that_this_worker_reads_are_those_that_mlx_reads(smollm2: Path) -> None:
    import mlx.core as mx

    _, theirs = cast(Any, mx.load(str(smollm2), return_metadata=True))
    mine = gguf_file.read_metadata(str(smollm2))
    metadata = gguf_file.Metadata(theirs)
    assert mine == {key: metadata.get(key) for key in theirs}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_dequantised_to_the_last_bit(kind: str, quantised: Callable[[str], Path]) -> None:
    import gguf
    import numpy as np

    path = quantised(kind)
    found = {name: dequantising.Stored(*rest) for name, *rest in gguf_file.gguf_tensors(str(path))}
    for tensor in gguf.GGUFReader(path).tensors:
        want = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        got = dequantising.values(str(path), found[tensor.name])
        assert np.array_equal(got, want.reshape(got.shape)), tensor.name


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "form"), [("BF16", {}), ("Q4_K_M", {}), ("Q6_K", {}), ("Q6_K", {"rope": True})])
def test_a_converted_model_is_proven_equal_and_gives_llama_cpps_ids_through_mlx_lms_own_loader(
    kind: str,
    form: dict[str, Any],
    quantised: Callable[[str], Path],
    tiny_gguf: Callable[..., Path],
    run_job: Callable[..., Any],
    tmp_path: Path,
) -> None:
    model = quantised(kind) if not form else requantised(tiny_gguf("llama", rope_factors=True), kind)
    proof = converted(model, tmp_path / "mlx")
    assert (proof["exact"], proof["dtype"]) == (True, "float32")
    assert proof["tensors_compared"] == sum(census(model).values())
    test = {"prompt": "the quick the 123 the " * 8, "raw": True, "max_tokens": 4}
    form_of_it = {"folder": str(tmp_path / "mlx"), "sha256": "cd" * 32, "converted_from": "ab" * 32, "proof": proof}
    mine = run_job(adapter(), model, converted=form_of_it, **test)
    theirs = run_job(llama_cpp(), model, **test)
    assert mine.prompt.ids == theirs.prompt.ids
    assert mine.ids == theirs.ids
    assert mine.settings["weights_converted"] == "cd" * 32
    assert "equal to the file's, exactly" in mine.settings["weights"]


@pytest.mark.slow
def test_a_conversion_to_float16_says_how_much_rounding_it_costs(
    quantised: Callable[[str], Path], tmp_path: Path
) -> None:
    proof = converted(quantised("Q4_K_M"), tmp_path / "mlx", dtype="float16")
    assert (proof["exact"], proof["dtype"]) == (False, "float16")
    assert 0 < proof["largest_error"] < 0.01


@pytest.mark.slow
def test_a_weight_that_a_conversion_changes_is_found(quantised: Callable[[str], Path], tmp_path: Path) -> None:
    import mlx.core as mx

    model, folder = quantised("Q4_K_M"), tmp_path / "mlx"
    converted(model, folder)
    held = cast(Any, mx.load(str(folder / "model.safetensors")))
    name = "model.layers.1.mlp.gate_proj.scales"
    held[name] = held[name] * (1 + 2**-20)
    mx.save_safetensors(str(folder / "model.safetensors"), held)
    mlx = runtime.import_runtime("cpu")
    origin = weights.load_converted(mlx, {"folder": str(folder)}).origin
    assert origin is not None
    with pytest.raises(parity_worker.WorkerError, match=r"the conversion changes blk\.1\.ffn_gate\.weight"):
        converting.prove(mlx, str(model), folder, "float32", origin)


@pytest.mark.slow
def test_a_conversion_that_does_not_fit_the_disk_is_refused_before_a_file_is_written(
    quantised: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quantised("Q4_K_M")
    facts = job(path=str(model), quantisation=census(model)).model
    command = adapter(device="cpu").conversion(facts, str(tmp_path))
    assert command is not None
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(parity_worker.WorkerError) as told:
        converting.convert(cast(Any, None), json.loads(command.argv[-1]))
    assert re.search(rf"needs [\d,]+ bytes on the disk of {tmp_path}, and 1,000,000 bytes are free", str(told.value))
    assert told.value.kind == "refused"
    assert list(tmp_path.iterdir()) == []


def test_only_what_mlx_cannot_hold_as_stored_is_converted() -> None:
    for kinds, needed in (
        ({"Q4_1": 3, "F32": 1}, False),
        ({"Q4_K": 3, "F32": 1}, True),
        ({"Q3_K": 1}, False),
        ({"Q5_K": 1}, True),
    ):
        command = adapter().conversion(job(quantisation=kinds).model, "/to")
        assert (command is not None) == needed
    assert adapter().conversion(job(format="folder", path="/m", quantisation={"BF16": 1}).model, "/to") is None
    spm = job(quantisation={"Q8_0": 1}, tokenizer="llama/default").model
    assert adapter().conversion(spm, "/to") is not None, "the time to rebuild its tokenizer is no part of a load"


def converted(model: Path, folder: Path, **settings: Any) -> dict[str, Any]:
    """The proof of a conversion that was run as parity runs it."""
    folder.mkdir()
    facts = job(path=str(model), quantisation=census(model)).model
    command = adapter(device="cpu", **settings).conversion(facts, str(folder))
    assert command is not None
    done = subprocess.run(command.argv, env={**os.environ, **command.env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    proof: dict[str, Any] = json.loads((folder / "conversion.json").read_text(encoding="utf-8"))
    return proof


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_1", "Q4_K_M", "Q6_K"])
def test_every_quantisation_that_is_read_begins_as_llama_cpp_does(
    kind: str, quantised: Callable[[str], Path], run_job: Callable[..., Any]
) -> None:
    assert_same_beginning(run_job, quantised(kind), tokens=4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "form"), [*((name, {}) for name in ARCHITECTURES), ("llama", {"rope_factors": True})], ids=str
)
def test_every_architecture_that_is_read_goes_on_as_llama_cpp_does(
    architecture: str, form: dict[str, Any], tiny_gguf: Callable[..., Path], run_job: Callable[..., Any]
) -> None:
    assert_same_beginning(run_job, tiny_gguf(architecture, **form), tokens=8)


def assert_same_beginning(run_job: Callable[..., Any], model: Path, tokens: int) -> None:
    test = {"prompt": "the quick the 123 the " * 8, "raw": True, "max_tokens": tokens}
    mine = run_job(adapter(), model, **test)
    theirs = run_job(llama_cpp(), model, **test)
    assert mine.prompt.ids == theirs.prompt.ids
    assert mine.ids == theirs.ids
    assert len(set(mine.ids)) > 1


@pytest.mark.slow
def test_rope_factors_are_not_passed_over(tiny_gguf: Callable[..., Path], run_job: Callable[..., Any]) -> None:
    test = {"prompt": "the quick the 123 the " * 8, "raw": True}
    plain = run_job(adapter(), tiny_gguf("llama"), **test)
    scaled = run_job(adapter(), tiny_gguf("llama", rope_factors=True), **test)
    assert plain.ids != scaled.ids


@pytest.mark.slow
def test_smollm2_gives_llama_cpps_prompt_ids_and_greedy_ids_and_stops_at_the_same_end(
    run_job: Callable[..., Any], smollm2: Path
) -> None:
    mine = run_job(adapter(), smollm2, max_tokens=40, ignore_end=False)
    theirs = run_job(LlamaCpp(LlamaCppSettings(threads=1), host_facts()), smollm2, max_tokens=40, ignore_end=False)
    assert mine.prompt.ids == theirs.prompt.ids
    assert mine.prompt.text == theirs.prompt.text
    assert len(mine.ids) >= 8
    assert mine.ids == theirs.ids
    assert mine.text == theirs.text
    assert mine.ended == "end-token"
    assert mine.transcript.end.exit_code == 0


@pytest.mark.slow
def test_a_speed_run_samples_its_whole_budget(run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]) -> None:
    ran = run_job(adapter(), tiny_gguf("qwen3"), max_tokens=300)
    assert len(ran.ids) == 300
    assert ran.ended == "length"


@pytest.mark.slow
def test_settings_used_follow_what_was_asked(run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]) -> None:
    ran = run_job(adapter(device="cpu", dtype="float16", kv_bits=8, prefill_step=16), tiny_gguf("qwen3"))
    expected = {"device": "cpu", "dtype": "float16", "kv_type": "8 bits in groups of 64", "prefill_step": 16}
    assert {name: ran.settings[name] for name in expected} == expected
    assert ran.settings["prefix_cache"] is False


@pytest.mark.slow
def test_a_seeded_draw_repeats_and_another_seed_draws_otherwise(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    def draw(seed: int) -> list[int]:
        sampling = {"temperature": 1.0, "seed": seed, "top_k": 50, "top_p": 0.95}
        ids: list[int] = run_job(adapter(), tiny_gguf("qwen3"), max_tokens=16, sampling=sampling).ids
        return ids

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.slow
def test_an_mlx_folder_gives_the_ids_of_the_gguf_it_was_made_from(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path], tmp_path: Path
) -> None:
    model = tiny_gguf("qwen3")
    folder = mlx_folder(model, tmp_path / "mlx-model")
    from_folder, from_gguf = run_job(adapter(), folder), run_job(adapter(), model)
    assert from_folder.prompt.ids == from_gguf.prompt.ids
    assert from_folder.ids == from_gguf.ids
    assert from_folder.text == from_gguf.text


@pytest.mark.slow
def test_the_step_that_mlx_lm_drops_and_further_prefills_are_no_part_of_the_answer(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    ran = run_job(adapter(), tiny_gguf("qwen3"), prompt="the 123 " * 60, raw=True, further_prefills=3)
    dropped, again = (event for event in ran.events if isinstance(event, Aside))
    last = [event for event in ran.events if isinstance(event, Token)][-1]
    assert last.t_ns <= dropped.begin_ns
    assert dropped.prefills_ns == []
    first = next(e.t_ns for e in ran.events if isinstance(e, Phase) and (e.name, e.edge) == ("prefill", "end"))
    began = next(e.t_ns for e in ran.events if isinstance(e, Phase) and (e.name, e.edge) == ("prefill", "begin"))
    assert 1 <= len(again.prefills_ns) <= 3
    # A cache that still holds the prompt would compute one token.
    assert min(end - begin for begin, end in again.prefills_ns) > (first - began) / 20
    assert ran.settings["steps_past_the_last_token"] == 1


@pytest.mark.slow
def test_a_model_without_a_template_is_refused_unless_the_prompt_is_raw(
    run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    model = tiny_gguf("qwen3", template=None)
    refused = run_job(adapter(), model)
    assert refused.error.kind == "refused"
    assert "raw = true" in refused.error.remedy
    assert run_job(adapter(), model, raw=True).ended == "length"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"architecture": "starcoder2"}, "architecture starcoder2"),
        ({"architecture": "qwen3", "pre": "tekken"}, "pre-tokenizer tekken"),
        ({"architecture": "qwen3", "family": "t5"}, "tokenizer family t5"),
        ({"architecture": "qwen3", "family": "llama"}, "tokenizer.ggml.scores"),
        ({"architecture": "llama", "heads_by_layer": [4, 4]}, "llama.attention.head_count: values that differ"),
    ],
)
def test_the_worker_refuses_by_name_what_the_facts_did_not_say(
    form: dict[str, Any], said: str, run_job: Callable[..., Any], tiny_gguf: Callable[..., Path]
) -> None:
    ran = run_job(adapter(), tiny_gguf(**form))
    assert ran.error.kind == "refused"
    assert said in ran.error.message
    assert ran.error.remedy is not None
    assert ran.transcript.end.exit_code == 1


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"GARBAGE" * 99, None])
def test_a_model_that_cannot_be_read_ends_in_one_sentence(
    run_job: Callable[..., Any], tmp_path: Path, content: bytes | None
) -> None:
    model = tmp_path / "broken.gguf"
    if content is not None:
        model.write_bytes(content)
    ran = run_job(adapter(), model)
    assert ran.error.kind == "refused"
    assert f"{model} can't be loaded" in ran.error.message
    assert ran.ended == "error"


@pytest.mark.slow
def test_the_probe_says_version_and_device(ask: Callable[[Adapter], Transcript]) -> None:
    availability = adapter().read_probe(ask(adapter()))
    assert availability.ready
    assert availability.version is not None
    assert availability.version.startswith("mlx-lm 0.")
    assert availability.device in ("cpu", "metal", "cuda")


@pytest.mark.slow
def test_an_interpreter_without_the_package_gets_the_command_that_installs_it_there(
    ask: Callable[[Adapter], Transcript], bare_python: Path
) -> None:
    bare = adapter(python=str(bare_python))
    availability = bare.read_probe(ask(bare))
    assert not availability.ready
    assert availability.remedy is not None
    assert f"{bare_python} -m pip install mlx-lm" in availability.remedy
    assert "vendor-scripts/prepare-python-env.sh" in availability.remedy


@pytest.mark.slow
@pytest.mark.parametrize("further_prefills", [0, 3])
def test_the_stamps_of_a_real_generation_are_beyond_doubt(
    run_job: Callable[..., Any], smollm2: Path, further_prefills: int
) -> None:
    ran = run_job(adapter(), smollm2, max_tokens=24, further_prefills=further_prefills)
    assert ran.doubts(smollm2) == []
