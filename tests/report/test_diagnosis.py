"""What is found about an implementation that is slow: that for which there is evidence, and nothing of an equal one."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from parity.records import (
    Conditions,
    Diagnosis,
    FactRow,
    Finding,
    Measurement,
    NamedThreads,
    Report,
    Trial,
    Use,
    Verdict,
)
from parity.report import FORMATS, render_page, terminal_brief
from parity.report.diagnosis import causes_of, diagnose, text_of
from parity.report.diagnosis.building import is_slow
from parity.report.index import Index

Build = Callable[..., Report]
Gates = Callable[..., tuple[Verdict, ...]]
OneVerdict = Callable[..., Verdict]

ROUNDS = 6
JITTER = (0.99, 1.0, 1.01, 0.995, 1.005, 1.0)
GIB = float(1 << 30)

COUNTED: dict[str, float] = {
    "cpu_s": 1.0,
    "system_s": 0.01,
    "voluntary": 5,
    "involuntary": 10,
    "minor_faults": 4,
    "major_faults": 0,
    "asked_bytes": 1000,
    "read_bytes": 0,
    "threads": 2,
}
"""In one second of a phase."""


def use(phase: str, seconds: float, jitter: float, tokens: int | None = None, **counted: float | None) -> Use:
    """Counts of a second of a phase that takes so long."""
    found = {name: value for name, value in {**COUNTED, **counted}.items() if value is not None}
    whole = {k: v * jitter if k.endswith("_s") else round(v * jitter) for k, v in found.items()}
    absent = {name: "the system does not tell" for name, value in counted.items() if value is None}
    return Use.model_validate(
        {"phase": phase, "seconds": seconds * jitter, "tokens": tokens, "counted_s": 1.0, "absent": absent, **whole}
    )


FIGURES = {"load_s": 1.0, "ttft_s": 0.2, "gen_tps": 50.0, "generated_tokens": 51.0}
EQUAL = {"alpha": FIGURES, "beta": FIGURES}
"""What the table shows: no phase differs, so that all that is found is found in the counts."""

Side = Mapping[str, Any]


def trials(runtime: str, side: Side, rounds: int = ROUNDS) -> list[Trial]:
    """`load_s`, `token_s`, `load` and `decode` (counts in a second of these), `trial`, `rss`, `vram`, `threads`."""
    found = []
    for number in range(1, rounds + 1):
        jitter = JITTER[(number + len(runtime)) % len(JITTER)]
        uses = [
            use("load", side.get("load_s", 1.0), jitter, **side.get("load", {})),
            use("decode", 50 * side.get("token_s", 0.02), jitter, tokens=50, **side.get("decode", {})),
            use("trial", 3.0, jitter, **side.get("trial", {})),
        ]
        values = {"peak_rss_bytes": side.get("rss", GIB), "peak_vram_bytes": side.get("vram")}
        found.append(
            Trial(
                file=f"trials/{runtime}-{number}.jsonl",
                model="toy",
                test="simple-math",
                runtime=runtime,
                round=number,
                warmup=False,
                use=tuple(uses),
                threads=side.get("threads", (NamedThreads(name=runtime, most=2, voluntary=5, involuntary=1),)),
                conditions=Conditions(wall_s=3.0, usable_cpus=2),
                command=side.get("command", ("/opt/beta", "--job", "job.json")),
                measurements=tuple(
                    Measurement(metric=k, unit="bytes", definition="d", provenance="observed", value=v * jitter)
                    for k, v in values.items()
                    if v is not None
                ),
            )
        )
    return found


def device_row(theirs: str, ours: str) -> FactRow:
    return FactRow(
        model="toy",
        test="simple-math",
        runtime="beta",
        baseline="alpha",
        fact="device",
        theirs=theirs,
        ours=ours,
        state="declared",
    )


@pytest.fixture
def findings(build_report: Build) -> Callable[..., dict[str, Finding]]:
    def of(ours: Side, theirs: Side | None = None, rounds: int = ROUNDS, **changed: Any) -> dict[str, Finding]:
        both = [*trials("alpha", theirs or {}, rounds), *trials("beta", ours, rounds)]
        report = build_report(EQUAL, trials=tuple(both), config_file="c.toml", **changed)
        index = Index(report)
        found = diagnose(index, index.workloads[0], "beta")
        kinds = {finding.kind: finding for finding in found.findings}
        assert len(kinds) == len(found.findings)
        assert found.ordinary or found.unknown
        return kinds

    return of


Findings = Callable[..., dict[str, Finding]]


@pytest.fixture
def diagnosis(build_report: Build) -> Callable[..., Diagnosis]:
    """Of Beta beside Alpha, from their trials or from what these are made of."""

    def of(ours: Side | list[Trial], theirs: Side | list[Trial] | None = None, **changed: Any) -> Diagnosis:
        sides = (("alpha", theirs or {}), ("beta", ours))
        both = [side if isinstance(side, list) else trials(name, side) for name, side in sides]
        report = build_report(changed.pop("figures", EQUAL), trials=(*both[0], *both[1]), **changed)
        index = Index(report)
        return diagnose(index, index.workloads[0], "beta")

    return of


Diagnose = Callable[..., Diagnosis]


def changed_use(found: list[Trial], **fields: Any) -> list[Trial]:
    """The trials with other fields of what they used in decoding."""
    return [t.but(use=tuple(u.but(**fields) if u.phase == "decode" else u for u in t.use)) for t in found]


def kinds(found: Diagnosis) -> list[str]:
    return [finding.kind for finding in found.findings]


SLOW = {"token_s": 0.04}


def test_nothing_is_found_about_an_equal_pair(findings: Findings) -> None:
    assert findings({}) == {}


def test_half_the_cores_at_the_same_cpu_time_account_for_the_slowdown(findings: Findings) -> None:
    found = findings({**SLOW, "decode": {"cpu_s": 1.0}}, {"decode": {"cpu_s": 2.0}})
    assert list(found) == ["cores"]
    assert found["cores"].explains == pytest.approx(1.0, abs=0.05)
    assert found["cores"].decisive
    shown = text_of(found["cores"], "Beta", "Alpha")
    assert "CPU cores used: Beta 1.00 cores, Alpha 2.00 cores" in shown
    assert "about 100% of the slowdown" in shown


def test_threads_that_wait_are_told_from_threads_that_are_not_there(findings: Findings) -> None:
    waits = {**SLOW, "decode": {"cpu_s": 1.0, "voluntary": 5000}}
    assert list(findings(waits, {"decode": {"cpu_s": 2.0}})) == ["waiting"]
    idle = findings({**SLOW, "decode": {"cpu_s": 0.5, "voluntary": 25}})
    assert list(idle) == ["waiting"]
    assert any(e.what == "share of the time in which no thread ran, at least" for e in idle["waiting"].evidence)


@pytest.mark.parametrize("waits", [1, 5, None])
def test_threads_that_are_not_seen_to_wait_more_are_not_said_to(findings: Findings, waits: int | None) -> None:
    """Their cores may be taken from them, as where another program or a quota does."""
    found = findings({**SLOW, "decode": {"cpu_s": 0.5, "voluntary": waits}}, {"decode": {"voluntary": waits and 5}})
    assert list(found) == ["cores"]
    assert found["cores"].sentence == "in decoding it uses fewer CPU cores than the baseline"


def test_waits_for_the_disk_are_told_from_other_waits(findings: Findings) -> None:
    found = findings({"load_s": 4.0, "load": {"cpu_s": 0.25, "voluntary": 500, "major_faults": 500}})
    assert list(found) == ["disk"]
    assert "loading" in found["disk"].sentence
    assert found["disk"].next is not None
    assert "major-faults" in found["disk"].next


def test_more_cpu_time_for_the_same_tokens_is_more_work(findings: Findings) -> None:
    assert list(findings(SLOW)) == ["work"]


def test_cpu_time_of_the_kernel_is_told_from_that_of_the_program(findings: Findings) -> None:
    assert list(findings({**SLOW, "decode": {"system_s": 0.5}})) == ["kernel"]
    faults = findings({**SLOW, "decode": {"system_s": 0.5, "minor_faults": 40_000}})
    assert list(faults) == ["page-faults"]
    # Neither calls nor faults are counted here: nothing is said of why.
    unknown = {"system_s": 0.5, "minor_faults": None}
    kernel = findings({**SLOW, "decode": unknown}, {"decode": {"minor_faults": None}})
    assert kernel["kernel"].sentence == "in decoding the kernel takes more CPU time for it than for the baseline"


def test_more_threads_than_cpus_are_found_where_they_take_cores_from_each_other(findings: Findings) -> None:
    crowd = {**SLOW, "decode": {"cpu_s": 2.0, "threads": 8, "involuntary": 900}}
    assert "crowding" in findings(crowd, {"decode": {"cpu_s": 2.0}})
    idle = {**SLOW, "decode": {"cpu_s": 2.0, "threads": 8}}
    assert "crowding" not in findings(idle, {"decode": {"cpu_s": 2.0}})
    # Threads that the baseline has too tell nothing.
    assert "crowding" not in findings(crowd, {"decode": {"cpu_s": 2.0, "threads": 8}})


def test_the_baseline_alone_used_the_accelerator(findings: Findings) -> None:
    found = findings({}, facts=(device_row("metal:0", "cpu"),))
    assert list(found) == ["device"]
    assert found["device"].decisive
    assert found["device"].next == "parity doctor c.toml"
    assert list(findings({}, facts=(device_row("cuda (10 of 29 layers)", "cpu"),))) == ["device"]
    assert findings({}, facts=(device_row("cpu", "cpu"),)) == {}
    assert findings({}, facts=(device_row("cpu", "metal"),)) == {}


def test_memory_of_a_gpu_that_was_not_measured_is_not_taken_for_none(findings: Findings) -> None:
    assert findings({}, {"vram": GIB}, facts=(device_row("cuda:0", "cuda:0"),)) == {}


def test_cpu_time_says_nothing_where_a_gpu_computes(findings: Findings) -> None:
    gpu = {name: {"settings": {"device": "cuda:0"}} for name in ("alpha", "beta")}
    assert findings({**SLOW, "decode": {"cpu_s": 0.1}}, runtimes=gpu) == {}


@pytest.mark.parametrize("device", ["webgpu", "auto", None])
def test_cpu_time_says_nothing_where_nobody_knows_what_computes(diagnosis: Diagnose, device: str | None) -> None:
    unknown = {"beta": {"settings": {"device": device}, "device": device}}
    found = diagnosis({**SLOW, "decode": {"cpu_s": 0.1}}, {}, runtimes=unknown)
    assert kinds(found) == []
    assert any(line.startswith("CPU in decoding: ") and "CPU time tells only" in line for line in found.unknown)


def test_a_second_load_is_found_in_what_the_runtime_reports(findings: Findings) -> None:
    reports = {"beta": {"settings": {"workers_loaded": 2, "other_models": "a/second-model"}}}
    found = findings({}, runtimes=reports)
    assert list(found) == ["second-load"]
    assert found["second-load"].sentence == (
        "it loads the model 2 times in one trial and it loads a further model, a/second-model"
    )


def test_weights_that_are_read_or_held_twice(findings: Findings, build_report: Build) -> None:
    [model] = build_report().models
    large = (model.but(size_bytes=1 << 30),)
    twice = {"trial": {"asked_bytes": 2 * GIB}, "rss": 2.2 * GIB}
    once = {"trial": {"asked_bytes": GIB}, "rss": 1.1 * GIB}
    found = findings(twice, once, models=large)
    assert set(found) == {"reads", "memory"}
    assert found["reads"].sentence.startswith("it reads 2.0 times the size of the weights")
    assert findings(once, once, models=large) == {}
    # Of a small model, neither tells anything.
    assert findings(twice, once) == {}


def test_threads_that_block_are_more_than_the_workers(findings: Findings) -> None:
    def pool(most: int) -> Side:
        return {"threads": (NamedThreads(name="tokio-runtime-w", most=most, voluntary=900, involuntary=1),)}

    assert list(findings(pool(5))) == ["blocking-threads"]
    assert findings(pool(2)) == {}
    assert findings(pool(5), pool(5)) == {}
    told = {"beta": {"settings": {"tokio_worker_threads": 5, "device": "cpu"}}}
    assert findings(pool(5), runtimes=told) == {}
    # What was not looked at is not none.
    assert findings(pool(5), {"threads": ()}) == {}


@pytest.mark.parametrize("unknown_in_baseline", [True, False])
def test_cpu_time_in_the_kernel_may_be_unknown(diagnosis: Diagnose, unknown_in_baseline: bool) -> None:
    without: Side = {"system_s": None}
    found = diagnosis({**SLOW, "decode": without}, {"decode": without} if unknown_in_baseline else {})
    assert kinds(found) == ["work"]
    assert all("kernel" not in evidence.what for evidence in found.findings[0].evidence)
    assert any(line.startswith("CPU time in the kernel in decoding: Beta:") for line in found.unknown)


def test_the_time_of_a_token_is_not_set_beside_that_of_a_phase(diagnosis: Diagnose) -> None:
    text = changed_use(trials("beta", {}), tokens=None)
    for theirs in (trials("alpha", {}), changed_use(trials("alpha", {"token_s": 0.01}), tokens=None)):
        found = diagnosis(text, theirs)
        assert kinds(found) == []
        assert any(line.startswith("CPU in decoding: Beta does not show its tokens") for line in found.unknown)


def test_a_server_that_was_running_before_is_not_looked_at(diagnosis: Diagnose) -> None:
    asked = [trial.but(use=(), threads=()) for trial in trials("beta", {})]
    found = diagnosis(asked, {}, runtimes={"beta": {"settings": {"already_running": True}}})
    assert kinds(found) == []
    assert "CPU in loading: Beta: what computes was running before this trial" in "\n".join(found.unknown)


def test_what_is_not_counted_is_unknown_and_never_a_finding(build_report: Build) -> None:
    nothing = dict.fromkeys(COUNTED)
    both = [*trials("alpha", {"decode": nothing}), *trials("beta", {**SLOW, "decode": nothing})]
    index = Index(build_report(EQUAL, trials=tuple(both)))
    found = diagnose(index, index.workloads[0], "beta")
    assert found.findings == ()
    assert "CPU in decoding: Beta: the system does not tell" in found.unknown


def test_nothing_is_said_of_phases_that_were_not_measured(diagnosis: Diagnose) -> None:
    without = [[trial.but(use=(), threads=()) for trial in trials(name, {})] for name in ("beta", "alpha")]
    found = diagnosis(*without)
    assert not any(line.startswith("time of") for line in found.ordinary)
    assert any(line.startswith("names of threads: not all were looked at") for line in found.unknown)
    assert "time of loading and decoding: not slower by more than the rounds differ" in diagnosis({}, {}).ordinary


def test_weights_are_said_to_be_neither_read_nor_held_twice(findings: Findings, build_report: Build) -> None:
    [model] = build_report().models
    ours = {"trial": {"asked_bytes": 2 * GIB}, "rss": 2.2 * GIB}
    found = findings(ours, models=(model.but(size_bytes=1 << 30),))
    assert all("twice" not in finding.sentence and finding.note for finding in found.values())


def test_the_largest_part_is_not_named_where_loading_was_not_measured(diagnosis: Diagnose) -> None:
    base = {"gen_tps": 50.0, "generated_tokens": 51.0, "total_s": 1.2}
    slow = {**base, "gen_tps": 25.0, "total_s": 2.3}
    [found] = diagnosis({}, {}, figures={"alpha": base, "beta": slow}).findings
    assert found.sentence == "of the phases measured on both sides, decoding differs most"
    assert not found.decisive
    assert "loading may differ by more" in (found.note or "")
    wall = diagnosis({}, {}, figures={"alpha": {**base, "wall_s": 2.0}, "beta": {**slow, "wall_s": 62.0}})
    assert wall.findings[0].sentence.startswith("loading and prefill with other work accounts for the largest part")


def test_a_cause_is_of_the_phase_that_the_gate_is_about(build_report: Build, gates: Gates) -> None:
    """Loading waits, and decoding, which is far slower, was not counted; or the other way round."""
    nothing = dict.fromkeys(COUNTED)
    waits = {"load_s": 2.0, "token_s": 0.08, "load": {"cpu_s": 0.5, "voluntary": 500}, "decode": nothing}
    both = (*trials("alpha", {"decode": nothing}), *trials("beta", waits))
    of = {}
    for gate in ("generation_parity", "load_bound"):
        report = build_report(EQUAL, trials=both, verdicts=gates(**{gate: "FAIL"}))
        [diagnosis] = [d for d in report.diagnoses if d.test == "simple-math"]
        [found] = [f for f in diagnosis.findings if f.kind == "waiting"]
        assert "of the slowdown of loading" in text_of(found, "Beta", "Alpha")
        of[gate] = [finding.kind for finding in causes_of(report, diagnosis)]
    assert of == {"generation_parity": [], "load_bound": ["waiting"]}


def test_the_phase_that_loses_most_is_no_cause_of_a_gate_on_a_different_one(build_report: Build, gates: Gates) -> None:
    base = {"load_s": 0.1, "ttft_s": 0.2, "gen_tps": 50.0, "generated_tokens": 501.0}
    slow = {**base, "load_s": 0.6, "gen_tps": 40.0}
    report = build_report({"alpha": base, "beta": slow}, verdicts=gates(load_bound="FAIL"))
    assert report.diagnoses[0].findings[0].sentence.startswith("decoding accounts for the largest part")
    assert "cause" not in terminal_brief(report, 200)


@pytest.mark.parametrize("rounds", [1, 4])
def test_few_rounds_show_nothing(findings: Findings, rounds: int) -> None:
    assert findings({**SLOW, "decode": {"cpu_s": 0.5}}, rounds=rounds) == {}


def test_scatter_is_no_finding(build_report: Build) -> None:
    """One round of six is far off on one side."""
    both = [*trials("alpha", {}), *trials("beta", {})]
    odd = both[-1].but(use=tuple(u.but(cpu_s=0.1, seconds=3 * u.seconds) for u in both[-1].use))
    index = Index(build_report(EQUAL, trials=(*both[:-1], odd)))
    assert diagnose(index, index.workloads[0], "beta").findings == ()


@pytest.mark.parametrize(
    ("platform", "command", "profiler"),
    [
        ("linux", ("/opt/beta",), "perf record -g --output perf.data -- parity run c.toml --only beta"),
        ("linux", ("/usr/bin/python3.11", "w.py"), "py-spy record --subprocesses --native"),
        ("darwin", ("/opt/beta",), "samply record -- parity run"),
        ("darwin", ("/usr/bin/python3.11", "w.py"), "sudo py-spy record --subprocesses --output"),
    ],
)
def test_the_profiler_suits_the_platform_and_the_runtime(
    build_report: Build, platform: str, command: tuple[str, ...], profiler: str
) -> None:
    report = build_report(
        EQUAL,
        trials=(*trials("alpha", {}), *trials("beta", {"command": command})),
        config_file="c.toml",
        machine={"platform": platform},
        options=("--rounds 9", "--set a=1"),
    )
    index = Index(report)
    found = diagnose(index, index.workloads[0], "beta").profile
    assert found.startswith(profiler)
    assert found.endswith("--test simple-math --set a=1 --quick")


def test_only_what_is_slow_or_may_be_is_diagnosed(build_report: Build, gates: Gates, verdict: OneVerdict) -> None:
    assert build_report().diagnoses == ()
    failed = build_report(verdicts=[*gates(), verdict("speed", "FAIL")])
    assert [(d.test, d.runtime) for d in failed.diagnoses] == [("simple-math", "beta")]
    assert not is_slow(verdict("speed", "FAIL", failed_side="fast"))
    below = verdict("speed", "INCONCLUSIVE", value=0.7).but(at_least=0.8)
    assert is_slow(below)
    assert not is_slow(below.but(value=0.9))
    load = verdict("load", "INCONCLUSIVE", of="bound", metric="load_s", value=3.0)
    assert is_slow(load.but(at_most=2.0))
    assert not is_slow(load.but(at_least=5.0))


def test_the_page_and_the_end_of_a_run_say_what_was_found(build_report: Build, gates: Gates) -> None:
    slow = {**SLOW, "decode": {"cpu_s": 1.0}}
    report = build_report(
        EQUAL,
        trials=(*trials("alpha", {"decode": {"cpu_s": 2.0}}), *trials("beta", slow)),
        config_file="c.toml",
        verdicts=gates(generation_parity="FAIL"),
    )
    page = render_page(report)
    assert "- Simple Math: in decoding it uses fewer CPU cores" in page
    assert "To look further: `perf record -g --output perf.data -- parity run c.toml --only beta" in page
    html = FORMATS["html"](report)
    assert "What tells Beta from Alpha" in html
    assert "in decoding it uses fewer CPU cores" in html
    assert "perf record -g --output perf.data -- parity run c.toml" in html
    [cause] = [line for line in terminal_brief(report, 200).splitlines() if line.startswith("cause")]
    assert "Beta on Simple Math: in decoding it uses fewer CPU cores" in cause
