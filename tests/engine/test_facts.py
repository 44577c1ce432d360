"""Each fact has one canonical value, whatever a runtime calls it; what is not known has none."""

from collections.abc import Mapping

import pytest

from parity.reading.devices import device_class
from parity.reading.facts import FACTS, facts_in, is_partial, on_device
from parity.reading.sampling import reported_sampling
from parity.records import Sampling, Scalar


@pytest.mark.parametrize(
    ("reported", "found"),
    [
        ("cpu", "cpu"),
        ("CPU (no Metal here)", "cpu"),
        ("scripted cpu", "cpu"),
        ("cuda:0", "cuda"),
        ("CUDA0", "cuda"),
        ("Device(cpu, 0)", "cpu"),
        ("Metal", "metal"),
        ("metal:0", "metal"),
        ("Apple GPU (Metal)", "metal"),
        ("mps", "metal"),
        ("gpu", "gpu"),
        ("cpu (no Metal here)", "cpu"),
        ("MTL0", "metal"),
        ("Metal GPU", "metal"),
        ("Apple M1 Pro (metal)", "metal"),
        ("Device(gpu, 0)", "gpu"),
        ("device(type='cuda', index=0)", "cuda"),
        ("CUDA0 (NVIDIA H100 80GB HBM3)", "cuda"),
        ("cuda:0, cuda:1", "cuda"),
        ("level_zero:0", "sycl"),
        ("Metal(MetalDevice(DeviceId(1)))", "metal"),
        ("no metal", None),
        ("metal (fell back to cpu)", None),
        ("fallback from metal", None),
        ("metal unavailable", None),
        ("Metal disabled", None),
        ("metal: off", None),
        ("metal=0", None),
        ("host, metal idle", None),
        ("mixed metal", None),
        ("cuda (disabled)", None),
        ("cuda: false", None),
        ("CUDA_VISIBLE_DEVICES=", None),
        ("vulkan (llvmpipe)", None),
        ("gpu disabled", None),
        ("GPU unavailable", None),
        ("cpu/gpu", None),
        ("not cpu", None),
        ("cpu and cuda", None),
        ("metallic", None),
        ("an H100", None),
        ("", None),
        (None, None),
    ],
)
def test_a_device_has_the_class_that_its_name_says_and_no_other(reported: Scalar, found: str | None) -> None:
    assert device_class(reported) == found


@pytest.mark.parametrize(
    ("settings", "device"),
    [
        ({"device": "cuda", "gpu_layers": "29/29"}, "cuda"),
        ({"device": "cuda", "gpu_layers": "10/29"}, "cuda (10 of 29 layers)"),
        ({"device": "cuda", "gpu_layers": "0/29"}, "cuda (0 of 29 layers)"),
        ({"device": "cuda:1", "offloaded_layers": 10, "layers": 29}, "cuda (10 of 29 layers)"),
        ({"device": "cuda", "gpu_layers": 0}, "cuda (0 of ? layers)"),
        ({"device": "cuda", "gpu_layers": "all"}, "cuda"),
        ({"device": "metal", "gpu_layers": 10}, "metal (10 of ? layers)"),
        ({"device": "metal", "gpu_layers": "most"}, "metal (? of ? layers)"),
        ({"device": "metal", "offloaded": "offloaded 10/29 layers to GPU"}, "metal (10 of 29 layers)"),
        ({"device": "metal", "offloaded": "offloaded 29/29 layers to GPU"}, "metal"),
        ({"device": "metal", "offloaded_layers": 10.0, "layers": 29}, "metal (10 of 29 layers)"),
        ({"device": "metal", "offloaded_layers": -1, "n_gpu_layers": 0}, "metal (0 of ? layers)"),
        ({"device": "metal", "offloaded_layers": "29/29", "n_gpu_layers": "auto"}, "metal"),
        ({"device": "cuda", "gpu_layers": -1}, "cuda"),
        ({"device": "metal", "gpu_layers": 99, "layers": 29}, "metal"),
        ({"device": "cpu", "gpu_layers": 0}, "cpu"),
        ({"device": "An H100"}, "an h100"),
        ({}, None),
        *(({"device": word}, None) for word in ("auto", "unknown", "n/a", "Default", "none")),
    ],
)
def test_a_device_with_a_part_of_the_layers_is_a_class_of_its_own(
    settings: Mapping[str, Scalar], device: str | None
) -> None:
    assert facts_in(settings).get("device") == device


def test_a_gpu_is_every_class_but_the_cpu_and_a_part_of_one_is_none() -> None:
    assert on_device("cuda", "gpu")
    assert on_device("cuda", "cuda")
    assert not on_device("cpu", "gpu")
    assert not on_device("cuda", "metal")
    assert not on_device("an h100", "gpu")
    assert is_partial("cuda (10 of 29 layers)")
    assert not on_device("cuda (10 of 29 layers)", "cuda")


@pytest.mark.parametrize(
    ("fact", "one", "other"),
    [
        ("threads", {"threads": 2}, {"n_threads": "2", "n_threads_batch": 2}),
        ("build_profile", {"profile": "dev"}, {"build_profile": "debug"}),
        ("build_profile", {"build_type": "RelWithDebInfo"}, {"build_profile": "release"}),
        ("kv_type", {"kv_cache_dtype": "float16"}, {"kv_type": "f16"}),
        ("flash_attention", {"flash_attn": "disabled"}, {"flash_attention": False}),
        ("prefix_cache", {"cache_prompt": "true"}, {"prefix_cache": True}),
        ("features", {"build_features": "cuda,api"}, {"features": "api cuda"}),
        ("batch", {"n_batch": 512}, {"batch": "512"}),
    ],
)
def test_one_value_has_one_spelling(fact: str, one: Mapping[str, Scalar], other: Mapping[str, Scalar]) -> None:
    assert facts_in(one)[fact] == facts_in(other)[fact]


@pytest.mark.parametrize(
    ("reported", "fact"),
    [
        *(("radix", "on"), ("yes", "on"), (1, "on"), ("disabled", "off"), ("none", "off"), (0, "off")),
        *(("auto", None), ("unknown", None)),
    ],
)
def test_any_kind_of_prefix_cache_is_on(reported: Scalar, fact: str | None) -> None:
    assert facts_in({"prefix_cache": reported}).get("prefix_cache") == fact


@pytest.mark.parametrize("profile", ["unknown", "none", "N/A", "auto", ""])
def test_a_word_that_says_nothing_is_no_build_profile(profile: str) -> None:
    assert "build_profile" not in facts_in({"build_profile": profile})


@pytest.mark.parametrize("threads", ["MLX has no setting for them", "Candle's own choice", None, True])
def test_words_about_threads_are_no_number_of_threads(threads: Scalar) -> None:
    assert "threads" not in facts_in({"threads": threads})


@pytest.mark.parametrize(
    ("settings", "asked", "found"),
    [
        ({}, Sampling(), "greedy"),
        ({"temperature": 0.0, "top_k": None}, Sampling(), "greedy"),
        ({"sampling": "greedy in effect", "temperature_passed": 0.001, "top_p": 0.9}, Sampling(), "greedy"),
        ({"temperature": 0.7, "top_k": 1}, Sampling(), "greedy"),
        ({"temperature": 1.0}, Sampling(), "temperature 1"),
        ({"temperature": 0.0, "repeat_penalty": 1.1}, Sampling(), "greedy, repeat penalty 1.1"),
        ({"temperature": 0.0, "repeat_penalty": 1.0}, Sampling(), "greedy"),
        ({"temperature_in_effect": 0.49, "top_p": 0.9}, Sampling(temperature=0.7), "temperature 0.49, top_p 0.9"),
        ({"temperature": 0.7}, Sampling(temperature=0.7, top_k=40), "temperature 0.7, top_k 40"),
        ({"temperature": 0.7, "top_p": 1.0}, Sampling(temperature=0.7), "temperature 0.7"),
        ({"sampling": "sampled", "temperature_in_effect": 0.49}, Sampling(temperature=0.7), "temperature 0.49"),
        ({"sampling": "multinomial"}, Sampling(temperature=0.7), "temperature 0.7"),
        ({"sampling": "top-p 0.9, temperature 0.8"}, Sampling(), "temperature 0.8, top_p 0.9"),
        ({"sampler": "temperature=0.8"}, Sampling(), "temperature 0.8"),
        ({"temp": 0.8}, Sampling(), "temperature 0.8"),
        ({"do_sample": False}, Sampling(), "greedy"),
        ({"do_sample": True, "temperature": "0.8"}, Sampling(), "temperature 0.8"),
        ({"do_sample": True}, Sampling(), None),
        ({"sampling": "multinomial"}, Sampling(), None),
        ({"sampling": "greedy: off, temperature 0.8"}, Sampling(), None),
        ({"sampling": "greedy is off"}, Sampling(), None),
        ({"sampling": "mirostat"}, Sampling(), None),
        ({"sampling": "temperature 0", "temperature": 0.8}, Sampling(), None),
        ({"temperature": "0,8"}, Sampling(), None),
        ({"temperature": "default"}, Sampling(), None),
        ({"temperature": 0.0, "repeat_penalty": "default"}, Sampling(), None),
    ],
)
def test_sampling_is_judged_by_what_takes_effect(
    settings: Mapping[str, Scalar], asked: Sampling, found: str | None
) -> None:
    assert reported_sampling(settings, asked) == found


def test_a_program_that_was_told_no_sampling_has_none_unless_it_reports_it() -> None:
    assert reported_sampling({}, Sampling(), told=False) is None
    assert reported_sampling({"temperature": 0}, Sampling(), told=False) == "greedy"


def test_what_is_proven_or_equal_says_in_which_metrics() -> None:
    assert {name for name, fact in FACTS.items() if fact.rule == "proven"} == {
        *("weights", "prompt", "sampling", "tokens"),
    }
    assert {name for name, fact in FACTS.items() if fact.rule == "equal"} == {
        *("device", "threads", "build_profile", "prefix_cache", "warm_up"),
    }
