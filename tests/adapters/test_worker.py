"""The file that workers share: what it sends for a worker, and that it needs nothing of parity."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parity_worker
from parity.adapter import worker_argv

WORKER = """
import time
from parity_worker import WorkerError

PACKAGE = "pip"
REQUIREMENTS = ("some-runtime>=1.2", "other")

def device():
    return "cpu"

def run(events, job):
    print("a library's chatter")
    ids, reason = events.generation(iter(job["ids"]), lambda token: token == 0, job["test"])
    events.send("text", text=repr(ids))
    events.figure("gen_tps", "token/s", "own", float("inf"))
    events.further_prefills(job.get("further_prefills", 0), lambda: prefill(job["took_s"]))
    return reason

def prefill(took_s):
    begun = time.monotonic_ns()
    return begun, begun + int(took_s * 1e9)
"""


def worker(folder: Path, text: str = WORKER) -> Path:
    path = folder / "worker.py"
    path.write_text(text, encoding="utf-8")
    return path


def run(path: Path, *arguments: str, options: Sequence[str] = ("-S",)) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, events and standard error of a worker in an interpreter that can import nothing but itself, unless
    `options` of the interpreter say otherwise."""
    python, *rest = worker_argv(sys.executable, path, *arguments)
    done = subprocess.run([python, *options, *rest], capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def job(folder: Path, ids: list[int], *, ignore_end: bool = False, **more: Any) -> str:
    path = folder / "job.json"
    path.write_text(json.dumps({"ids": ids, "test": {"ignore_end": ignore_end}, **more}), encoding="utf-8")
    return str(path)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A distribution `pip` 9.9 on the interpreter's path, and nothing else."""
    info = tmp_path / "site" / "pip-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pip\nVersion: 9.9\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(info.parent))


def test_a_job_is_reported_from_hello_to_bye_and_nothing_comes_between(installed: None, tmp_path: Path) -> None:
    code, events, err = run(worker(tmp_path), "--job", job(tmp_path, [5, 0, 7]))
    assert code == 0
    assert [event["ev"] for event in events] == [
        *("hello", "phase", "phase", "token", "token", "text", "report", "bye"),
    ]
    assert events[0]["version"] == "9.9"
    assert [(event["k"], event["id"], event["end"]) for event in events if event["ev"] == "token"] == [
        (1, 5, False),
        (2, 0, True),
    ]
    assert events[-1]["reason"] == "end-token"
    assert "a library's chatter" in err


def test_prefill_ends_at_the_stamp_of_the_first_token(installed: None, tmp_path: Path) -> None:
    _, events, _ = run(worker(tmp_path), "--job", job(tmp_path, [5]))
    [end] = [event["t_ns"] for event in events if event.get("edge") == "end"]
    [token] = [event["t_ns"] for event in events if event["ev"] == "token"]
    assert end == token


def test_a_speed_run_goes_past_end_tokens_and_its_text_stops_at_the_first(installed: None, tmp_path: Path) -> None:
    _, events, _ = run(worker(tmp_path), "--job", job(tmp_path, [5, 0, 7, 0], ignore_end=True))
    assert [event["id"] for event in events if event["ev"] == "token"] == [5, 0, 7, 0]
    assert [event["text"] for event in events if event["ev"] == "text"] == ["[5]"]
    assert events[-1]["reason"] == "length"


def test_a_figure_that_is_not_finite_has_no_value(installed: None, tmp_path: Path) -> None:
    _, events, _ = run(worker(tmp_path), "--job", job(tmp_path, [5]))
    [figure] = [event for event in events if event["ev"] == "report"]
    assert (figure["value"], figure["raw"]) == (None, "inf")


def test_a_probe_says_version_and_device(installed: None, tmp_path: Path) -> None:
    code, events, _ = run(worker(tmp_path), "--probe")
    assert (code, [event["ev"] for event in events]) == (0, ["hello", "bye"])
    assert (events[0]["version"], events[0]["device"]) == ("9.9", "cpu")


def test_a_package_that_is_missing_gets_the_command_that_installs_it(tmp_path: Path) -> None:
    code, events, _ = run(worker(tmp_path), "--probe")
    assert (code, [event["ev"] for event in events]) == (1, ["hello", "error", "bye"])
    assert events[0]["version"] == "not installed"
    assert events[1]["kind"] == "unavailable"
    assert events[1]["remedy"].endswith("-m pip install 'some-runtime>=1.2' other")


def test_a_package_that_is_there_and_broken_is_replaced_by_the_remedy(installed: None, tmp_path: Path) -> None:
    """Plain `pip install` would find it satisfied."""
    broken = """
from parity_worker import unavailable

PACKAGE = "pip"

def device():
    raise unavailable("it can't be imported", ("some-runtime>=1.2",), anew=True)
"""
    _, events, _ = run(worker(tmp_path, broken), "--probe")
    assert [event["ev"] for event in events] == ["hello", "error", "bye"]
    assert events[1]["remedy"].endswith("-m pip install --force-reinstall --no-cache-dir 'some-runtime>=1.2'")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        ("MemoryError()", "oom"),
        ("RuntimeError('Unable to allocate 3 GiB')", "oom"),
        ("ValueError('odd')", "refused"),
        ("WorkerError('refused', 'no', 'yes')", "refused"),
    ],
)
def test_what_a_worker_raises_is_an_error_of_its_class(raised: str, kind: str, installed: None, tmp_path: Path) -> None:
    text = WORKER.replace("    print(", f"    raise {raised}\n    print(")
    code, events, err = run(worker(tmp_path, text), "--job", job(tmp_path, []))
    assert (code, [event["ev"] for event in events]) == (1, ["hello", "error", "bye"])
    assert (events[1]["kind"], events[2]["reason"]) == (kind, "error")
    assert "Traceback" in err


def test_what_a_worker_raises_once_the_model_was_asked_is_a_failure(installed: None, tmp_path: Path) -> None:
    text = WORKER.replace("    events.send(", "    raise ValueError('odd')\n    events.send(")
    code, events, _ = run(worker(tmp_path, text), "--job", job(tmp_path, [5]))
    assert code == 1
    assert (events[-2]["kind"], events[-1]["reason"]) == ("failed", "error")


def test_a_worker_may_be_a_folder_whose_files_import_each_other(installed: None, tmp_path: Path) -> None:
    package = tmp_path / "a worker"
    package.mkdir()
    (package / "__init__.py").write_text(f"{WORKER}\nfrom .parts import device\n", encoding="utf-8")
    (package / "parts.py").write_text("def device(): return 'metal'\n", encoding="utf-8")
    code, events, _ = run(package, "--probe")
    assert (code, events[0]["device"]) == (0, "metal")


def test_nothing_beside_the_shared_file_can_hide_a_runtimes_modules() -> None:
    folder = Path(parity_worker.__file__).parent
    assert [path.name for path in folder.glob("*.py")] == ["__init__.py"]


def asides(folder: Path, **more: Any) -> list[dict[str, Any]]:
    _, events, _ = run(worker(folder), "--job", job(folder, [5, 6, 0], **more))
    assert [event["ev"] for event in events[-2:]] in (["report", "bye"], ["aside", "bye"])
    return [event for event in events if event["ev"] == "aside"]


@pytest.mark.parametrize(("took_s", "times"), [(0.01, 3), (0.6, 1)])
def test_a_prompt_is_repeated_as_often_as_asked_or_until_that_took_long_enough(
    installed: None, tmp_path: Path, took_s: float, times: int
) -> None:
    [aside] = asides(tmp_path, further_prefills=3, took_s=took_s)
    assert [round((end - begin) / 1e9, 2) for begin, end in aside["prefills_ns"]] == [took_s] * times
    assert aside["begin_ns"] <= aside["prefills_ns"][0][0]
    assert aside["cpu_s"] >= 0
    assert aside["peak_rss_bytes"] > 1_000_000


def test_nothing_is_repeated_where_that_is_not_asked_for(installed: None, tmp_path: Path) -> None:
    assert asides(tmp_path) == []


def test_a_prompt_that_took_long_is_not_repeated(installed: None, tmp_path: Path) -> None:
    text = WORKER.replace(
        "    ids, reason =", "    import parity_worker; parity_worker.LONGEST_PREFILL_S = -1\n    ids, reason ="
    )
    worker(tmp_path, text)
    code, events, _ = run(tmp_path / "worker.py", "--job", job(tmp_path, [5], further_prefills=3, took_s=0.01))
    assert code == 0
    assert "aside" not in [event["ev"] for event in events]


SCORING = """
import numpy as np
from parity_worker import checked_sequence

PACKAGE = "pip"
REQUIREMENTS = ()

def run(events, job):
    request = job["score"]
    checked_sequence(request, 4)
    return events.scoring(request, iter(np.array(job["rows"], dtype=np.float32)))
"""


def scored(folder: Path, ids: list[int], rows: list[list[float]], top: int = 2) -> tuple[int, list[dict[str, Any]]]:
    """Exit code of a worker whose model gives these logits, and its events after `hello`."""
    request = {"ids": ids, "prompt_tokens": 2, "top": top}
    code, events, _ = run(
        worker(folder, SCORING), "--job", job(folder, [], score=request, rows=rows), options=("-W", "error")
    )
    return code, events[1:]


def test_a_sequence_is_scored_from_its_second_id_on_by_the_logits_before_each(installed: None, tmp_path: Path) -> None:
    code, events = scored(tmp_path, [3, 1, 0], [[0, 0, 0, 0], [2, 1, 0, 0]])
    assert code == 0
    assert [event["ev"] for event in events] == ["prompt", "scored", "scored", "bye"]
    assert (events[0]["ids"], events[0]["count"]) == ([3, 1], 2)
    # log 4 = 1.386294; log(e² + e + 2) = 2.493812
    assert [[event[name] for name in ("position", "id", "logprob", "logsumexp", "top")] for event in events[1:-1]] == [
        [1, 1, -1.386294, 1.386294, [[0, -1.386294], [1, -1.386294]]],
        [2, 0, -0.493812, 2.493812, [[0, -0.493812], [1, -1.493812]]],
    ]
    assert events[-1]["reason"] == "scored"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite_are_a_failure_that_names_the_position(
    installed: None, tmp_path: Path, value: float
) -> None:
    code, events = scored(tmp_path, [3, 1, 0], [[0, 0, 0, 0], [2, 1, value, 0]])
    assert code == 1
    assert [event["ev"] for event in events] == ["prompt", "scored", "error", "bye"]
    assert (events[2]["kind"], events[3]["reason"]) == ("failed", "error")
    assert events[2]["message"] == "the logits for position 2 of the sequence hold a value that is not finite"


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([], "a sequence of 0 ids has nothing to score: it needs at least two"),
        ([1], "a sequence of 1 ids has nothing to score: it needs at least two"),
        ([3, 4], "id 4 at position 1 of the sequence is outside the model's vocabulary of 4 tokens"),
        ([-1, 3], "id -1 at position 0 of the sequence is outside the model's vocabulary of 4 tokens"),
    ],
)
def test_a_sequence_that_the_model_cannot_have_is_refused(
    installed: None, tmp_path: Path, ids: list[int], said: str
) -> None:
    code, events = scored(tmp_path, ids, [])
    assert code == 1
    assert [event["ev"] for event in events] == ["error", "bye"]
    assert (events[0]["kind"], events[0]["message"]) == ("refused", said)


@pytest.mark.parametrize("size", [1, 5, 63, 64, 65, 1000, 49_152])
@pytest.mark.parametrize("count", [1, 8, 200])
@pytest.mark.parametrize("levels", [3, 1_000_000])
def test_the_likeliest_are_the_first_of_all_sorted_by_logit_then_id(size: int, count: int, levels: int) -> None:
    logits = (np.random.default_rng(size).integers(-levels, levels, size) / 8).astype(np.float32)
    expected = sorted(range(size), key=lambda token: (-logits[token], token))[:count]
    assert list(parity_worker.likeliest(logits, count)) == expected


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=300), st.data())
def test_log_probabilities_are_those_of_64_bit_arithmetic(values: list[float], data: st.DataObject) -> None:
    token = data.draw(st.integers(0, len(values) - 1))
    logits = np.array(values, dtype=np.float32)
    logprob, logsumexp, top = parity_worker.likelihood(logits, token, 3)
    exact = np.logaddexp.reduce(logits.astype(np.float64))
    assert logsumexp == pytest.approx(exact, rel=1e-12, abs=1e-9)
    assert logprob == pytest.approx(float(logits[token]) - exact, rel=1e-12, abs=1e-9)
    assert logprob <= 0
    assert [value for _, value in top] == sorted((value for _, value in top), reverse=True)
    assert dict(top).get(token, logprob) == logprob


HANGS = """
import time

PACKAGE = "pip"
REQUIREMENTS = ("pip",)

def run(events, job):
    return events.generation(slowly(job["ids"]), lambda token: token == 0, job["test"])[1]

def slowly(ids):
    for token in ids:
        time.sleep(0.005)
        yield token
    time.sleep(600)
"""


def test_tokens_are_handed_on_a_few_times_a_second_and_none_is_kept_back_while_the_runtime_hangs(
    installed: None, tmp_path: Path
) -> None:
    python, *rest = worker_argv(sys.executable, worker(tmp_path, HANGS), "--job", job(tmp_path, list(range(1, 101))))
    process = subprocess.Popen([python, "-S", *rest], stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    try:
        reads: list[bytes] = []
        while not reads or b'"k": 100,' not in reads[-1]:
            reads.append(process.stdout.read(1 << 20))
            assert reads[-1], "it ended"
    finally:
        process.kill()
        process.communicate()
    events = [json.loads(line) for line in b"".join(reads).splitlines()]
    assert [event["k"] for event in events if event["ev"] == "token"] == list(range(1, 101))
    first = next(read for read in reads if b'"token"' in read)
    assert first.count(b'"token"') == 1
    assert sum(b'"token"' in read for read in reads) <= 20


def test_every_token_is_out_when_a_worker_fails(installed: None, tmp_path: Path) -> None:
    text = HANGS.replace("time.sleep(600)", 'raise RuntimeError("no more")')
    code, events, _ = run(worker(tmp_path, text), "--job", job(tmp_path, list(range(1, 31))))
    assert code == 1
    assert [event["k"] for event in events if event["ev"] == "token"] == list(range(1, 31))
    assert [event["ev"] for event in events[-2:]] == ["error", "bye"]
    assert [event["t_ns"] for event in events] == sorted(event["t_ns"] for event in events)


ASKER = """
import signal
import time
from parity_worker import PROTOCOL, WorkerError

PACKAGE = None

def probe(events, settings):
    events.send("hello", protocol=PROTOCOL, runtime=settings["name"], version="1")
    return "probe"

def run(events, job):
    events.send("hello", protocol=PROTOCOL, runtime="asker", version="1")
    if job["ends_as"]:
        raise WorkerError("failed", "what it started is gone", failure=job["failure"], ends_as=job["ends_as"])
    with events.handing_on():
        for text in ("a", "b\\u00e9", "c"):
            events.chunk(time.monotonic_ns(), text)
    return "length"
"""


def asker_job(folder: Path, ends_as: int = 0, failure: str | None = None) -> str:
    path = folder / "job.json"
    path.write_text(json.dumps({"ends_as": ends_as, "failure": failure}), encoding="utf-8")
    return str(path)


def test_a_worker_of_no_package_introduces_itself_and_is_probed_with_its_settings(tmp_path: Path) -> None:
    path = worker(tmp_path, ASKER)
    code, events, _ = run(path, "--probe", "--settings", '{"name": "some server"}')
    assert code == 0
    assert [(event["ev"], event.get("runtime")) for event in events] == [("hello", "some server"), ("bye", None)]


def test_pieces_of_text_are_written_in_order_and_before_what_follows(tmp_path: Path) -> None:
    code, events, _ = run(worker(tmp_path, ASKER), "--job", asker_job(tmp_path), "--", "server", "--job", "x")
    assert code == 0
    assert [event["text"] for event in events if event["ev"] == "chunk"] == ["a", "bé", "c"]
    assert events[-1]["ev"] == "bye"


@pytest.mark.parametrize("ends_as", [3, -15, -9])
def test_a_worker_ends_as_what_it_started_did(tmp_path: Path, ends_as: int) -> None:
    code, events, _ = run(worker(tmp_path, ASKER), "--job", asker_job(tmp_path, ends_as, "parse"))
    assert code == ends_as
    assert [event.get("failure") for event in events if event["ev"] == "error"] == ["parse"]
