"""Asks a runtime for a few tokens of a tiny model before the first trial, so that one that crashes here is known early.

The tiny model is synthetic, of the architecture and quantisation of the config's own model. A proof that succeeded is
kept in the cache under what it depends on: the program and the files that it is started with, its version, its
environment, the tiny model and the machine.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.adapter import Adapter
from parity.config import RuntimeConfig
from parity.errors import ModelError, RefusedError, RunFolderError
from parity.hosts.cancel import Cancel
from parity.hosts.host import Host, Request
from parity.models import model_facts, tiny_like
from parity.models.template import chat_turn
from parity.models.tokenizer import write_tokenizer
from parity.private import OWNER_ALONE, write_private
from parity.records import Job, Limits, ModelFacts, TestSpec
from parity.run.keeping import job_without_secrets
from parity.run.prepared import Prepared, read_proof
from parity.run.request import request_of
from parity.transcript import Head, Transcript, read_transcript
from parity.version import version

TOKENS = 4
LIMITS = Limits(load_s=60, first_token_s=60, stall_s=30, total_s=120)
"""A tiny model needs a second or two; what takes longer hangs, or does something else."""

DECISIVE_VARIABLES = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
"""Inherited by every program, and enough to make another program of it."""

TEST = TestSpec(name="proof", title="Proof", prompt="Hello", max_tokens=TOKENS)


def why_not(common: RuntimeConfig, adapter: Adapter[Any], *, unbuilt: bool) -> str | None:
    """Why a runtime is not asked for a proof, or None."""
    if not common.prove:
        return "its table sets `prove = false`"
    if adapter.no_proof is not None:
        return adapter.no_proof
    return "it is not built yet; `parity doctor CONFIG --build` builds it" if unbuilt else None


@dataclass(frozen=True)
class Unknown:
    """A model of which nothing has been read, and why. `tiny`: the address of a tiny model of its kind, where its own
    address tells the kind."""

    reason: str
    tiny: str | None = None


Kind = ModelFacts | Unknown
"""A model that a tiny one is to resemble."""


def tiny_sources(models: Iterable[Kind]) -> tuple[tuple[str, ...], str | None]:
    """A source of a tiny model for each kind of model, and why there is none for one of them."""
    sources: dict[str, None] = {}
    reason = None
    for facts in models:
        if isinstance(facts, Unknown) and facts.tiny is not None:
            sources[facts.tiny] = None
        elif isinstance(facts, Unknown):
            reason = reason or facts.reason
        elif (source := tiny_like(facts)) is None:
            kind = ", ".join(filter(None, (facts.architecture, *facts.quantisation))) or "this kind"
            reason = reason or f"there is no tiny model of the kind of {facts.title} ({kind})"
        else:
            sources[source] = None
    return tuple(sources), reason


def ask(
    host: Host,
    prepared: Prepared,
    common: RuntimeConfig,
    runtime: str,
    settings: dict[str, Any],
    source: str,
    to: Path,
    hidden: tuple[str, ...] = (),
    cancel: Cancel | None = None,
) -> Transcript | str:
    """The transcript of a proof at `to`, made now or kept from an earlier one; a reason where none can be made."""
    try:
        model = model_facts("tiny", "a tiny model", source, base=Path())
    except ModelError as error:
        return f"the tiny model can't be made: {error.wrong}"
    with host.scratch() as scratch:
        try:
            job = _job(prepared.adapter, runtime, settings, model, Path(scratch))
            launch = prepared.adapter.launch(job, prepared.build)
        except (ModelError, RefusedError) as error:
            return f"a tiny model can't be asked for: {error}"
        head = Head(purpose="proof", runtime=runtime, job=job_without_secrets(job, hidden))
        request = request_of(common, launch, head, LIMITS, hidden)
        kept = Path(host.facts().cache) / "proofs" / f"{_key(host, prepared, request, source, scratch)}.jsonl"
        to.parent.mkdir(OWNER_ALONE, parents=True, exist_ok=True)
        to.unlink(missing_ok=True)
        if (earlier := _kept(prepared.adapter, kept, to)) is not None:
            return earlier
        transcript = host.run(request, to, cancel=cancel)
    if read_proof(prepared.adapter, transcript).kind == "proved":
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_name(f".{os.getpid()}-{kept.name}")
            shutil.copy(to, partial)
            partial.replace(kept)
    return transcript


def _kept(adapter: Adapter[Any], kept: Path, to: Path) -> Transcript | None:
    """An earlier proof, copied to `to`; None where there is none, or none that can be read whole."""
    with suppress(OSError, RunFolderError):
        write_private(to, kept.read_text(encoding="utf-8"))
        transcript = read_transcript(to)
        if transcript.head.job is not None and read_proof(adapter, transcript).kind == "proved":
            return transcript
    to.unlink(missing_ok=True)
    return None


def _job(adapter: Adapter[Any], runtime: str, settings: dict[str, Any], model: ModelFacts, scratch: Path) -> Job:
    tokenizer = None
    if adapter.needs_tokenizer:
        tokenizer = scratch / "tokenizer.json"
        write_tokenizer(model, tokenizer)
    return Job(
        runtime=runtime,
        adapter=adapter.name,
        settings=settings,
        model=model,
        test=TEST,
        round=1,
        tokenizer=str(tokenizer) if tokenizer else None,
        chat_turn=chat_turn(model, TEST.prompt),
        scratch=str(scratch),
    )


def _key(host: Host, prepared: Prepared, request: Request, source: str, scratch: str) -> str:
    """What a proof depends on; the scratch folder, which is new each time, left out."""
    launch = request.launch
    program = shutil.which(launch.argv[0], path=launch.env.get("PATH")) or launch.argv[0]
    paths = [Path(launch.cwd or "") / word for word in (program, *launch.argv[1:])]
    files = [[str(path), *_stat(path)] for path in paths if _is_file(path)]
    # What is installed for a Python of its own changes without its version: a reinstalled wheel may crash.
    packages = [[str(path), *_stat(path)] for path in Path(program).parent.parent.glob("lib/python*/site-packages")]
    inherited = {name: os.environ.get(name) for name in (*request.pass_env, *DECISIVE_VARIABLES)}
    what = json.dumps(
        [
            [version(), source, prepared.found.version, host.facts().model_dump(mode="json")],
            [host.machine().get(key) for key in ("host", "cpu", "os")],
            [launch.model_dump(mode="json"), files, packages, inherited],
        ]
    )
    return hashlib.sha256(what.replace(scratch, "SCRATCH").encode()).hexdigest()


def _is_file(path: Path) -> bool:
    """Whether a word of a command line names a file: it may be any text, and too long for a name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _stat(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
