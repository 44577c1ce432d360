"""Output without bounds is cut and counted."""

import threading

import psutil
import pytest
from supervised import Run, end_of, fault, limits, python

from parity.adapter import Marker, Markers
from parity.hosts.local import loop


def test_a_gigabyte_is_cut_and_counted_in_bounded_memory(run: Run) -> None:
    limit = 4 << 20
    parent = psutil.Process()
    before = peak = parent.memory_info().rss
    over = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not over.wait(0.002):
            peak = max(peak, parent.memory_info().rss)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        transcript = run(
            fault("prints_a_gigabyte"),
            limits(max_output_bytes=limit, grace_s=20.0),
            markers=Markers(first_token=Marker(pattern="y", partial=True)),
        )
    finally:
        over.set()
        sampler.join()
    end = end_of(transcript)
    assert end.by == "output-limit"
    assert len(transcript.data("out")) == limit
    assert end.dropped_bytes == (1 << 30) - limit
    assert peak - before < 48 << 20


def test_output_up_to_the_limit_is_no_failure(run: Run) -> None:
    transcript = run(python("print('x' * 999)"), limits(max_output_bytes=1000))
    assert (end_of(transcript).by, end_of(transcript).dropped_bytes) == ("exit", 0)


def test_one_byte_past_the_limit_is_cut_and_counted(run: Run) -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print('x' * 1000)"
    transcript = run(python(code), limits(max_output_bytes=1000))
    assert transcript.data("out") == b"x" * 1000
    assert (end_of(transcript).by, end_of(transcript).dropped_bytes) == ("output-limit", 1)


def test_output_is_cut_even_after_a_clean_exit(run: Run) -> None:
    transcript = run(("sh", "-c", "(sleep 0.2; printf 12345) &"), limits(max_output_bytes=3))
    assert transcript.data("out") == b"123"
    assert (end_of(transcript).by, end_of(transcript).exit_code) == ("output-limit", 0)


def test_a_program_that_prints_byte_by_byte_is_cut_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MOST_PIECES", 10)
    code = "import os, time\nwhile True: os.write(1, b'x'); time.sleep(0.001)"
    transcript = run(python(code))
    assert end_of(transcript).by == "output-limit"
    assert len(transcript.pieces) == 10
