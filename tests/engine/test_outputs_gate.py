"""The gate on outputs, what it means for gates on speeds, and the trials that score, which count for nothing else."""

from collections.abc import Mapping, Sequence

import pytest
from builders import MODEL
from hypothesis import given
from hypothesis import strategies as st
from spoken import CONTINUATION, SPOKEN, Logits, generated, noisy, score_trial

from parity.adapter import Availability
from parity.config import Config, LoadedConfig
from parity.judging.outputs import compared_in
from parity.judging.report import RunFacts, judge
from parity.outputs import judge_outputs
from parity.records import Declaration, Failure, Identity, Report, Scalar, Trial, Verdict, VerdictKind
from parity.report import FORMATS
from parity.run.giving_up import given_up

OUTPUTS: dict[str, object] = {"name": "same-answers", "kind": "outputs"}
SPEED: dict[str, object] = {"name": "speed", "kind": "ratio", "metric": "gen_tps", "min_ratio": 0.8}
MEMORY: dict[str, object] = {"name": "memory", "kind": "ratio", "metric": "peak_rss_bytes", "max_ratio": 1.2}
HANGS: dict[str, object] = {"name": "hangs", "kind": "no-failed-trials"}
WRONG = (*CONTINUATION[:5], 1, *CONTINUATION[6:])
ROUNDS = 8


def config(*gates: dict[str, object], declare: tuple[Declaration, ...] = (), **test: object) -> Config:
    return Config.model_validate(
        {
            "name": "c",
            "baseline": "one",
            "models": ({"name": "m", "source": "m"},),
            "tests": ({"name": "t", "prompt": "p", "max_tokens": 24, **test},),
            "runtimes": {"one": {"adapter": "command"}, "two": {"adapter": "command"}},
            "rounds": {"fixed": ROUNDS, "warmup": 0},
            "gates": gates or (OUTPUTS, SPEED),
            "declare": declare,
        }
    )


def report(
    trials: Sequence[Trial], of: Config | None = None, libraries: Mapping[str, Mapping[str, str]] | None = None
) -> Report:
    loaded = LoadedConfig(
        file="/c.toml",
        text="",
        sha256="c" * 64,
        config=of or config(),
        settings={"one": {"program": "one"}, "two": {"program": "two"}},
        not_set=(),
    )
    ready = Availability(ready=True, version="1", device="cpu")
    return judge(
        RunFacts(
            name="run",
            started="2031-01-02T03:04:05Z",
            parity_version="0",
            loaded=loaded,
            models=(MODEL,),
            machine={"platform": "linux"},
            runtimes={"one": ready, "two": ready},
            cells=(("m", "t", "one"), ("m", "t", "two")),
            not_run=(),
            spawned=len(trials),
            interrupted=False,
            libraries=libraries or {},
        ),
        trials,
    )


def measured(ids: Sequence[int] | None = CONTINUATION, *scored: Trial, **fields: object) -> list[Trial]:
    """A run in which `two` generated the ids, at the same rate as `one`."""
    sides = [*generated("one", rounds=ROUNDS, text="a b c"), *generated("two", ids, rounds=ROUNDS, **fields)]  # type: ignore[arg-type]
    return [*sides, *scored]


def verdict(found: Report, gate: str) -> Verdict:
    return next(v for v in found.verdicts if v.gate == gate)


def accepting(reason: str = "it shows text alone") -> Config:
    declared = Declaration(fact="outputs", runtimes=("two",), reason=reason)
    return config(declare=(declared,))


DRIFTED = noisy(SPOKEN, 0.5)
TEXT_ONLY = measured(None, text="a b c")


@pytest.mark.parametrize(
    ("trials", "outputs", "kind", "speed", "code"),
    [
        (measured(), "IDENTICAL", "PASS", "PASS", 0),
        (
            measured(CONTINUATION, score_trial("one", SPOKEN), score_trial("two", noisy(SPOKEN, 0.05))),
            *("EQUIVALENT", "PASS", "PASS", 0),
        ),
        (
            measured(CONTINUATION, score_trial("one", SPOKEN), score_trial("two", DRIFTED)),
            *("DRIFT", "FAIL", "NOT COMPARABLE", 1),
        ),
        (measured(WRONG, score_trial("one", SPOKEN)), "WRONG", "FAIL", "NOT COMPARABLE", 1),
        (TEXT_ONLY, "UNPROVEN", "NOT COMPARABLE", "NOT COMPARABLE", 3),
    ],
)
def test_a_speed_counts_only_beside_outputs_that_pass(
    trials: list[Trial], outputs: str, kind: VerdictKind, speed: VerdictKind, code: int
) -> None:
    found = report(trials)
    assert [o.verdict for o in found.outputs] == [outputs]
    gate = verdict(found, "same-answers")
    assert gate.verdict == kind
    assert gate.sentence.startswith(f"{outputs}: {found.outputs[0].sentence}")
    assert verdict(found, "speed").verdict == speed
    assert found.exit.code == code


def test_a_speed_that_does_not_count_says_what_its_outputs_are() -> None:
    found = verdict(report(measured(WRONG, score_trial("one", SPOKEN))), "speed")
    assert found.sentence.startswith("its speed does not count, for its outputs are WRONG, as its gate")
    assert "the ids agree" not in found.sentence
    assert "gen_tps is 1× that of one" in found.sentence
    assert found.failed_side is None


def test_what_explains_a_verdict_is_what_it_was_computed_from() -> None:
    """Two programs that show text alone and are built with one Candle: the library makes their difference DRIFT."""
    candle: dict[str, Scalar] = {"device": "cpu", "threads": 2, "kv_cache_dtype": "f32", "build_features": "none"}
    candle |= {"rope_table_dtype": "f32", "token_embedding": "f32"}
    candle |= dict.fromkeys(("cpu_avx2", "cpu_f16c", "cpu_neon"), True)
    sides = zip(("one", "two"), ("a b c", "a b x"), strict=True)
    trials = [trial for name, text in sides for trial in generated(name, None, text=text, settings=candle)]
    built = {name: {"candle-core": "0.11.1"} for name in ("one", "two")}
    found = report(trials, libraries=built)
    assert [o.verdict for o in found.outputs] == ["DRIFT"]
    view = compared_in(found, "m", "t")
    assert view.libraries == built
    assert judge_outputs(view, "two") == found.outputs[0]
    assert "libraries" not in found.model_dump()["runtimes"][0]
    assert [o.verdict for o in report(trials).outputs] == ["UNPROVEN"]


def test_outputs_that_show_too_little_may_be_declared_acceptable() -> None:
    undeclared = verdict(report(TEXT_ONLY), "same-answers")
    assert '[[declare]] fact = "outputs", runtimes = ["two"]' in undeclared.sentence
    found = report(TEXT_ONLY, accepting())
    gate = verdict(found, "same-answers")
    assert gate.verdict == "PASS"
    assert "the texts agree for all 3 words" in gate.sentence
    assert gate.declared == ("outputs: it shows text alone",)
    assert verdict(found, "speed").verdict == "PASS"


@pytest.mark.parametrize(
    "trials",
    [
        measured(None, text="a b x"),
        measured(WRONG),
        measured(WRONG, score_trial("one", SPOKEN)),
        measured(CONTINUATION, score_trial("one", SPOKEN), score_trial("two", DRIFTED)),
    ],
    ids=["another text", "other ids", "wrong ids", "drift"],
)
def test_a_declaration_does_not_cover_outputs_that_differ(trials: list[Trial]) -> None:
    found = report(trials, accepting())
    assert verdict(found, "same-answers").verdict != "PASS"
    assert verdict(found, "speed").verdict == "NOT COMPARABLE"


@given(st.lists(st.integers(0, 39), min_size=8, max_size=30))
def test_identical_outputs_pass(ids: list[int]) -> None:
    found = report([*generated("one", ids), *generated("two", ids)])
    assert [o.verdict for o in found.outputs] == ["IDENTICAL"]
    assert verdict(found, "same-answers").verdict == "PASS"


def test_gates_on_what_is_no_speed_do_not_depend_on_outputs() -> None:
    trials = [
        t.but(
            measurements=tuple(
                m.but(metric="peak_rss_bytes", definition="process-tree-sampled") for m in t.measurements
            )
        )
        for t in measured(WRONG)
    ]
    found = report([*trials, score_trial("one", SPOKEN)], config(OUTPUTS, MEMORY, HANGS))
    assert verdict(found, "same-answers").verdict == "FAIL"
    assert verdict(found, "memory").verdict == "PASS"
    assert verdict(found, "hangs").verdict == "PASS"


@pytest.mark.parametrize(
    ("trials", "shown"),
    [
        (measured(CONTINUATION, prompt=(1, 2, 3, 9)), "the prompt ids differ"),
        ([*measured()[:-1], generated("two", WRONG, rounds=ROUNDS)[-1]], "two is not deterministic: round 8 of 8"),
        (
            [*measured(None, text="a b c")[:-1], generated("two", None, rounds=ROUNDS, text="a b x")[-1]],
            "two is not deterministic: round 8 of 8 gave other text",
        ),
        (measured(WRONG, program="one"), "the same engine, set up alike, which gives the same ids"),
    ],
    ids=["another prompt", "other ids in a round", "another text in a round", "one engine"],
)
def test_without_a_gate_on_outputs_a_speed_does_not_count_beside_what_the_trials_show_to_be_wrong(
    trials: list[Trial], shown: str
) -> None:
    found = report(trials, config(SPEED))
    speed = verdict(found, "speed")
    assert speed.verdict == "NOT COMPARABLE"
    assert shown in speed.sentence
    assert found.outputs == ()
    assert found.exit.code == 3
    assert found.warnings == ()


def test_a_speed_that_does_not_count_says_that_a_gate_on_outputs_would_show_more() -> None:
    speed = verdict(report(measured(WRONG, program="one"), config(SPEED)), "speed")
    assert speed.sentence.startswith("its speed does not count, for its outputs are DRIFT: the ids agree for 5 of 24")
    assert 'a gate of kind = "outputs"' in speed.sentence
    assert "gen_tps is 1× that of one" in speed.sentence


@pytest.mark.parametrize(
    ("trials", "shown"),
    [
        (measured(WRONG), "token 6 is 10 for one and 1 for two"),
        (measured(None, text="a b x"), "the texts differ from word 3 on"),
    ],
    ids=["other ids", "another text"],
)
def test_without_a_gate_on_outputs_a_speed_counts_beside_an_answer_that_differs_and_this_is_said_once(
    trials: list[Trial], shown: str
) -> None:
    total = {**SPEED, "name": "again", "max_ratio": 2.0}
    found = report(trials, config(SPEED, total))
    assert [v.verdict for v in found.verdicts] == ["PASS", "PASS"]
    [warning] = found.warnings
    assert warning.startswith("two · t: its outputs differ from those of one: ")
    assert shown in warning
    assert 'a gate of kind = "outputs"' in warning


def test_without_a_gate_on_outputs_nothing_is_said_of_answers_that_agree_or_show_too_little() -> None:
    for trials in (measured(), measured(CONTINUATION[:3]), TEXT_ONLY, measured(None)):
        found = report(trials, config(SPEED, HANGS))
        assert found.warnings == ()
        assert "outputs" not in verdict(found, "speed").sentence


def test_a_gpu_may_answer_differently_from_round_to_round_and_its_speed_counts() -> None:
    odd = generated("two", WRONG, rounds=ROUNDS, settings={"device": "cuda"})[-1]
    others = generated("two", rounds=ROUNDS, settings={"device": "cuda"})[:-1]
    found = report([*generated("one", rounds=ROUNDS, settings={"device": "cuda"}), *others, odd], config(SPEED))
    assert verdict(found, "speed").verdict == "PASS"
    [warning] = found.warnings
    assert "which a GPU may do at a near-tie, and nothing was scored" in warning


def test_outputs_that_no_gate_asks_for_keep_bounds_and_memory_as_they_are() -> None:
    bound = {"name": "fast", "kind": "bound", "metric": "gen_tps", "min": 1.0}
    found = report(measured(WRONG, program="one"), config(bound, HANGS))
    assert [v.verdict for v in found.verdicts] == ["PASS", "PASS"]
    assert found.warnings == ()


def test_a_gate_that_applies_elsewhere_reads_no_scores() -> None:
    elsewhere = {**OUTPUTS, "when": {"platform": "darwin"}}
    found = report(measured(WRONG, score_trial("one", SPOKEN)), config(elsewhere, SPEED))
    assert found.outputs == ()
    assert verdict(found, "same-answers").verdict == "NOT APPLICABLE"
    assert verdict(found, "speed").verdict == "PASS"


def test_a_runtime_without_a_result_has_no_outputs_to_judge() -> None:
    found = report(generated("one", rounds=ROUNDS))
    assert verdict(found, "same-answers").verdict == "NOT RUN"
    assert "no trial of two gave a result" in verdict(found, "same-answers").sentence


def test_a_test_that_samples_has_no_greedy_output_to_judge() -> None:
    found = report(measured(), config(OUTPUTS, temperature=0.7))
    assert verdict(found, "same-answers").verdict == "NOT COMPARABLE"
    assert "the test samples its tokens" in verdict(found, "same-answers").sentence


def test_the_baselines_outputs_are_not_judged() -> None:
    [gate] = config({**OUTPUTS, "runtimes": ("one",)}).gates
    [problem] = gate.problems("one")
    assert (problem.where, problem.wrong) == ("gates.same-answers.runtimes", "'one' is the baseline")


# trials that score


FAILED: tuple[Trial, ...] = (score_trial("one", None), score_trial("two", None))


def test_a_failed_score_trial_leaves_outputs_unproven_and_is_listed_with_the_failed_trials() -> None:
    found = report([*measured(), *FAILED], config(OUTPUTS, SPEED, HANGS))
    assert [v.verdict for v in found.verdicts] == ["NOT COMPARABLE", "NOT COMPARABLE", "PASS"]
    assert "no declaration covers it" in verdict(found, "same-answers").sentence
    assert verdict(found, "hangs").sentence == "all 8 trials succeeded"
    assert len(found.trials) == 2 * ROUNDS
    assert [t.task for t in found.score_trials] == ["score", "score"]
    table = FORMATS["table"](found)
    assert "two · t, score trials of round 1: it died (trials/two-score.jsonl)" in " ".join(table.split())


def test_a_failed_score_trial_gives_no_runtime_up() -> None:
    trials = [t for t in measured() if t.round == 1 and t.runtime == "two"]
    crash = FAILED[1].failure
    failed = [*(t.but(failure=crash) for t in trials), FAILED[1]]
    assert given_up(config(), failed, {}) == {}


def test_scores_and_ids_stay_out_of_the_report_file() -> None:
    found = report(measured(CONTINUATION, score_trial("one", SPOKEN), score_trial("two", SPOKEN)))
    text = FORMATS["json"](found)
    assert 'output_ids"' not in text
    assert Report.model_validate_json(text).outputs == found.outputs


def test_a_busy_machine_does_not_excuse_outputs() -> None:
    wrong = measured(WRONG, score_trial("one", SPOKEN))
    late = [t for t in wrong if t.runtime == "two" and t.round > ROUNDS // 2]
    failure = Failure(kind="hang:generation", message="it hung")
    trials = [t.but(failure=failure, void="others used 3 cores") if t in late else t for t in wrong]
    assert verdict(report(trials), "same-answers").verdict == "FAIL"


def test_a_program_that_was_changed_before_it_scored_is_told() -> None:
    def ran(trial: Trial, sha256: str) -> Trial:
        known = trial.identity or Identity(weights_sha256="ab" * 32)
        return trial.but(identity=known.but(programs={"/p": sha256}))

    trials = [ran(t, "aa") for t in measured()]
    scored = [ran(score_trial("one", SPOKEN), "aa"), ran(score_trial("two", noisy(SPOKEN, 1.0)), "bb")]
    [found] = report([*trials, *scored]).outputs
    assert found.verdict == "UNPROVEN"
    assert "two: its program /p was changed while the run went on" in found.sentence


# reports


def shown(ours: Logits, ids: Sequence[int] = CONTINUATION) -> Report:
    return report(measured(ids, score_trial("one", SPOKEN), score_trial("two", ours)))


@pytest.mark.parametrize("kind", ["table", "markdown"])
def test_a_report_shows_the_outputs_with_distances_and_tolerance(kind: str) -> None:
    text = " ".join(FORMATS[kind](shown(noisy(SPOKEN, 0.05))).split())
    assert "Outputs" in text
    assert "EQUIVALENT" in text
    assert "over 27 positions, 24 of them generated: KL at least 0.0003" in text
    assert "no other runtime scored the same ids" in text
    assert "first difference" not in text


def test_a_report_shows_the_first_difference() -> None:
    text = " ".join(FORMATS["table"](shown(SPOKEN, WRONG)).split())
    assert "first difference at token 6: 10 (one) and 1 (two)" in text


def test_the_page_lists_the_gate_under_its_success_criteria() -> None:
    page = FORMATS["page"](shown(SPOKEN))
    criteria = page[page.index("## Success Criteria") :]
    assert "✅ same-answers: PASS: IDENTICAL: all 24 token ids are the same" in criteria
