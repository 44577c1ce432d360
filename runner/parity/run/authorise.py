"""Finds the run that authorises a config that requires a different one to have passed, or says what is missing.

A run authorises only what it judged: the same config, model, versions and executables as there are now, on this
machine. Runs of an old binary, or on synthetic weights, do not count.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from parity.config import LoadedConfig
from parity.errors import ModelError, ParityError
from parity.hosts.host import Host
from parity.models import model_facts, parse_source
from parity.records import ModelFacts, Report, RuntimeReport
from parity.run.doctor import versions as versions_now
from parity.run.folders import earlier_runs, runs_folder
from parity.run.hashes import executable_sha256, recorded_executables
from parity.run.keeping import without_secrets
from parity.run.log import RunFolder
from parity.run.record import SAME_MACHINE, RunRecord


class NotAuthorisedError(ParityError):
    """The config that must have passed first has not, as things are now."""


def authorise(loaded: LoadedConfig, load: Callable[[Path], LoadedConfig], host: Host) -> str | None:
    """The run that authorises a config; None where it requires none. `load` reads the config that it requires.

    Raises:
        NotAuthorisedError: no run on record passed it as things are now; the message says why each recent one did not.
        ConfigError: the required config can't be read.
    """
    if loaded.config.requires is None:
        return None
    path = loaded.folder / loaded.config.requires.config
    required = load(path)
    _refuse_circle(loaded, required, load)
    versions: Mapping[str, str | None] | None = None
    reasons = []
    for folder in earlier_runs():
        try:
            run = RunFolder.open(folder).read_run()
            report = Report.model_validate_json((folder / "report.json").read_bytes())
        except (ParityError, OSError, ValidationError):
            continue
        if run.loaded.config.name != required.config.name:
            continue
        if versions is None:
            versions = versions_now(required, host)
        reason = _why_not(required, run, report, RunFolder(folder), versions, host)
        if reason is None:
            return folder.name
        reasons.append(f"{folder.name}: {reason}")
    tried = "\n    ".join(reasons[:5]) or f"there is no run of it under {runs_folder()}"
    raise NotAuthorisedError(
        f"{loaded.file}: requires.config: {path} must pass on this machine first, with today's models and versions\n"
        f"    {tried}\n"
        f"    run `parity run {path}` until it exits with 0, or use --force, which the run records"
    )


def _refuse_circle(loaded: LoadedConfig, required: LoadedConfig, load: Callable[[Path], LoadedConfig]) -> None:
    """Raises NotAuthorisedError where a config requires, perhaps by way of others, itself: none of them could ever be
    the first."""
    chain = [Path(loaded.file)]
    while True:
        chain.append(Path(required.file))
        if any(chain[-1].resolve() == earlier.resolve() for earlier in chain[:-1]):
            way = " → ".join(path.name for path in chain)
            raise NotAuthorisedError(
                f"{loaded.file}: requires.config: none of these can be the first to pass, because each requires the "
                f"next: {way}\n    take `[requires]` out of one of them, or use --force, which the run records"
            )
        if required.config.requires is None:
            return
        try:
            required = load(required.folder / required.config.requires.config)
        except ParityError:
            return  # it is said when that one is run


def _why_not(
    required: LoadedConfig,
    run: RunRecord,
    report: Report,
    folder: RunFolder,
    versions: Mapping[str, str | None],
    host: Host,
) -> str | None:
    """The first reason why a run doesn't authorise, or None."""
    if run.forced:
        return "it was run with --force"
    if report.exit.code != 0:
        return f"it exited with {report.exit.code}: {report.exit.reason}"
    if not any(v.required for v in report.verdicts):
        return "it has no required gate, so that nothing passed"
    skipped = [v.gate for v in report.verdicts if v.required and v.verdict == "NOT APPLICABLE"]
    if skipped:
        return f"required gates were not applicable: {', '.join(dict.fromkeys(skipped))}"
    if run.loaded.but(file=required.file) != without_secrets(required):
        return "it used a different config, or its variables had different values"
    here = host.machine()
    if any(run.machine.get(key) != here[key] for key in SAME_MACHINE):
        return "it ran on a different machine"
    for runtime in report.runtimes:
        if (unnamed := _unnamed(runtime)) is not None:
            return unnamed
        if runtime.version != versions.get(runtime.name):
            return f"{runtime.name} was {runtime.version} and is {versions.get(runtime.name)}"
    return _unfit_file(required, run, folder)


def _unnamed(runtime: RuntimeReport) -> str | None:
    """Sources that no commit names could have changed since, and nothing would tell."""
    tree = runtime.checkout
    if tree is None or (tree.commit is not None and not tree.changed_files):
        return None
    if tree.commit is None:
        return f"no commit is known of {tree.folder}: `path` must be the root of a git checkout, and git on PATH"
    return f"{runtime.name} was built from {tree.folder} ({tree}): commit what is there, and run it again"


def _unfit_file(required: LoadedConfig, run: RunRecord, folder: RunFolder) -> str | None:
    """A model or executable that changed since, or weights that never were a real model's."""
    for model in run.all_models:
        now = _model_now(model, required.folder)
        if now is None or now.sha256 != model.sha256:
            return f"the model {model.name} has changed since"
        if now.synthetic:
            return f"its model {model.name} has synthetic weights"
    for runtime, built in recorded_executables(folder).items():
        for name, (executable, sha256) in built.items():
            if executable_sha256(Path(executable)) != sha256:
                return f"the executable {name} of {runtime} has changed since"
    return None


def _model_now(model: ModelFacts, base: Path) -> ModelFacts | None:
    """The facts of what the source gives now, if it is here; nothing is fetched."""
    try:
        if parse_source(model.source, base).locate() is None:
            return None
        return model_facts(model.name, model.title, model.source, base=base)
    except ModelError:
        return None
