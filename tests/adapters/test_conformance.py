"""The checks of an adapter: the built-in ones pass them, and a faulty one fails the check that is about its fault."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import faulty_adapters
import pytest
from builders import MS, SPAWN_NS, job
from candle_trials import BUILT, a_job, recorded
from candle_trials import adapter as candle
from faulty_adapters import Good

from parity.adapter import Adapter, HostFacts
from parity.adapter.events import Bye, Event, Hello, Phase, Prompt, Text, Token
from parity.hosts.machine import host_facts
from parity.registry import adapter_class
from parity.run.conformance import CHECKS, Checked, Evidence, conforms
from parity.transcript import End, Head, Launched, Piece, Spawned, Transcript, read_transcript
from parity_adapters.command import CommandLine, CommandSettings

TRANSCRIPTS = Path(__file__).parent / "transcripts"


def spoken(adapter: str = "good", tokens: int = 3) -> Transcript:
    """A good trial of a program that speaks the event protocol."""
    ms = [SPAWN_NS + k * 10 * MS for k in range(1, tokens + 9)]
    events: list[Event] = [
        Hello(t_ns=ms[0], protocol=1, runtime="r", version="1"),
        Phase(t_ns=ms[1], name="ready", edge="end"),
        Prompt(t_ns=ms[2], ids=[1, 2]),
        Phase(t_ns=ms[2], name="prefill", edge="begin"),
        *(Token(t_ns=ms[2 + k], k=k, id=k) for k in range(1, tokens + 1)),
        Text(t_ns=ms[tokens + 3], text="né\x7f"),
        Bye(t_ns=ms[tokens + 3], reason="length"),
    ]
    lines = [json.dumps(event.model_dump()).encode() + b"\n" for event in events]
    return Transcript(
        head=Head(purpose="trial", runtime="one", job=job(max_tokens=tokens, fields={"adapter": adapter})),
        launch=Launched(argv=("program",), env={}),
        spawn=Spawned(t_ns=SPAWN_NS, pid=1, wall=""),
        pieces=tuple(Piece(event.t_ns + 1000, "out", line) for event, line in zip(events, lines, strict=True)),
        end=End(t_ns=ms[-1], by="exit", exit_code=0),
    )


def checked(adapter: Adapter[Any], evidence: Evidence) -> dict[str, Checked]:
    asked = evidence.job
    assert asked is not None
    return {each.check: each for each in conforms(adapter, evidence, asked)}


def made(kind: type[Adapter[Any]]) -> Adapter[Any]:
    facts: HostFacts = host_facts()
    return kind(kind.Settings(), facts)


def failed(found: dict[str, Checked]) -> dict[str, str]:
    return {name: f"{each.wrong}: {each.remedy}" for name, each in found.items() if each.state == "FAIL"}


def test_an_adapter_that_keeps_the_contract_passes_every_check() -> None:
    found = checked(made(Good), Evidence(spoken()))
    assert list(found) == list(CHECKS)
    assert {each.state for each in found.values()} == {"PASS"}, failed(found)


FAULTS = {
    "SettingsLoose": ("settings", "accept unknown keys"),
    "HooksTasks": ("hooks", "`tasks` gives a list"),
    "HooksRaise": ("hooks", "`device_asked` raises KeyError"),
    "HooksExit": ("hooks", "`warns` raises SystemExit"),
    "ProbeMissing": ("probe-missing", "could not be started is ready"),
    "ProbeGarbage": ("probe-garbage", "`read_probe` raises IndexError on nothing"),
    "LaunchRandom": ("launch", "something else for the same job each time"),
    "LaunchRaises": ("launch", "`launch` raises IndexError"),
    "ResultNever": ("result", "no line of its output is known"),
    "OrderStamps": ("order", "`text` is stamped"),
    "OrderPhases": ("order", "the end of `ready` twice"),
    "TokensNumbers": ("tokens", "not numbered"),
    "TokensNoText": ("tokens", "no `text`"),
    "RepeatableRandom": ("repeatable", "make it a pure function"),
    "RepeatableByRead": ("repeatable", "arrives byte by byte"),
    "TruncatedGood": ("truncated", "is read as a good result, with tokens other than"),
    "TruncatedHangs": ("truncated", "it took more than"),
    "DamagedRaises": ("damaged", "`read` raises KeyError"),
    "DamagedFigures": ("damaged", "with figures other than those of the whole output"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_adapter_fails_the_check_that_is_about_its_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.run.conformance.battery.CHECK_S", 3.0)
    check, said = FAULTS[name]
    found = failed(checked(made(getattr(faulty_adapters, name)), Evidence(spoken())))
    assert list(found) == [check]
    assert said in found[check]


def test_each_check_that_can_fail_is_shown_to() -> None:
    assert {check for check, _ in FAULTS.values()} == set(CHECKS)


PLAIN = b"""loading
loaded
prompt: hi
---
Two lines of text
---
  12 prompt tokens: 34.5 t/s
generated 4 tokens in 250 ms
"""
PLAIN_KEYS: dict[str, Any] = {
    "program": "bench",
    "args": ["-m", "{model}", "-n", "{max_tokens}", "{prompt}"],
    "markers": {"ready": {"pattern": "^loaded$"}, "prefill": {"pattern": "^prompt: "}},
    "figures": [
        {"pattern": r"^ *(?P<prompt_tokens>\d+) prompt tokens: (?P<prompt_tps>\S+) t/s$"},
        {"pattern": r"^generated (?P<generated_tokens>\d+) tokens in (?P<total_s>\S+) ms$", "scale": 0.001},
    ],
    "text": r"^---\n(?P<text>.*?)\n---$",
}


def plain(**changes: Any) -> tuple[Adapter[Any], Evidence]:
    adapter = CommandLine(CommandSettings.model_validate_json(json.dumps({**PLAIN_KEYS, **changes})), host_facts())
    whole = spoken("command")
    pieces = tuple(
        Piece(SPAWN_NS + k * 10 * MS, "out", line) for k, line in enumerate(PLAIN.splitlines(keepends=True), start=1)
    )
    return adapter, Evidence(replace(whole, pieces=pieces, head=whole.head.but(job=job(max_tokens=4))))


def worker(name: str) -> tuple[Adapter[Any], Evidence]:
    transcript = read_transcript(TRANSCRIPTS / f"{name}-smollm2.jsonl")
    return made(adapter_class(name)), Evidence(transcript)


def candle_example() -> tuple[Adapter[Any], Evidence]:
    transcript = recorded("quantized-qwen3.cpu.tsv")
    return candle(), Evidence(replace(transcript, head=transcript.head.but(job=a_job())), build=BUILT)


def events_of(name: str) -> tuple[Adapter[Any], Evidence]:
    settings = CommandSettings(program="x", args=("{scratch}/job.json",), events=True)
    return CommandLine(settings, host_facts()), Evidence(spoken(name))


def server() -> tuple[Adapter[Any], Evidence]:
    kind = adapter_class("openai")
    settings = kind.Settings.model_validate_json('{"url": "http://127.0.0.1:9/v1"}')
    return kind(settings, host_facts()), Evidence(spoken("openai"))


@pytest.mark.parametrize(
    ("adapter", "evidence"),
    [plain(), worker("llama_cpp"), worker("mlx_lm"), candle_example(), events_of("command"), server()],
    ids=["printed text", "llama_cpp", "mlx_lm", "candle", "events", "openai"],
)
def test_the_adapters_of_this_package_pass_every_check(adapter: Adapter[Any], evidence: Evidence) -> None:
    found = checked(adapter, evidence)
    assert {each.state for each in found.values()} == {"PASS"}, failed(found)


def test_text_without_a_line_that_ends_it_is_found_by_cutting_it_off() -> None:
    found = failed(checked(*plain(figures=[], text=r"prompt: hi\n(?P<text>.*)")))
    assert list(found) == ["truncated"]
    assert "with a text other than those of the whole output" in found["truncated"]
    assert "let a pattern match a line that the program prints once" in found["truncated"]


def test_without_the_output_of_a_trial_the_checks_that_need_one_are_not_run() -> None:
    found = conforms(made(Good), Evidence(why_none="it is not ready"), job())
    assert [each.state for each in found] == ["PASS"] * 5 + ["NOT RUN"] * 6
    assert {(each.wrong, each.remedy is not None) for each in found[5:]} == {("it is not ready", True)}


def test_a_launch_is_not_checked_without_what_was_built() -> None:
    _, evidence = candle_example()
    found = checked(candle(), replace(evidence, build=None))
    assert found["launch"].state == "NOT RUN"
