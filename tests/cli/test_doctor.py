"""`parity doctor`: which runtimes can be used here, which were proved, and what would help with the others."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_host import MODEL, Program, Script, ScriptedHost, config, table

from parity.transcript import Head

ONE = table("base")
COMPILED = '[runtimes.other]\nadapter = "compiled"\n'
TWO_MODELS = config(ONE, gates="").replace(
    "[[tests]]", '[[models]]\nname = "n"\nsource = "synth://tiny-qwen3/Q8_0@0"\n\n[[tests]]', 1
)


@pytest.fixture
def compiled(add_adapter: Callable[[str, str], None]) -> None:
    """Makes `adapter = "compiled"` known."""
    add_adapter("compiled", "compiled:Compiled")


def checkups(program: Program, *arguments: str, host: ScriptedHost | None = None) -> dict[str, dict[str, str | None]]:
    done = program("doctor", *arguments, "--json", host=host)
    return {found["runtime"]: found for found in json.loads(done.out)}


def host_for_anything(program: Program) -> ScriptedHost:
    """A host on which no program is installed, whatever its name."""
    return ScriptedHost(defaultdict(lambda: Script(installed=False)), program.folder / "cache")


def test_without_a_config_every_adapter_is_examined(program: Program) -> None:
    host = host_for_anything(program)
    done = program("doctor", host=host)
    assert done.code == 4
    found = checkups(program, host=host)
    assert {"llama_cpp", "mlx_lm", "candle", "paraphym", "command"} <= found.keys()
    assert found["command"]["status"] == "needs a config"
    assert found["command"]["reason"] == "its table needs program"
    assert found["openai"]["reason"].startswith("its table needs either `command`")
    assert found["mlx_lm"]["status"] == "not ready"
    assert {head.purpose for head in host.asked} <= {"probe", "checkout"}


def test_an_adapter_that_cannot_be_loaded_is_broken_and_hides_no_other(
    program: Program, add_adapter: Callable[[str, str], None]
) -> None:
    add_adapter("wreck", "no_such_module:Wreck")
    found = checkups(program, host=host_for_anything(program))
    assert found["wreck"]["status"] == "broken"
    assert "No module named 'no_such_module'" in str(found["wreck"]["reason"])
    assert "llama_cpp" in found
    assert "wreck" in program("adapter", "list").out


def test_an_optional_runtime_that_is_not_set_is_no_failure(program: Program) -> None:
    unset = table("other", "optional = true").replace('program = "other"', 'program = "${NOT_SET_HERE:-}"')
    done = program("doctor", program.write(config(ONE + unset)))
    assert done.code == 0
    assert "other: " in done.out
    assert checkups(program, "case.toml")["other"]["status"] == "not set"


def test_a_runtime_that_is_not_there_has_its_reason_and_its_remedy(program: Program) -> None:
    done = program("doctor", program.write(config(ONE, gates="")), host=program.host(base=Script(installed=False)))
    assert done.code == 4
    assert "base: base: No such file or directory\n    to fix it: install base" in done.out


def test_it_builds_only_when_it_is_asked_to(program: Program, compiled: None) -> None:
    case = program.write(config(ONE + COMPILED))
    asked, built = program.host(), program.host()
    done = program("doctor", case, host=asked)
    assert done.code == 0
    assert "build" not in [head.purpose for head in asked.asked]
    assert "other: ready (not proved: it is not built yet; `parity doctor CONFIG --build` builds it)" in done.out
    assert "ready (proved)" in program("doctor", case, "--build", host=built).out
    assert [head.purpose for head in built.asked if head.runtime == "other"] == ["probe", "build", "proof"]


def test_a_build_that_fails_has_its_first_error_and_its_remedy(program: Program, compiled: None) -> None:
    host = program.host(other=Script(fault=lambda head: "exit" if head.purpose == "build" else None))
    done = program("doctor", program.write(config(ONE + COMPILED)), "--build", host=host)
    assert done.code == 4
    assert "other: error: expected `;`\n    to fix it: write a semicolon" in done.out
    assert "proof" not in [head.purpose for head in host.asked if head.runtime == "other"]


def test_a_file_that_a_runtime_needs_is_named_before_anything_is_built(program: Program, compiled: None) -> None:
    case = program.write(config(ONE + COMPILED + 'library = "lib.so"\n'))
    host = program.host()
    done = program("doctor", case, "--build", host=host)
    assert done.code == 4
    assert f"other: {program.folder.resolve()}/lib.so is missing\n    to fix it: make library" in done.out
    assert [head.purpose for head in host.asked if head.runtime == "other"] == ["probe"]
    (program.folder / "lib.so").touch()
    assert program("doctor", case, "--build").code == 0


def test_each_kind_of_model_has_a_proof_of_its_own(program: Program) -> None:
    host = program.host()
    assert checkups(program, program.write(TWO_MODELS), host=host)["base"]["proof"] == "proved"
    proved = [head.job.model.architecture for head in host.asked if head.purpose == "proof" and head.job is not None]
    assert proved == ["llama", "qwen3"]


def test_a_crash_on_one_kind_of_model_is_enough(program: Program) -> None:
    def fault(head: Head) -> str | None:
        return "crash" if head.purpose == "proof" and head.job and head.job.model.architecture == "qwen3" else None

    found = checkups(program, program.write(TWO_MODELS), host=program.host(base=Script(fault=fault)))
    assert found["base"]["status"] == "not ready"
    assert "it fails on a tiny model: crash:SIGSEGV" in str(found["base"]["reason"])


def test_before_the_model_is_there_nothing_is_proved_and_that_is_said(program: Program) -> None:
    host = program.host()
    text = config(ONE, gates="").replace(MODEL, "hf://nobody/nothing/none.gguf")
    found = checkups(program, program.write(text), host=host)
    assert found["base"]["status"] == "ready"
    assert found["base"]["proof"] == ("not proved: the model m is not on this machine yet; `parity run` fetches it")
    assert [head.purpose for head in host.asked] == ["probe"]


def test_it_leaves_nothing_behind_but_what_is_cached(program: Program) -> None:
    case = program.write(config(ONE, gates=""))
    program("doctor", case)
    assert {path.name for path in program.folder.iterdir()} <= {case, "cache"}


def test_a_config_that_is_not_there_exits_2(program: Program, tmp_path: Path) -> None:
    done = program("doctor", "nowhere.toml")
    assert (done.code, done.out) == (2, "")
    assert "there is no such file" in done.err
