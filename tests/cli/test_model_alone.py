"""`parity run MODEL` and `parity init`: configs that parity writes from what is ready on the machine."""

from pathlib import Path
from typing import Any

import pytest
import tomli
from scripted_host import Program, Script, ScriptedHost

from parity.cli.drafting import sweep_of
from parity.config.draft import name_of_model
from parity.config.prompts import LONG_TOKENS, long_text
from parity.errors import ModelError
from parity.models import model_facts
from parity.models.tokenizer import load_encoder, write_tokenizer
from parity.run import sizing
from parity.run.candidates import Candidate, drafted
from parity.run.doctor import Checkup

MODEL = "synth://tiny-llama/Q8_0@0"
CONFIG = "config.toml"


def host(program: Program, **scripts: Script) -> ScriptedHost:
    """llama.cpp and MLX are ready, and nothing else is."""
    ready = {"llama_cpp": Script(hello="llama-cpp-python"), "mlx_lm": Script(hello="mlx-lm")}
    return program.host(**{**ready, "candle": Script(installed=False), **scripts})


def written(program: Program, path: str = f"run/{CONFIG}") -> dict[str, Any]:
    return tomli.loads((program.folder / path).read_text(encoding="utf-8"))


def test_a_model_alone_is_run_by_every_runtime_that_is_ready(program: Program) -> None:
    machine = host(program)
    done = program("run", MODEL, "--out", "run", host=machine)
    assert done.code == 0, done.err
    assert {head.runtime for head in machine.trials} == {"llama_cpp", "mlx_lm"}
    config = written(program)
    assert config["runtimes"] == {
        "llama_cpp": {"adapter": "llama_cpp", "threads": 2, "gpu_layers": 0},
        "mlx_lm": {"adapter": "mlx_lm", "device": "cpu"},
    }
    assert [test["name"] for test in config["tests"]] == ["short", "longer"]
    assert "candle is not ready" in done.err
    assert "not the same for all: mlx_lm has no key for its CPU threads" in done.err
    assert f"the same again: parity run run/{CONFIG}" in done.err
    report = program.report()
    assert report["exit"]["reason"] == "the config has no gates, and every trial succeeded"
    # With fewer, intervals are widened by a quarter.
    assert max(trial["round"] for trial in report["trials"]) == 8


def test_its_config_does_the_same_again_and_the_run_can_be_resumed(program: Program) -> None:
    machine = host(program)
    machine.interrupt_at = 3
    assert program("run", MODEL, "--out", "run", "--rounds", "2", host=machine).code == 130
    done = program("run", "--resume", "run", host=host(program))
    assert done.code == 0, done.err
    assert program("run", f"run/{CONFIG}", "--rounds", "2", "--out", "again", host=host(program)).code == 0
    one, other = (program.report(name) for name in ("run", "again"))
    assert [t["runtime"] for t in one["trials"]] == [t["runtime"] for t in other["trials"]]
    assert one["options"] == other["options"] == ["--rounds 2"]
    assert program("score", "run").code == 0


def test_rounds_go_on_until_the_ratios_are_known_closely(program: Program) -> None:
    def pause(head: Any) -> float:
        return (0.0, 8.0)[head.slot.round % 2] if head.slot is not None else 0.0

    rough = Script(hello="mlx-lm", pause_ms=pause)
    done = program("run", MODEL, "--out", "run", "-k", "short", host=host(program, mlx_lm=rough))
    assert done.code == 0, done.err
    assert max(trial["round"] for trial in program.report()["trials"]) == 10
    [told] = [line for line in done.err.splitlines() if line.startswith("short: undecided after 9 rounds: ")]
    assert "prompt_tps (mlx_lm)" in told
    assert "gen_tps (mlx_lm)" in told
    assert "required: to within 10%" in told


def test_a_limit_of_time_ends_a_run_before_the_least_rounds(program: Program) -> None:
    done = program("run", MODEL, "--out", "run", "--time-limit", "0.5", host=host(program))
    assert done.code == 0, done.err
    assert written(program)["rounds"] == {"least": 1, "max": 10, "within": 0.1, "max_s": 0.5}
    assert max(trial["round"] for trial in program.report()["trials"]) == 1


def test_a_sweep_is_a_test_for_each_length(program: Program) -> None:
    done = program("run", MODEL, "--sweep", "prompt=64,3000", "--quick", "--out", "run", host=host(program))
    assert done.code == 0, done.err
    tests = written(program)["tests"]
    assert [test["name"] for test in tests] == ["prompt-64", "prompt-3000"]
    counted = lengths(program, MODEL, [test["prompt"] for test in tests])
    assert counted == [64, 3000]
    assert "# 64 tokens by the model's own tokenizer" in (program.folder / "run" / CONFIG).read_text(encoding="utf-8")


def lengths(program: Program, source: str, prompts: list[str]) -> list[int]:
    """Tokens of each prompt by the tokenizer of a model, which is written anew."""
    model = model_facts("m", "m", source, base=program.folder)
    encode = load_encoder(write_tokenizer(model, program.folder / "tokenizer.json"))
    return [len(encode(prompt)) for prompt in prompts]


def test_a_sweep_without_a_tokenizer_says_that_its_lengths_are_not_exact(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any) -> Path:
        raise ModelError("its vocabulary can't be rebuilt", "put its tokenizer.json beside it")

    monkeypatch.setattr(sizing, "write_tokenizer", none)
    done = program("run", MODEL, "--sweep", "prompt=64", "--quick", "--out", "run", host=host(program))
    assert done.code == 0, done.err
    assert "the lengths of prompts are about right and not exact: its vocabulary can't be rebuilt" in done.err
    assert "# about 64 tokens:" in (program.folder / "run" / CONFIG).read_text(encoding="utf-8")


def test_a_text_of_every_length_is_found_or_none() -> None:
    def by_words(text: str) -> list[int]:
        return [len(word) for word in text.split()]

    def in_pairs(text: str) -> list[int]:
        return [0] * (2 * len(text.split()))

    assert [len(by_words(sizing.text_of(n, by_words) or "")) for n in (1, 2, 7, 500)] == [1, 2, 7, 500]
    assert sizing.text_of(7, in_pairs) is None
    assert sizing.text_of(5, lambda text: [0]) is None


@pytest.mark.parametrize("sweep", ["prompt", "prompt=", "prompt=0", "prompt=1,x", "rounds=3", "prompt=1,,2"])
def test_a_sweep_of_something_else_is_told(program: Program, sweep: str) -> None:
    done = program("run", MODEL, "--sweep", sweep, host=host(program))
    assert done.code == 2
    assert "prompt=128,512,2048" in " ".join(done.err.replace("│", " ").split())


def test_a_sweep_goes_with_a_model_alone(program: Program) -> None:
    assert sweep_of("prompt=8,8,16") == (8, 16)
    assert "goes with a MODEL" in program("run", program.write(""), "--sweep", "prompt=8").err


def test_only_one_of_those_that_are_ready(program: Program) -> None:
    machine = host(program)
    done = program("run", MODEL, "--only", "mlx_lm", "--quick", "--out", "run", host=machine)
    assert done.code == 0, done.err
    assert {head.runtime for head in machine.trials} == {"mlx_lm"}


def test_where_nothing_is_ready_nothing_runs(program: Program) -> None:
    nothing = Script(installed=False)
    done = program("run", MODEL, "--out", "run", host=host(program, llama_cpp=nothing, mlx_lm=nothing))
    assert done.code == 5
    assert "To fix it: " in done.err
    assert not (program.folder / "run").exists()


def test_a_model_that_is_not_there_leaves_no_folder(program: Program) -> None:
    done = program("run", "gone.gguf", "--out", "run", host=host(program))
    assert done.code == 2
    assert "gone.gguf" in done.err
    assert not (program.folder / "run").exists()


def test_offline_nothing_is_downloaded(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    monkeypatch.setenv("CARGO_NET_OFFLINE", "")
    monkeypatch.setenv("HF_HOME", str(program.folder / "hub"))
    done = program("run", "hf://nobody/nothing/none.gguf", "--offline", "--out", "run", host=host(program))
    assert done.code == 2
    assert "HF_HUB_OFFLINE forbids a download" in done.err


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("models/Qwen3-1.7B-Q4_K_M.gguf", "Qwen3-1.7B-Q4_K_M"),
        ("hf://unsloth/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q4_K_M.gguf", "Qwen3-1.7B-Q4_K_M"),
        ("hf://org/repo@main", "org-repo-main"),
        ("synth://tiny-llama/Q8_0@0", "tiny-llama-Q8_0-0"),
        ("/models/my model/", "my-model"),
        ("/", "model"),
    ],
)
def test_a_model_is_named_after_its_address(source: str, name: str) -> None:
    assert name_of_model(source) == name


@pytest.mark.parametrize("tokens", [1, 3, 64, LONG_TOKENS, LONG_TOKENS + 5])
def test_a_text_of_any_length_can_be_made(tokens: int) -> None:
    assert long_text(tokens).strip()


def found(name: str, device: str, keys: set[str], *, builds: bool = False) -> Candidate:
    return Candidate(Checkup(runtime=name, adapter=name, status="ready", device=device), frozenset(keys), builds)


def test_devices_are_made_equal_where_keys_can_and_what_can_not_is_named() -> None:
    gpu = found("a", "cuda", {"threads", "gpu_layers"})
    tables, notes = drafted([gpu, found("b", "cuda", {"device"})], (), 4)
    assert [dict(table.keys) for table in tables] == [{"threads": 4}, {}]
    assert notes == []
    tables, notes = drafted([gpu, found("b", "cpu", set()), found("c", "metal", {"threads"})], (), 4)
    assert [dict(table.keys) for table in tables] == [{"threads": 4, "gpu_layers": 0}, {}, {"threads": 4}]
    assert notes == ["b has no key for its CPU threads", "c has no key for its device (metal)"]


def test_what_is_compiled_first_is_offered_and_taken_where_it_is_named() -> None:
    slow = found("slow", "cpu", {"threads"}, builds=True)
    [table] = drafted([slow], (), 2)[0]
    assert "is compiled first, which takes minutes" in table.absent[0]
    assert table.offered
    [table] = drafted([slow], ("slow",), 2)[0]
    assert (table.absent, dict(table.keys)) == ((), {"threads": 2})


def test_init_writes_a_config_that_plans_and_runs_and_overwrites_nothing(program: Program) -> None:
    machine = host(program)
    done = program("init", MODEL, host=machine)
    assert done.code == 0, done.err
    text = (program.folder / "parity.toml").read_text(encoding="utf-8")
    assert "# candle is not ready: " in text
    assert "# [runtimes.candle]" in text
    assert {gate["name"] for gate in written(program, "parity.toml")["gates"]} == {"as-fast", "no-hangs"}
    assert program("plan", "parity.toml").code == 0
    assert program("run", "parity.toml", "--out", "run", host=machine).code == 0
    assert program("init", MODEL, host=machine).code == 2
    assert (program.folder / "parity.toml").read_text(encoding="utf-8") == text


def test_the_server_that_init_offers_is_a_table_once_its_marks_are_taken_away(program: Program) -> None:
    assert program("init", MODEL, host=host(program)).code == 0
    path = program.folder / "parity.toml"
    before, marked, after = path.read_text(encoding="utf-8").partition("# [runtimes.server]\n")
    table, _, rest = after.partition("\n\n")
    assert "llama-cpp-python[server]" in before.splitlines()[-2]
    unmarked = "\n".join(line.removeprefix("# ") for line in (marked + table).splitlines())
    path.write_text(f"{before}{unmarked}\n\n{rest}", encoding="utf-8")
    server = written(program, "parity.toml")["runtimes"]["server"]
    assert (server["adapter"], server["command"][1:3]) == ("openai", ["-m", "llama_cpp.server"])
    done = program("plan", "parity.toml")
    assert done.code == 0, done.err
    assert "short/server" in done.out


def test_init_without_a_model_writes_a_config_that_runs_at_once(program: Program) -> None:
    one = host(program, mlx_lm=Script(installed=False))
    assert program("init", "--out", "mine.toml", host=one).code == 0
    assert "gates" not in written(program, "mine.toml")
    done = program("run", "mine.toml", "--out", "run", host=one)
    assert done.code == 0, done.err


def test_a_folder_with_a_model_is_a_model(program: Program) -> None:
    folder = Path(program.folder / "folder")
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    done = program("run", "folder", "--out", "run", host=host(program))
    assert done.code == 2
    assert "models.folder.source" in done.err
