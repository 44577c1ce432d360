"""A builder of reports. Every figure here is invented: Alpha, Beta and Gamma are no programs."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from spoken import CONTINUATION, PROMPT, SPOKEN, following, generated, noisy, score_trial, swapped

from parity.compare import UPPER_BOUNDS
from parity.outputs import Compared, judge_outputs
from parity.reading.dictionary import METRICS, only_a_bound
from parity.records import (
    Claim,
    Comparison,
    Exit,
    Failure,
    Interval,
    ModelFacts,
    NotRun,
    OutputVerdict,
    PageSpec,
    Report,
    RuntimeReport,
    Summary,
    TestSpec,
    Trial,
    Verdict,
    VerdictKind,
    flattened,
)
from parity.report.diagnosis import diagnosed

GOLDEN = Path(__file__).parent / "golden"

ROUNDS = (0.99, 1.0, 1.01)
"""How the value of each round lies to its cell's figure."""

ALPHA = {
    "load_s": 0.36,
    "prompt_tps": 120.5,
    "gen_tps": 93.87,
    "ttft_s": 0.0042,
    "total_s": 0.6,
    "peak_rss_bytes": 1.5 * 1024**3,
    "gen_cores": 1.98,
    "load_cores": 1.02,
    "generated_tokens": 50.0,
}
BETA = {**ALPHA, "load_s": 0.41, "gen_tps": 90.02, "total_s": 0.61, "gen_cores": 1.95}
SLOW_BETA = {**BETA, "load_s": 1.78, "gen_tps": 20.5, "total_s": 2.5, "gen_cores": 1.01}

MODEL = ModelFacts(
    name="toy",
    title="example/Toy-1M-GGUF (Q8_0)",
    source="/models/toy.gguf",
    path="/models/toy.gguf",
    format="gguf",
    sha256="0123456789abcdef" * 4,
    size_bytes=1_400_000,
    architecture="llama",
    parameters=1_000_000,
    quantisation={"Q8_0": 15, "F32": 5},
)
TESTS = (
    TestSpec(name="simple-math", title="Simple Math", prompt="What is 2+2?", max_tokens=50),
    TestSpec(name="longer-generation", title="Longer Generation", prompt="Explain quantum physics", max_tokens=200),
)
PAGE = PageSpec(
    title="Beta Toy 1M Performance",
    features="--features metal",
    architecture="Beta with pool",
    matching=(
        Claim(text="Architecture is sound", gates=("every-trial",)),
        Claim(text="Generator fixes worked"),
        Claim(text="Pool overhead is minimal", gates=("generation-parity", "steady")),
    ),
    conclusion="Ready to restore the next model",
    slower=("Identify bottlenecks with profiling", "Check for remaining spawn_blocking calls"),
)

Figures = Mapping[str, float | str]
"""Metric → the cell's figure, or the reason why there is none."""


def verdict(
    gate: str,
    kind: VerdictKind,
    *,
    of: str = "ratio",
    metric: str | None = "gen_tps",
    runtime: str = "beta",
    test: str = "simple-math",
    sentence: str | None = None,
    required: bool = True,
    value: float | None = None,
    failed_side: str | None = "slow",
    advice: str | None = None,
    bounds: str | None = None,
) -> Verdict:
    said = sentence or f"{gate} was measured on {test}, required: as configured"
    return Verdict.model_validate(
        {
            "gate": gate,
            "kind": of,
            "compares": of == "ratio",
            "failed_side": failed_side if kind == "FAIL" and of in ("ratio", "bound") else None,
            "metric": metric,
            "model": "toy",
            "test": test,
            "runtime": runtime,
            "required": required,
            "verdict": kind,
            "sentence": f"{said}; {flattened(advice)}" if advice else said,
            "advice": advice,
            "bounds": bounds,
            "value": value,
            "interval": None if value is None else Interval(low=0.95 * value, high=1.05 * value),
        }
    )


def gates(**verdicts: VerdictKind) -> tuple[Verdict, ...]:
    """The four gates on both tests, all PASS but those named: `gates(generation_parity="FAIL")`."""
    kinds: dict[str, tuple[str, str | None, str | None, float, float]] = {
        "generation-parity": ("ratio", "gen_tps", "at least 0.8×", 0.96, 0.22),
        "load-bound": ("bound", "load_s", "at most 1.00 s", 0.41, 1.78),
        "every-trial": ("no-failed-trials", None, None, 0.0, 0.0),
        "steady": ("consistency", "gen_tps", "at most 10%", 0.031, 0.18),
    }
    return tuple(
        verdict(
            gate,
            kind := verdicts.get(gate.replace("-", "_"), "PASS"),
            of=of,
            metric=metric,
            test=test.name,
            bounds=bounds,
            value=None if bounds is None or kind.startswith("NOT") else bad if kind == "FAIL" else good,
        )
        for gate, (of, metric, bounds, good, bad) in kinds.items()
        for test in TESTS
    )


def build_report(
    figures: Mapping[str, Figures] | None = None,
    *,
    verdicts: Sequence[Verdict] | None = None,
    definitions: Mapping[tuple[str, str], str] | None = None,
    extra: Sequence[Summary] = (),
    titles: Mapping[str, str] | None = None,
    runtimes: Mapping[str, Mapping[str, object]] | None = None,
    not_comparable: str | None = None,
    failures: Mapping[str, Failure] | None = None,
    tests: Sequence[TestSpec] = TESTS,
    page: PageSpec = PAGE,
    code: int = 0,
    **changed: object,
) -> Report:
    """A report in which each runtime of `figures` (the first is the baseline) has its figures on every test.

    `definitions`: (runtime, metric) → another definition than the strictest. `not_comparable`: why no two sides are.
    `failures`: runtime → how each of its trials failed. `runtimes`: runtime → changed fields of its entry.
    """
    cells = dict(figures if figures is not None else {"alpha": ALPHA, "beta": BETA})
    baseline = next(iter(cells))
    summaries = [
        _summary(test.name, runtime, metric, figure, (definitions or {}).get((runtime, metric)))
        for test in tests
        for runtime, values in cells.items()
        for metric, figure in values.items()
    ]
    measured = {(s.test, s.runtime, s.metric): s for s in summaries if s.centre is not None}
    comparisons = [
        _delta(own, measured[test, baseline, metric], not_comparable)
        for (test, runtime, metric), own in measured.items()
        if runtime != baseline and (test, baseline, metric) in measured
    ]
    trials = [
        Trial(
            file=f"{100 * k + number:04}-{runtime}.jsonl",
            model="toy",
            test=test.name,
            runtime=runtime,
            round=number,
            warmup=False,
            failure=(failures or {}).get(runtime),
        )
        for k, test in enumerate(tests)
        for number in (1, 2, 3)
        for runtime in cells
        if not _is_absent(runtimes, runtime)
    ]
    entries = [
        RuntimeReport.model_validate(
            {
                "name": name,
                "title": (titles or {}).get(name, name.capitalize()),
                "adapter": "invented",
                "role": "baseline" if name == baseline else "implementation",
                "status": "ready",
                "version": "1.0",
                "device": "cpu",
                "settings": {"context": 512, "threads": 2, "flash_attention": False, "seed": None},
                **(runtimes or {}).get(name, {}),
            }
        )
        for name in cells
    ]
    report = Report.model_validate(
        {
            "run": "2031-01-02-toy",
            "name": "invented",
            "started": "2031-01-02T03:04:05Z",
            "parity_version": "0.1.0",
            "config_sha256": "f" * 64,
            "baseline": baseline,
            "machine": {"os": "Invented 1.0", "cores_logical": 2, "memory_bytes": 8 * 1024**3, "load_1min": 0.25},
            "models": (MODEL,),
            "tests": tuple(tests),
            "runtimes": tuple(entries),
            "trials": tuple(trials),
            "not_run": tuple(
                _not_run(test.name, entry) for entry in entries if entry.status == "unavailable" for test in tests
            ),
            "summaries": (*summaries, *extra),
            "comparisons": tuple(comparisons),
            "verdicts": tuple(gates() if verdicts is None else verdicts),
            "page": page,
            "exit": Exit(code=code, reason="every required gate passed" if code == 0 else "see the verdicts"),
            **changed,
        }
    )
    return diagnosed(report)


def _is_absent(runtimes: Mapping[str, Mapping[str, object]] | None, name: str) -> bool:
    return (runtimes or {}).get(name, {}).get("status", "ready") != "ready"


def _not_run(test: str, runtime: RuntimeReport) -> NotRun:
    return NotRun(
        model="toy",
        test=test,
        runtime=runtime.name,
        kind="unavailable",
        planned=4,
        ran=0,
        reason=runtime.reason or "no reason",
        remedy=runtime.remedy,
    )


def given_up(test: str, runtime: str) -> NotRun:
    return NotRun(
        model="toy", test=test, runtime=runtime, kind="given up", planned=12, ran=3, reason="its first 3 trials failed"
    )


def _summary(test: str, runtime: str, metric: str, figure: float | str, definition: str | None) -> Summary:
    spec = METRICS[metric]
    value, reason = (None, figure) if isinstance(figure, str) else (figure, None)
    return Summary(
        model="toy",
        test=test,
        runtime=runtime,
        metric=metric,
        unit=spec.unit,
        definition=definition or spec.definitions[0].id,
        provenance="reported" if (definition or "").startswith("runtime-report") else "observed",
        values=() if value is None else tuple(value * share for share in ROUNDS),
        centre=value,
        interval=None if value is None else Interval(low=value * 0.98, high=value * 1.02),
        reason=reason,
    )


def _delta(own: Summary, theirs: Summary, not_comparable: str | None) -> Comparison:
    """An invented comparison whose numbers fit the two figures, so that a table adds up to its reader."""
    assert own.centre is not None
    assert theirs.centre is not None
    ratio = own.centre / theirs.centre
    numbers = {
        "definition": own.definition,
        "rounds": 3,
        "difference": own.centre - theirs.centre,
        "ratio": ratio,
        "interval": Interval(low=ratio / 1.05, high=ratio * 1.05),
    }
    if only_a_bound(own.metric, own.definition) == "upper":
        numbers = {"definition": own.definition, "rounds": 3, "reason": UPPER_BOUNDS}
    return Comparison.model_validate(
        {
            "model": "toy",
            "test": own.test,
            "runtime": own.runtime,
            "baseline": theirs.runtime,
            "metric": own.metric,
            "unit": own.unit,
            **({"reason": not_comparable, "comparable": False} if not_comparable else numbers),
        }
    )


def cpu_crash() -> Failure:
    return Failure(
        kind="crash:SIGSEGV",
        message="the process died of SIGSEGV 0.3 s after its spawn",
        tail=("loading toy.gguf", "\x1b[31mpanic\x1b[0m: index out of range", "x" * 200),
    )


@pytest.fixture(name="build_report")
def build_report_fixture() -> Callable[..., Report]:
    return build_report


@pytest.fixture(name="gates")
def gates_fixture() -> Callable[..., tuple[Verdict, ...]]:
    return gates


@pytest.fixture(name="verdict")
def verdict_fixture() -> Callable[..., Verdict]:
    return verdict


def _scenarios() -> dict[str, Report]:
    printed_nothing = "prints nothing until its end"
    missing: Figures = {
        **BETA,
        "ttft_s": printed_nothing,
        "prompt_tps": printed_nothing,
        "peak_rss_bytes": "not sampled",
    }
    gamma = {**BETA, "load_s": 0.11, "gen_tps": 201.4}
    crashed = dict.fromkeys(ALPHA, "all 3 trials failed")
    unavailable: dict[str, object] = {
        "status": "unavailable",
        "version": None,
        "device": None,
        "settings": {},
        "reason": "no module named gamma",
        "remedy": "python -m pip install 'gamma[everything]' --prefer-binary --find-links ./a-folder-with-a-long-name",
    }
    slow = gates(generation_parity="FAIL", load_bound="FAIL")
    return {
        "matching": build_report(),
        "slower": build_report({"alpha": ALPHA, "beta": SLOW_BETA}, verdicts=slow, code=1),
        "undecided": build_report(verdicts=gates(generation_parity="INCONCLUSIVE"), code=3),
        "missing": build_report(
            {"alpha": ALPHA, "beta": missing},
            verdicts=gates(generation_parity="NOT RUN"),
            extra=[_summary("simple-math", "beta", "load_header_s", 0.01, "runtime-report:loaded-in")],
            code=4,
        ),
        "failed": build_report(
            {"alpha": ALPHA, "beta": crashed},
            verdicts=gates(generation_parity="NOT RUN", load_bound="NOT RUN", every_trial="FAIL", steady="NOT RUN"),
            failures={"beta": cpu_crash()},
            not_run=(given_up("longer-generation", "beta"),),
            warnings=("the machine was busy: load 3.1 on 2 cores",),
            code=1,
        ),
        "three-runtimes": build_report(
            {"alpha": ALPHA, "beta": BETA, "gamma": gamma, "omega": dict.fromkeys(ALPHA, "no trial ran")},
            titles={"alpha": "alpha-in-python", "beta": "beta_with_a_long_name", "gamma": "gamma"},
            runtimes={"omega": unavailable},
            verdicts=[*gates(), verdict("generation-parity", "PASS", runtime="gamma")],
        ),
        "not-comparable": build_report(
            not_comparable="the prompts differ: 14 ids and 15 ids, from id 3 on",
            verdicts=gates(generation_parity="NOT COMPARABLE"),
            code=3,
        ),
        "outputs": build_report({"alpha": ALPHA, "beta": BETA, "gamma": gamma, "delta": BETA}, outputs=_outputs()),
    }


def _outputs() -> tuple[OutputVerdict, ...]:
    """One implementation that differs as honest engines do, one that is wrong, and one that prints text alone."""
    place, other = 10, 39
    parted = (*CONTINUATION[:place], other, *CONTINUATION[: len(CONTINUATION) - place - 1])
    answer, text = (*PROMPT, *parted), "It is four ."
    compared = Compared(
        model="toy",
        test="simple-math",
        baseline="alpha",
        trials=[
            *generated("alpha", text=text),
            *generated("beta", parted, text=text),
            *generated("gamma", parted, text="It is five ."),
            *generated("delta", None, text=text, sampling="temperature 0.001"),
        ],
        scored=[
            score_trial("alpha", swapped(SPOKEN, place, other, -0.05)),
            score_trial("beta", noisy(swapped(SPOKEN, place, other, 0.05), 0.01)),
            score_trial("gamma", swapped(SPOKEN, place, other, 5.0)),
            *(score_trial(name, following(answer), answer, number=2) for name in ("beta", "gamma")),
        ],
        quantisation=MODEL.quantisation,
        declared={"delta": {"outputs": "it prints text alone"}},
        exact=[
            score_trial(
                name, noisy(swapped(SPOKEN, place, other, 0.01), size), identity=generated(name)[0].identity
            ).but(kind="exact")
            for name, size in (("alpha", 0.0), ("beta", 1e-5))
        ],
    )
    return tuple(found for name in ("beta", "gamma", "delta") if (found := judge_outputs(compared, name)) is not None)


SCENARIOS = _scenarios()


@pytest.fixture(params=sorted(SCENARIOS))
def scenario(request: pytest.FixtureRequest) -> tuple[str, Report]:
    """Each kind of run, by its name."""
    name: str = request.param
    return name, SCENARIOS[name]


@pytest.fixture
def reports() -> Mapping[str, Report]:
    """All of them."""
    return SCENARIOS


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares a text with its golden file. With PARITY_WRITE_GOLDEN=1 it writes the file, and fails all the same."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("PARITY_WRITE_GOLDEN") == "1":
            path.write_text(text, encoding="utf-8")
            pytest.fail(f"{path.name} was written: read it, and run without PARITY_WRITE_GOLDEN")
        assert text == path.read_text(encoding="utf-8")

    return compare
