"""A run from config to report: one function a stage, each taking what the last one gave."""

import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from parity.adapter import Adapter, Build, Command, checkout
from parity.config import LoadedConfig, TestConfig, test_spec
from parity.errors import ConfigError, ModelError, Problem, RefusedError
from parity.hosts import machine
from parity.hosts.local import Cancel, supervise
from parity.judging.score import make_adapters, read_trial, score
from parity.models import model_facts, silent
from parity.models.digest import file_sha256
from parity.models.template import chat_turn
from parity.models.tokenizer import write_tokenizer
from parity.reading.identity import WEIGHTS_FILE
from parity.reading.outcome import REFUSED
from parity.records import SCHEMA_VERSION, Job, ModelFacts, Report, TestSpec, Trial, TrialKind
from parity.redaction import redact
from parity.report import render_page, render_table, report_json
from parity.run.authorise import executable_sha256
from parity.run.log import RunFolder, RunRecord, now
from parity.run.progress import Progress
from parity.run.schedule import PlannedTrial, make_plan
from parity.transcript import Head, NoSpawn, Transcript, TranscriptWriter, read_transcript
from parity.version import version

TRIAL_KINDS: tuple[TrialKind, ...] = ("full", "short", "whole")


@dataclass(frozen=True)
class Ready:
    """A runtime that answered its probe, with what its build gave."""

    adapter: Adapter[Any]
    build: Build | None


def resolve_models(loaded: LoadedConfig, progress: Progress) -> tuple[ModelFacts, ...]:
    """Fetches, hashes and inspects every model of the config.

    Raises:
        ConfigError: with one problem for each model that can't be had.
    """
    found: list[ModelFacts] = []
    problems: list[Problem] = []
    for model in loaded.config.models:
        try:
            found.append(
                model_facts(
                    model.name,
                    model.title or model.name,
                    model.source,
                    base=loaded.folder,
                    sha256=model.sha256,
                    progress=progress.fetched,
                )
            )
        except ModelError as error:
            problems.append(Problem(f"models.{model.name}.source", error.wrong, error.remedy))
    if problems:
        raise ConfigError(loaded.file, problems)
    return tuple(found)


def execute(
    loaded: LoadedConfig,
    models: tuple[ModelFacts, ...],
    folder: RunFolder,
    progress: Progress,
    *,
    authorised_by: str | None = None,
    forced: bool = False,
) -> Report:
    """Runs the whole plan into `folder` and reports on it. Everything measured is on disk as soon as it is.

    An interrupt ends the trial at hand, keeps what was measured, and is part of the report."""
    plan = make_plan(loaded.config, loaded.not_set)
    folder.write_run(
        RunRecord(
            schema_version=SCHEMA_VERSION,
            started=now(),
            parity_version=version(),
            loaded=loaded,
            models=models,
            plan=plan,
            machine=machine.facts(),
            authorised_by=authorised_by,
            forced=forced,
        )
    )
    with _cancelling() as cancel:
        ready = _make_ready(loaded, folder, progress, cancel)
        _run_trials(loaded, models, plan, ready, folder, progress, cancel)
        folder.end(interrupted=cancel.count > 0)
    report = score(folder)
    try:
        write_reports(report, folder, progress)
    except OSError as error:
        # The verdict is not lost with the file that should have held it.
        progress.note(f"warning: {error.filename}: {error.strerror}; `parity score {folder.path}` writes the reports")
    return report


def write_reports(report: Report, folder: RunFolder, progress: Progress) -> None:
    """Writes `report.json` and `report.md` into the run folder, and the page where the config wants it."""
    folder.write("report.json", report_json(report))
    folder.write("report.md", render_table(report, width=None, style="markdown"))
    if report.page.markdown is None:
        return
    page = Path(report.page.markdown)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(render_page(report), encoding="utf-8")
        progress.note(f"page: {page}")
    except OSError as error:
        kept = folder.write("page.md", render_page(report))
        progress.note(f"warning: report.markdown: {page} can't be written ({error.strerror}); the page is in {kept}")


def _make_ready(loaded: LoadedConfig, folder: RunFolder, progress: Progress, cancel: Cancel) -> dict[str, Ready]:
    """Probes and builds every runtime; those that are not available are left out, and their transcripts say why."""
    ready: dict[str, Ready] = {}
    for name, adapter in make_adapters(loaded).items():
        if cancel.count:
            break
        prepared = _prepare(name, adapter, folder, progress, partial(_ask, loaded, name, cancel, progress))
        if prepared is not None:
            ready[name] = prepared
    built = {name: runtime.build.executables for name, runtime in ready.items() if runtime.build is not None}
    folder.write_executables(
        {name: {k: (path, executable_sha256(Path(path))) for k, path in paths.items()} for name, paths in built.items()}
    )
    return ready


Ask = Callable[[Literal["probe", "build"], Command, Path], Transcript]


def _prepare(name: str, adapter: Adapter[Any], folder: RunFolder, progress: Progress, ask: Ask) -> Ready | None:
    """One runtime, probed and built; None where it isn't available."""
    found = adapter.read_probe(ask("probe", adapter.probe(), folder.probe_path(name)))
    if not found.ready:
        progress.note(f"{name}: not available: {found.reason}\n    {found.remedy or 'see `parity doctor`'}")
        return None
    if tree := adapter.checkout:
        told = ask("probe", checkout.command(tree), folder.checkout_path(name))
        found = checkout.built_from(found, checkout.read(told, tree))
    build = None
    if command := adapter.build():
        progress.note(f"{name}: building")
        build = adapter.read_build(ask("build", command, folder.build_path(name)))
        if not build.executables:
            progress.note(f"{name}: the build failed: {build.reason}\n    {build.remedy or ''}")
            return None
    progress.note(f"{name}: {found.version or 'ready'}{f' on {found.device}' if found.device else ''}")
    return Ready(adapter, build)


def _ask(
    loaded: LoadedConfig,
    runtime: str,
    cancel: Cancel,
    progress: Progress,
    purpose: Literal["probe", "build"],
    command: Command,
    path: Path,
) -> Transcript:
    common = loaded.config.runtimes[runtime]
    limits = loaded.config.limits.model_copy(update={"total_s": command.deadline_s})
    return supervise(
        command.model_copy(update={"env": {**command.env, **common.env}}),
        head=Head(purpose=purpose, runtime=runtime),
        path=path,
        limits=limits,
        pass_env=common.pass_env,
        hidden=loaded.secrets,
        cancel=cancel,
        watch=lambda sighting: progress.built(runtime, sighting.count) if sighting.kind == "token" else None,
    )


def _run_trials(
    loaded: LoadedConfig,
    models: tuple[ModelFacts, ...],
    plan: tuple[PlannedTrial, ...],
    ready: Mapping[str, Ready],
    folder: RunFolder,
    progress: Progress,
    cancel: Cancel,
) -> None:
    facts = {model.name: model for model in models}
    if any(runtime.adapter.needs_tokenizer for runtime in ready.values()):
        _supply_tokenizers(models, folder, progress)
    chat_turns = _ChatTurns(facts, folder)
    tests = {(test.name, kind): job_test(loaded, test, kind) for test in loaded.config.tests for kind in TRIAL_KINDS}
    for place, planned in enumerate(plan):
        if cancel.count:
            return
        if planned.runtime not in ready:
            continue
        progress.begin(planned, [p for p in plan[place:] if p.runtime in ready])
        with _scratch() as scratch:
            job = Job(
                runtime=planned.runtime,
                adapter=loaded.config.runtimes[planned.runtime].adapter,
                settings=loaded.settings[planned.runtime],
                model=facts[planned.model],
                test=tests[planned.test, planned.kind],
                round=planned.round,
                warmup=planned.warmup,
                kind=planned.kind,
                tokenizer=_tokenizer_of(folder, planned.model),
                chat_turn=chat_turns.of(planned.model, tests[planned.test, planned.kind]),
                scratch=str(scratch),
            )
            transcript = run_trial(loaded, ready[planned.runtime], job, folder.trial_path(planned), progress, cancel)
        _note_program(planned.runtime, transcript, folder)
        trial = read_trial(ready[planned.runtime].adapter, planned, transcript, folder)
        if _note_weights(trial, job, folder):
            trial = read_trial(ready[planned.runtime].adapter, planned, transcript, folder)
        folder.append_result(trial)
        progress.done(planned, trial)


def _supply_tokenizers(models: tuple[ModelFacts, ...], folder: RunFolder, progress: Progress) -> None:
    """Puts each model's `tokenizer.json` into the run folder; without one, those who need it refuse."""
    for model in models:
        progress.note(f"{model.name}: preparing its tokenizer.json")
        target = folder.tokenizer_path(model.name)
        target.parent.mkdir(exist_ok=True)
        try:
            write_tokenizer(model, target)
        except ModelError as error:
            progress.note(f"{model.name}: {error}")


def _note_program(runtime: str, transcript: Transcript, folder: RunFolder) -> None:
    """Hashes what was launched, once a runtime: an interpreter or a program that parity didn't build counts too."""
    if transcript.launch is None or transcript.spawn is None:
        return
    path = shutil.which(transcript.launch.argv[0], path=transcript.launch.env.get("PATH"))
    if path is not None and path not in {known for known, _ in folder.executables().get(runtime, {}).values()}:
        folder.note_executable(runtime, path, executable_sha256(Path(path)))


def _note_weights(trial: Trial, job: Job, folder: RunFolder) -> bool:
    """Hashes a weights file that the runtime chose by itself; True where one was hashed that was not known yet."""
    chosen = trial.ledger.settings.get(WEIGHTS_FILE) if trial.ledger is not None else None
    if not isinstance(chosen, str) or chosen == job.model.path or folder.weights_sha256(chosen) is not None:
        return False
    try:
        folder.note_weights(chosen, file_sha256(Path(chosen), silent))
    except (OSError, ModelError):
        return False
    return True


class _ChatTurns:
    """Prompts in the chat templates of their models, each rendered once: a template may tell the time."""

    def __init__(self, models: Mapping[str, ModelFacts], folder: RunFolder) -> None:
        self._models = models
        self._folder = folder
        self._known: dict[tuple[str, str], str | None] = {}

    def of(self, model: str, test: TestSpec) -> str | None:
        """None where the prompt is raw, no runtime needs the tokenizer, or the template can't be rendered."""
        if test.raw or (tokenizer := _tokenizer_of(self._folder, model)) is None:
            return None
        key = model, test.prompt
        if key not in self._known:
            try:
                self._known[key] = chat_turn(self._models[model], Path(tokenizer), test.prompt)
            except ModelError:
                self._known[key] = None
        return self._known[key]


def _tokenizer_of(folder: RunFolder, model: str) -> str | None:
    path = folder.tokenizer_path(model)
    return str(path.resolve()) if path.exists() else None


def job_test(loaded: LoadedConfig, test: TestConfig, kind: TrialKind) -> TestSpec:
    """A test as the job of one trial carries it: with the budget of that trial."""
    spec = test_spec(loaded, test)
    return spec.model_copy(update={"max_tokens": test.short_tokens}) if kind == "short" else spec


def run_trial(
    loaded: LoadedConfig, runtime: Ready, job: Job, path: Path, progress: Progress, cancel: Cancel
) -> Transcript:
    """One trial, supervised; a job that its adapter refuses is a transcript too."""
    kept = Job.model_validate_json(redact(job.model_dump_json(), loaded.secrets))
    head = Head(purpose="trial", runtime=job.runtime, job=kept)
    try:
        launch = runtime.adapter.launch(job, runtime.build)
    except RefusedError as error:
        return _refused(path, head, str(error))
    common = loaded.config.runtimes[job.runtime]
    for name, content in launch.files.items():
        (Path(job.scratch) / name).write_text(content, encoding="utf-8")
    return supervise(
        launch.model_copy(update={"env": {**launch.env, **common.env}}),
        head=head,
        path=path,
        limits=loaded.config.limits,
        pass_env=common.pass_env,
        hidden=loaded.secrets,
        cancel=cancel,
        watch=progress.sight,
    )


def _refused(path: Path, head: Head, message: str) -> Transcript:
    writer = TranscriptWriter(path, head)
    writer.no_spawn(NoSpawn(t_ns=time.monotonic_ns(), errno=REFUSED, message=message))
    writer.close()
    return read_transcript(path)


@contextmanager
def _scratch() -> Iterator[Path]:
    """An empty folder for one trial. What a program locked or left unreadable in it must not end the run."""
    path = Path(tempfile.mkdtemp(prefix="parity-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _cancelling() -> Iterator[Cancel]:
    """Turns SIGINT, SIGTERM and SIGHUP into requests to stop; the second one kills at once."""
    # Ignored by whoever started parity, SIGCHLD would take the children's exit statuses away.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Cancel() as cancel:

        def handle(number: int, frame: FrameType | None) -> None:
            cancel.request()

        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [signal.signal(number, handle) for number in signals]
        try:
            yield cancel
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)
