"""The models that paraphym loads by itself must be in the Hugging Face cache before a run."""

import glob
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from parity.hosts.machine import host_facts
from parity_adapters.paraphym import Paraphym, ParaphymSettings
from parity_synth.install import install_as


def adapter(**settings: Any) -> Paraphym:
    given = {"path": "/checkout", **settings}
    return Paraphym(ParaphymSettings.model_validate_json(json.dumps(given)), host_facts())


def put(hub: Path, repo: str, *files: str) -> None:
    """Files in the hub's own layout."""
    for file in files:
        path = hub / f"models--{repo.replace('/', '--')}" / "snapshots" / ("0" * 40) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def missing(paraphym: Paraphym) -> list[str]:
    return [need.remedy for need in paraphym.needs if not glob.glob(need.pattern)]  # noqa: PTH207


def test_an_empty_hub_cache_lacks_every_file_that_the_program_loads(tmp_path: Path) -> None:
    home = tmp_path / "hub [mine]"
    needs = adapter(hf_home=str(home)).needs
    assert [need.reason.split(" of ")[1].split(",")[0] for need in needs] == [
        "unsloth/Qwen3-1.7B-GGUF",
        "Qwen/Qwen3-1.7B",
        *["dunzhang/stella_en_400M_v5"] * 3,
    ]
    assert missing(adapter(hf_home=str(home))) == [need.remedy for need in needs]
    assert needs[-1].remedy == (
        "hf download dunzhang/stella_en_400M_v5 model.safetensors 2_Dense_1024/model.safetensors tokenizer.json "
        f"--cache-dir '{home}/hub'"
    )


def test_files_in_any_snapshot_of_the_hubs_cache_are_enough(tmp_path: Path) -> None:
    paraphym = adapter(hf_home=str(tmp_path / "hub [mine]"))
    hub = tmp_path / "hub [mine]" / "hub"
    stella = ("model.safetensors", "2_Dense_1024/model.safetensors", "tokenizer.json")
    put(hub, "dunzhang/stella_en_400M_v5", *stella)
    put(hub, "unsloth/Qwen3-1.7B-GGUF", "Qwen3-1.7B-Q4_K_M.gguf")
    put(hub, "Qwen/Qwen3-0.6B", "tokenizer.json")
    assert missing(paraphym) == [f"hf download Qwen/Qwen3-1.7B tokenizer.json --cache-dir '{hub}'"]
    put(hub, "Qwen/Qwen3-1.7B", "tokenizer.json")
    assert missing(paraphym) == []


def test_a_synthetic_model_that_is_installed_in_its_place_is_enough(tmp_path: Path) -> None:
    """But for the embedding model, of which there is no synthetic one."""
    model = tmp_path / "qwen3-1.7b-Q4_K_M.gguf"
    for name in (model.name, "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes(b"{}")
    install_as(model, "unsloth/Qwen3-1.7B-GGUF", tmp_path / "home")
    assert {remedy.split()[2] for remedy in missing(adapter(hf_home=str(tmp_path / "home")))} == {
        "dunzhang/stella_en_400M_v5"
    }


def test_what_a_different_commit_loads_can_be_named(tmp_path: Path) -> None:
    phi = adapter(hub_files=["microsoft/phi-4-gguf/phi-4-q4.gguf"], hf_home=str(tmp_path))
    assert missing(phi) == [f"hf download microsoft/phi-4-gguf phi-4-q4.gguf --cache-dir {tmp_path}/hub"]
    assert adapter(hub_files=[]).needs == ()
    with pytest.raises(ValidationError, match="hub_files"):
        adapter(hub_files=["phi-4-q4.gguf"])


def test_a_tiny_model_proves_nothing_of_a_program_that_takes_none() -> None:
    assert "loads the model that its source names" in adapter().no_proof
