"""What holds for every script: help, usage, and the page that tells of them."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from preparing import CANDLE_FILES, PARAPHYM_FILES, ROOT, SCRIPTS, make_repository, prepare

PAGE = (ROOT / "docs" / "preparing-runtimes.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line.strip()
]
NAMES = sorted(path.stem.removeprefix("prepare-") for path in SCRIPTS.glob("prepare-*.sh"))


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_the_help_is_taken(name: str, tmp_path: Path) -> None:
    done = prepare(name, "--help", home=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert all(len(line) <= 120 for line in done.out.splitlines())
    options = set(re.findall(r"(?<!\S)--[a-z-]+", done.out)) - {"--help"}
    assert len(options) >= 7
    for option in options:
        refused = prepare(name, option, "1", "--no-such-option", home=tmp_path)
        assert f"{option} is no option" not in refused.err
        assert refused.code == 2


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("candle", [], "name a checkout's path or a git URL"),
        ("candle", ["/nowhere/at/all"], "neither a folder nor a git URL"),
        ("candle", ["file:///a", "file:///b"], "one source"),
        ("candle", ["file:///a", "--rev"], "--rev needs a value"),
        ("candle", ["file:///a", "--rev="], "--rev needs a value"),
        ("candle", ["file:///a", "--rev=-x"], "can't begin with a dash"),
        ("paraphym", ["file:///a", "--device", "tpu"], "--device is cpu, metal or cuda, not tpu"),
        ("paraphym", ["file:///a", "--frobnicate"], "--frobnicate is no option"),
        ("python-env", [], "name the runtime"),
        ("python-env", ["vllm"], "the runtime is llama-cpp-python or mlx-lm, not vllm"),
        ("python-env", ["mlx-lm", "--rev=v1"], "--rev is a revision of --source"),
        ("python-env", ["mlx-lm", "--version=1", "--source=file:///a"], "give one"),
        ("python-env", ["mlx-lm", "--wheel=/nowhere.whl"], "there is no such file"),
        ("python-env", ["mlx-lm", "--cuda=11"], "--cuda is 12 or 13"),
    ],
)
def test_a_usage_error_says_what_is_wrong_and_exits_2(name: str, args: list[str], told: str, tmp_path: Path) -> None:
    done = prepare(name, *args, home=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert f"prepare-{name}.sh --help" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_does_what_a_dry_run_can_show(command: str, tmp_path: Path) -> None:
    make_repository(tmp_path / "src" / "candle", CANDLE_FILES)
    make_repository(tmp_path / "src" / "paraphym", PARAPHYM_FILES)
    script, *args = shlex.split(command)
    name = Path(script).name.removeprefix("prepare-").removesuffix(".sh")
    at_home = [arg.replace("~", str(tmp_path), 1) if arg.startswith("~") else arg for arg in args]
    done = prepare(name, *at_home, "--dry-run", home=tmp_path)
    assert len(done.tables) == 1, done.err
    # A machine without an NVIDIA GPU, or without Metal, is told so; nothing else may be missing where the tests run.
    is_mac = sys.platform == "darwin"
    no_cuda = is_mac or not shutil.which("nvidia-smi" if "mlx" in command else "nvcc")
    lacking = ("cuda" in command and no_cuda) or ("metal" in command and not is_mac)
    assert done.code == (3 if lacking else 0), done.err


def test_the_page_shows_every_script() -> None:
    assert NAMES == ["candle", "paraphym", "python-env"]
    assert {f"vendor-scripts/prepare-{name}.sh" for name in NAMES} == {shlex.split(line)[0] for line in COMMANDS}
