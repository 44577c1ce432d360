"""The run folder: names of transcripts, attempts, and reading what earlier versions wrote."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from parity.errors import RunFolderError
from parity.records import SCHEMA_VERSION, Slot
from parity.run.log import RunFolder
from parity.run.score import score
from parity.transcript import Head, TranscriptWriter

RECORDED = Path(__file__).parents[1] / "run_folders"
"""A run folder that each schema version wrote, see its README."""

SCHEMA_1 = RECORDED / "schema-1"


def slot(**changes: object) -> Slot:
    return Slot.model_validate({"model": "m", "test": "t", "runtime": "r", "round": 1, **changes})


def begin(folder: RunFolder, of: Slot) -> Path:
    path = folder.new_trial_path(of)
    TranscriptWriter(path, Head(purpose="trial", runtime=of.runtime, slot=of)).close()
    return path


def test_transcripts_are_numbered_in_the_order_in_which_they_begin(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "c")
    names = [begin(folder, slot(round=k, warmup=k == 1, kind="short" if k == 3 else "full")).name for k in (1, 2, 3)]
    assert names == ["0001-m-t-r-w1.jsonl", "0002-m-t-r-r2.jsonl", "0003-m-t-r-r3-short.jsonl"]


def test_names_that_differ_in_capitals_alone_share_no_file_on_any_disk(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "c")
    for paths in ([folder.tokenizer_path(n) for n in "Aa"], [folder.prepared_path(n, "probe") for n in "Aa"]):
        assert len({str(path).lower() for path in paths}) == 2


def test_a_file_that_an_earlier_version_named_with_capitals_is_found(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "c")
    earlier = tmp_path / "run" / "tokenizers" / "A.json"
    earlier.parent.mkdir()
    earlier.write_text("{}")
    assert folder.tokenizer_path("A") == earlier
    assert folder.tokenizer_path("a") != earlier


def test_long_names_give_file_names_that_any_system_takes(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "c")
    long = slot(model="m" * 80, test="t" * 80, runtime="r" * 80)
    assert len(folder.new_trial_path(long).name.encode()) <= 255


def test_every_attempt_at_a_slot_is_kept_in_its_order(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "c")
    for number, attempt in ((1, 1), (2, 1), (1, 2)):
        begin(folder, slot(round=number, attempt=attempt))
    found = [(of.round, of.attempt) for _, of, _ in folder.trials()]
    assert found == [(1, 1), (2, 1), (1, 2)]


def test_a_run_that_goes_on_has_no_report_of_what_it_was(tmp_path: Path) -> None:
    folder = shutil.copytree(SCHEMA_1, tmp_path / "run")
    (folder / "report.json").touch()
    opened = RunFolder(folder)
    assert not opened.interrupted
    opened.reopen()
    assert opened.interrupted
    assert not (folder / "report.json").exists()


def test_a_transcript_without_a_slot_is_refused_by_name(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "c")
    TranscriptWriter(folder.path / "trials" / "0001-x.jsonl", Head(purpose="probe", runtime="r")).close()
    with pytest.raises(RunFolderError, match=r"0001-x\.jsonl: its head names no slot"):
        list(folder.trials())


def test_runs_that_start_at_once_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: RunFolder.create(None, "c").path, range(8)))
    assert len(set(paths)) == 8


@pytest.mark.parametrize("recorded", sorted(path.name for path in RECORDED.glob("schema-*")))
def test_a_run_of_any_schema_version_is_scored_as_it_was(tmp_path: Path, recorded: str) -> None:
    shutil.copytree(RECORDED / recorded, tmp_path / "run")
    then = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    report = score(RunFolder.open(tmp_path / "run"))
    assert report.exit.code == then["exit"]["code"] == 4
    # Its three rounds gave verdicts then; no interval of so few rounds gives one now.
    decided = [v for v in then["verdicts"] if v["metric"] and v["verdict"] in ("PASS", "FAIL")]
    undecided = {(v["gate"], v["runtime"]) for v in decided}
    assert undecided
    assert [(v.gate, v.runtime, v.verdict) for v in report.verdicts] == [
        (v["gate"], v["runtime"], "INCONCLUSIVE" if (v["gate"], v["runtime"]) in undecided else v["verdict"])
        for v in then["verdicts"]
    ]
    good = [trial for trial in then["trials"] if trial["failure"] is None]
    assert [(trial.file, trial.text) for trial in report.trials] == [(t["file"], t["text"]) for t in good]
    for trial, recorded_trial in zip(report.trials, good, strict=True):
        now = {(m.metric, m.definition): m.value for m in trial.measurements}
        before = {(m["metric"], m["definition"]): m["value"] for m in recorded_trial["measurements"]}
        both = now.keys() & before.keys()
        assert {key: now[key] for key in both} == {key: before[key] for key in both}
        assert {metric for metric, _ in before} <= {metric for metric, _ in now}
    [gone] = report.not_run
    assert (gone.runtime, gone.kind, gone.planned, gone.ran) == ("gone", "unavailable", 8, 0)


def test_every_schema_version_has_a_recorded_run() -> None:
    assert {path.name for path in RECORDED.glob("schema-*")} == {
        f"schema-{version}" for version in range(1, SCHEMA_VERSION + 1)
    }


@pytest.mark.parametrize("version", [0, 3, 99, None, "1"])
def test_a_run_folder_of_an_unknown_version_is_refused_by_name(tmp_path: Path, version: object) -> None:
    shutil.copytree(SCHEMA_1, tmp_path / "run")
    run = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run" / "run.json").write_text(json.dumps({**run, "schema_version": version}), encoding="utf-8")
    message = re.escape(f"schema version {version}; this parity reads versions 1 to 2")
    with pytest.raises(RunFolderError, match=message):
        RunFolder.open(tmp_path / "run").read_run()
