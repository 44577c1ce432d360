"""Memory on discrete GPUs: what NVML shows of a process tree; where it shows nothing, it is absent, and never zero."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from builders import MS, SPAWN_NS, timeline, transcript
from supervised import Run, python

from parity.adapter.events import Aside
from parity.hosts import nvml
from parity.reading.measure import measure
from parity.records import Measurement
from parity.transcript import End, Sample


class ScriptedNvml:
    """NVML of a machine with a list of (process id, bytes) for each GPU."""

    def __init__(self, *gpus: list[tuple[int, int | None]]) -> None:
        self._gpus = gpus

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's own name
        return len(self._gpus)

    def nvmlDeviceGetHandleByIndex(self, k: int) -> int:  # noqa: N802
        return k

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self._gpus[handle]]


class Broken(ScriptedNvml):
    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        raise RuntimeError("the driver went away")


def test_the_memory_of_all_processes_of_the_tree_on_all_gpus_counts_and_of_no_other() -> None:
    assert nvml.memory_bytes({7, 8}, ScriptedNvml([(7, 100), (9, 5000)], [(8, 30), (7, 1)])) == 131


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("NVML can't be used (no driver)", "no driver"),
        (ScriptedNvml(), "lists none of its processes"),
        (ScriptedNvml([(9, 5000)]), "lists none of its processes"),
        (ScriptedNvml([(7, None)]), "doesn't tell the memory of single processes"),
        (Broken(), "the driver went away"),
    ],
)
def test_what_nvml_does_not_show_has_a_reason_and_no_number(library: Any, reason: str) -> None:
    found = nvml.memory_bytes({7}, library)
    assert isinstance(found, str)
    assert reason in found


def peak(samples: list[Sample], end: End | None = None, aside: Aside | None = None) -> Measurement:
    events = [*timeline(), *([] if aside is None else [aside])]
    found = measure(transcript(events, samples=samples, end=end), events)
    return next(m for m in found if m.metric == "peak_vram_bytes")


def sampled(*vram: int | None) -> list[Sample]:
    return [Sample(t_ns=SPAWN_NS + k * 100 * MS, rss_bytes=1, cpu_s=0, vram_bytes=v) for k, v in enumerate(vram)]


def test_the_peak_is_the_highest_sample_of_the_answer() -> None:
    assert peak(sampled(None, 100, 300, 200)).value == 300
    further = Aside(t_ns=SPAWN_NS + 350 * MS, begin_ns=SPAWN_NS + 250 * MS, cpu_s=0, peak_rss_bytes=1)
    assert peak(sampled(None, 100, 300, 900), aside=further).value == 300


def test_without_a_sample_the_peak_is_absent_with_the_reason_of_the_last_try() -> None:
    end = End(t_ns=SPAWN_NS + 1000 * MS, by="exit", exit_code=0, vram_absent="nvidia-ml-py is not installed")
    found = peak(sampled(None, None), end)
    assert (found.value, found.reason) == (None, "nvidia-ml-py is not installed")


def test_a_supervised_process_is_sampled_with_its_gpu_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "memory_bytes", lambda pids: len(pids) << 20)
    busy = run(python("import time; time.sleep(0.5)"))
    assert {sample.vram_bytes for sample in busy.samples} == {1 << 20}
    assert busy.end is not None
    assert busy.end.vram_absent is None


def test_the_end_says_why_a_supervised_process_has_no_gpu_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "library", lambda: ScriptedNvml([]))
    quiet = run(python("import time; time.sleep(0.5)"))
    assert quiet.end is not None
    assert quiet.end.vram_absent == "NVML lists none of its processes"
    assert {sample.vram_bytes for sample in quiet.samples} == {None}


@pytest.mark.skipif(sys.platform != "linux", reason="NVML is on Linux")
def test_the_library_is_there_or_says_why_not() -> None:
    found = nvml.library()
    assert not isinstance(found, str) or "NVML can't be used" in found
