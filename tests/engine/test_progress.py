"""What a run says while it works: in a log a line a trial and one each half minute, on a terminal one line."""

import io
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from builders import trial
from rich.console import Console
from rich.live import Live

from parity.gates import Judgement
from parity.hosts.sighting import Sighting
from parity.judging.evidence import Standing
from parity.models import Step
from parity.records import Failure, Slot
from parity.run import pace, progress
from parity.run.live import LiveProgress
from parity.run.progress import PlainProgress, QuietProgress, showing
from parity.run.words import describe


@dataclass
class Clock:
    now_s: float = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (pace, progress):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def slots(count: int) -> list[Slot]:
    return [Slot(model="m", test="t", runtime="one", round=k) for k in range(1, count + 1)]


# in a log


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def plain(clock: Clock, lines: list[str]) -> PlainProgress:
    return PlainProgress(lines.append)


def test_what_a_program_says_forges_no_line(plain: PlainProgress, lines: list[str]) -> None:
    said = "no\nExit code 0: every required gate passed (9)"
    plain.done(slots(1)[0], trial("one", 1, {}, failure=Failure(kind="refused", message=said)))
    assert len(lines) == 1
    assert "\n" not in lines[0]


def test_a_step_has_a_line_when_it_begins_and_then_one_each_30_seconds(
    plain: PlainProgress, clock: Clock, lines: list[str]
) -> None:
    for second in range(100):
        clock.now_s = 1000.0 + second
        plain.fetched(Step("fetching m.gguf", done=second << 20, total=100 << 20))
    assert lines == [
        "fetching m.gguf: 0 B of 100.0 MiB",
        "fetching m.gguf: 30.0 MiB of 100.0 MiB",
        "fetching m.gguf: 60.0 MiB of 100.0 MiB",
        "fetching m.gguf: 90.0 MiB of 100.0 MiB",
    ]


def test_the_next_step_has_its_line_at_once(plain: PlainProgress, lines: list[str]) -> None:
    for what in ("fetching", "hashing", "hashing", "inspecting"):
        plain.fetched(Step(what))
    assert lines == ["fetching", "hashing", "inspecting"]


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (Step("making a model", done=3, total=10, unit="tensors"), "making a model: 3 of 10 tensors"),
        (Step("copying", done=3, unit="files"), "copying: 3 files"),
        (Step("hashing", done=2048), "hashing: 2.00 KiB"),
        (Step("hashing", done=0, total=4096), "hashing: 0 B of 4.00 KiB"),
        (Step("looking"), "looking"),
    ],
)
def test_a_step_says_how_far_it_is_in_its_own_unit(
    plain: PlainProgress, lines: list[str], step: Step, line: str
) -> None:
    plain.fetched(step)
    assert lines == [line]


def test_trials_are_numbered_up_to_the_last_one(plain: PlainProgress, lines: list[str]) -> None:
    todo = slots(25)
    for k, slot in enumerate(todo):
        plain.begin(slot, todo[k:])
        plain.done(slot, trial("one", slot.round, {"gen_tps": 50.0}))
    assert [line.partition("]")[0] for line in lines] == [f"[{k}/25" for k in range(1, 26)]


def test_the_last_number_falls_when_cells_are_given_up(plain: PlainProgress, lines: list[str]) -> None:
    todo = slots(25)
    for slot, left in ((todo[0], todo), (todo[1], todo[1:]), (todo[2], todo[15:])):
        plain.begin(slot, left)
        plain.done(slot, trial("one", slot.round, {}))
    assert [line.partition("]")[0] for line in lines] == ["[1/25", "[2/25", "[3/12"]


def test_the_last_number_is_marked_while_more_rounds_may_follow(plain: PlainProgress, lines: list[str]) -> None:
    todo = slots(5)
    plain.begin(todo[0], todo, open=True)
    plain.done(todo[0], trial("one", 1, {}))
    assert lines[0].startswith("[1/5+] round 1")


def test_a_finished_trial_is_shown_with_its_place_and_its_rates(plain: PlainProgress, lines: list[str]) -> None:
    [slot] = slots(1)
    plain.begin(slot, [slot])
    plain.done(slot, trial("one", 1, {"load_s": 0.5, "wall_s": 9.0, "gen_tps": 50.0}))
    assert lines == ["[1/1] round 1 · m · t · one: load_s 0.50 u, gen_tps 50.00 u"]


def test_a_failed_trial_is_shown_with_its_failure(plain: PlainProgress, lines: list[str]) -> None:
    [slot] = slots(1)
    plain.begin(slot, [slot])
    plain.done(slot, trial("one", 1, {}, failure=Failure(kind="stall", message="it made no progress")))
    assert lines == ["[1/1] round 1 · m · t · one: stall: it made no progress"]


def test_of_a_void_trial_that_failed_the_failure_is_shown_first(plain: PlainProgress, lines: list[str]) -> None:
    [slot] = slots(1)
    plain.begin(slot, [slot])
    late = Failure(kind="timeout:total", message="it did not end")
    plain.done(slot, trial("one", 1, {}, failure=late).but(void="others ran"))
    assert lines == ["[1/1] round 1 · m · t · one: timeout:total: it did not end (void: others ran)"]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "round 2 · m · t · one"),
        ({"warmup": True}, "warm-up 2 · m · t · one"),
        ({"kind": "short"}, "round 2 (short) · m · t · one"),
    ],
)
def test_a_trial_is_described_by_its_place_in_the_run(changes: dict[str, object], shown: str) -> None:
    assert describe(slots(2)[1].but(**changes)) == shown


def test_what_programs_printed_does_nothing_to_the_terminal(plain: PlainProgress, lines: list[str]) -> None:
    [slot] = slots(1)
    plain.note("one \033[31mred\033[0m\a\n  two\tcolumns")
    plain.begin(slot, [slot])
    plain.done(slot, trial("one", 1, {}, failure=Failure(kind="crash", message="\033]0;title\agone\033[2J")))
    assert lines == ["one red\ufffd\n  two   columns", "[1/1] round 1 · m · t · one: crash: gone"]


def test_a_build_is_mentioned_each_25_steps(plain: PlainProgress, lines: list[str]) -> None:
    for step in range(1, 60):
        plain.built("one", step)
    assert lines == ["one: building, 25 steps done", "one: building, 50 steps done"]


def even(verdict: str = "INCONCLUSIVE", more: int | None = 4) -> Standing:
    judged = Judgement(verdict, "so it is", open=verdict == "INCONCLUSIVE", bounds="at least 1×", more_rounds=more)  # type: ignore[arg-type]
    return Standing("even", ("m", "t", "two"), judged, "1.01× [0.97, 1.05]")


def test_a_log_says_how_the_undecided_gates_stand(plain: PlainProgress, lines: list[str]) -> None:
    plain.standing("t", 9, [even("PASS", None), even()])
    assert lines == [
        "t: undecided after 9 rounds: even (two) 1.01× [0.97, 1.05], required: at least 1×, about 4 more rounds"
    ]


def test_a_quiet_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    [slot] = slots(1)
    with showing(quiet=True) as quiet:
        quiet.note("run: here")
        quiet.begin(slot, [slot])
        quiet.done(slot, trial("one", 1, {}))
        quiet.fetched(Step("fetching"))
    assert isinstance(quiet, QuietProgress)
    assert capsys.readouterr() == ("", "")


# on a terminal


@dataclass
class Screen:
    """A terminal: `above` is what stays, `line` what is rewritten in place."""

    live: Live
    output: io.StringIO

    @property
    def line(self) -> str:
        return str(self.live.renderable)

    @property
    def above(self) -> str:
        return self.output.getvalue()


@pytest.fixture
def screen() -> Screen:
    output = io.StringIO()
    return Screen(Live(console=Console(file=output, width=200), auto_refresh=False), output)


@pytest.fixture
def shown(clock: Clock, screen: Screen) -> LiveProgress:
    return LiveProgress(screen.live.console, screen.live)


SECOND = 1_000_000_000


def test_the_line_follows_a_trial_through_its_phases(shown: LiveProgress, screen: Screen) -> None:
    todo = slots(2)
    shown.begin(todo[0], todo)
    phases = [screen.line]
    for kind, at, count in (("spawn", 0, 0), ("ready", 1, 0), ("first-token", 2, 1), ("token", 4, 5)):
        shown.sight(Sighting(kind=kind, t_ns=at * SECOND, count=count))  # type: ignore[arg-type]
        phases.append(screen.line)
    assert phases == [
        f"[1/2] round 1 · m · t · one · {phase}"
        for phase in ("starting", "loading", "prefill", "first token", "token 5, 2.0 token/s")
    ]


def test_after_the_first_trial_the_line_says_how_long_the_rest_takes(
    shown: LiveProgress, screen: Screen, clock: Clock
) -> None:
    todo = slots(4)
    shown.begin(todo[0], todo)
    clock.now_s += 20
    shown.done(todo[0], trial("one", 1, {}))
    shown.begin(todo[1], todo[1:])
    assert screen.line.endswith("about 60 s left")
    clock.now_s += 15
    shown.sight(Sighting(kind="spawn", t_ns=0, count=0))
    assert screen.line.endswith("about 45 s left")


def test_how_gates_stand_is_shown_above_the_trial_the_undecided_first(shown: LiveProgress, screen: Screen) -> None:
    todo = slots(2)
    shown.standing("t", 9, [even("PASS", None), even()])
    shown.begin(todo[0], todo, open=True)
    assert screen.line.splitlines() == [
        "after 9 rounds of t:",
        "  INCONCLUSIVE    even (two) 1.01× [0.97, 1.05], required: at least 1×, about 4 more rounds",
        "  PASS            even (two) 1.01× [0.97, 1.05], required: at least 1×",
        "[1/2+] round 1 · m · t · one · starting",
    ]
    assert screen.above == ""


def test_the_time_left_holds_the_rounds_that_are_likely_needed(
    shown: LiveProgress, screen: Screen, clock: Clock
) -> None:
    todo = slots(2)
    shown.begin(todo[0], todo, open=True)
    clock.now_s += 10
    shown.done(todo[0], trial("one", 1, {}))
    shown.begin(todo[1], todo[1:], open=True)
    assert screen.line.endswith("about 10 s or more left")
    shown.standing("t", 1, [even(more=4)])
    shown.begin(todo[1], todo[1:], open=True)
    assert screen.line.endswith("about 40 s left")


def test_an_earlier_run_tells_the_time_before_a_trial_has_ended(screen: Screen, clock: Clock) -> None:
    shown = LiveProgress(screen.live.console, screen.live, {("m", "t", "one"): 20.0})
    todo = slots(3)
    shown.begin(todo[0], todo)
    assert screen.line.endswith("about 60 s left")


def test_finished_trials_and_notes_stay_above_the_line(shown: LiveProgress, screen: Screen) -> None:
    [slot] = slots(1)
    shown.note("run: .parity/runs/[1]")
    shown.begin(slot, [slot])
    shown.done(slot, trial("one", 1, {}))
    assert screen.above.splitlines() == ["run: .parity/runs/[1]", "[1/1] round 1 · m · t · one: done"]


def test_what_programs_printed_does_nothing_to_the_live_line(shown: LiveProgress, screen: Screen) -> None:
    [slot] = slots(1)
    shown.note("\033]0;title\aone")
    shown.begin(slot, [slot])
    shown.done(slot, trial("one", 1, {}, failure=Failure(kind="crash", message="\033]0;title\agone\033[2J")))
    assert screen.above.splitlines() == ["one", "[1/1] round 1 · m · t · one: crash: gone"]
