"""What a program is given, and programs that can't be started."""

import errno
import json
from pathlib import Path

import pytest
from supervised import Run, end_of, python

from parity.adapter import Marker, Markers
from parity.hosts.local.environment import REDACTED, child_environment, recordable

# what a program is given


def test_a_child_has_a_session_of_its_own_an_empty_stdin_and_no_other_descriptors(run: Run) -> None:
    code = "import os, sys; print(os.getpid() == os.getsid(0), len(sys.stdin.read()), sorted(os.listdir('/dev/fd')))"
    [line] = run(python(code)).lines("out")
    assert line.text == "True 0 ['0', '1', '2', '3']"  # 3 is the listing itself


def test_arguments_reach_the_program_without_a_shell(run: Run) -> None:
    transcript = run((*python("import sys; print(sys.argv[1:])"), "$HOME; echo", "*", "a b"))
    assert transcript.text("out") == "['$HOME; echo', '*', 'a b']\n"


def test_a_child_sees_the_allow_list_and_what_is_named_and_nothing_else(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "PYTHONPATH", "NAMED", "LC_TIME", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "1")
    transcript = run(
        python("import json, os; print(json.dumps(dict(os.environ)))"),
        env={"OWN": "x", "PYTHONUNBUFFERED": ""},
        pass_env=["NAMED", "NOT_SET"],
    )
    seen = json.loads(transcript.text("out"))
    assert {"NAMED", "OWN", "LC_TIME", "HF_HUB_OFFLINE", "PATH"} <= seen.keys()
    assert not {"OMP_NUM_THREADS", "PYTHONPATH", "NOT_SET"} & seen.keys()
    assert seen["PYTHONUNBUFFERED"] == "1"


def test_secrets_reach_the_child_but_not_the_transcript(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    code = "import os, sys; sys.exit(os.environ['HF_TOKEN'] != 'hf_0123456789')"
    transcript = run((*python(code), "--token=hf_0123456789"), pass_env=["HF_TOKEN"])
    assert end_of(transcript).exit_code == 0
    assert transcript.launch is not None
    assert transcript.launch.env["HF_TOKEN"] == REDACTED
    assert transcript.launch.argv[-1] == f"--token={REDACTED}"
    assert "0123456789" not in transcript.launch.model_dump_json()


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "AWS_SECRET_ACCESS", "db_password", "OPENAI_API_KEY", "GOOGLE_CREDENTIALS"]
)
def test_names_that_look_secret_are_redacted(name: str) -> None:
    assert recordable((), {name: "value"}) == ((), {name: REDACTED})


def test_tokenizers_parallelism_is_no_secret() -> None:
    assert recordable((), {"TOKENIZERS_PARALLELISM": "false"})[1] == {"TOKENIZERS_PARALLELISM": "false"}


def test_a_password_within_an_address_is_redacted() -> None:
    kept = recordable((), {"https_proxy": "http://me:hidden@proxy:3128"})[1]
    assert kept == {"https_proxy": f"http://{REDACTED}@proxy:3128"}


def test_an_environment_that_is_no_utf8_can_be_recorded() -> None:
    assert recordable(("\udcff",), {"HOME": "/home/\udce9"}) == (("\N{REPLACEMENT CHARACTER}",), {"HOME": "/home/�"})


def test_what_the_launch_sets_wins_over_what_is_passed() -> None:
    assert child_environment({"HOME": "/root"}, (), {"HOME": "/scratch"})["HOME"] == "/scratch"


# programs that can't be started


def test_a_missing_runtime_is_a_transcript(run: Run) -> None:
    transcript = run(("no-such-runtime", "--version"))
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == errno.ENOENT
    assert not transcript.no_spawn.folder_missing
    assert transcript.launch is not None
    assert transcript.launch.argv == ("no-such-runtime", "--version")
    assert (transcript.spawn, transcript.end) == (None, None)


def test_a_missing_working_folder_is_named(run: Run, tmp_path: Path) -> None:
    transcript = run(python("pass"), cwd=str(tmp_path / "gone"))
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == errno.ENOENT
    assert str(tmp_path / "gone") in transcript.no_spawn.message
    assert transcript.no_spawn.folder_missing


@pytest.mark.parametrize(("mode", "number"), [(0o644, errno.EACCES), (0o755, errno.ENOEXEC)])
def test_a_file_that_is_no_program_is_a_transcript(run: Run, tmp_path: Path, mode: int, number: int) -> None:
    program = tmp_path / "weights.bin"
    program.write_bytes(b"\x00weights")
    program.chmod(mode)
    transcript = run((str(program),))
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == number


def test_a_nul_in_an_argument_is_a_transcript(run: Run) -> None:
    transcript = run((*python("pass"), "a\0b"))
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == errno.EINVAL


def test_a_bad_pattern_starts_nothing(run: Run, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    with pytest.raises(ValueError, match="unterminated"):
        run(("touch", str(witness)), markers=Markers(stop=Marker(pattern="[")))
    assert not witness.exists()
