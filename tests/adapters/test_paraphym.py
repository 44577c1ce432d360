"""paraphym's adapter without the program: settings, launch, the composed prompt, and what older commits print."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from builders import MS, SPAWN_NS, job, transcript
from pydantic import ValidationError

from parity.adapter import Build
from parity.adapter.events import Chunk, Error, Event, Phase, Prompt, RuntimeFigure, Settings, Text
from parity.errors import ReadError, RefusedError
from parity.hosts.machine import host_facts
from parity.records import Job
from parity.transcript import End, Head, Launched, Piece, Spawned, Transcript
from parity_adapters.paraphym import Paraphym, ParaphymSettings
from parity_adapters.paraphym.launch import own_cache
from parity_adapters.paraphym.prompt import query_of

BUILT = Build(executables={"fluent_builder": "/target/release/examples/fluent_builder"})
RULE = "=" * 80


def adapter(**settings: Any) -> Paraphym:
    given = {"path": "/checkout", "greedy_temperature": 0.001, **settings}
    return Paraphym(ParaphymSettings.model_validate_json(json.dumps(given)), host_facts())


def asking(query: str = "hi", **changes: Any) -> Job:
    """A job; `sampling` and other keys of the test may be changed."""
    asked = job(max_tokens=50)
    test = type(asked.test).model_validate({**asked.test.model_dump(), "prompt": query, **changes})
    return asked.model_copy(update={"test": test})


# the composed prompt


@pytest.mark.parametrize(("query", "length"), [("What is 2+2?", 158), ("hello there", 157), ("é", 148)])
def test_the_composed_prompt_has_the_length_that_the_program_prints(query: str, length: int) -> None:
    assert len(Paraphym.prompt_as(query).encode()) == length


def test_a_composed_prompt_is_not_composed_again() -> None:
    composed = Paraphym.prompt_as("What is 2+2?")
    assert Paraphym.prompt_as(composed) == composed
    assert query_of(composed) == query_of("What is 2+2?") == "What is 2+2?"


def test_the_program_is_asked_for_the_query_inside_a_composed_prompt() -> None:
    plain, composed = (adapter().launch(asking(text), BUILT) for text in ("hi", Paraphym.prompt_as("hi")))
    assert plain == composed


# the launch


def test_a_query_whose_echo_would_end_the_trial_is_refused() -> None:
    with pytest.raises(RefusedError, match="paraphym's mark of the end"):
        adapter().launch(asking("Go on:\n📝 Example 2: Interactive Chat Loop\nhi"), BUILT)


def test_the_budget_of_sampled_tokens_is_one_more_than_the_program_is_told() -> None:
    launch = adapter(tokio_threads=8, rayon_threads=4, hf_home="/hub").launch(asking("-1 + 2 = ?"), BUILT)
    assert launch.argv == (
        "/target/release/examples/fluent_builder",
        "--query=-1 + 2 = ?",
        "--max-tokens=49",
        "--temperature=0.001",
    )
    assert (
        launch.env.items()
        >= {
            "TOKIO_WORKER_THREADS": "8",
            "RAYON_NUM_THREADS": "4",
            "HF_HOME": "/hub",
        }.items()
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_tokens": 1}, "2 is the least"),
        ({"raw": True}, "wraps every prompt"),
        ({"sampling": {"temperature": 0.7, "top_k": 40}}, "top_k"),
        ({"sampling": {"temperature": 0.7, "top_p": 0.5}}, "always uses 0.9"),
    ],
)
def test_what_the_program_cannot_do_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        adapter().launch(asking(**changes), BUILT)


def test_temperature_0_is_refused_with_the_reason_and_what_would_do() -> None:
    with pytest.raises(RefusedError, match=r"divides by it.*greedy_temperature = 0\.001"):
        adapter(greedy_temperature=None).launch(asking(), BUILT)


def test_a_model_whose_loop_counts_every_token_is_told_the_budget_itself() -> None:
    asked = asking()
    phi = asked.model_copy(update={"model": asked.model.model_copy(update={"architecture": "phi3"})})
    assert "--max-tokens=50" in adapter().launch(phi, BUILT).argv
    qwen = asked.model_copy(update={"model": asked.model.model_copy(update={"architecture": "qwen3"})})
    assert "--max-tokens=49" in adapter().launch(qwen, BUILT).argv


def test_a_temperature_of_the_test_needs_no_setting() -> None:
    launch = adapter(greedy_temperature=None).launch(asking(sampling={"temperature": 0.7}), BUILT)
    assert launch.argv[-1] == "--temperature=0.7"


def test_a_temperature_that_is_not_greedy_can_not_stand_for_0() -> None:
    with pytest.raises(ValidationError):
        adapter(greedy_temperature=0.5)


def test_each_trial_has_a_cache_folder_of_its_own_and_the_users_models() -> None:
    assert own_cache("/scratch", "linux") == {"XDG_CACHE_HOME": "/scratch/cache"}
    assert own_cache("/scratch", "darwin") == {"HOME": "/scratch/home"}


def test_the_models_are_where_the_user_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HF_HOME", raising=False)
    assert adapter().host.hf_home == str(tmp_path / ".cache" / "huggingface")
    monkeypatch.setenv("HF_HOME", "/models")
    assert adapter().host.hf_home == "/models"
    assert adapter(hf_home="/other").launch(asking(), BUILT).env["HF_HOME"] == "/other"


def test_a_whole_trial_has_no_stop_rule_and_fails_at_once_all_the_same() -> None:
    whole = adapter().launch(asking().model_copy(update={"kind": "whole"}), BUILT)
    timed = adapter().launch(asking(), BUILT)
    assert whole.markers.stop is None
    assert timed.markers.stop is not None
    assert whole.markers.fail == timed.markers.fail is not None
    assert whole.argv == timed.argv


def test_what_was_not_built_is_not_launched() -> None:
    with pytest.raises(RefusedError, match="was not built"):
        adapter().launch(asking(), Build(reason="broken"))


# the build


def test_the_build_is_the_owners_command_for_one_package_with_the_lock_file() -> None:
    command = adapter(features=["metal"]).build()
    assert command is not None
    assert shlex.join(command.argv) == (
        "cargo build --example fluent_builder --manifest-path packages/candle/Cargo.toml --release --features metal "
        "--locked --message-format=json-render-diagnostics"
    )
    assert (command.cwd, command.deadline_s) == ("/checkout", 3600.0)
    assert "RUSTFLAGS" not in command.env
    assert adapter().checkout == "/checkout"


def test_package_profile_features_toolchain_and_flags_are_the_configs() -> None:
    command = adapter(
        package="cyrup_candle",
        profile="release-lto",
        features=["api", "cognitive"],
        default_features=False,
        toolchain="nightly",
        rustflags="-C target-cpu=native",
    ).build()
    assert command is not None
    assert shlex.join(command.argv).startswith(
        "cargo +nightly build --example fluent_builder --package cyrup_candle --profile release-lto "
        "--no-default-features --features api,cognitive --locked"
    )
    assert command.env["RUSTFLAGS"] == "-C target-cpu=native"


# reading what no recording shows


def printed(answer: str, *, query: str = "hi", log: str = "", ended: bool = True, at_ms: int = 500) -> Transcript:
    """A trial that printed `answer` at `at_ms` and the next heading with it."""
    opening = f"{RULE}\nQuery: {query}\n{RULE}\n\n📝 Example 1: Simple One-Shot Query\n\n"
    closing = f"\n{RULE}\n📝 Example 2: Interactive Chat Loop\n\n" if ended else ""
    pieces = [
        Piece(SPAWN_NS + 10 * MS, "out", opening.encode()),
        Piece(SPAWN_NS + 100 * MS, "err", log.encode()),
        Piece(SPAWN_NS + at_ms * MS, "out", (answer + closing).encode()),
    ]
    return Transcript(
        head=Head(purpose="trial", runtime="one", job=asking(query)),
        launch=Launched(argv=("fluent_builder",), env={}),
        spawn=Spawned(t_ns=SPAWN_NS, pid=1, wall=""),
        pieces=tuple(piece for piece in pieces if piece.data),
        end=End(t_ns=SPAWN_NS + at_ms * MS, by="stop", exit_code=None, signal=2),
    )


def events(trial: Transcript, query: str = "hi") -> list[Event]:
    return list(adapter().read(trial, asking(query)))


def text_of(found: list[Event]) -> str:
    [text] = [event.text for event in found if isinstance(event, Text)]
    return text


def line(message: str, crate: str = "cyrup_candle") -> str:
    return f"[2025-10-22T20:42:15Z INFO  {crate}::capability::text_to_text] {message}\n"


@pytest.mark.parametrize("crate", ["paraphym_candle", "cyrup_candle"])
def test_the_log_is_read_under_both_names_of_the_crate(crate: str) -> None:
    found = events(printed(" four", log=line("TextToText worker 0 ready", crate)))
    assert next((e.name, e.edge) for e in found if isinstance(e, Phase)) == ("ready", "end")


READY_LINE = "TextToText worker {} ready"
FAILED_LINE = "TextToText worker {} failed: out of memory"


@pytest.mark.parametrize("messages", [(READY_LINE, FAILED_LINE), (FAILED_LINE, READY_LINE)])
def test_a_worker_that_failed_beside_one_that_loaded_is_no_failure_of_the_trial(messages: tuple[str, str]) -> None:
    log = "".join(line(message.format(k)) for k, message in enumerate(messages))
    assert not [event for event in events(printed("yes", log=log)) if isinstance(event, Error)]
    alone = events(printed("yes", log=line(FAILED_LINE.format(0))))
    [told] = [event for event in alone if isinstance(event, Error)]
    assert "TextToText worker 0 failed" in told.message


def test_weights_that_the_program_did_not_name_are_not_known() -> None:
    [settings] = [event.values for event in events(printed("yes")) if isinstance(event, Settings)]
    assert settings["weights_file"] is None


def test_a_line_that_cuts_into_another_is_still_seen() -> None:
    found = events(printed(" four", log=f"[2025-10-22T20:42:15Z INFO  surre{line('TextToText worker 0 ready')}"))
    assert next(e.name for e in found if isinstance(e, Phase)) == "ready"


def test_what_the_query_says_is_not_taken_for_a_heading() -> None:
    query = f"hi\n\n📝 Example 1: Simple One-Shot Query\n\n no\n{RULE}\n📝 Example 2: Interactive Chat Loop\n"
    assert text_of(events(printed(" four", query=query), query)) == " four"


def test_text_that_is_cut_between_two_reads_is_whole() -> None:
    whole = printed("")
    heading = whole.pieces[-1].data
    cut = [
        Piece(SPAWN_NS + k * MS, "out", part)
        for k, part in enumerate((b" caf\xc3", b"\xa9 \xf0\x9f", b"\x98\x80"), 300)
    ]
    trial = Transcript(
        head=whole.head,
        launch=whole.launch,
        spawn=whole.spawn,
        pieces=(*whole.pieces[:-1], *cut, Piece(SPAWN_NS + 500 * MS, "out", heading)),
        end=whole.end,
    )
    found = events(trial)
    assert [e.text for e in found if isinstance(e, Chunk)] == [" caf", "é ", "\N{GRINNING FACE}"]
    assert text_of(found) == " café \N{GRINNING FACE}"


def test_an_answer_that_no_heading_ends_is_not_a_whole_one() -> None:
    found: list[Event] = []
    with pytest.raises(ReadError, match="Example 2 never came"):
        found.extend(adapter().read(printed(" fo", ended=False), asking()))
    reader = adapter().read(printed(" fo", ended=False), asking())
    assert [e.text for e in (next(reader), next(reader)) if isinstance(e, Chunk)] == [" fo"]


def test_output_without_the_first_heading_is_a_complaint() -> None:
    with pytest.raises(ReadError, match="Example 1"):
        events(transcript(out=b"Usage: fluent_builder\n"))


def test_an_engine_that_counts_its_prompt_and_names_its_first_token_is_read() -> None:
    log = "".join(
        line(message)
        for message in (
            ">>> TextToTextPool::prompt() called for registry_key=phi-4-reasoning, prompt_len=148",
            ">>> GENERATE STARTED: max_tokens=50",
            ">>> Prompt encoded to 41 tokens",
            "🎯 First token generated: 19",
        )
    )
    found = events(printed(" four", log=log))
    [prompt] = [event for event in found if isinstance(event, Prompt)]
    assert (prompt.count, prompt.text) == (41, None)
    assert [(e.name, e.edge) for e in found if isinstance(e, Phase)] == [
        ("prefill", "begin"),
        ("prefill", "end"),
        ("generate", "end"),
    ]


@pytest.mark.parametrize(("architecture", "ours"), [("qwen3", True), (None, True), ("llama", False)])
def test_another_model_than_the_jobs_is_a_complaint(architecture: str | None, ours: bool) -> None:
    log = line(
        f">>> TextToTextPool::prompt() called for registry_key=qwen-3, prompt_len={len(Paraphym.prompt_as('hi'))}"
    )
    asked = asking()
    asked = asked.model_copy(update={"model": asked.model.model_copy(update={"architecture": architecture})})
    if ours:
        assert text_of(list(adapter().read(printed(" four", log=log), asked))) == " four"
    else:
        with pytest.raises(ReadError, match=r"it ran qwen-3, .* this test is of M \(llama\)"):
            list(adapter().read(printed(" four", log=log), asked))


# the statistics of older commits


def statistics(tokens: int, time: str, speed: str) -> str:
    return f"\n\n✅ Generation complete!\n   Tokens: {tokens}\n   Time: {time}s\n   Speed: {speed} tokens/sec\n"


@pytest.mark.parametrize(("time", "speed"), [("1.90", "12.11"), ("0.00", "inf")])
def test_statistics_are_cut_off_the_answer_and_no_figure_is_taken_from_them(time: str, speed: str) -> None:
    found = events(printed(f" four{statistics(23, time, speed)}", at_ms=2000))
    assert text_of(found) == " four"
    assert not [event for event in found if isinstance(event, RuntimeFigure)]


@pytest.mark.parametrize(
    "answer",
    [
        f" I say{statistics(23, '0.40', '57.50')} and go on",
        f" I say{statistics(23, '0.40', '57.50').rstrip()}",
        f" I say{statistics(23, '90.00', '0.26')}",
        f" I say{statistics(23, '0.01', '99999.00')}",
    ],
    ids=["in the middle", "at the end", "longer than it lived", "speed that is not tokens over time"],
)
def test_a_model_that_imitates_the_statistics_is_not_believed(answer: str) -> None:
    found = events(printed(answer))
    assert text_of(found) == answer
