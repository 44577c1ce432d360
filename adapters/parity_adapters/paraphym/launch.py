"""How one trial of `fluent_builder` is started: arguments, a cache folder of its own, and when it is stopped."""

from pathlib import Path

from parity.adapter import HostFacts, Job, Launch, Marker, Markers, RefusedError, refuse_echoed
from parity_adapters.paraphym.models import hf_home
from parity_adapters.paraphym.prompt import query_of
from parity_adapters.paraphym.settings import ParaphymSettings

FORCED_TOP_P = 0.9
"""The program always uses it."""

SAMPLES_ONE_MORE = ("qwen3",)
"""Architectures whose loop samples one token before it counts; the others sample exactly `--max-tokens`."""

READY = Marker(pattern=r"\] TextToText worker \d+ ready$|\] >>> GENERATE STARTED", stream="err")
STOP = Marker(pattern="^📝 Example 2: Interactive Chat Loop$")
FAIL = Marker(
    pattern=r" ERROR (?:paraphym|cyrup)_candle::\S+\] (?:TextToText|TextEmbedding) worker \d+ failed: ", stream="err"
)


def launch(job: Job, settings: ParaphymSettings, executable: str, host: HostFacts) -> Launch:
    """Raises `RefusedError` for what the program can't do."""
    refuse_impossible(job, settings)
    # The query is echoed on standard output, where the mark is looked for that ends the trial.
    refuse_echoed({"paraphym's mark of the end": STOP.pattern}, job)
    return Launch(
        argv=(
            executable,
            # One word each: clap would take a query that begins with a hyphen for an option.
            f"--query={query_of(job.test.prompt)}",
            f"--max-tokens={job.test.max_tokens - uncounted(job)}",
            f"--temperature={temperature(job, settings)!r}",
        ),
        env={
            **own_cache(job.scratch, host.platform),
            "HF_HOME": hf_home(settings, host),
            "TOKIO_WORKER_THREADS": str(settings.tokio_threads or host.usable_cpus),
            "RAYON_NUM_THREADS": str(settings.rayon_threads or host.usable_cpus),
        },
        cwd=job.scratch,
        markers=markers(whole=job.kind == "whole"),
    )


def uncounted(job: Job) -> int:
    """How many tokens the program samples beyond its `--max-tokens`."""
    return 1 if job.model.architecture in (*SAMPLES_ONE_MORE, None) else 0


def markers(*, whole: bool) -> Markers:
    """A whole trial runs to its own end. The first token has no marker: the text arrives in one burst when all of it is
    generated, so that a deadline for the first would bound the whole generation."""
    return Markers(quick=True, ready=READY, stop=None if whole else STOP, fail=FAIL)


def own_cache(scratch: str, platform: str) -> dict[str, str]:
    """The program stores each query in the user's cache folder and adds it to the next prompt. On macOS that folder
    depends on HOME alone."""
    if platform == "darwin":
        return {"HOME": str(Path(scratch) / "home")}
    return {"XDG_CACHE_HOME": str(Path(scratch) / "cache")}


def temperature(job: Job, settings: ParaphymSettings) -> float:
    """The `--temperature` for the test's temperature."""
    asked = job.test.sampling.temperature
    if asked > 0:
        return asked
    assert settings.greedy_temperature is not None
    return settings.greedy_temperature


def refuse_impossible(job: Job, settings: ParaphymSettings) -> None:
    """Raises `RefusedError` with the reason and what to do instead."""
    test, sampling = job.test, job.test.sampling
    if test.max_tokens - uncounted(job) < 1:
        raise RefusedError(
            f"max_tokens = {test.max_tokens}: paraphym samples one token more than --max-tokens, and reads 0 as "
            "1000; 2 is the least"
        )
    if sampling.temperature == 0 and settings.greedy_temperature is None:
        raise RefusedError(
            "temperature 0: paraphym divides by it, and then samples noise; set "
            "`greedy_temperature = 0.001` in the runtime's table, which is greedy in effect"
        )
    if test.raw:
        raise RefusedError("raw = true: paraphym wraps every prompt in a chat turn of its own")
    if sampling.top_k is not None:
        raise RefusedError(f"top_k = {sampling.top_k}: paraphym has no such option")
    if sampling.top_p not in (None, FORCED_TOP_P) and sampling.temperature > 0:
        raise RefusedError(f"top_p = {sampling.top_p}: paraphym always uses {FORCED_TOP_P}")
