"""The supervisor against real programs. Those in `faults/` fail in the ways that inference programs do."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.adapter import Command, Launch, Marker, Markers
from parity.hosts.local import Cancel, Sighting, loop, supervise
from parity.hosts.local.deadlines import Deadlines, ns
from parity.hosts.local.environment import REDACTED, child_environment, recordable
from parity.hosts.local.leader import oom_kills
from parity.hosts.local.markers import LONGEST_LINE_BYTES, LineSearch
from parity.records import Limits
from parity.transcript import End, Head, Transcript, read_transcript

FAULTS = Path(__file__).parent / "faults"
READY = Marker(pattern="^ready$")
TOKEN = Marker(pattern="^token")
FAR = 60.0
"""A limit that the test must not reach."""

Run = Callable[..., Transcript]


def fault(name: str) -> tuple[str, str]:
    return sys.executable, str(FAULTS / f"{name}.py")


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def limits(**changes: float) -> Limits:
    return Limits.model_validate(
        {"load_s": FAR, "first_token_s": FAR, "stall_s": FAR, "total_s": FAR, "grace_s": 0.3, **changes}
    )


def end_of(transcript: Transcript) -> End:
    assert transcript.end is not None
    return transcript.end


def lasted_s(transcript: Transcript) -> float:
    assert transcript.spawn is not None
    return (end_of(transcript).t_ns - transcript.spawn.t_ns) / 1e9


def alive_with(variable: str, value: str) -> list[psutil.Process]:
    """Every process of this machine that has the variable in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(variable) == value:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    """`supervise`, and afterwards: no process, no descriptor, no thread and no zombie is left of it."""
    tag = f"{os.getpid()}:{request.node.name}"
    fds, threads = psutil.Process().num_fds(), threading.active_count()

    def run(
        argv: Sequence[str],
        bounds: Limits | None = None,
        *,
        markers: Markers | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        pass_env: Sequence[str] = (),
        cancel: Cancel | None = None,
        watch: Callable[[Sighting], None] | None = None,
    ) -> Transcript:
        return supervise(
            Launch(argv=tuple(argv), env={"TEST_TAG": tag, **(env or {})}, cwd=cwd, markers=markers or Markers()),
            head=Head(purpose="trial", runtime="test"),
            path=tmp_path / "transcript.jsonl",
            limits=bounds or limits(),
            pass_env=pass_env,
            cancel=cancel,
            watch=watch,
        )

    yield run
    assert alive_with("TEST_TAG", tag) == []
    assert psutil.Process().children(recursive=True) == []
    assert psutil.Process().num_fds() == fds
    assert threading.active_count() == threads


# what a program is given


def test_a_child_has_a_session_of_its_own_an_empty_stdin_and_no_other_descriptors(run: Run) -> None:
    code = "import os, sys; print(os.getpid() == os.getsid(0), len(sys.stdin.read()), sorted(os.listdir('/dev/fd')))"
    [line] = run(python(code)).lines("out")
    assert line.text == "True 0 ['0', '1', '2', '3']"  # 3 is the listing itself


def test_arguments_reach_the_program_without_a_shell(run: Run) -> None:
    transcript = run((*python("import sys; print(sys.argv[1:])"), "$HOME; echo", "*", "a b"))
    assert transcript.text("out") == "['$HOME; echo', '*', 'a b']\n"


def test_a_child_sees_the_allow_list_and_what_is_named_and_nothing_else(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "PYTHONPATH", "NAMED", "LC_TIME", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "1")
    transcript = run(
        python("import json, os; print(json.dumps(dict(os.environ)))"),
        env={"OWN": "x", "PYTHONUNBUFFERED": ""},
        pass_env=["NAMED", "NOT_SET"],
    )
    seen = json.loads(transcript.text("out"))
    assert {"NAMED", "OWN", "LC_TIME", "HF_HUB_OFFLINE", "PATH"} <= seen.keys()
    assert not {"OMP_NUM_THREADS", "PYTHONPATH", "NOT_SET"} & seen.keys()
    assert seen["PYTHONUNBUFFERED"] == "1"


def test_secrets_reach_the_child_but_not_the_transcript(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    code = "import os, sys; sys.exit(os.environ['HF_TOKEN'] != 'hf_0123456789')"
    transcript = run((*python(code), "--token=hf_0123456789"))
    assert end_of(transcript).exit_code == 0
    assert transcript.launch is not None
    assert transcript.launch.env["HF_TOKEN"] == REDACTED
    assert transcript.launch.argv[-1] == f"--token={REDACTED}"
    assert "0123456789" not in transcript.launch.model_dump_json()


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "AWS_SECRET_ACCESS", "db_password", "OPENAI_API_KEY", "GOOGLE_CREDENTIALS"]
)
def test_names_that_look_secret_are_redacted(name: str) -> None:
    assert recordable((), {name: "value"}) == ((), {name: REDACTED})


def test_tokenizers_parallelism_is_no_secret() -> None:
    assert recordable((), {"TOKENIZERS_PARALLELISM": "false"})[1] == {"TOKENIZERS_PARALLELISM": "false"}


def test_a_password_within_an_address_is_redacted() -> None:
    kept = recordable((), {"https_proxy": "http://me:hidden@proxy:3128"})[1]
    assert kept == {"https_proxy": f"http://{REDACTED}@proxy:3128"}


def test_an_environment_that_is_no_utf8_can_be_recorded() -> None:
    assert recordable(("\udcff",), {"HOME": "/home/\udce9"}) == (("\N{REPLACEMENT CHARACTER}",), {"HOME": "/home/�"})


def test_what_the_launch_sets_wins_over_what_is_passed() -> None:
    assert child_environment({"HOME": "/root"}, (), {"HOME": "/scratch"})["HOME"] == "/scratch"


# programs that can't be started


def test_a_missing_runtime_is_a_transcript(run: Run) -> None:
    transcript = run(("no-such-runtime", "--version"))
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == errno.ENOENT
    assert transcript.launch is not None
    assert transcript.launch.argv == ("no-such-runtime", "--version")
    assert (transcript.spawn, transcript.end) == (None, None)


def test_a_missing_working_folder_is_named(run: Run, tmp_path: Path) -> None:
    transcript = run(python("pass"), cwd=str(tmp_path / "gone"))
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == errno.ENOENT
    assert str(tmp_path / "gone") in transcript.no_spawn.message


@pytest.mark.parametrize(("mode", "number"), [(0o644, errno.EACCES), (0o755, errno.ENOEXEC)])
def test_a_file_that_is_no_program_is_a_transcript(run: Run, tmp_path: Path, mode: int, number: int) -> None:
    program = tmp_path / "weights.bin"
    program.write_bytes(b"\x00weights")
    program.chmod(mode)
    transcript = run((str(program),))
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == number


def test_a_nul_in_an_argument_is_a_transcript(run: Run) -> None:
    transcript = run((*python("pass"), "a\0b"))
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == errno.EINVAL


def test_a_bad_pattern_starts_nothing(run: Run, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    with pytest.raises(ValueError, match="unterminated"):
        run(("touch", str(witness)), markers=Markers(stop=Marker(pattern="[")))
    assert not witness.exists()


# programs that end by themselves


def test_an_exit_status_is_kept(run: Run) -> None:
    transcript = run(fault("exits_with_1"))
    end = end_of(transcript)
    assert (end.by, end.exit_code, end.signal, end.signals) == ("exit", 1, None, ())
    assert transcript.text("err") == "the weights have the wrong shape\n"
    assert transcript.data("out") == b""


def test_a_death_by_signal_is_kept(run: Run) -> None:
    end = end_of(run(fault("dies_of_sigkill")))
    assert (end.by, end.exit_code, end.signal, end.signals, end.oom) == ("exit", None, signal.SIGKILL, (), False)


def test_a_kill_while_the_kernel_ran_out_of_memory_is_oom(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = iter([7, 8])
    monkeypatch.setattr(loop, "oom_kills", lambda: next(counter))
    assert end_of(run(fault("dies_of_sigkill"))).oom


def test_our_own_kill_is_never_oom(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = iter([7, 8])
    monkeypatch.setattr(loop, "oom_kills", lambda: next(counter))
    end = end_of(run(fault("ignores_signals"), limits(total_s=0.5, grace_s=0.1)))
    assert (end.signal, end.oom) == (signal.SIGKILL, False)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels don't count")
def test_the_kernels_counter_of_oom_kills_is_read() -> None:
    vmstat = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    assert oom_kills() == int(vmstat["oom_kill"])


def test_invalid_utf8_survives_to_the_byte(run: Run) -> None:
    transcript = run(fault("prints_invalid_utf8"))
    assert transcript.data("out") == bytes(range(256)) + b"\ncaf\xc3\xa9\n\xc0\x80\n"
    assert not transcript.valid_utf8
    assert [line.text for line in transcript.lines("out")][-2:] == ["café", "��"]


def test_both_streams_are_kept_apart_whatever_they_hold(run: Run) -> None:
    code = "import os\nfor k in range(200): os.write(1 + k % 2, b'%d ' % k * 2000)"
    transcript = run(python(code))
    expected = [b"".join(b"%d " % k * 2000 for k in range(start, 200, 2)) for start in (0, 1)]
    assert [transcript.data("out"), transcript.data("err")] == expected


def test_pieces_are_stamped_when_they_arrive(run: Run) -> None:
    code = "import os, time\nfor _ in range(5): time.sleep(0.05); os.write(1, b'%d\\n' % time.monotonic_ns())"
    lines = list(run(python(code)).lines("out"))
    assert len(lines) == 5
    assert all(0 <= line.t_ns - int(line.text) < 50e6 for line in lines)


def test_no_other_thread_of_ours_keeps_the_interpreter_for_long(run: Run) -> None:
    before = sys.getswitchinterval()
    during: list[float] = []
    run(("true",), watch=lambda sighting: during.append(sys.getswitchinterval()))
    assert max(during) < 0.001 <= before == sys.getswitchinterval()


def test_the_end_is_stamped_when_the_program_exits(run: Run) -> None:
    code = "import os, time; time.sleep(0.2); os.write(1, b'%d\\n' % time.monotonic_ns()); os._exit(0)"
    transcript = run(python(code))
    assert 0 <= end_of(transcript).t_ns - int(transcript.text("out")) < 50e6


# deadlines and the ladder


def test_a_load_that_hangs_ends_at_its_deadline(run: Run) -> None:
    transcript = run(fault("hangs_in_load"), limits(load_s=0.7), markers=Markers(ready=READY, first_token=TOKEN))
    end = end_of(transcript)
    assert (end.by, end.signals) == ("deadline:load", ("SIGINT",))
    assert 0.7 <= lasted_s(transcript) < 2


def test_a_first_token_that_never_comes_ends_at_its_deadline(run: Run) -> None:
    transcript = run(
        fault("hangs_before_first_token"),
        limits(first_token_s=0.4),
        markers=Markers(ready=READY, first_token=TOKEN),
    )
    assert end_of(transcript).by == "deadline:first-token"
    [ready] = transcript.lines("out")
    assert 0.4 <= (end_of(transcript).t_ns - ready.t_ns) / 1e9 < 2


def test_without_a_ready_marker_the_first_token_is_due_from_spawn(run: Run) -> None:
    transcript = run(
        fault("hangs_before_first_token"),
        limits(load_s=0.1, first_token_s=0.6),
        markers=Markers(first_token=TOKEN),
    )
    assert end_of(transcript).by == "deadline:first-token"
    assert 0.6 <= lasted_s(transcript) < 2


def test_a_deadline_that_was_met_is_over(run: Run) -> None:
    code = "import time; print('ready'); print('token'); time.sleep(0.8)"
    transcript = run(
        python(code), limits(load_s=0.5, first_token_s=0.2), markers=Markers(ready=READY, first_token=TOKEN)
    )
    assert (end_of(transcript).by, end_of(transcript).exit_code) == ("exit", 0)


def test_a_program_that_ignores_signals_is_killed_after_two_graces(run: Run) -> None:
    transcript = run(fault("ignores_signals"), limits(total_s=0.5, grace_s=0.3))
    end = end_of(transcript)
    assert (end.by, end.signal) == ("deadline:total", signal.SIGKILL)
    assert end.signals == ("SIGINT", "SIGTERM", "SIGKILL")
    assert transcript.text("out") == "ready\nignored SIGINT\nignored SIGTERM\n"
    interrupted, terminated = list(transcript.lines("out"))[1:]
    assert (terminated.t_ns - interrupted.t_ns) / 1e9 > 0.25


def test_silence_without_cpu_is_a_stall(run: Run) -> None:
    transcript = run(fault("sleeps_silently"), limits(stall_s=0.8))
    assert end_of(transcript).by == "stall"
    assert 0.8 <= lasted_s(transcript) < 3


def test_silence_with_cpu_in_the_tree_is_no_stall(run: Run) -> None:
    transcript = run(fault("spins_silently"), limits(stall_s=0.8, total_s=2.5))
    assert end_of(transcript).by == "deadline:total"


def test_output_without_cpu_is_no_stall(run: Run) -> None:
    code = "import time\nfor _ in range(10): time.sleep(0.2); print('.', end='')"
    assert end_of(run(python(code), limits(stall_s=0.8))).by == "exit"


def test_a_command_may_be_silent_until_its_own_deadline(tmp_path: Path) -> None:
    transcript = supervise(
        Command(argv=fault("sleeps_silently"), deadline_s=1.0),
        head=Head(purpose="probe", runtime="test"),
        path=tmp_path / "probe.jsonl",
        limits=limits(stall_s=0.2, total_s=0.1),
    )
    assert end_of(transcript).by == "deadline:total"
    assert lasted_s(transcript) >= 1.0


SPAWNED_NS = 5_000_000_000


@pytest.mark.parametrize(
    ("seen", "due"),
    [
        ([], (2.0, "deadline:load")),
        (["ready"], (1.0 + 3.0, "deadline:first-token")),
        (["ready", "token"], (1.0 + 4.0, "stall")),
        (["token"], (1.0 + 4.0, "stall")),
        (["ready", "token", "cpu"], (1.0 + 4.0, "stall")),
        (["ready", "token", "much cpu"], (1.5 + 4.0, "stall")),
    ],
)
def test_the_next_deadline_follows_from_what_was_seen(seen: list[str], due: tuple[float, str]) -> None:
    deadlines = Deadlines(SPAWNED_NS, load_s=2.0, first_token_s=3.0, stall_s=4.0, total_s=9.0)
    for what in seen:
        match what:
            case "ready":
                deadlines.output(SPAWNED_NS + ns(1.0))
                deadlines.ready(SPAWNED_NS + ns(1.0))
            case "token":
                deadlines.output(SPAWNED_NS + ns(1.0))
                deadlines.first_token()
            case "cpu":
                deadlines.cpu(SPAWNED_NS + ns(1.5), 0.01)
            case "much cpu":
                deadlines.cpu(SPAWNED_NS + ns(1.5), 0.1)
    t_ns, by = deadlines.next()
    assert ((t_ns - SPAWNED_NS) / 1e9, by) == due


# markers


def test_a_stop_marker_ends_the_trial_when_it_arrives(run: Run) -> None:
    code = "import time; print('one'); print('# Example 2'); print('rest'); time.sleep(600)"
    transcript = run(python(code), markers=Markers(stop=Marker(pattern="^# Example 2$")))
    end = end_of(transcript)
    assert (end.by, end.signals) == ("stop", ("SIGINT",))
    found = transcript.find("^# Example 2$", "out")
    assert found is not None
    assert end.t_ns == found[0].t_ns


def test_a_fail_marker_ends_a_program_that_would_wait_for_ever(run: Run) -> None:
    code = "import sys, time; print('worker 1 failed', file=sys.stderr, flush=True); time.sleep(600)"
    transcript = run(python(code), markers=Markers(fail=Marker(pattern=r"^worker \d failed", stream="err")))
    end = end_of(transcript)
    assert (end.by, end.signals) == ("fail", ("SIGINT",))
    assert lasted_s(transcript) < FAR / 2


@pytest.mark.parametrize("words", [("stop", "fail"), ("fail", "stop")])
def test_everything_wanted_was_seen_also_where_a_part_failed(run: Run, words: tuple[str, str]) -> None:
    code = f"import sys, time; print({words[0]!r}, {words[1]!r}, sep='\\n', flush=True); time.sleep(600)"
    markers = Markers(stop=Marker(pattern="^stop$"), fail=Marker(pattern="^fail$"))
    assert end_of(run(python(code), markers=markers)).by == "stop"


def test_a_program_of_which_another_part_works_on_is_not_ended_for_the_part_that_failed(run: Run) -> None:
    busy = "end = time.monotonic() + 4\nwhile time.monotonic() < end: pass\n"
    code = f"import time\nprint('fail', flush=True)\n{busy}print('stop', flush=True); time.sleep(600)"
    markers = Markers(stop=Marker(pattern="^stop$"), fail=Marker(pattern="^fail$"))
    assert end_of(run(python(code), markers=markers)).by == "stop"


@pytest.mark.parametrize("words", [("fail", "ready"), ("ready", "fail")])
def test_a_part_that_failed_beside_one_that_is_ready_shortens_no_limit(run: Run, words: tuple[str, str]) -> None:
    code = f"import time; print({words[0]!r}, {words[1]!r}, sep='\\n', flush=True); time.sleep(4); print('stop')"
    markers = Markers(ready=Marker(pattern="^ready$"), stop=Marker(pattern="^stop$"), fail=Marker(pattern="^fail$"))
    assert end_of(run(python(code), markers=markers)).by in ("stop", "exit")


def test_a_stop_marker_counts_on_its_own_stream_only(run: Run) -> None:
    code = "import sys; print('stop', file=sys.stderr); print('done')"
    assert end_of(run(python(code), markers=Markers(stop=Marker(pattern="stop")))).by == "exit"


@pytest.mark.parametrize(("partial", "by"), [(True, "deadline:total"), (False, "deadline:first-token")])
def test_an_unfinished_line_is_searched_where_the_marker_says_so(run: Run, partial: bool, by: str) -> None:
    transcript = run(
        python("import time; print('token', end=''); time.sleep(600)"),
        limits(first_token_s=1.0, total_s=1.5),
        markers=Markers(first_token=Marker(pattern="^token", partial=partial)),
    )
    assert end_of(transcript).by == by


def test_sightings_come_in_order_and_count_tokens(run: Run) -> None:
    code = "print('ready'); print('token 1'); print('token 2\\ntoken 3')"
    seen: list[Sighting] = []
    transcript = run(python(code), markers=Markers(ready=READY, first_token=TOKEN, token=TOKEN), watch=seen.append)
    kinds = [sighting.kind for sighting in seen]
    assert kinds == ["spawn", "ready", "first-token", "token", "token", "token", "end"]
    assert seen[-1].count == 3
    assert transcript.spawn is not None
    assert seen[0].t_ns == transcript.spawn.t_ns
    assert seen[1].t_ns == next(transcript.lines("out")).t_ns


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"tok ", b"tok", b"\n", b"\r\n", b"x", b"\xff", "é".encode()]), max_size=30), st.data()
)
def test_tokens_are_counted_the_same_however_the_stream_is_cut(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    search = LineSearch({"token": Marker(pattern="tok", partial=True)})
    assert sum(count for piece in pieces for _, count in search.feed(piece)) == stream.count(b"tok")


def test_an_endless_line_is_searched_in_its_first_part_only() -> None:
    search = LineSearch({"stop": Marker(pattern="end"), "ready": Marker(pattern="^x+$")})
    for _ in range(100):
        assert list(search.feed(b"x" * LONGEST_LINE_BYTES)) == []
    assert list(search.feed(b"end\nend\n")) == [("ready", 1), ("stop", 1)]


# output without bounds


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


# descendants


def test_a_grandchild_that_holds_the_pipe_is_counted_and_killed(run: Run) -> None:
    began = time.monotonic()
    transcript = run(fault("leaves_grandchild_on_pipe"))
    end = end_of(transcript)
    assert (end.by, end.exit_code, end.left_behind, end.signals) == ("exit", 0, 1, ("SIGKILL",))
    assert transcript.text("out") == "done\n"
    assert time.monotonic() - began < 10


def test_a_grandchild_in_a_session_of_its_own_is_counted_and_killed(run: Run) -> None:
    transcript = run(fault("leaves_grandchild_in_own_session"))
    assert (end_of(transcript).exit_code, end_of(transcript).left_behind) == (0, 1)
    daemon = int(transcript.text("out").split()[1])
    assert not psutil.pid_exists(daemon) or psutil.Process(daemon).status() == psutil.STATUS_ZOMBIE


def test_a_grandchild_that_ends_in_time_is_not_left_behind(run: Run) -> None:
    code = "import subprocess; subprocess.Popen(['sh', '-c', 'sleep 0.1; echo late'])"
    transcript = run(python(code))
    assert (end_of(transcript).left_behind, end_of(transcript).signals) == (0, ())
    assert transcript.text("out") == "late\n"


def test_a_grandchild_in_a_session_of_its_own_is_signalled_too(run: Run) -> None:
    worker = "trap 'echo asked; exit' INT; echo ready; while :; do sleep 0.05; done"
    code = f"import subprocess; subprocess.run(['sh', '-c', {worker!r}], start_new_session=True)"
    transcript = run(python(code), limits(grace_s=20.0), markers=Markers(stop=READY))
    assert end_of(transcript).by == "stop"
    assert "SIGKILL" not in end_of(transcript).signals
    assert transcript.text("out") == "ready\nasked\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to a process that asks for them")
def test_orphans_that_come_to_us_are_reaped() -> None:
    code = f"""if True:
        import ctypes, pathlib, psutil, tempfile
        from parity.adapter import Launch
        from parity.hosts.local import supervise
        from parity.records import Limits
        from parity.transcript import Head
        PR_SET_CHILD_SUBREAPER = 36
        assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        with tempfile.TemporaryDirectory() as folder:
            supervise(
                Launch(argv={fault("leaves_grandchild_in_own_session")}),
                head=Head(purpose="trial", runtime="test"),
                path=pathlib.Path(folder) / "t.jsonl",
                limits=Limits(),
            )
        print(psutil.Process().children())
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


# cancelling


def test_one_request_ends_a_program_politely(run: Run) -> None:
    with Cancel() as cancel:
        transcript = run(
            fault("hangs_before_first_token"),
            markers=Markers(ready=READY),
            cancel=cancel,
            watch=lambda sighting: cancel.request() if sighting.kind == "ready" else None,
        )
    assert (end_of(transcript).by, end_of(transcript).signals) == ("cancel", ("SIGINT",))


def test_a_second_request_kills_at_once(run: Run) -> None:
    with Cancel() as cancel:

        def insist(sighting: Sighting) -> None:
            if sighting.kind in ("ready", "token"):
                cancel.request()

        markers = Markers(ready=READY, token=Marker(pattern="^ignored SIGINT"))
        transcript = run(fault("ignores_signals"), limits(grace_s=FAR), markers=markers, cancel=cancel, watch=insist)
    end = end_of(transcript)
    assert (end.by, end.signals) == ("cancel", ("SIGINT", "SIGKILL"))
    assert lasted_s(transcript) < 10


def test_a_request_from_a_signal_handler_wakes_the_supervisor(run: Run) -> None:
    with Cancel() as cancel:
        previous = signal.signal(signal.SIGUSR1, lambda number, frame: cancel.request())
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        try:
            transcript = run(fault("sleeps_silently"), cancel=cancel)
        finally:
            timer.join()
            signal.signal(signal.SIGUSR1, previous)
    assert end_of(transcript).by == "cancel"
    assert lasted_s(transcript) < 10


def test_after_a_request_nothing_is_started(run: Run, tmp_path: Path) -> None:
    with Cancel() as cancel:
        cancel.request()
        transcript = run(("touch", str(tmp_path / "witness")), cancel=cancel)
    assert transcript.no_spawn is not None
    assert transcript.no_spawn.errno == errno.ECANCELED
    assert not (tmp_path / "witness").exists()


def test_a_request_after_close_does_nothing_but_count() -> None:
    cancel = Cancel()
    cancel.close()
    cancel.request()
    cancel.close()
    assert cancel.count == 1


def test_many_requests_never_block() -> None:
    with Cancel() as cancel:
        for _ in range(100_000):
            cancel.request()
        assert cancel.count == 100_000


# exceptions


def assert_ended(path: Path) -> None:
    transcript = read_transcript(path)
    assert transcript.end is None
    assert transcript.spawn is not None
    assert not psutil.pid_exists(transcript.spawn.pid)


@pytest.mark.parametrize("kind", ["spawn", "ready"])
def test_a_watch_that_raises_leaves_no_process(run: Run, tmp_path: Path, kind: str) -> None:
    def watch(sighting: Sighting) -> None:
        if sighting.kind == kind:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fault("ignores_signals"), markers=Markers(ready=READY), watch=watch)
    assert_ended(tmp_path / "transcript.jsonl")


def test_a_watch_that_raises_at_the_end_leaves_a_whole_transcript(run: Run, tmp_path: Path) -> None:
    def watch(sighting: Sighting) -> None:
        if sighting.kind == "end":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(python("print(1)"), watch=watch)
    assert end_of(read_transcript(tmp_path / "transcript.jsonl")).exit_code == 0


def test_a_keyboard_interrupt_leaves_no_process(run: Run, tmp_path: Path) -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(fault("ignores_signals"), limits(grace_s=FAR))
    finally:
        timer.join()
    assert_ended(tmp_path / "transcript.jsonl")


# what it costs, and what is measured


def test_the_supervisor_is_idle_while_nothing_happens(run: Run) -> None:
    used = time.process_time()
    run(python("import time; time.sleep(2)"))
    assert time.process_time() - used < 0.1


def test_peak_memory_holds_what_was_freed_before_the_first_sample(run: Run) -> None:
    end = end_of(run(python("held = bytearray(b'1') * 200_000_000; del held; import time; time.sleep(0.5)")))
    assert end.peak_rss_bytes is not None
    assert 200e6 < end.peak_rss_bytes < 300e6


def test_peak_memory_is_the_childs_own_and_not_what_its_parent_had(run: Run) -> None:
    ballast = bytearray(b"1") * 300_000_000
    end = end_of(run(python("import time; time.sleep(0.5)")))
    assert len(ballast) == 300_000_000
    assert end.peak_rss_bytes is not None
    assert end.peak_rss_bytes < 100e6


def test_memory_and_cpu_of_descendants_count(run: Run) -> None:
    work = "held = bytearray(b'1') * 150_000_000\nimport time\nwhile time.process_time() < 0.8: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    transcript = run(python(code))
    end = end_of(transcript)
    assert end.peak_rss_bytes is not None
    assert end.cpu_s is not None
    assert 150e6 < end.peak_rss_bytes < 300e6
    assert 0.8 <= end.cpu_s < 3
    assert [sample.cpu_s for sample in transcript.samples] == sorted(sample.cpu_s for sample in transcript.samples)


def test_cpu_of_a_daemon_counts_while_it_lives(run: Run) -> None:
    work = "import time\nwhile time.process_time() < 1: pass"
    spawn = f"subprocess.Popen([sys.executable, '-c', {work!r}], start_new_session=True)"
    code = f"import subprocess, sys, time; {spawn}; time.sleep(1)"
    cpu_s = end_of(run(python(code))).cpu_s
    assert cpu_s is not None
    assert cpu_s > 0.3


def test_what_was_seen_is_on_disk_while_the_program_runs(run: Run, tmp_path: Path) -> None:
    seen: list[bytes] = []
    code = "import time\nprint('ready'); time.sleep(1); print('token')"

    def watch(sighting: Sighting) -> None:
        if sighting.kind == "first-token":
            seen.append(read_transcript(tmp_path / "transcript.jsonl").data("out"))

    run(python(code), markers=Markers(ready=READY, first_token=TOKEN), watch=watch)
    assert seen == [b"ready\n"]


def test_nothing_is_warned_of_in_development_mode() -> None:
    code = """if True:
        import pathlib, tempfile
        from parity.adapter import Launch
        from parity.hosts.local import Cancel, supervise
        from parity.records import Limits
        from parity.transcript import Head
        with tempfile.TemporaryDirectory() as folder, Cancel() as cancel:
            for argv in (("true",), ("no-such-runtime",)):
                path = pathlib.Path(folder) / argv[0]
                head = Head(purpose="trial", runtime="test")
                supervise(Launch(argv=argv), head=head, path=path, limits=Limits(), cancel=cancel)
    """
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
