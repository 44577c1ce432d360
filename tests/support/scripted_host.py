"""A host on which nothing runs: programs are scripted, and a clock of its own stands in for time.

With it the whole program, from the command line to the reports, is tested in milliseconds. It stands in for what a real
runtime can't be asked to do on demand: to crash at its first token, to vanish between two runs, to be killed with
parity in mid-trial.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from parity.__main__ import main
from parity.adapter import Launch
from parity.hosts.cancel import Cancel
from parity.hosts.conditions import CannotDropError
from parity.hosts.host import Request
from parity.hosts.local.environment import recordable, secrets_for
from parity.hosts.sighting import Sighting
from parity.models import source, template
from parity.models.gguf_header import read_header
from parity.records import Busyness, ConditionLimits, HostFacts, PageCache, PageCachePolicy, Scalar, ScoreRequest
from parity.stats import LEAST
from parity.transcript import (
    End,
    EndedBy,
    Head,
    Launched,
    NoSpawn,
    Piece,
    Spawned,
    Surroundings,
    Transcript,
    TranscriptWriter,
    read_transcript,
)

MS = 1_000_000
MODEL = "synth://tiny-llama/Q8_0@0"
SIGSEGV = 11
TREE_CPU_S = 0.1

Faults = Callable[[Head], str | None]


@dataclass(frozen=True)
class Meanwhile:
    """What happens on the machine while a trial runs: cores that others use, and what counters grow by."""

    others_cpu: float = 0.0
    steal_cpu: float = 0.0
    throttled_s: float = 0.0
    swapped_bytes: int = 0
    on_battery: bool = False
    wall_step_s: float = 0.0
    wall_step_before_s: float = 0.0


class KilledError(BaseException):
    """Stands in for SIGKILL of parity: nothing that comes after it is written."""


def certain(head: Head, position: int) -> tuple[tuple[int, float], ...]:
    """Almost all of the probability on the id that follows in the sequence."""
    assert head.job is not None
    assert head.job.score is not None
    return ((head.job.score.ids[position], -0.000001), (0, -14.0))


@dataclass(frozen=True)
class Script:
    """How one runtime behaves. `settings`: those that it reports of a trial; `tokens`: how many it generates,
    whatever the budget; `prompt_ids`: () shows no prompt; `again_ms`: how long each further prefill takes, None does
    none. `fault` gives, for what is asked, one of `crash`, `exit`, `hang`, `refuse`, `not-found` and `no-access` (the
    exit codes of a shell), `flood` (it prints more than it may), `silent` (it answers nothing), `burst` (it stamps all
    tokens at the end), `hang-after` (it does not end after its answer), or None."""

    version: str = "1.0"
    installed: bool = True
    load_ms: int = 50
    token_ms: float = 10.0
    again_ms: float | None = None
    prompt_ids: tuple[int, ...] = (1, 2, 3)
    settings: Callable[[Head], Mapping[str, Any]] = lambda head: {}
    says: str | None = None
    """What any program but a trial prints; None prints the version."""
    hello: str | None = None
    """The name by which its probe answers in the event protocol; None answers as `says` has it."""
    tokens: int | None = None
    ends: bool = True
    """Whether it ends by itself after its answer."""
    text: Callable[[Head], str] = lambda head: "scripted"
    text_alone: bool = False
    """It shows how many tokens it generated, and the text, but no token."""
    pause_ms: Callable[[Head], float] = lambda head: 0.0
    """How much longer than `token_ms` each token takes."""
    fault: Faults = lambda head: None
    token_id: Callable[[Head, int], int] = lambda head, k: 100 + k
    """Head and k → the id of generated token k."""
    top: Callable[[Head, int], tuple[tuple[int, float], ...]] = certain
    """Head of a `score` trial and position → the likeliest ids there with their log-probabilities."""


@dataclass
class ScriptedHost:
    """`asked` grows with the head of everything that was run, in order. `before` is called before each of them, and may
    stand in for a user who presses Ctrl-C then. `kill_at`: the trial in which parity is killed; `kill_during`: the
    purpose of the program in which it is killed, such as `build`. `meanwhile` says what happens on its two CPUs during
    a trial; None writes nothing of it down, as earlier versions did. `busy` is what it says before a run;
    `cannot_drop` why it can't drop files from its page cache; `resident` which share of a model is in it; `lacks_room`
    why a build does not fit on its disk."""

    scripts: Mapping[str, Script]
    cache: Path
    interrupt_at: int | None = None
    kill_at: int | None = None
    kill_during: str | None = None
    label: str = "local"
    before: Callable[[Head, Cancel | None], None] = lambda head, cancel: None
    meanwhile: Callable[[Head], Meanwhile | None] = lambda head: None
    busy: Busyness = field(default_factory=lambda: Busyness(usable_cpus=2, others_cpu=0.0))
    cannot_drop: str | None = None
    resident: float = 1.0
    lacks_room: str | None = None
    requests: list[Request] = field(default_factory=list)
    asked: list[Head] = field(default_factory=list)
    now_ns: int = 1_000_000_000
    wall_offset_s: float = 1.9e9
    clock: str = "the first start"

    def facts(self) -> HostFacts:
        return HostFacts(
            platform="linux",
            arch="x86_64",
            python=sys.executable,
            usable_cpus=2,
            cache=str(self.cache),
            hf_home=str(self.cache / "hf"),
        )

    def machine(self) -> dict[str, Scalar]:
        return {"platform": "linux", "host": "scripted", "cpu": "scripted", "arch": "x86_64", "os": "none"}

    def busyness(self, limits: ConditionLimits) -> Busyness:
        return self.busy

    def bring(self, model: str, wanted: PageCachePolicy, cancel: Cancel | None = None) -> PageCache:
        if wanted == "cold" and self.cannot_drop is not None:
            raise CannotDropError(self.cannot_drop)
        return PageCache(state=wanted, resident=0.0 if wanted == "cold" else self.resident)

    def holds(self, pattern: str) -> bool:
        return Path(pattern).exists()

    def no_room(self, folder: str, needed: int, what: str) -> str | None:
        return self.lacks_room

    @contextmanager
    def scratch(self) -> Iterator[str]:
        (self.cache / "scratch").mkdir(parents=True, exist_ok=True)
        yield str(self.cache / "scratch")

    @property
    def trials(self) -> list[Head]:
        return [head for head in self.asked if head.purpose == "trial"]

    def run(
        self,
        request: Request,
        to: Path,
        *,
        cancel: Cancel | None = None,
        watch: Callable[[Sighting], None] | None = None,
    ) -> Transcript:
        head = request.head
        self.asked.append(head)
        self.requests.append(request)
        self.before(head, cancel)
        if head.purpose == "trial" and self.interrupt_at == len(self.trials) and cancel is not None:
            cancel.request()
        script = self.scripts[head.runtime]
        writer = TranscriptWriter(to, head, secrets_for(request.launch.env, request.hidden))
        argv, env = recordable(request.launch.argv, request.launch.env, request.hidden)
        writer.launch(Launched(argv=argv, env=env))
        if not script.installed:
            writer.no_spawn(NoSpawn(t_ns=self.now_ns, errno=2, message="No such file or directory"))
        else:
            self._play(writer, request, script, cancelled=cancel is not None and cancel.count > 0)
        writer.close()
        return read_transcript(to)

    def _play(self, writer: TranscriptWriter, request: Request, script: Script, *, cancelled: bool) -> None:
        trial = request.head.purpose == "trial"
        meanwhile = self.meanwhile(request.head) if trial else None
        if meanwhile is not None:
            self.wall_offset_s += meanwhile.wall_step_before_s
            began = self._surroundings(Meanwhile(), 0.0, request.page_cache)
            writer.before(began)
        writer.spawn(Spawned(t_ns=self.now_ns, pid=1, wall="2031-01-02T03:04:05Z"))
        at_trial = request.head.purpose == "trial" and self.kill_at == len(self.trials)
        if at_trial or request.head.purpose == self.kill_during:
            writer.close()
            raise KilledError
        fault = script.fault(request.head)
        if isinstance(request.launch, Launch):
            lines = self._answer(script, request, fault)
        elif script.hello is not None:
            lines = iter([self._event("hello", protocol=1, runtime=script.hello, version=script.version, device="cpu")])
        else:
            lines = iter([script.says or script.version])
        for line in lines:
            writer.piece(Piece(self.now_ns, "out", line.encode() + b"\n"))
        launch = request.launch
        stops = fault is None and isinstance(launch, Launch) and launch.markers.stop is not None
        by: EndedBy = "cancel" if cancelled else "deadline:load" if fault == "hang" else "stop" if stops else "exit"
        if by == "exit" and not script.ends and request.head.purpose == "trial":
            by = "stall"
        by = "stall" if fault == "hang-after" else "output-limit" if fault == "flood" else by
        signal = SIGSEGV if fault == "crash" else None
        code = None if signal else {"exit": 1, "refuse": 1, "not-found": 127, "no-access": 126}.get(fault or "", 0)
        ended_ns = self._after(1)
        if meanwhile is not None:
            self.wall_offset_s += meanwhile.wall_step_s
            writer.after(self._surroundings(meanwhile, (ended_ns - began.t_ns) / 1e9))
        writer.end(End(t_ns=ended_ns, by=by, exit_code=code, signal=signal, peak_rss_bytes=1 << 20, cpu_s=TREE_CPU_S))

    def _answer(self, script: Script, request: Request, fault: str | None) -> Iterator[str]:
        job = request.head.job
        assert job is not None
        yield self._event("hello", protocol=1, runtime="scripted", version=script.version, device="cpu")
        if fault == "hang":
            self._after(1000 * request.limits.load_s)
            return
        if fault == "refuse":
            yield self._event("error", kind="refused", message="it does not know this architecture")
            yield self._event("bye", reason="error")
            return
        self._after(script.load_ms)
        yield self._event("phase", name="ready", edge="end")
        if settings := script.settings(request.head):
            yield self._event("settings", values=dict(settings))
        if job.score is not None and fault != "crash":
            yield from self._score(script, request.head, job.score)
            return
        if script.prompt_ids:
            yield self._event("prompt", ids=list(script.prompt_ids))
        yield self._event("phase", name="prefill", edge="begin")
        if fault in ("crash", "exit"):
            return
        if fault == "silent":
            yield self._event("text", text="")
            return
        tokens = script.tokens or job.test.max_tokens
        self._after(script.token_ms * tokens if fault == "burst" else 0)
        for k in range(1, tokens + 1):
            self._after(0 if fault == "burst" else script.token_ms + script.pause_ms(request.head))
            if not script.text_alone:
                yield self._event("token", k=k, id=script.token_id(request.head, k))
        if script.text_alone:
            yield self._event("count", generated=tokens)
        yield self._event("text", text=script.text(request.head))
        if script.again_ms is not None and job.further_prefills:
            begun_ns = self._after(0.1)
            spans = [(self.now_ns, self._after(script.again_ms)) for _ in range(job.further_prefills)]
            yield self._event("aside", begin_ns=begun_ns, cpu_s=0.0, peak_rss_bytes=1 << 19, prefills_ns=spans)
        yield self._event("bye", reason="length")

    def _score(self, script: Script, head: Head, asked: ScoreRequest) -> Iterator[str]:
        prompt = asked.ids[: asked.prompt_tokens]
        yield self._event("prompt", ids=list(prompt), count=len(prompt))
        for position, token in enumerate(asked.ids[1:], start=1):
            top = script.top(head, position)[: asked.top]
            logprob = dict(top).get(token, top[-1][1] - 1)
            yield self._event("scored", position=position, id=token, logprob=logprob, logsumexp=20.0, top=top)
        yield self._event("bye", reason="scored")

    def _surroundings(self, meanwhile: Meanwhile, lasted_s: float, page_cache: PageCache | None = None) -> Surroundings:
        """The counters of the scripted machine after `lasted_s` of what happens meanwhile."""
        return Surroundings(
            t_ns=self.now_ns,
            wall_offset_s=self.wall_offset_s,
            clock=self.clock,
            usable_cpus=2,
            busy_s=100.0 + meanwhile.others_cpu * lasted_s + (TREE_CPU_S if lasted_s else 0.0),
            own_cpu_s=1.0,
            steal_s=5.0 + meanwhile.steal_cpu * lasted_s,
            load_1min=0.5,
            pressure_s={"cpu": 7.0 + meanwhile.others_cpu * lasted_s / 4},
            throttled_s={"0": 3.0 + meanwhile.throttled_s, "1": 3.0},
            throttle_events=4,
            swapped_bytes=(1 << 20) + meanwhile.swapped_bytes,
            on_battery=meanwhile.on_battery,
            page_cache=page_cache,
            absent={"frequency_mhz": "the system doesn't tell CPU frequencies"},
        )

    def _after(self, ms: float) -> int:
        self.now_ns += round(ms * MS)
        return self.now_ns

    def _event(self, ev: str, **fields: Any) -> str:
        return json.dumps({"ev": ev, "t_ns": self._after(0.1), **fields})


def table(name: str, keys: str = "") -> str:
    """The table of a scripted runtime."""
    return f"""
[runtimes.{name}]
adapter = "command"
program = "{name}"
args = ["{{model}}"]
events = true
install = "install {name}"
{keys}
"""


def config(runtimes: str, *, rounds: int = 5, warmup: int = 1, gates: str | None = None, rest: str = "") -> str:
    """A config with a gate on hangs, and on speed where there are enough rounds for it, unless others are given."""
    gates = gates if gates is not None else HANGS + (SPEED if rounds >= LEAST else "")
    return f"""
baseline = "base"

[[models]]
name = "m"
source = "{MODEL}"

[[tests]]
name = "t"
prompt = "hello"
max_tokens = 12

{runtimes}

[rounds]
count = {rounds}
warmup = {warmup}

{gates}
{rest}
"""


HANGS = '[[gates]]\nname = "hangs"\nkind = "no-failed-trials"\n'
SPEED = '[[gates]]\nname = "speed"\nkind = "ratio"\nmetric = "gen_tps"\nmin_ratio = 0.5\n'


@dataclass(frozen=True)
class Ended:
    """What a command ended with."""

    code: int
    out: str
    err: str


_find_points = source._points


@cache
def _points(folders: tuple[str, ...]) -> Any:
    """The sources of models in packages that are found in these folders."""
    return _find_points()


@cache
def _header(path: Path, changed_ns: int) -> Any:
    return read_header(path)


class Program:
    """`parity` in this process, on a scripted host, in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._capsys = capsys
        monkeypatch.chdir(folder)
        # What each run would spend most of its time with: waiting for the disk, as if power could fail here, and
        # reading what is the same in each.
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)
        monkeypatch.setattr(source, "_points", lambda: _points(tuple(sys.path)))
        monkeypatch.setattr(template, "read_header", lambda path: _header(path, path.stat().st_mtime_ns))

    def write(self, text: str, name: str = "case.toml") -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def host(self, **scripts: Script) -> ScriptedHost:
        """`base` and `other` behave well unless scripted otherwise."""
        return ScriptedHost({"base": Script(), "other": Script(), **scripts}, self.folder / "cache")

    def __call__(self, *args: str, host: ScriptedHost | None = None) -> Ended:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*args], host=host or self.host())
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err, err
        return Ended(int(ended.value.code or 0), out, err)

    def report(self, run: str = "run") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / run / "report.json").read_text(encoding="utf-8"))
        return found
