"""How a job is started: one of Candle's examples, or the reference."""

from pathlib import Path

from parity.adapter import PROTOCOL_MARKERS, Build, Job, Launch, Marker, Markers, RefusedError
from parity_adapters.candle.building import REFERENCE
from parity_adapters.candle.examples import Program, program_for
from parity_adapters.candle.settings import CandleSettings


def launch_example(settings: CandleSettings, job: Job, build: Build) -> Launch:
    """Raises RefusedError for what the example that fits the model can't do."""
    program = program_for(settings, job)
    executable = build.executables.get(program.name)
    if executable is None:
        raise RefusedError(f"{job.model.architecture} needs {program.name}, which is not among `examples`")
    if job.tokenizer is None:
        raise RefusedError(f"{program.name} needs the model's tokenizer.json, and there is none")
    return Launch(
        argv=(executable, *_arguments(settings, job, program, job.tokenizer)),
        env=_threads(settings),
        markers=Markers(quick=True, ready=_ready(program)),
    )


def launch_reference(settings: CandleSettings, job: Job, build: Build) -> Launch:
    """The reference reads its job from a file and refuses settings that aren't its own."""
    own = {
        "threads": settings.threads,
        "device": "cpu" if settings.cpu else None,
        "rope_dtype": settings.rope_dtype,
        "accept_deviations": settings.accept_deviations,
    }
    return Launch(
        argv=(build.executables[REFERENCE], "--job", str(Path(job.scratch) / "job.json")),
        files={"job.json": job.but(settings=own).model_dump_json()},
        markers=PROTOCOL_MARKERS,
    )


def _arguments(settings: CandleSettings, job: Job, program: Program, tokenizer: str) -> tuple[str, ...]:
    sampling = job.test.sampling
    return (
        *(("--cpu",) if settings.device == "cpu" else ()),
        *((f"--which={program.which}",) if program.which else ()),
        f"--model={job.model.path}",
        f"--tokenizer={tokenizer}",
        f"--prompt={program.argument}",
        f"--sample-len={job.test.max_tokens}",
        f"--temperature={sampling.temperature}",
        f"--seed={sampling.seed}",
        "--repeat-penalty=1.0",
        *((f"--top-k={sampling.top_k}",) if sampling.top_k is not None else ()),
        *((f"--top-p={sampling.top_p}",) if sampling.top_p is not None else ()),
    )


def _threads(settings: CandleSettings) -> dict[str, str]:
    if settings.threads is None:
        return {}
    return {"RAYON_NUM_THREADS": str(settings.threads), "CANDLE_NUM_THREADS": str(settings.threads)}


def _ready(program: Program) -> Marker:
    """Only for the load deadline. Text may be held back until the end, so that a first token has no marker."""
    return Marker(pattern=r"^formatted prompt: " if program.label else r"^model built$")
