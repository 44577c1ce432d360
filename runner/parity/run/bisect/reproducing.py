"""Command lines by which a user scores the found sequence in each runtime, without parity."""

import shlex
from collections.abc import Iterable, Mapping

from parity.adapter import Launch
from parity.errors import RefusedError
from parity.private import OWNER_ALONE, write_private
from parity.redaction import SECRET, known, redact
from parity.run.bisect.trials import Ids, Trials
from parity.transcript import read_transcript


def command_lines(trials: Trials, ids: Ids) -> dict[str, str]:
    """Runtime → a command line for a shell. The files that it reads are written into the folder of the search."""
    found = {}
    for number, runtime in enumerate((trials.baseline, trials.cell[2])):
        line = _command_line(trials, runtime, ids, ("baseline", "implementation")[number])
        if line is not None:
            found[runtime] = line
    return found


def _command_line(trials: Trials, runtime: str, ids: Ids, side: str) -> str | None:
    folder, prepared = trials.session.folder, trials.prepared[runtime]
    trial = trials.scored(runtime, ids)
    job = read_transcript(folder.path / trial.file).head.job
    assert job is not None, "a trial's transcript opens with its job"
    kept = folder.path.resolve() / "shortest" / side
    kept.mkdir(OWNER_ALONE, parents=True, exist_ok=True)
    try:
        launch = prepared.adapter.launch(job.but(scratch=str(kept)), prepared.build)
    except RefusedError:
        return None
    for name, content in launch.files.items():
        write_private(kept / name, redact(content, known()))
    return _shown(launch, trials.session.loaded.config.runtimes[runtime].env)


def _shown(launch: Launch, env: Mapping[str, str]) -> str:
    """Values of secret-looking variables are left to the user's own environment."""
    named = {name: value for name, value in {**launch.env, **env}.items() if not SECRET.search(name)}
    words: Iterable[str] = (*(f"{name}={value}" for name, value in named.items()), *launch.argv)
    line = shlex.join(words) if not named else f"env {shlex.join(words)}"
    return f"cd {shlex.quote(launch.cwd)} && {line}" if launch.cwd is not None else line
