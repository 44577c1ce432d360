"""Shell completion: as a shell asks for it, and through the script that is installed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from runs import PARITY, config_text, speaker_table
from scripted_host import Program, config, table

CONFIG = config_text(speaker_table("base") + speaker_table("beta")).replace('name = "t"', 'name = "simple"')


def completed(line: str, folder: Path) -> list[str]:
    """What bash is offered for a line whose last word is being written."""
    words = line.split(" ")
    env = os.environ | {"_PARITY_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([PARITY], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("parity run case.toml --only ", ["base", "beta"]),
        ("parity run case.toml --only be", ["beta"]),
        ("parity run case.toml --only base,b", ["base,beta"]),
        ("parity plan case.toml -k s", ["simple"]),
        ("parity run nowhere.toml --only ", []),
        ("parity run broken.toml --only ", []),
        ("parity run --only ", []),
        ("parity explain nowhere ", []),
        ("parity expl", ["explain"]),
    ],
)
def test_names_come_from_the_config_on_the_line(tmp_path: Path, line: str, offered: list[str]) -> None:
    (tmp_path / "case.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "broken.toml").write_text("runtimes = 3\n[[", encoding="utf-8")
    assert completed(line, tmp_path) == offered


def test_cells_and_metrics_come_from_the_run_on_the_line(program: Program) -> None:
    assert program("run", program.write(config(table("base") + table("other"))), "--out", "run").code == 0
    assert completed("parity explain run ", program.folder) == ["t/base", "t/other"]
    assert completed("parity explain run t/o", program.folder) == ["t/other"]
    assert completed("parity explain run t/other gen_t", program.folder) == ["gen_tps"]


IN_BASH = """
    source ~/.bashrc
    COMP_WORDS=(parity run case.toml --only "")
    COMP_CWORD=4
    $(complete -p parity | sed 's/.*-F \\([^ ]*\\).*/\\1/') parity
    printf '%s\\n' "${COMPREPLY[@]}"
"""
IN_FISH = "complete -C 'parity run case.toml --only '"
# The first completion of a session loads Typer's function, and the next one calls it.
IN_ZSH = """
    zmodload zsh/zpty
    zpty shell zsh -i
    zpty -w -n shell 'parity run case.toml --only '
    repeat 20; do
        zpty -w -n shell $'\\t'
        sleep 2
        while zpty -r -t shell piece; do seen+=$piece; done
        [[ $seen == *base*beta* ]] && break
    done
    print -r -- $seen
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "plain", "script"), [("bash", "--norc", IN_BASH), ("zsh", "-f", IN_ZSH), ("fish", "-N", IN_FISH)]
)
def test_the_script_that_is_installed_completes(tmp_path: Path, shell: str, plain: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.fail(f"there is no {shell}") if os.environ.get("CI") else pytest.skip(f"there is no {shell}")
    (tmp_path / "case.toml").write_text(CONFIG, encoding="utf-8")
    env = os.environ | {"HOME": str(tmp_path), "PATH": f"{Path(PARITY).parent}:{os.environ['PATH']}", "TERM": "xterm"}
    env = {key: value for key, value in env.items() if key not in ("XDG_CONFIG_HOME", "ZDOTDIR")}

    def ran(lines: str, *options: str) -> str:
        command = [shell, *options, "-c", lines]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert f"{shell} completion installed in" in ran("parity --install-completion; true", plain)
    offered = ran(script, *([plain] if shell != "fish" else []))
    assert re.search(r"base.*beta", offered, re.DOTALL), offered
