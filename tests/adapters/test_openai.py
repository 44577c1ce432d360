"""A server as a runtime: what it is asked, what comes of its answer, and how each of its faults ends."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import builders
import pytest
from pydantic import ValidationError
from supervised import alive_with, lasted_s, limits

from parity.adapter.events import Chunk, Count, Event, Phase, Prompt
from parity.hosts.host import Request
from parity.hosts.local import LocalHost
from parity.hosts.machine import host_facts
from parity.reading.trial import read_trial
from parity.records import Limits, ScoreRequest, Slot, Trial
from parity.transcript import Head, Transcript
from parity_adapters.openai import OpenAI, OpenAISettings
from parity_adapters.openai.worker.asking import Asker, UnansweredError
from parity_adapters.openai.worker.listening import foreign_listener
from parity_adapters.openai.worker.serving import Server
from parity_worker import WorkerError

SERVER = Path(__file__).parents[1] / "scripted" / "server.py"
TAG = "TEST_TAG"
NOBODY = -1
"""In place of a process: no listener is one of its own."""

FAR = limits()
LATER_S = 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
"""How long after its deadline a trial may end; longer where others keep the machine busy."""


WORDS = ("one", " two", " three", " four", " five", " six", " seven", " eight")
PIECES = dict(enumerate((word.encode() for word in WORDS), start=10)) | {40 + k: b"?" for k in range(7)}
"""What the tokens of the scripted server write."""


def adapter(**settings: Any) -> OpenAI:
    return OpenAI(OpenAISettings.model_validate(settings), host_facts())


def started(*options: str, **settings: Any) -> OpenAI:
    """The scripted server, started for each trial."""
    command = (sys.executable, str(SERVER), "{model}", "--port", "{port}", *options)
    return adapter(command=command, **settings)


class Asked:
    """Trials of servers, one after another, each read as a run reads it."""

    def __init__(self, folder: Path, tag: str) -> None:
        self._folder, self._tag, self._count = folder, tag, 0

    def __call__(
        self,
        server: OpenAI,
        bounds: Limits = FAR,
        *,
        env: Mapping[str, str] | None = None,
        encode: Any = None,
        turn: str | None = "user: hi",
        score: ScoreRequest | None = None,
        **test: Any,
    ) -> tuple[Trial, Transcript]:
        self._count += 1
        host = LocalHost()
        with host.scratch() as scratch:
            fields = {
                "scratch": scratch,
                "adapter": "openai",
                "settings": server.settings.model_dump(mode="json"),
                "chat_turn": turn,
                "task": "generate" if score is None else "score",
                "score": score,
            }
            job = builders.job(max_tokens=8, fields=fields, test=test)
            slot = Slot(model="m", test="t", runtime="one", round=1, task=job.task)
            launch = server.launch(job, None).but(env={TAG: self._tag, **(env or {})})
            head = Head(purpose="trial", runtime="one", slot=slot, job=job)
            request = Request(launch, head, bounds, launch.pass_env)
            transcript = host.run(request, self._folder / f"{self._count}.jsonl")
        pieces = PIECES.get if score is not None else None
        return read_trial(server, slot, "1.jsonl", transcript, encode, lambda path: None, pieces), transcript


@pytest.fixture
def asked(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Asked]:
    """Afterwards no process is left."""
    tag = f"{os.getpid()}:{request.node.name}"
    yield Asked(tmp_path, tag)
    assert alive_with(TAG, tag) == []


@contextmanager
def running(*options: str) -> Iterator[str]:
    """The address of a scripted server that runs outside every trial."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SERVER), "--port", str(port), *options])
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def events_of(server: OpenAI, transcript: Transcript) -> list[Event]:
    assert transcript.head.job is not None
    return list(server.read(transcript, transcript.head.job))


def asked_of(transcript: Transcript) -> dict[str, Any]:
    """What the scripted server was asked, which it prints with `--echo`."""
    [line] = [text for line in transcript.lines("err") if (text := line.text).startswith("asked: ")]
    body: dict[str, Any] = json.loads(line.removeprefix("asked: "))
    return body


def transcript_spawn(transcript: Transcript) -> int:
    assert transcript.spawn is not None
    return transcript.spawn.t_ns


def reasons(trial: Trial) -> dict[str, str | None]:
    return {m.metric: m.reason for m in trial.measurements}


def test_a_server_is_started_asked_once_and_ended(asked: Asked) -> None:
    server = started("--prompt-tokens", "4", "--echo")
    trial, transcript = asked(server)
    assert trial.failure is None, trial.failure
    assert trial.text == "one two three four five six seven eight"
    events = events_of(server, transcript)
    marks = [(e.name, e.edge) for e in events if isinstance(e, Phase)]
    assert marks == [("ready", "end"), ("prefill", "begin"), ("generate", "end")]
    assert [e.text for e in events if isinstance(e, Chunk)] == trial.text.replace(" ", "| ").split("|")
    assert [e.generated for e in events if isinstance(e, Count)] == [8]
    [prompt] = [e for e in events if isinstance(e, Prompt)]
    assert (prompt.text, prompt.count) == ("user: hi", 4)
    assert asked_of(transcript)["prompt"] == "user: hi"
    assert trial.warnings == ()
    assert trial.identity is not None
    assert trial.identity.settings["prefix_cache"] is False
    assert trial.identity.weights_sha256 == "ab" * 32


def test_each_piece_of_text_is_stamped_when_it_arrives(asked: Asked) -> None:
    server = started("--gap", "0.05", "--prefill", "0.2")
    _, transcript = asked(server)
    events = events_of(server, transcript)
    [begin] = [e.t_ns for e in events if isinstance(e, Phase) and (e.name, e.edge) == ("prefill", "begin")]
    stamps = [e.t_ns for e in events if isinstance(e, Chunk)]
    assert stamps[0] - begin >= 0.2e9
    assert median(later - earlier for earlier, later in itertools.pairwise(stamps)) >= 0.045e9


def test_the_load_is_timed_to_the_end_of_what_the_server_does_before_it_answers(asked: Asked) -> None:
    trial, _ = asked(started("--load", "0.4"))
    assert (trial.value("load_s") or 0) >= 0.4


def test_a_running_server_has_neither_load_nor_processes_of_the_trial(asked: Asked) -> None:
    with running("--prompt-tokens", "4") as url:
        trial, _ = asked(adapter(url=url))
    assert trial.failure is None, trial.failure
    for metric in ("load_s", "peak_rss_bytes", "cpu_s", "wall_s"):
        assert "was running before this trial" in (reasons(trial)[metric] or "")
    facts = trial.identity.settings if trial.identity is not None else {}
    assert (facts["warm_up"], facts["prefix_cache"], facts["weights_file"]) == (True, True, None)
    assert {d.fact for d in trial.departures} == {"weights", "prefix_cache"}


def test_what_a_running_server_is_asked_before_is_no_wait_for_its_answer(asked: Asked) -> None:
    with running("--prompt-tokens", "2", "--tokenizes", "--far", "0.2") as url:
        trial, transcript = asked(adapter(url=url, server="vllm"))
        marks = {e.name: e.t_ns for e in events_of(adapter(url=url), transcript) if isinstance(e, Phase)}
    assert trial.failure is None, trial.failure
    assert [d.sentence for d in trial.departures if "waited" in d.sentence] == []
    assert marks["ready"] - transcript_spawn(transcript) >= 4 * 0.2e9


def test_what_the_answer_says_of_its_cache_wins(asked: Asked) -> None:
    with running("--prompt-tokens", "4", "--cached", "0") as url:
        trial, _ = asked(adapter(url=url, weights_file=str(SERVER)))
    assert trial.identity is not None
    assert trial.identity.settings["prefix_cache"] is False
    with running("--prompt-tokens", "4", "--cached", "3") as url:
        trial, _ = asked(adapter(url=url, prefix_cache=False))
    assert any(d.fact == "prefix_cache" for d in trial.departures)


@pytest.mark.parametrize("named", ["model.gguf", "server.py"])
def test_the_weights_that_a_server_names_itself_win_over_those_of_the_config(asked: Asked, named: str) -> None:
    with running("--models", str(SERVER)) as url:
        trial, _ = asked(adapter(url=url, weights_file=str(SERVER.with_name(named))))
    assert trial.identity is not None
    assert trial.identity.settings["weights_file"] == str(SERVER)


def test_the_file_that_a_config_names_in_the_folder_of_a_server_counts(asked: Asked) -> None:
    with running("--models", str(SERVER.parent)) as url:
        trial, _ = asked(adapter(url=url, weights_file=str(SERVER)))
    assert trial.identity is not None
    assert trial.identity.settings["weights_file"] == str(SERVER)


def test_a_server_that_can_only_be_told_to_ban_the_end_is_asked_for_it(asked: Asked) -> None:
    _, transcript = asked(started("--echo", server="llama_cpp.server"))
    body = asked_of(transcript)
    assert body["min_tokens"] == body["max_tokens"] == 8
    assert (body["repeat_penalty"], body["min_p"], body["top_k"]) == (1.0, 0.0, 0)
    assert "seed" not in body
    _, transcript = asked(started("--echo", server="llama_cpp.server"), ignore_end=False)
    assert "min_tokens" not in asked_of(transcript)


def test_requests_hold_the_tests_sampling_and_the_fields_of_the_config(asked: Asked) -> None:
    sampling = {"temperature": 0.7, "seed": 3, "top_k": 5}
    _, transcript = asked(started("--echo", request={"keep_alive": -1, "repeat_penalty": 1}), sampling=sampling)
    body = asked_of(transcript)
    assert (body["temperature"], body["top_k"], body["seed"]) == (0.7, 5, 3)
    assert (body["keep_alive"], body["repeat_penalty"]) == (-1, 1)


def test_a_field_that_is_not_known_to_be_harmless_leaves_the_sampling_unknown(asked: Asked) -> None:
    trial, transcript = asked(started("--echo", request={"dry_base": 2.0, "user": "me"}))
    assert asked_of(transcript)["dry_base"] == 2.0
    assert trial.identity is not None
    assert trial.identity.sampling is None
    [odd] = [d for d in trial.departures if d.fact == "sampling"]
    assert odd.sentence.endswith("is not understood: fields of `request` that may change it: dry_base=2.0")
    trial, _ = asked(started(request={"user": "me", "min_p": 0.0}))
    assert [d for d in trial.departures if d.fact == "sampling"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, 2) for field in ("prompt", "max_tokens", "n", "temperature", "repetition_penalty")),
        *(("cache_prompt", value) for value in (True, 0)),
        *(("ignore_eos", value) for value in (False, 1)),
        ("min_p", False),
        *(("keep_alive", value) for value in (0, "0s")),
    ],
)
def test_a_field_of_the_config_that_changes_what_is_asked_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=rf"can't set {field}\b") as error:
        OpenAISettings.model_validate({"url": "http://127.0.0.1/v1", "request": {field: value}})
    assert [each["loc"] for each in error.value.errors()] == [("request",)]


def test_a_chat_endpoint_is_sent_the_users_turn_and_its_prompt_is_known_by_its_length(asked: Asked) -> None:
    server = started("--echo", "--prompt-tokens", "9", endpoint="chat")
    trial, transcript = asked(server)
    assert asked_of(transcript)["messages"] == [{"role": "user", "content": "hi"}]
    [prompt] = [e for e in events_of(server, transcript) if isinstance(e, Prompt)]
    assert (prompt.text, prompt.count) == (None, 9)
    trial, _ = asked(server, raw=True)
    assert trial.failure is not None
    assert trial.failure.kind == "refused"
    assert 'endpoint = "completions"' in trial.failure.message


def test_without_a_rendered_turn_the_server_is_not_asked(asked: Asked) -> None:
    trial, _ = asked(started(), turn=None)
    assert trial.failure is not None
    assert trial.failure.kind == "refused"
    assert 'endpoint = "chat"' in trial.failure.message


def test_one_of_several_models_has_to_be_named(asked: Asked) -> None:
    trial, _ = asked(started("--models", "small,large"))
    assert trial.failure is not None
    assert (trial.failure.kind, "`model_name`" in trial.failure.message) == ("refused", True)
    _, transcript = asked(started("--models", "small,large", "--echo", model_name="large"))
    assert asked_of(transcript)["model"] == "large"


FAULTS = {
    "dies": ("crash:SIGKILL", "killed by SIGKILL in the middle of its answer"),
    "exits-in-load": ("exit:3", "exited with status 3 before it was ready"),
    "never-ready": ("timeout:load", "limits.load_s"),
    "stalls-first": ("stall", "limits.stall_s"),
    "stalls": ("stall", "limits.stall_s"),
    "malformed": ("parse", "an event that is no JSON"),
    "not-an-event": ("crash:worker", "a line that is no event: 'Traceback (most recent call last):'"),
    "huge-line": ("parse", "more than 1000000 bytes"),
    "error-event": ("crash:worker", "CUDA error"),
    "cut": ("crash:worker", "ended the connection in the middle of its answer"),
    "endless": ("timeout:total", "limits.total_s"),
    "busy": ("refused", "429 Too Many Requests"),
    "fails": ("http:500", "out of luck"),
    "no-such-model": ("refused", "`model_name`"),
    "no-stream": ("parse", "answered with application/json"),
    "error-body": ("crash:worker", "answered 200 with an error: the model is not loaded"),
    "nothing": ("silent", "without printing any answer"),
}
TIGHT = {"timeout:load": {"load_s": 2.0}, "stall": {"stall_s": 1.5}, "timeout:total": {"total_s": 5.0}}
"""Class → the limit that is exceeded. A limit that the test must not reach is far."""


def test_lines_may_end_with_cr_alone(asked: Asked) -> None:
    trial, _ = asked(started("--fault", "cr"))
    assert trial.text == "one two three four five six seven eight"


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_server_ends_in_its_class_and_in_time(asked: Asked, fault: str) -> None:
    kind, words = FAULTS[fault]
    tight = TIGHT.get(kind, {})
    trial, transcript = asked(started("--fault", fault), limits(**tight))
    assert trial.failure is not None
    assert trial.failure.kind == kind, trial.failure
    assert words in trial.failure.message
    assert lasted_s(transcript) < sum(tight.values()) + 1.0 + LATER_S
    following, _ = asked(started())
    assert following.failure is None


@pytest.mark.slow
def test_a_running_server_is_waited_for_up_to_the_deadline_of_its_first_token(asked: Asked) -> None:
    with running("--fault", "stalls-first") as url:
        bounds = limits(first_token_s=7.0, stall_s=6.0)
        trial, _ = asked(adapter(url=url), bounds)
    assert trial.failure is not None
    assert trial.failure.kind == "timeout:first-token"


@pytest.mark.slow
def test_a_text_that_comes_all_at_the_end_shows_no_rate(asked: Asked) -> None:
    trial, _ = asked(started("--fault", "all-at-the-end"), encode=lambda text: [len(word) for word in text.split()])
    assert trial.failure is None, trial.failure
    assert "one burst" in (reasons(trial)["gen_tps"] or "")
    trial, _ = asked(started("--fault", "all-at-the-end", "--gap", "1.0"), limits(first_token_s=2.0))
    assert trial.failure is not None
    assert trial.failure.kind == "timeout:first-token"


@pytest.mark.parametrize(("counts", "fits"), [("8", True), ("20", False), ("2", False)])
def test_the_tokens_that_a_server_counts_are_checked_against_its_text(asked: Asked, counts: str, fits: bool) -> None:
    server = started("--prompt-tokens", "2", "--counts", counts)
    trial, _ = asked(server, encode=lambda text: [len(word) for word in text.split()])
    assert trial.failure is None, trial.failure
    wrong = [d.sentence for d in trial.departures if "by the model's own tokenizer" in d.sentence]
    assert wrong == ([] if fits else [f"it counts {counts} tokens, and its text has 8 by the model's own tokenizer"])


@pytest.mark.parametrize(("counts", "ids"), [("0", None), ("2", (5, 2)), ("3", None)])
def test_the_ids_of_a_prompt_are_those_of_its_text_only_where_the_server_counts_as_many(
    asked: Asked, counts: str, ids: tuple[int, ...] | None
) -> None:
    server = started("--prompt-tokens", counts)
    trial, _ = asked(server, encode=lambda text: [len(word) for word in text.split()])
    assert trial.identity is not None
    assert trial.prompt_ids == ids
    assert trial.identity.prompt_tokens == (int(counts) or None)
    assert trial.identity.prompt_retokenised is (ids is not None)
    assert trial.value("prompt_tps", "prompt-to-text") is None if counts == "0" else True


def test_a_server_that_counts_nothing_is_asked_for_the_ids_of_its_prompt(asked: Asked) -> None:
    server = started(server="llama_cpp.server")
    trial, _ = asked(server, encode=lambda text: [len(word) for word in text.split()])
    assert trial.prompt_ids == (1, 5, 2)
    assert trial.departures == ()


@pytest.mark.parametrize("kind", ["llama.cpp", "vllm"])
@pytest.mark.parametrize("turn", ["user: hi", "<s> user: hi"])
def test_a_prompt_goes_as_ids_with_one_begin_token_where_the_server_takes_these(
    asked: Asked, kind: str, turn: str
) -> None:
    options = ("--tokenizes", "--prompt-tokens", "3", "--echo")
    trial, transcript = asked(started(*options, server=kind, ready="/v1/models"), turn=turn)
    assert asked_of(transcript)["prompt"] == [1, 5, 2]
    assert trial.prompt_ids == (1, 5, 2)
    trial, transcript = asked(started(*options, server=kind, ready="/v1/models", prompt_as="text"), turn=turn)
    assert asked_of(transcript)["prompt"] == turn
    assert trial.prompt_ids is None


@pytest.mark.parametrize("counts", ["0", "2"], ids=["none", "another"])
def test_ids_that_were_sent_are_those_of_the_prompt_only_where_the_server_counts_as_many(
    asked: Asked, counts: str
) -> None:
    server = started("--tokenizes", "--prompt-tokens", counts, server="vllm", ready="/v1/models")
    trial, _ = asked(server, encode=lambda text: [len(word) for word in text.split()])
    assert trial.identity is not None
    assert (trial.prompt_ids, trial.identity.prompt_tokens) == (None, int(counts) or None)


def test_a_server_that_gives_no_ids_gets_the_text_unless_the_config_asks_for_ids(asked: Asked) -> None:
    _, transcript = asked(started("--echo", server="llama.cpp", ready="/v1/models"))
    assert asked_of(transcript)["prompt"] == "user: hi"
    trial, _ = asked(started(server="llama.cpp", ready="/v1/models", prompt_as="ids"))
    assert trial.failure is not None
    assert (trial.failure.kind, 'prompt_as = "text"' in trial.failure.message) == ("refused", True)


OWN = ScoreRequest(ids=(5, 2, 7), prompt_tokens=2, own=True)


def by_length(text: str) -> list[int]:
    return [len(word) for word in text.split()]


@pytest.mark.parametrize(("kind", "form"), [("llama.cpp", "objects"), ("mlx_lm.server", "unnamed"), ("vllm", "lists")])
def test_a_server_scores_its_own_answer(asked: Asked, kind: str, form: str) -> None:
    server = started("--prompt-tokens", "2", "--logprobs", form, "--echo", server=kind, ready="/v1/models")
    trial, transcript = asked(server, score=OWN, encode=by_length)
    assert trial.failure is None, trial.failure
    ids = tuple(range(10, 18))
    assert (tuple(s.id for s in trial.scores), trial.output_ids) == (ids, ids)
    assert all((s.logprob, s.logsumexp, len(s.top), s.top[0][1]) == (-0.1, None, 8, -0.1) for s in trial.scores)
    assert asked_of(transcript)["stream"] is False


@pytest.mark.parametrize(
    ("form", "kind", "words"),
    [("texts", "vllm", "is the text of a token and no id"), ("none", "llama.cpp", "set `logprobs = false`")],
)
def test_log_probabilities_without_ids_are_no_scores(asked: Asked, form: str, kind: str, words: str) -> None:
    server = started("--prompt-tokens", "2", "--logprobs", form, server=kind, ready="/v1/models")
    trial, _ = asked(server, score=OWN, encode=by_length)
    assert trial.failure is not None
    assert (trial.failure.kind, words in trial.failure.message) == ("parse", True), trial.failure


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("dies", "crash:SIGKILL", "in the middle of its answer"),
        ("cut", "crash:worker", "in the middle of its answer"),
        ("malformed", "parse", "it is no JSON object"),
    ],
)
def test_a_whole_answer_that_is_cut_says_how(asked: Asked, fault: str, kind: str, words: str) -> None:
    trial, _ = asked(started("--fault", fault, server="vllm", ready="/v1/models"), score=OWN, encode=by_length)
    assert trial.failure is not None
    assert (trial.failure.kind, words in trial.failure.message) == (kind, True), trial.failure


def test_a_server_scores_no_given_ids(asked: Asked) -> None:
    trial, _ = asked(started(server="vllm"), score=OWN.but(own=False))
    assert trial.failure is not None
    assert (trial.failure.kind, "scores no given ids" in trial.failure.message) == ("refused", True)


@pytest.mark.parametrize(
    ("settings", "able"),
    [
        ({"server": "vllm"}, True),
        ({"server": "vllm", "logprobs": False}, False),
        ({"server": "vllm", "endpoint": "chat"}, False),
        ({"server": "llama_cpp.server"}, False),
        ({}, False),
    ],
)
def test_only_servers_that_show_ids_of_likely_tokens_score(settings: dict[str, Any], able: bool) -> None:
    assert ("score" in started(**settings).tasks) is able


@pytest.mark.parametrize("ready", [None, "/v1/models"])
def test_a_server_that_may_load_with_the_first_request_needs_a_path_that_says_when_it_has(
    asked: Asked, ready: str | None
) -> None:
    trial, _ = asked(started(ready=ready))
    concerned = {metric for d in trial.departures if "set `ready`" in d.sentence for metric in d.metrics or ()}
    assert concerned == (set() if ready else {"load_s", "ttft_s", "prompt_tps", "total_s"})


def test_an_end_token_is_counted_where_a_server_counts_nothing(asked: Asked) -> None:
    trial, _ = asked(started("--stop", "5"), encode=lambda text: [len(word) for word in text.split()], ignore_end=False)
    assert trial.failure is None, trial.failure
    assert trial.identity is not None
    assert trial.identity.generated_tokens == 6
    assert trial.value("generated_tokens", "retokenised-text") == 5


def test_a_server_that_stops_at_an_end_token_is_none_that_goes_on_past_it(asked: Asked) -> None:
    trial, _ = asked(started("--stop", "5", request={"ignore_eos": True}), encode=by_length)
    assert trial.identity is not None
    facts = trial.identity.settings
    assert (facts["past_end"], facts["stop_rule"]) == (False, "end token or token budget")
    trial, _ = asked(started(request={"ignore_eos": True}), encode=by_length)
    assert trial.identity is not None
    assert trial.identity.settings["past_end"] is True


def test_a_server_that_does_not_answer_now_is_not_one_that_gives_no_ids(asked: Asked) -> None:
    trial, _ = asked(started("--fault", "busy", server="vllm", ready="/v1/models"))
    assert trial.failure is not None
    assert trial.failure.kind == "crash:worker"
    assert "answered 503 at /tokenize: too many requests" in trial.failure.message
    assert 'prompt_as = "text"' in trial.failure.message
    with pytest.raises(UnansweredError, match="no answer at /tokenize within 10 s"):
        Asker("http://127.0.0.1:1/v1", None).tokens("/tokenize", {})


def test_a_server_that_ignores_signals_is_ended_all_the_same(asked: Asked) -> None:
    trial, _ = asked(started("--fault", "ignores-sigterm"))
    assert trial.failure is None


def test_what_answers_on_the_port_of_a_server_that_has_ended_is_a_different_one() -> None:
    server = Server([sys.executable, "-c", "raise SystemExit(4)", "{port}"], None)
    server._process.wait()
    with pytest.raises(WorkerError, match="exited with status 4 before it was ready"):
        server.wait_until(lambda: True)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells who listens on a port")
def test_a_program_that_took_the_port_of_a_server_which_lives_on_is_not_asked() -> None:
    listens = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
    server = Server([sys.executable, "-c", "import time; time.sleep(60)", "{port}"], None)
    other = subprocess.Popen([sys.executable, "-c", listens, str(server.port)])
    try:
        with pytest.raises(WorkerError, match=rf"port {server.port}, .* is another program's: process {other.pid} "):
            server.wait_until(lambda: foreign_listener(server.port, "A=none", NOBODY) is not None)
    finally:
        server.end()
        other.kill()
        other.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells who listens on a port")
@pytest.mark.parametrize("how", ["start_new_session=True", "env={}", "start_new_session=True, env={}"])
def test_a_server_may_listen_by_a_process_that_left_its_session_or_lost_its_environment(how: str) -> None:
    listens = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
    starts = f"import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], {how})"
    server = Server([sys.executable, "-c", starts, "-c", listens, "{port}"], None)
    owner: list[str] = []

    def listens_now() -> bool:
        owner[:] = [str(foreign_listener(server.port, "A=none", NOBODY))]
        return owner != ["None"]

    try:
        server.wait_until(listens_now)
    finally:
        server.end()
        with suppress(ProcessLookupError):
            os.kill(int(owner[0].split()[0]), signal.SIGKILL)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.2:1/v1", True),
        ("http://[::1]/v1", True),
        ("http://localhost/v1", True),
        ("http://127.evil.com/v1", False),
        ("http://10.0.0.1/v1", False),
    ],
)
def test_only_an_address_of_this_machine_is_local(url: str, local: bool) -> None:
    assert Asker(url, None).is_local is local


def test_an_ipv6_address_without_a_port_has_that_of_its_scheme() -> None:
    connection = Asker("http://[::1]/v1", None).connection(1.0)
    assert (connection.host, connection.port) == ("::1", 80)


def test_an_address_that_no_request_can_be_sent_to_is_refused(asked: Asked) -> None:
    trial, _ = asked(adapter(url="http://a..b/v1"))
    assert trial.failure is not None
    assert trial.failure.kind == "refused"
    assert "no request can be sent to http://a..b/v1" in trial.failure.message


def test_nothing_at_an_address_is_a_runtime_that_is_not_available(asked: Asked) -> None:
    with running() as url:
        pass
    trial, _ = asked(adapter(url=url))
    assert trial.failure is not None
    assert trial.failure.kind == "unavailable"
    assert url in trial.failure.message


def test_a_program_that_is_not_there_is_not_available(asked: Asked) -> None:
    trial, _ = asked(adapter(command=("/nowhere/server", "--port", "{port}")))
    assert trial.failure is not None
    assert trial.failure.kind == "unavailable"


def test_the_key_is_taken_from_the_environment_and_shown_nowhere(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    server = started("--echo-key", api_key_env="SCRIPTED_API_KEY")
    trial, _ = asked(server)
    assert trial.failure is not None
    assert (trial.failure.kind, "SCRIPTED_API_KEY" in trial.failure.message) == ("refused", True)
    monkeypatch.setenv("SCRIPTED_API_KEY", "s3cret-of-the-server")
    trial, transcript = asked(server)
    assert trial.failure is None
    assert "Bearer " in transcript.text("err")
    assert "s3cret" not in transcript.text("err")


@pytest.mark.parametrize(("key", "kind"), [("s3cret-of-the-server\n", None), ("s3cr\u20act-of-the-server", "refused")])
def test_a_key_with_the_end_of_its_line_is_sent_and_one_that_no_header_holds_is_refused(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, key: str, kind: str | None
) -> None:
    monkeypatch.setenv("SCRIPTED_API_KEY", key)
    trial, _ = asked(started(api_key_env="SCRIPTED_API_KEY"))
    assert (trial.failure.kind if trial.failure is not None else None) == kind
    assert kind is None or "SCRIPTED_API_KEY" in (trial.failure.message if trial.failure is not None else "")


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, "either `command`"),
        ({"command": ("a", "{port}"), "url": "http://127.0.0.1/v1"}, "either `command`"),
        ({"command": ("server",)}, "{port}"),
        ({"url": "127.0.0.1:8080"}, "no address of an API"),
        ({"url": "http://user:pass@127.0.0.1/v1"}, "`api_key_env`"),
        ({"url": "http://10.0.0.1/v1", "api_key_env": "A_KEY"}, "unencrypted"),
        ({"url": "http://127.0.0.1/v1", "api_key_env": "HOME"}, "does not look like the name of a secret"),
        ({"url": "http://127.0.0.1/v1", "ready": "/health"}, "`ready`"),
        ({"url": "http://127.0.0.1/v1", "server": "llama_cpp.server", "prompt_as": "ids"}, "prompt_as"),
        ({"url": "http://127.0.0.1/v1", "server": "llama_cpp.server", "prefix_cache": False}, "by `command`"),
        ({"url": "http://127.0.0.1/v1", "server": "ollama", "request": {"ignore_eos": True}}, "ollama does not take"),
    ],
)
def test_settings_that_name_no_server_are_refused(settings: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError) as error:
        OpenAISettings.model_validate(settings)
    assert wrong in str(error.value)


def test_a_program_beside_the_config_is_found_there(tmp_path: Path) -> None:
    found = OpenAISettings.model_validate({"command": ("./server", "./x", "{port}")}, context={"folder": tmp_path})
    assert found.command == (str(tmp_path / "server"), "./x", "{port}")


def test_a_running_server_is_asked_for_its_version(ask: Callable[[OpenAI], Transcript]) -> None:
    with running() as url:
        server = adapter(url=url, server="vllm", device="cuda")
        found = server.read_probe(ask(server))
    assert (found.ready, found.version, found.device) == (True, "vllm 1.0 (scripted)", "cuda")


def test_a_server_that_is_not_there_is_not_ready(ask: Callable[[OpenAI], Transcript]) -> None:
    with running() as url:
        pass
    server = adapter(url=url)
    found = server.read_probe(ask(server))
    assert not found.ready
    assert url in (found.reason or "")
    assert "start the server" in (found.remedy or "")


def test_a_program_that_is_not_there_is_not_ready(ask: Callable[[OpenAI], Transcript]) -> None:
    server = adapter(command=("/nowhere/server", "--port", "{port}"))
    found = server.read_probe(ask(server))
    assert (found.ready, "`command`" in (found.remedy or "")) == (False, True)


def test_of_a_server_that_is_started_the_program_is_looked_for(ask: Callable[[OpenAI], Transcript]) -> None:
    server = started()
    found = server.read_probe(ask(server))
    assert (found.ready, (found.version or "").startswith("openai (Python 3.")) == (True, True)


@pytest.mark.parametrize(
    ("line", "warns"),
    [
        ("0.00.234.353 I slot release: id 0 | stop processing: n_tokens = 43, truncated = 0", False),
        ("0.00.234.353 W slot update: the prompt was truncated", True),
        ("WARNING: no GPU was found", True),
    ],
)
def test_what_a_server_says_for_information_is_no_warning(line: str, warns: bool) -> None:
    assert started().warns(line) is warns
