"""The settings that a trial ran with: from its launch, and from the program's log until its answer was complete."""

from collections.abc import Iterator

from parity.adapter import Job, Transcript
from parity.adapter.events import Settings
from parity_adapters.paraphym import log as marks
from parity_adapters.paraphym.answer import Answer
from parity_adapters.paraphym.launch import FORCED_TOP_P, uncounted
from parity_adapters.paraphym.log import Log
from parity_adapters.paraphym.settings import ParaphymSettings

Facts = dict[str, str | int | float | bool | None]

FIXED_SEED = 299792458

GREEDY_UP_TO = 0.01
"""Up to here only the likeliest token survives the forced top_p, except in near-ties."""


def settings_used(
    transcript: Transcript, job: Job, log: Log, answer: Answer | None, settings: ParaphymSettings
) -> Iterator[Settings]:
    """One event with everything that is known; the rest is left out, except for the weights: the program itself chooses
    which to load, so that without its log line they are unknown."""
    if transcript.launch is None or transcript.spawn is None:
        return
    arguments = dict(word.removeprefix("--").split("=", 1) for word in transcript.launch.argv[1:] if "=" in word)
    environment = transcript.launch.env
    values: Facts = {
        "profile": settings.profile,
        "build_target_cpu": "as RUSTFLAGS say" if settings.rustflags else "not set by parity",
        "features": ",".join(settings.features) or None,
        "default_features": settings.default_features,
        "rustflags": settings.rustflags,
        "crate": log.crate,
        "tokio_worker_threads": _whole_number(environment.get("TOKIO_WORKER_THREADS")),
        "rayon_num_threads": _whole_number(environment.get("RAYON_NUM_THREADS")),
        "threads": _whole_number(environment.get("RAYON_NUM_THREADS")),
        "prefix_cache": False,
        "top_p": FORCED_TOP_P,
        "seed": FIXED_SEED,
        "ignores_end_token": False,
        **_sampling(arguments, job),
        **_logged(log, answer),
    }
    if answer is not None:
        values["text_reads"] = len({t_ns for t_ns, _ in transcript.text_between("out", answer.start, answer.stop)})
    yield Settings(
        t_ns=transcript.spawn.t_ns,
        values={key: value for key, value in values.items() if value is not None or key == "weights_file"},
    )


def _sampling(arguments: dict[str, str], job: Job) -> Facts:
    """The program divides by the temperature and then samples with it, so that its square takes effect."""
    temperature = float(arguments["temperature"]) if "temperature" in arguments else None
    budget = _whole_number(arguments.get("max-tokens"))
    found: Facts = {"samples_at_most": None if budget is None else budget + uncounted(job)}
    if temperature is not None:
        found["temperature_passed"] = temperature
        found["temperature_in_effect"] = round(temperature**2, 12)
        found["sampling"] = "greedy in effect" if temperature <= GREEDY_UP_TO else "sampled"
    return found


def _logged(log: Log, answer: Answer | None) -> Facts:
    until_ns = answer.ended_ns if answer and answer.ended_ns else None
    ready = [mark.t_ns for mark in log.all(marks.LM_READY) if until_ns is None or mark.t_ns <= until_ns]
    start, file, end_id = log.first(marks.START), log.first(marks.WEIGHTS_FILE), log.first(marks.HEADER)
    others = {mark.match["model"]: None for mark in log.all(marks.SECOND_MODEL)}
    loading = [mark.t_ns for mark in log.all(marks.LM_LOAD) if until_ns is None or mark.t_ns <= until_ns]
    return {
        "device": _device(log),
        "weights_file": file.match["path"] if file else None,
        "end_token_id": int(end_id.match["id"]) if end_id else None,
        "workers_loaded": len(ready),
        "loads_while_generating": bool(start and (len(loading) > len([t for t in ready if t <= start.t_ns]))),
        "other_models": ", ".join(others) or None,
        "other_workers_loaded": len(log.all(marks.SECOND_READY)) or None,
    }


def _device(log: Log) -> str | None:
    """The last device that is logged before the language model reads its weights; the other model's comes earlier."""
    file = log.first(marks.WEIGHTS_FILE)
    named = log.all(marks.DEVICE)
    before = [mark for mark in named if file is None or mark.t_ns <= file.t_ns]
    return (before or named)[-1].match["device"].lower() if named else None


def _whole_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
