"""A run folder that fails, disappears, or is somebody else's: what ran is judged, and nothing else is touched."""

import errno
import gzip
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_host import Program, ScriptedHost, config, table

from parity import private
from parity.hosts.cancel import Cancel
from parity.run import exclusive, log
from parity.run.locking import locked
from parity.run.log import RunFolder
from parity.transcript import Head, TranscriptWriter, writing

TWO = table("base") + table("other")
CASE = config(TWO, rounds=5)
SECRET = "hunter2-and-more"
PAGE = '[report]\nmarkdown = "page.md"\n'

Fault = Callable[[Path], object]


def at_trial(host: ScriptedHost, number: int, fault: Callable[[], object]) -> ScriptedHost:
    """The host, and what happens to the disk as its trial of this number begins."""

    def before(head: Head, cancel: Cancel | None) -> None:
        if head.purpose == "trial" and len(host.trials) == number:
            fault()

    host.before = before
    return host


def full(path: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


FAULTS: dict[str, Fault] = {
    "moved": lambda run: run.rename(run.with_name("elsewhere")),
    "replaced": lambda run: (run.rename(run.with_name("elsewhere")), run.mkdir()),
    "without its record": lambda run: (run / "run.json").unlink(),
    "full": full,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_that_fails_in_mid_run_is_named_and_what_ran_is_judged(program: Program, fault: str) -> None:
    host = at_trial(program.host(), 4, lambda: FAULTS[fault](program.folder / "run"))
    done = program("run", program.write(CASE), "--out", "run", host=host)
    assert done.code == 74, done.err
    assert "Exit code 74: the run folder could not be written" in done.out
    assert ("No space left on device" if fault == "full" else "was moved, deleted or changed") in done.err
    assert "other" in done.out
    assert len(host.trials) == 4
    assert ("--resume" in done.err) == (fault == "full")


def test_a_folder_that_becomes_read_only_in_mid_run_is_named_and_the_run_goes_on_once_it_is_not(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, flags: int) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    with monkeypatch.context() as patch:

        def fault() -> None:
            for place in (log, private, writing):
                patch.setattr(place, "for_owner", refuse)

        host = at_trial(program.host(), 4, fault)
        done = program("run", program.write(CASE), "--out", "run", host=host)
        assert done.code == 74, done.err
        assert "Exit code 74: the run folder could not be written" in done.out
        assert "Read-only file system" in done.err
        assert "hangs: other" in done.out
        assert len(host.trials) == 4
        assert "--resume" in done.err
    again = program.host()
    assert program("run", "--resume", "run", host=again).code == 0
    assert len(again.trials) == 12 - 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write wherever it likes")
def test_a_folder_whose_owner_may_not_write_into_it_any_more_is_named(program: Program) -> None:
    def fault() -> None:
        for folder in (program.folder / "run" / "trials", program.folder / "run"):
            folder.chmod(0o500)

    host = at_trial(program.host(), 4, fault)
    try:
        done = program("run", program.write(CASE), "--out", "run", host=host)
    finally:
        for folder in (program.folder / "run", program.folder / "run" / "trials"):
            folder.chmod(0o700)
    assert done.code == 74, done.err
    assert "Permission denied" in done.err
    assert "hangs: other" in done.out
    assert program("run", "--resume", "run").code == 0


@pytest.mark.parametrize("name", ["end.json", "run.json"])
def test_the_verdict_of_a_run_whose_trials_all_ran_is_told_where_its_end_can_not_be_written(
    program: Program, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = program.host()
    written = RunFolder.write

    def write(folder: RunFolder, file: str, text: str) -> Path:
        if file == "end.json":
            if name == "run.json":
                (folder.path / name).unlink()
            else:
                full(folder.path / file)
        return written(folder, file, text)

    monkeypatch.setattr(RunFolder, "write", write)
    done = program("run", program.write(CASE), "--out", "run", host=host)
    assert done.code == 74, done.err
    assert "it would have been 0: every required gate passed" in " ".join(done.out.split())


def test_a_copy_of_results_that_can_not_be_written_costs_no_trial(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunFolder, "append_result", lambda folder, trial: full(folder.path / "results.jsonl"))
    done = program("run", program.write(CASE), "--out", "run")
    assert done.code == 0, done.err
    assert "results.jsonl: No space left on device" in done.err


def test_score_tells_the_verdict_of_a_folder_that_it_can_not_write(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = program("run", program.write(CASE), "--out", "run")

    def refuse(path: Path, mode: int = 0, *, sure: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("parity.run.log.locked", refuse)
    done = program("score", "run")
    assert (done.code, done.out) == (good.code, good.out)
    assert "warning: the reports were not written" in done.err
    assert "Read-only file system" in done.err


def test_score_leaves_the_reports_of_a_run_that_goes_on_alone(program: Program) -> None:
    program("run", program.write(CASE), "--out", "run")
    (program.folder / "run" / "report.md").unlink()
    with RunFolder.open(program.folder / "run").held():
        done = program("score", "run")
    assert done.code == 0
    assert f"process {os.getpid()} is at work in it" in done.err
    assert not (program.folder / "run" / "report.md").exists()


def test_score_writes_the_page_inside_the_run_or_where_an_option_says(program: Program) -> None:
    program("run", program.write(config(TWO, rest=PAGE)), "--out", "run")
    mine = program.folder / "page.md"
    mine.write_text("mine", encoding="utf-8")
    program("score", "run")
    assert mine.read_text(encoding="utf-8") == "mine"
    assert (program.folder / "run" / "page.md").exists()
    program("score", "run", "--page", "other.md")
    assert (program.folder / "other.md").read_text(encoding="utf-8").startswith("# ")
    assert mine.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["end.json", "prepared/base/probe.jsonl", "weights.json", "trials/0001-x.jsonl"])
def test_a_run_folder_with_a_pipe_in_it_is_refused_at_once(program: Program, name: str) -> None:
    program("run", program.write(CASE), "--out", "run")
    path = program.folder / "run" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for command in (("score",), ("report",), ("explain",), ("run", "--resume")):
        done = program(*command, "run")
        assert done.code == 2
        assert f"run/{name}: is a pipe or a device" in done.err


def test_a_page_that_is_a_pipe_without_a_reader_keeps_nobody_waiting(program: Program) -> None:
    os.mkfifo(program.folder / "page.md")
    done = program("run", program.write(config(TWO, rest=PAGE)), "--out", "run")
    assert done.code == 0
    assert "page.md can't be written" in done.err
    assert (program.folder / "run" / "page.md").read_text(encoding="utf-8").startswith("# ")


def test_a_page_may_be_a_pipe_whose_reader_takes_a_while(program: Program) -> None:
    path = program.folder / "page.md"
    os.mkfifo(path)
    title = "x" * 100_000
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text(encoding="utf-8")))
    reader.start()
    program("run", program.write(config(TWO, rest=PAGE + f'title = "{title}"')), "--out", "run")
    reader.join()
    assert read[0].startswith(f"# {title}")


def test_score_of_a_foreign_run_writes_through_no_link(program: Program) -> None:
    program("run", program.write(CASE), "--out", "run")
    mine = program.folder / "mine"
    mine.write_text("mine", encoding="utf-8")
    for name in ("report.md", ".report.md.partial", "report.json", ".report.json.partial"):
        (program.folder / "run" / name).unlink(missing_ok=True)
        (program.folder / "run" / name).symlink_to(mine)
    assert program("score", "run").code == 0
    assert mine.read_text(encoding="utf-8") == "mine"
    assert not (program.folder / "run" / "report.md").is_symlink()


def test_a_run_is_for_its_owner_alone(program: Program) -> None:
    program("run", program.write(CASE), "--out", "run")
    run = program.folder / "run"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (run, *run.rglob("*"))}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    assert any(path.name.startswith("0001-m-t-base-w1.jsonl") for path in modes)


def test_a_prompt_with_a_secret_is_sent_and_never_kept(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    host = program.host()
    text = CASE.replace('prompt = "', 'prompt = "${MY_TOKEN} ')
    assert "${MY_TOKEN}" in text
    done = program("run", program.write(text), "--out", "run", host=host)
    assert done.code == 0, done.err
    jobs = [json.loads(r.launch.files["job.json"]) for r in host.requests if r.head.purpose == "trial"]
    assert all(SECRET in job["test"]["prompt"] and SECRET in job["chat_turn"] for job in jobs)
    files = [path for path in (program.folder / "run").rglob("*") if path.is_file()]
    texts = {path: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files}
    assert [path for path, text in texts.items() if SECRET.encode() in text] == []
    assert SECRET not in done.out + done.err


def test_a_run_of_which_a_secret_was_left_out_goes_on_with_the_prompt_whole(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    text = CASE.replace('prompt = "', 'prompt = "${MY_TOKEN} ')
    host = program.host()
    host.interrupt_at = 3
    assert program("run", program.write(text), "--out", "run", host=host).code == 130
    again = program.host()
    assert program("run", "--resume", "run", host=again).code == 0
    jobs = [json.loads(r.launch.files["job.json"]) for r in again.requests if r.head.purpose == "trial"]
    assert all(SECRET in job["chat_turn"] for job in jobs)


def test_a_value_that_a_config_may_not_hold_is_not_printed(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    done = program("run", program.write(CASE.replace("rounds]", 'rounds]\nfixed = "${MY_TOKEN}"\n#')))
    assert done.code == 2
    assert SECRET not in done.err


def test_two_runs_that_are_given_one_empty_folder_do_not_share_it(tmp_path: Path) -> None:
    (tmp_path / "run" / "trials").mkdir(parents=True)
    found: list[bool] = []

    class Late(type(tmp_path)):  # type: ignore[misc]
        """Looks empty, as the folder did before the other run began in it."""

        def iterdir(self) -> object:
            found.append(True)
            return iter(())

    with pytest.raises(Exception, match="a different run has just begun in it"):
        RunFolder.create(Late(tmp_path / "run"), "c")
    assert found


def test_a_run_that_wants_the_machine_for_itself_is_refused_beside_one_like_it(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = program.folder / "exclusive.lock"
    monkeypatch.setattr(exclusive, "LOCK", lock)
    text = CASE.replace("[conditions]\n", "[conditions]\nexclusive = true\n")
    text = text if text != CASE else f"{CASE}\n[conditions]\nexclusive = true\n"
    with locked(lock):
        host = program.host()
        done = program("run", program.write(text), "--out", "run", host=host)
        assert done.code == 2
        assert f"at work (process {os.getpid()})" in done.err
        assert "conditions.exclusive" in done.err
        assert host.asked == []
        assert not (program.folder / "run").exists()
        assert program("run", program.write(CASE), "--out", "beside").code == 0
    assert program("run", program.write(text), "--out", "run").code == 0
    with locked(lock):
        assert program("run", "--resume", "run").code == 2


def test_a_lock_of_all_runs_that_somebody_put_a_link_in_place_of_is_named(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = program.folder / "exclusive.lock"
    lock.symlink_to(program.folder / "elsewhere")
    monkeypatch.setattr(exclusive, "LOCK", lock)
    done = program("run", program.write(f"{CASE}\n[conditions]\nexclusive = true\n"), "--out", "run")
    assert done.code == 2
    assert f"{lock}, can't be opened" in done.err
    assert not (program.folder / "elsewhere").exists()


def test_a_transcript_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        TranscriptWriter(tmp_path / "t.jsonl", Head(purpose="probe", runtime="r"))
