"""The worker's half of the event protocol, in one file: what every worker in Python would otherwise write again.

    PYTHON parity_worker/__init__.py WORKER --job FILE
    PYTHON parity_worker/__init__.py WORKER --convert REQUEST
    PYTHON parity_worker/__init__.py WORKER --probe [--settings SETTINGS]

What follows `--` is ignored; it shows a reader of the command line what else the worker starts.

PYTHON is the runtime's own interpreter, any from 3.9, and has nothing of parity's. So this file imports the standard
library only (and NumPy where a worker scores, whose runtime must bring it), is run by its path, and loads WORKER by its
path: a file, or a folder that is a package. Inside it, `from parity_worker import …` means this file.
`parity.adapter.worker_argv` makes the command line.

A worker is a module with

    PACKAGE = "some-runtime"                  # the distribution, as pip names it
    REQUIREMENTS = ("some-runtime>=1.2",)     # what pip is asked to install where it is missing
    def device() -> str                       # imports the runtime; where it computes by default, such as `cpu`
    def run(events, job) -> str               # does the job; returns the reason for `bye`

and, where its runtime can't read some models as they are,

    def convert(events, request) -> str       # converts one, as `Adapter.conversion` asks; returns the reason too

A worker with `PACKAGE = None` measures no Python package. It sends `hello` itself, before anything else and whatever
happens, and in place of `device` it has

    def probe(events, settings) -> str        # looks for what it measures; returns the reason for `bye`

`hello`, `error` and `bye` are sent here; the rest of the events is the worker's, in `run`. An exception before the
model is asked anything is a job that the runtime can't do (`refused`); one after that is a failure of the runtime:
`Events.generation` and `Events.scoring` tell them apart, and a worker that sends `chunk` events sets `events.asked`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import math
import os
import re
import shlex
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

PROTOCOL = 1
LONGEST_PREFILL_S = 20.0
"""A first prefill that takes longer is not repeated."""
ENOUGH_S = 0.5
"""After so much time, no further prefill begins."""
RAW_REMEDY = "set `raw = true` in the test to send the prompt as it is"
"""What helps where a model's chat template is missing or fails."""


class WorkerError(Exception):
    """Ends the job with an `error` event. `kind`: `refused`, `unavailable`, `oom` or `failed`; `failure`: the class of
    one that failed, where it is not this worker's own. `ends_as`: how a program that it started ended, which is how it
    ends itself: a status, or a signal as a negative number."""

    def __init__(
        self, kind: str, message: str, remedy: str | None = None, *, failure: str | None = None, ends_as: int = 1
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.failure = failure
        self.ends_as = ends_as


HOLD_S = 0.25
"""How long a token's event may be held back. Each write wakes who reads it, on a core that the runtime computes on; the
stamps are the worker's own and don't change by it."""


class Events:
    """Writes events to a private copy of standard output. Descriptor 1 itself is pointed at standard error, so that
    nothing that a library prints gets between them.

    Every event is written at once, but for the tokens after the first: those are written a few times a second by a
    thread of their own, so that they are out even where the runtime hangs over the next one."""

    def __init__(self) -> None:
        self.asked = False
        """Whether the model was asked anything. What goes wrong before that is a job that the runtime can't do."""
        sys.stdout.flush()
        self._fd = os.dup(1)
        os.dup2(2, 1)
        self._prefill_s = 0.0
        self._chunks = 0
        self._held: deque[str] = deque()
        self._writing = threading.Lock()

    def send(self, ev: str, t_ns: int | None = None, **fields: Any) -> None:
        """Sends an event, stamped with an instant in ns of the monotonic clock, by default now."""
        body = {"ev": ev, "t_ns": t_ns or time.monotonic_ns(), **fields}
        self._write(json.dumps(body, allow_nan=False))

    def phase(self, name: str, edge: str, t_ns: int | None = None) -> None:
        """Sends the begin or the end of a phase."""
        self.send("phase", t_ns, name=name, edge=edge)

    def figure(self, metric: str, unit: str, definition: str, value: float) -> None:
        """A figure of the runtime's own; a value that is not a finite number goes into `raw`."""
        shown = {"value": value} if math.isfinite(value) else {"value": None, "raw": str(value)}
        self.send("report", metric=metric, unit=unit, definition=definition, **shown)

    def generation(
        self, tokens: Iterable[int], is_end: Callable[[int], bool], test: dict[str, Any]
    ) -> tuple[list[int], str]:
        """Sends prefill and each token, stamped when `tokens` gives it. Stops at an end token unless the test ignores
        them. Returns the ids before the first end token, and the reason for `bye`."""
        with self.handing_on():
            return self._generation(tokens, is_end, test)

    @contextlib.contextmanager
    def handing_on(self) -> Iterator[None]:
        """While this lasts, what is held back is written a few times a second; all of it at the end."""
        over = threading.Event()
        hands_on = threading.Thread(target=self._hand_on, args=(over,), name="events", daemon=True)
        hands_on.start()
        try:
            yield
        finally:
            over.set()
            hands_on.join()

    def chunk(self, t_ns: int, text: str) -> None:
        """Sends a piece of text; each but the first is held back. Within `handing_on`."""
        line = json.dumps({"ev": "chunk", "t_ns": t_ns, "text": text})
        if self._chunks:
            self._held.append(line)
        else:
            self._write(line)
        self._chunks += 1

    def _generation(
        self, tokens: Iterable[int], is_end: Callable[[int], bool], test: dict[str, Any]
    ) -> tuple[list[int], str]:
        sampled: list[int] = []
        ended_at: int | None = None
        self.asked = True
        begun_ns = time.monotonic_ns()
        self.phase("prefill", "begin", begun_ns)
        for token in tokens:
            t_ns = time.monotonic_ns()
            end = is_end(token)
            if not sampled:
                self._prefill_s = (t_ns - begun_ns) / 1e9
                self.phase("prefill", "end", t_ns)
            sampled.append(token)
            self._token(t_ns, len(sampled), token, end)
            if end and ended_at is None:
                ended_at = len(sampled) - 1
                if not test["ignore_end"]:
                    break
        ended = ended_at is not None and not test["ignore_end"]
        return sampled[:ended_at], "end-token" if ended else "length"

    def scoring(self, request: dict[str, Any], rows: Iterable[Any]) -> str:
        """Sends the prompt of the sequence, and how likely each id but the first is after those before it. `rows`: the
        f32 logits after each id but the last, as arrays of NumPy; one may be overwritten once the next is asked for.
        Returns the reason for `bye`."""
        ids, prompt = request["ids"], request["ids"][: request["prompt_tokens"]]
        self.send("prompt", ids=prompt, count=len(prompt))
        self.asked = True
        for position, row in enumerate(rows, start=1):
            if not all_finite(row):
                message = f"the logits for position {position} of the sequence hold a value that is not finite"
                raise WorkerError("failed", message)
            self.scored(position, ids[position], *likelihood(row, ids[position], request["top"]))
        return "scored"

    def scored(
        self, position: int, token: int, logprob: float, logsumexp: float | None, top: Iterable[tuple[int, float]]
    ) -> None:
        """How likely the id at a position is, rounded so that transcripts stay small."""
        likeliest = [(other, round(value, 6)) for other, value in top]
        self.send(
            "scored",
            position=position,
            id=token,
            logprob=round(logprob, 6),
            logsumexp=None if logsumexp is None else round(logsumexp, 6),
            top=likeliest,
        )

    def further_prefills(self, count: int, prefill: Callable[[], tuple[int, int]]) -> None:
        """Repeats the prompt for a rate that is free of what only a first forward does, up to `count` times.

        `prefill` computes the same prompt with an empty cache up to a first token, and returns when that began and
        ended, in ns."""
        if count and self._prefill_s <= LONGEST_PREFILL_S:
            self.aside(lambda: repeat(count, prefill))

    def aside(self, work: Callable[[], list[tuple[int, int]]]) -> None:
        """Does work that is no part of the answer, and reports what it took, so that no metric of the trial includes
        it. `work` returns the begin and end of each further prefill in it, in ns."""
        before = peak_rss_bytes()
        begun_ns, cpu_s = time.monotonic_ns(), time.process_time()
        spans = work()
        took_s, ended_ns = time.process_time() - cpu_s, time.monotonic_ns()
        self.send("aside", ended_ns, begin_ns=begun_ns, cpu_s=took_s, peak_rss_bytes=before, prefills_ns=spans)

    def _token(self, t_ns: int, k: int, token: int, end: bool) -> None:
        flag = "true" if end else "false"
        line = f'{{"ev": "token", "t_ns": {t_ns}, "k": {k}, "id": {token}, "end": {flag}}}'
        if k == 1:
            self._write(line)
        else:
            self._held.append(line)

    def _hand_on(self, over: threading.Event) -> None:
        """Writes what is held, until the generation is over and all is written."""
        while not over.wait(HOLD_S):
            self._write()
        self._write()

    def _write(self, *lines: str) -> None:
        """Writes what is held, then `lines`."""
        with self._writing:
            held = [self._held.popleft() for _ in range(len(self._held))]
            data = "".join(f"{line}\n" for line in (*held, *lines)).encode("ascii")
            while data:
                data = data[os.write(self._fd, data) :]


def repeat(count: int, prefill: Callable[[], tuple[int, int]]) -> list[tuple[int, int]]:
    spans = [prefill()]
    while len(spans) < count and spans[-1][1] - spans[0][0] < ENOUGH_S * 1e9:
        spans.append(prefill())
    return spans


def checked_sequence(request: dict[str, Any], vocabulary: int) -> list[int]:
    """The ids to score, if a model with so many tokens can be asked for them."""
    ids: list[int] = request["ids"]
    if len(ids) < 2:
        raise WorkerError("refused", f"a sequence of {len(ids)} ids has nothing to score: it needs at least two")
    for position, token in enumerate(ids):
        if not 0 <= token < vocabulary:
            what = f"id {token} at position {position} of the sequence"
            raise WorkerError("refused", f"{what} is outside the model's vocabulary of {vocabulary} tokens")
    return ids


def all_finite(logits: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(logits).all())


def likelihood(logits: Any, token: int, top: int) -> tuple[float, float, list[tuple[int, float]]]:
    """How likely a token is by a row of f32 logits, in f64: its log-probability, the log-sum-exp of the row, and the
    ids of the likeliest tokens with their log-probabilities."""
    import numpy as np

    highest = float(logits.max())
    shares = np.subtract(logits, highest, dtype=np.float64)
    logsumexp = highest + math.log(np.exp(shares, out=shares).sum())
    first = [(int(other), float(logits[other]) - logsumexp) for other in likeliest(logits, top)]
    return float(logits[token]) - logsumexp, logsumexp, first


GROUP = 64
"""Logits of which the highest is taken at once. Any number gives the same ids; this one is fast."""


def likeliest(logits: Any, count: int) -> Any:
    """The ids of the highest logits, equals by lower id first.

    Some `count` logits are as high as the `count` highest maxima of disjoint groups, so that no lower one is among the
    highest. Sorting the few that are left takes a tenth of the time of NumPy's partition of all."""
    import numpy as np

    even = len(logits) // GROUP * GROUP
    maxima = np.concatenate((logits[:even].reshape(GROUP, -1).max(axis=0), logits[even:]))
    bound = np.partition(maxima, -count)[-count] if count <= len(maxima) else -math.inf
    ids = np.flatnonzero(logits >= bound)
    return ids[np.argsort(-logits[ids], kind="stable")[:count]]


def peak_rss_bytes() -> int:
    """The highest resident memory of this process so far. Linux's `ru_maxrss` begins with that of the parent."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        found = re.search(r"^VmHWM:\s+([0-9]+) kB", status, re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs one job in a worker, or probes its runtime.")
    parser.add_argument("worker", type=Path, help="the worker: a Python file, or a folder that is a package")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--job", type=Path, help="a JSON file with the job")
    what.add_argument("--convert", type=json.loads, help="a JSON object: what to convert, and into which folder")
    what.add_argument("--probe", action="store_true", help="report version and device, then exit")
    parser.add_argument("--settings", type=json.loads, default={}, help="a JSON object: what to look for in a probe")
    own = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    arguments = parser.parse_args(own)
    end_with_parent()
    worker = load(arguments.worker)
    events, ends_as = Events(), 1
    try:
        if arguments.convert is not None:
            reason = convert(events, worker, arguments.convert)
        else:
            probed = arguments.probe
            reason = probe(events, worker, arguments.settings) if probed else run(events, worker, arguments.job)
    except WorkerError as error:
        traceback.print_exc()
        ends_as = error.ends_as
        events.send("error", kind=error.kind, message=error.message, remedy=error.remedy, failure=error.failure)
    except Exception as error:
        traceback.print_exc()
        oom = isinstance(error, MemoryError) or "nable to allocate" in str(error)
        kind = "oom" if oom else "failed" if events.asked else "refused"
        events.send("error", kind=kind, message=f"{type(error).__name__}: {error}")
    else:
        events.send("bye", reason=reason)
        return 0
    events.send("bye", reason="error")
    return ends_as if ends_as >= 0 else die_of(-ends_as)


def end_with_parent() -> None:
    """Has the system end this process when the thread that started it ends, which is when parity is killed: prctl(2),
    PR_SET_PDEATHSIG. Linux alone has it. It holds also where somebody kills parity's guardian in the same instant."""
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def die_of(number: int) -> int:
    """Ends this process by a signal, and leaves no core dump, for it is not the one that crashed."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def load(path: Path) -> Any:
    """The worker as a module of the name `worker`, and this file under the name by which workers import it."""
    sys.modules["parity_worker"] = sys.modules[__name__]
    spec = importlib.util.spec_from_file_location("worker", path / "__init__.py" if path.is_dir() else path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} is neither a Python file nor a package")
    module = importlib.util.module_from_spec(spec)
    sys.modules["worker"] = module
    spec.loader.exec_module(module)
    return module


def probe(events: Events, worker: Any, settings: dict[str, Any]) -> str:
    if worker.PACKAGE is None:
        found: str = worker.probe(events, settings)
        return found
    version = installed_version(worker.PACKAGE)
    device = None
    try:
        device = worker.device() if version else None
    finally:
        hello(events, worker, version, device)
    if version is None:
        raise missing(worker)
    return "probe"


def run(events: Events, worker: Any, job: Path) -> str:
    if worker.PACKAGE is not None:
        version = installed_version(worker.PACKAGE)
        hello(events, worker, version)
        if version is None:
            raise missing(worker)
    reason: str = worker.run(events, json.loads(job.read_bytes()))
    return reason


def convert(events: Events, worker: Any, request: dict[str, Any]) -> str:
    version = installed_version(worker.PACKAGE)
    hello(events, worker, version)
    if version is None:
        raise missing(worker)
    reason: str = worker.convert(events, request)
    return reason


def hello(events: Events, worker: Any, version: str | None, device: str | None = None) -> None:
    events.send("hello", protocol=PROTOCOL, runtime=worker.PACKAGE, version=version or "not installed", device=device)


def usable_cpus() -> list[int]:
    """The CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def asked_settings(test: dict[str, Any]) -> dict[str, Any]:
    """Settings that every worker takes from its test and its process: sampling, stop rule, CPUs."""
    stop_rule = "token budget" if test["ignore_end"] else "end token or token budget"
    return {"stop_rule": stop_rule, "affinity": ",".join(map(str, usable_cpus())), **test["sampling"]}


def missing(worker: Any) -> WorkerError:
    return unavailable(f"{worker.PACKAGE} is not installed in {sys.executable}", worker.REQUIREMENTS)


def unavailable(message: str, requirements: Sequence[str], *, anew: bool = False) -> WorkerError:
    """The runtime can't be used here; the remedy installs the requirements into this very interpreter. `anew`: they are
    there and broken, so that pip has to be told to replace them."""
    python = shlex.quote(sys.executable)
    pip = "" if importlib.util.find_spec("pip") else f"{python} -m ensurepip && "
    options = ("--force-reinstall", "--no-cache-dir") if anew else ()
    wanted = " ".join(map(shlex.quote, (*options, *requirements)))
    return WorkerError("unavailable", message, f"{pip}{python} -m pip install {wanted}")


def installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
