"""`parity synth` as a user calls it, and `synth://` in a config."""

from pathlib import Path

import pytest
from scripted_host import MODEL, Program, config, table

from parity.models import file_sha256, model_facts, silent
from parity_synth import PRESETS, QUANTS


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, so that models are made and not found."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PARITY_CACHE", str(folder))
    return folder


def test_it_prints_the_path_alone_and_makes_the_model_once(program: Program, own_cache: Path) -> None:
    first = program("synth", "tiny-llama", "--quant", "F16", "--seed", "3")
    assert first.code == 0, first.err
    path = Path(first.out.removesuffix("\n"))
    assert path.is_relative_to(own_cache)
    assert path.suffix == ".gguf"
    made = path.stat()
    assert program("synth", "tiny-llama", "--quant", "F16", "--seed", "3").out == first.out
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


def test_the_same_seed_makes_the_same_bytes_again_and_another_seed_others(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = []
    for cache, seed in (("one", "3"), ("two", "3"), ("two", "4")):
        monkeypatch.setenv("PARITY_CACHE", str(tmp_path / cache))
        made.append(file_sha256(Path(program("synth", "tiny-llama", "--seed", seed).out.strip()), silent))
    assert made[0] == made[1] != made[2]


def test_it_is_installed_where_a_program_with_a_hard_wired_repository_looks(program: Program, tmp_path: Path) -> None:
    home = tmp_path / "hf"
    arguments = ("synth", "tiny-qwen3", "--install-as", "unsloth/Qwen3-1.7B-GGUF", "--hf-home", str(home))
    done = program(*arguments)
    assert done.code == 0, done.err
    made, *installed = map(Path, done.out.splitlines())
    assert [path.name for path in installed] == ["Qwen3-1.7B-Q8_0.gguf", "tokenizer.json", "tokenizer_config.json"]
    assert installed[1].is_relative_to(home / "hub" / "models--Qwen--Qwen3-1.7B")
    assert installed[0].is_relative_to(home / "hub" / "models--unsloth--Qwen3-1.7B-GGUF")
    assert installed[0].read_bytes() == made.read_bytes()
    assert model_facts("m", "M", str(installed[0]), base=Path()).synthetic
    again = program(*arguments)
    assert (again.code, again.out) == (0, done.out)


def test_without_a_folder_named_it_goes_where_programs_on_hf_hub_look(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "pythons" / "hub"))
    done = program("synth", "tiny-qwen3", "--install-as", "org/Model")
    assert done.code == 0, done.err
    assert Path(done.out.splitlines()[1]).is_relative_to(tmp_path / "own" / "hub" / "models--org--Model")


def test_whether_it_can_be_installed_is_judged_before_it_is_made(
    program: Program, tmp_path: Path, own_cache: Path
) -> None:
    reference = tmp_path / "hf" / "hub" / "models--org--Model" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("fedcba98" * 5, encoding="utf-8")
    for repo, message in (("no-slash", "not of the form ORG/NAME"), ("org/Model", "the real org/Model is there")):
        done = program("synth", "tiny-qwen3", "--install-as", repo, "--hf-home", str(tmp_path / "hf"))
        assert (done.code, done.out) == (2, "")
        assert message in done.err
        assert not own_cache.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["tiny-qwen"], "did you mean tiny-qwen3?"),
        (["nothing-like-it"], "presets: "),
        (["tiny-qwen3", "--quant", "Q9_9"], "give one of F32, F16"),
        (["tiny-qwen3", "--seed", "-1"], "synth://PRESET/QUANT@SEED"),
        (["tiny-qwen3", "--install-as", "no-slash"], "unsloth/Qwen3-1.7B-GGUF"),
    ],
)
def test_what_it_cannot_make_exits_2_and_says_what_it_can(program: Program, args: list[str], message: str) -> None:
    done = program("synth", *args)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_a_config_may_name_a_synthetic_model(program: Program, own_cache: Path) -> None:
    case = program.write(config(table("base") + table("other")).replace(MODEL, "synth://tiny-llama/F16@3"))
    assert "not here yet; the run will fetch it" in program("plan", case).out
    done = program("run", case, "--out", "run")
    assert done.code == 0, done.err
    [model] = program.report()["models"]
    assert (model["source"], model["architecture"]) == ("synth://tiny-llama/F16@3", "llama")
    assert model["synthetic"] is True
    assert "m has synthetic weights" in done.out
    assert Path(model["path"]).is_relative_to(own_cache)
    assert model["path"] in program("plan", case).out


def test_its_help_names_every_preset_and_quantisation(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown = program("synth", "--help").out
    assert [name for name in (*PRESETS, *QUANTS) if name not in shown] == []
