"""llama.cpp and metadata keys: what it passes over is refused by name, and the list of what it reads is its own."""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import job
from gguf_editing import edited
from model_files import facts_of
from requantising import saved_by_llama_cpp

from parity.adapter import RefusedError
from parity.hosts.machine import host_facts
from parity.models import parse_source, silent
from parity.records import Scalar
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings
from parity_adapters.llama_cpp.keys import AS_IF_ABSENT, LABELS, READ

FOREIGN: list[tuple[str, Scalar]] = [
    ("logit_scale", 0.5),
    ("embedding_scale", 12.0),
    ("residual_scale", 0.22),
    ("attention.scale", 0.125),
    ("attention.clamp_kqv", 8.0),
    ("attention.max_alibi_bias", 8.0),
    ("final_logit_softcapping", 30.0),
    ("attn_logit_softcapping", 50.0),
    ("attention.sliding_window_pattern", "[True, False]"),
    ("rope.scaling.yarn_beta_fast", 16.0),
    ("rope.scaling.yarn_ext_factor", 1.0),
    ("rope.freq_base_swa", 10000.0),
    ("rope.dimension_sections", "[1, 2, 3, 0]"),
    ("use_parallel_residual", True),
    ("expert_shared_count", 1),
    ("not_invented_yet", "x"),
]


def launch(**facts: Any) -> None:
    LlamaCpp(LlamaCppSettings(), host_facts()).launch(job(**facts), None)


@pytest.mark.parametrize(
    ("architecture", "key", "value"),
    [(name, *rest) for name, read in sorted(READ.items()) for rest in FOREIGN if rest[0] not in read],
)
def test_a_key_that_llama_cpp_passes_over_is_refused_by_name_and_value(
    architecture: str, key: str, value: Scalar
) -> None:
    said = f"{value:g}" if isinstance(value, float) else value
    with pytest.raises(RefusedError, match=re.escape(f"llama.cpp doesn't read {architecture}.{key} = {said},")):
        launch(architecture=architecture, architecture_keys={f"{architecture}.{key}": value})


@pytest.mark.parametrize(
    ("architecture", "refused"), [("llama", True), ("qwen2", True), ("phi3", False), ("gemma3", False)]
)
def test_a_window_is_refused_where_llama_cpp_does_not_read_it(architecture: str, refused: bool) -> None:
    facts: dict[str, Any] = {
        "architecture": architecture,
        "architecture_keys": {f"{architecture}.attention.sliding_window": 512},
    }
    if refused:
        with pytest.raises(RefusedError, match=r"attention\.sliding_window = 512"):
            launch(**facts)
    else:
        launch(**facts)


@pytest.mark.parametrize("architecture", sorted(READ))
def test_what_is_read_what_is_a_label_and_what_says_nothing_is_launched(architecture: str) -> None:
    keys: dict[str, Scalar] = {f"{architecture}.{key}": 7 for key in READ[architecture] | LABELS}
    neutral = {f"{architecture}.{key}": values[-1] for key, values in AS_IF_ABSENT.items()}
    launch(architecture=architecture, architecture_keys={**neutral, **keys})


def test_an_architecture_whose_keys_are_not_listed_is_llama_cpps_own_business() -> None:
    launch(architecture="gemma4", architecture_keys={"gemma4.not_invented_yet": 1})


def test_a_real_model_is_launched(smollm2: Path) -> None:
    facts = facts_of(smollm2)
    assert "llama.rope.freq_base" in facts.architecture_keys
    launch(architecture=facts.architecture, architecture_keys=facts.architecture_keys)


@pytest.mark.slow
@pytest.mark.parametrize("preset", [f"tiny-{architecture}" for architecture in sorted(READ)])
def test_synthetic_models_are_launched(preset: str) -> None:
    facts = facts_of(parse_source(f"synth://{preset}/Q8_0@0", Path()).fetch(silent))
    assert len(facts.architecture_keys) > 10
    launch(architecture=facts.architecture, architecture_keys=facts.architecture_keys)


def test_a_file_with_an_array_that_nobody_reads_is_refused(tiny_gguf: Callable[..., Path]) -> None:
    facts = facts_of(tiny_gguf("llama", keys={"llama.attention.sliding_window_pattern": [True, False]}))
    with pytest.raises(RefusedError, match=r"llama\.attention\.sliding_window_pattern = \[True, False\]"):
        launch(architecture=facts.architecture, architecture_keys=facts.architecture_keys)


@pytest.mark.parametrize(
    ("kind", "factor", "refused"),
    [
        *((None, -1.0, False), (None, 0.0, False), (None, 1.0, True), ("linear", 1.0, True)),
        *(("yarn", 0.0, True), ("yarn", 1.0, False), ("yarn", -1.0, False)),
    ],
)
def test_a_share_of_yarn_is_taken_where_llama_cpp_mixes_in_as_much(
    kind: str | None, factor: float, refused: bool
) -> None:
    keys: dict[str, Scalar] = {"llama.rope.scaling.yarn_ext_factor": factor}
    keys |= {"llama.rope.scaling.type": kind} if kind is not None else {}
    if refused:
        with pytest.raises(RefusedError, match=f"yarn_ext_factor = {factor:g},"):
            launch(architecture="llama", architecture_keys=keys)
    else:
        launch(architecture="llama", architecture_keys=keys)


@pytest.mark.slow
@pytest.mark.parametrize("preset", [f"tiny-{architecture}" for architecture in sorted(READ)])
def test_a_file_that_llama_cpp_wrote_is_launched_and_an_edited_one_is_refused(preset: str, tmp_path: Path) -> None:
    saved = saved_by_llama_cpp(parse_source(f"synth://{preset}/Q8_0@0", Path()).fetch(silent), tmp_path / "saved.gguf")
    facts = facts_of(saved)
    assert f"{facts.architecture}.wkv.head_size" in facts.architecture_keys
    launch(architecture=facts.architecture, architecture_keys=facts.architecture_keys)
    for key, value in {"logit_scale": 0.5, "attn_logit_softcapping": 20.0, "ssm.inner_size": 1}.items():
        keys = {**facts.architecture_keys, f"{facts.architecture}.{key}": value}
        with pytest.raises(RefusedError, match=re.escape(f"{facts.architecture}.{key} = {value:g}")):
            launch(architecture=facts.architecture, architecture_keys=keys)


@pytest.mark.slow
def test_phi3s_window_is_refused_where_the_job_is_longer_for_llama_cpp_ignores_it(
    tmp_path: Path, run_job: Callable[..., Any]
) -> None:
    def run(model: Path) -> Any:
        facts = facts_of(model)
        told = {"architecture": facts.architecture, "architecture_keys": facts.architecture_keys}
        adapter = LlamaCpp(LlamaCppSettings(), host_facts())
        return run_job(adapter, model, told, prompt="the " * 20, raw=True, max_tokens=8)

    plain = parse_source("synth://tiny-phi3/Q8_0@0", Path()).fetch(silent)
    without = run(plain)
    positions = len(without.prompt.ids) + 8
    for window in (8, positions - 1, positions, 0):
        ran = run(edited(plain, tmp_path / "window.gguf", fields={"phi3.attention.sliding_window": window}))
        if 0 < window < positions:
            assert ran.error.kind == "refused"
            assert f"phi3.attention.sliding_window = {window} to so many; the job has {positions}" in ran.error.message
        else:
            assert ran.ids == without.ids


NO_TYPE = 99
"""The type of an override that fits no key: llama.cpp says so of each key that it reads, and takes the file's value."""


@pytest.mark.slow
@pytest.mark.parametrize("architecture", sorted(READ))
def test_the_keys_that_are_read_are_those_of_the_installed_llama_cpp(
    architecture: str, tiny_gguf: Callable[..., Path]
) -> None:
    # of a key that may hold a list, llama.cpp looks for an override only where the file has it as a number
    path = tiny_gguf(architecture, keys={f"{architecture}.expert_used_count": 0})
    read = keys_read(path, architecture, names_in_the_library() | READ[architecture])
    always_a_list = {"classifier.output_labels"}
    assert read - LABELS == READ[architecture] - always_a_list


def names_in_the_library() -> set[str]:
    """Every name after an architecture's that the library has among its strings."""
    import llama_cpp

    folder = Path(llama_cpp.__file__).parent / "lib"
    library = next(path for path in folder.iterdir() if path.name in ("libllama.so", "libllama.dylib"))
    names = re.findall(rb"\0%s\.([a-z0-9_.]+)(?=\0)", library.read_bytes())
    assert len(names) > 100
    return {name.decode() for name in names}


def keys_read(path: Path, architecture: str, names: set[str]) -> set[str]:
    """Those of the names that llama.cpp asks for when it loads the file."""
    import llama_cpp

    overrides = (llama_cpp.llama_model_kv_override * (len(names) + 1))()
    for override, name in zip(overrides, names, strict=False):
        override.tag, override.key = NO_TYPE, f"{architecture}.{name}".encode()
    params = llama_cpp.llama_model_default_params()
    params.kv_overrides = overrides
    said: list[str] = []
    listener = llama_cpp.llama_log_callback(lambda _level, raw, _user: said.append(raw.decode(errors="replace")))
    llama_cpp.llama_log_set(listener, ctypes.c_void_p(0))
    try:
        model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if model:
            llama_cpp.llama_model_free(model)
    finally:
        llama_cpp.llama_log_set(llama_cpp.llama_log_callback(), ctypes.c_void_p(0))
    return set(re.findall(rf"Bad metadata override type for key '{architecture}\.([^']+)'", "".join(said)))
