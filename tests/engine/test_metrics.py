"""Every metric means what the dictionary says, and what a trial does not show is absent with its reason."""

import pytest
from builders import MS, SPAWN_NS, timeline, transcript
from pydantic import ValidationError

from parity.adapter.events import Aside, Event, Phase, Prompt, RuntimeFigure, Sampling, Text, Token
from parity.reading.dictionary import METRICS, only_a_bound
from parity.reading.measure import measure
from parity.records import Measurement
from parity.records.metrics import METRIC_NAMES
from parity.transcript import End, EndedBy, Sample


def measured(events: list[Event], **kwargs: object) -> dict[str, Measurement]:
    found = measure(transcript(events, **kwargs), events)  # type: ignore[arg-type]
    return {m.metric: m for m in found}


def test_each_metric_follows_its_definition() -> None:
    found = measured(timeline(ready_ms=100, prefill_ms=110, token_ms=(150, 160, 190), prompt_ids=8))
    assert found["load_s"].value == pytest.approx(0.100)
    assert found["ttft_s"].value == pytest.approx(0.040)
    assert found["prompt_tps"].value == pytest.approx(8 / 0.040)
    assert found["gen_tps"].value == pytest.approx(2 / 0.040)
    assert found["itl_p50_s"].value == pytest.approx(0.020)
    assert found["wall_s"].value == pytest.approx(1.0)
    assert found["cpu_s"].value == 0.5
    assert found["peak_rss_bytes"].value == 1000


def test_the_total_of_stamped_tokens_ends_at_the_last_one_and_that_of_the_text_where_the_text_is_there() -> None:
    events = [*timeline(prefill_ms=110, token_ms=(150, 160, 190)), Text(t_ns=SPAWN_NS + 195 * MS, text="hi")]
    totals = {m.definition: m.value for m in measure(transcript(events), events) if m.metric == "total_s"}
    assert totals == {"token-stamps": pytest.approx(0.080), "start-to-text": pytest.approx(0.085)}


@pytest.mark.parametrize(("by", "definition"), [("exit", "spawn-to-exit"), ("stop", "spawn-to-stop-mark")])
def test_a_wall_time_to_the_exit_and_one_to_a_stop_mark_are_two_definitions(by: EndedBy, definition: str) -> None:
    end = End(t_ns=SPAWN_NS + 1000 * MS, by=by, exit_code=0)
    wall = measured(timeline(), end=end)["wall_s"]
    assert (wall.definition, wall.value) == (definition, pytest.approx(1.0))


def test_the_mark_of_a_first_token_is_an_upper_bound_of_the_latency() -> None:
    events = [e for e in timeline(prefill_ms=110) if not isinstance(e, Token)]
    events.append(Phase(t_ns=SPAWN_NS + 150 * MS, name="prefill", edge="end"))
    found = {m.definition: m.value for m in measure(transcript(events), events) if m.metric == "ttft_s"}
    assert found["first-token-mark"] == pytest.approx(0.040)
    assert only_a_bound("ttft_s", "first-token-mark") == "upper"


def aside(begin_ms: int, end_ms: int, *, prefills_ms: tuple[tuple[int, int], ...] = (), cpu_s: float = 0.2) -> Aside:
    def at(ms: int) -> int:
        return SPAWN_NS + ms * MS

    spans = [(at(begin), at(end)) for begin, end in prefills_ms]
    return Aside(t_ns=at(end_ms), begin_ns=at(begin_ms), cpu_s=cpu_s, peak_rss_bytes=700, prefills_ns=spans)


def test_the_steady_state_of_prefill_is_the_median_of_further_prefills() -> None:
    again = aside(200, 300, prefills_ms=((210, 220), (220, 235), (250, 300)))
    events = [*timeline(prefill_ms=110, token_ms=(150, 160), prompt_ids=8), again]
    found = {m.definition: m.value for m in measure(transcript(events), events) if m.metric == "prompt_tps"}
    assert found == {"token-stamps": pytest.approx(8 / 0.040), "steady-state": pytest.approx(8 / 0.015)}


def test_what_follows_the_answer_is_in_no_time_and_no_memory_of_the_trial() -> None:
    events = [*timeline(token_ms=(150, 160)), aside(170, 200), aside(210, 310, prefills_ms=((215, 300),), cpu_s=0.1)]
    samples = [Sample(t_ns=SPAWN_NS + ms * MS, rss_bytes=size, cpu_s=0) for ms, size in ((100, 800), (250, 990))]
    end = End(t_ns=SPAWN_NS + 1000 * MS, by="exit", exit_code=0, peak_rss_bytes=1000, cpu_s=0.5)
    found = measured(events, samples=samples, end=end)
    assert found["wall_s"].value == pytest.approx(1.0 - 0.03 - 0.1)
    assert found["cpu_s"].value == pytest.approx(0.5 - 0.2 - 0.1)
    assert found["peak_rss_bytes"].value == 800


def test_instants_of_an_aside_follow_each_other() -> None:
    with pytest.raises(ValidationError, match="do not follow each other"):
        aside(200, 300, prefills_ms=((250, 301),))


def test_sampling_is_shown_as_its_share_of_generation() -> None:
    events = [*timeline(token_ms=(150, 160, 190)), Sampling(t_ns=SPAWN_NS + 191 * MS, seconds=0.004)]
    assert measured(events)["sampling_share"].value == pytest.approx(0.1)


def test_the_later_half_leaves_out_what_only_the_first_steps_do() -> None:
    slow_start = [150, 250, 350, 450, 550, *range(560, 600, 10)]
    found = measured(timeline(token_ms=slow_start))
    assert found["gen_tps"].value == pytest.approx(8 / 0.440)
    assert found["gen_late_tps"].value == pytest.approx(100)


def test_a_load_in_which_files_were_downloaded_is_no_load() -> None:
    fetched = [Phase(t_ns=SPAWN_NS + ms * MS, name="download", edge=edge) for ms, edge in ((10, "begin"), (50, "end"))]
    found = measured([*timeline()[:1], *fetched, *timeline()[1:]])  # type: ignore[list-item]
    for metric in ("load_s", "load_weights_s"):
        assert (found[metric].value, found[metric].reason) == (None, "the program downloaded files in this trial")


def test_the_load_is_shown_with_its_parts() -> None:
    marks = [("import", "end", 40), ("weights", "begin", 45), ("weights", "end", 70), ("tokenizer", "begin", 71)]
    marks += [("tokenizer", "end", 90)]
    parts = [Phase.model_validate({"t_ns": SPAWN_NS + ms * MS, "name": n, "edge": e}) for n, e, ms in marks]
    plain = [e for e in timeline(ready_ms=100) if not (isinstance(e, Phase) and e.name == "weights")]
    events = [plain[0], *parts, *plain[1:]]
    found = {(m.metric, m.definition): m.value for m in measure(transcript(events), events)}
    assert found["load_s", "spawn-to-ready"] == pytest.approx(0.100)
    assert found["load_import_s", "spawn-to-import"] == pytest.approx(0.040)
    assert found["load_weights_s", "weights-begin-to-end"] == pytest.approx(0.025)
    assert found["load_tokenizer_s", "tokenizer-begin-to-end"] == pytest.approx(0.019)
    assert found["load_weights_s", "spawn-to-weights"] == pytest.approx(0.070)
    assert only_a_bound("load_weights_s", "spawn-to-weights") == "upper"


def test_the_first_token_counts_in_no_generation_rate() -> None:
    slow_first = measured(timeline(token_ms=(900, 910, 920)))
    quick_first = measured(timeline(token_ms=(120, 130, 140)))
    assert slow_first["gen_tps"].value == pytest.approx(100)
    assert quick_first["gen_tps"].value == pytest.approx(100)


UNITS = {"s": "s", "tps": "token/s", "bytes": "bytes", "cores": "cores", "tokens": "tokens", "share": "share"}


def test_the_name_of_every_metric_says_its_unit() -> None:
    assert tuple(METRICS) == METRIC_NAMES
    for name, spec in METRICS.items():
        assert spec.unit == UNITS[name.rpartition("_")[2]]


def test_every_measurement_is_by_a_definition_of_the_dictionary() -> None:
    for metric, found in measured(timeline()).items():
        assert found.definition in [d.id for d in METRICS[metric].definitions]


def test_a_good_trial_has_every_metric_that_does_not_need_a_runtimes_help() -> None:
    assert METRICS.keys() - measured(timeline()).keys() == {"load_lm_s", "load_header_s", "sampling_share"}


def test_times_rates_and_bytes_are_compared_as_ratios_and_counts_as_differences() -> None:
    for name, spec in METRICS.items():
        expected = "difference" if name.endswith(("_cores", "_tokens", "_share")) else "ratio"
        assert spec.scale == expected


@pytest.mark.parametrize(
    ("events", "metric", "reason"),
    [
        ([e for e in timeline() if not isinstance(e, Phase)], "load_s", "did not show when it was ready"),
        ([e for e in timeline() if not isinstance(e, Phase)], "ttft_s", "did not show the start of prefill"),
        ([e for e in timeline() if not isinstance(e, Prompt)], "prompt_tps", "number of prompt tokens is not known"),
        (timeline(prompt_ids=0), "prompt_tps", "the prompt has no tokens"),
        (timeline(token_ms=()), "gen_tps", "did not show single tokens"),
        (timeline(token_ms=(150,)), "gen_tps", "one token has no interval"),
        (timeline(token_ms=(150, 150)), "gen_tps", "the same time stamp"),
        (timeline(token_ms=(105, 120)), "ttft_s", "does not come after"),
        (timeline(), "itl_p95_s", "2 gaps are too few for a 95th percentile"),
        (timeline(), "gen_late_tps", "2 gaps are too few for two halves"),
        (timeline(), "load_cores", "shorter than 0.5 s"),
    ],
)
def test_what_a_trial_does_not_show_is_absent_with_its_reason(events: list[Event], metric: str, reason: str) -> None:
    found = measured(events)[metric]
    assert found.value is None
    assert found.reason is not None
    assert reason in found.reason


def test_cores_are_cpu_time_over_elapsed_time_within_the_phase() -> None:
    samples = [Sample(t_ns=SPAWN_NS + k * 250 * MS, rss_bytes=1, cpu_s=k * 0.5) for k in range(8)]
    found = measured(timeline(ready_ms=1000, prefill_ms=1001, token_ms=(1010, 1990)), samples=samples)
    assert found["load_cores"].value == pytest.approx(2.0)
    assert found["gen_cores"].value == pytest.approx(2.0)


def test_a_runtimes_own_figure_keeps_its_own_definition() -> None:
    events = [
        *timeline(),
        RuntimeFigure(t_ns=SPAWN_NS + 900 * MS, metric="gen_tps", definition="N over N-1", value=7.0),
    ]
    found = [m for m in measure(transcript(events), events) if m.metric == "gen_tps"]
    assert [(m.definition, m.provenance) for m in found] == [
        ("token-stamps", "derived"),
        ("runtime-report:command:N over N-1", "reported"),
    ]


def test_a_figure_that_is_no_number_is_absent_with_what_was_printed() -> None:
    events = [*timeline(), RuntimeFigure(t_ns=SPAWN_NS + 900 * MS, metric="gen_tps", definition="d", raw="inf")]
    [found] = [m for m in measure(transcript(events), events) if m.provenance == "reported"]
    assert found.value is None
    assert found.reason == "the runtime printed 'inf'"


def test_a_prompt_whose_ids_are_not_shown_counts_by_its_number() -> None:
    events = [e for e in timeline() if not isinstance(e, Prompt)]
    events.append(Prompt(t_ns=SPAWN_NS + 111 * MS, count=10))
    found = measured(events)
    assert found["prompt_tokens"].definition == "prompt-count"
    assert found["prompt_tps"].value == pytest.approx(10 / 0.040)


def test_the_last_end_and_the_first_begin_of_a_phase_count() -> None:
    late = Phase(t_ns=SPAWN_NS + 105 * MS, name="ready", edge="end")
    assert measured([*timeline(ready_ms=100), late])["load_s"].value == pytest.approx(0.105)


def test_tokens_of_any_id_count_the_end_token_included() -> None:
    events = timeline()
    events.append(Token(t_ns=SPAWN_NS + 180 * MS, k=4, id=2, end=True))
    assert measured(events)["generated_tokens"].value == 4
