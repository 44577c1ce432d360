"""Real trials of adapters without a run around them: a job under the supervisor, read as a run reads it."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import builders

from parity.adapter import Adapter, Build, Job, Launch
from parity.hosts.local import supervise
from parity.hosts.machine import host_facts
from parity.reading.trial import read_trial
from parity.records import SHARED, Limits, ScoreRequest, Slot, Trial
from parity.transcript import Head
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings
from parity_adapters.mlx_lm import MlxLm, MlxLmSettings

FAULTY = Path(__file__).with_name("faulty_llama")
PATIENT = Limits(load_s=300.0, first_token_s=300.0, stall_s=300.0, total_s=600.0)


@dataclass(frozen=True)
class Case:
    """A model and a prompt. `quantisation`: tensor type → number of tensors."""

    name: str
    path: Path
    architecture: str
    quantisation: Mapping[str, int]
    prompt: str
    tokens: int = 48

    @property
    def quantised(self) -> bool:
        return set(self.quantisation) != {"F32"}


class Faulty(LlamaCpp):
    """llama-cpp-python with a fault of a run, or none."""

    env: Mapping[str, str] = {}

    def launch(self, job: Job, build: Build | None) -> Launch:
        return super().launch(job, build).model_copy(update={"env": dict(self.env)})


def llama_cpp(fault: str | None = None, **settings: Any) -> Faulty:
    """Batches of 8, so that a prompt takes several; `settings` besides."""
    whole = {"threads": 1, "batch": 8, "ubatch": 8, "kv_type": "f32", **settings}
    adapter = Faulty(LlamaCppSettings.model_validate(whole), host_facts())
    adapter.env = {} if fault is None else {"PYTHONPATH": str(FAULTY), "LLAMA_FAULT": fault}
    return adapter


def mlx_lm() -> MlxLm:
    return MlxLm(MlxLmSettings(device="cpu"), host_facts())


@dataclass
class Driver:
    """Runs jobs in folders of their own under `folder`."""

    folder: Path
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def trial(
        self,
        runtime: str,
        adapter: Adapter[Any],
        case: Case,
        model: Path,
        score: ScoreRequest | None = None,
        number: int = SHARED,
        further_prefills: int = 0,
    ) -> Trial:
        """What a runtime answers to the case's prompt, or how likely it finds a sequence. `model`: what it runs, which
        a faulty one takes for the case's. `number`: the round."""
        scratch = self.folder / f"{next(self.numbers):04}"
        scratch.mkdir(parents=True)
        task = builders.job(
            runtime=runtime,
            test={"prompt": case.prompt, "max_tokens": case.tokens, "ignore_end": False},
            fields={
                "adapter": adapter.name,
                "settings": adapter.settings.model_dump(),
                "scratch": str(scratch),
                "task": "generate" if score is None else "score",
                "score": score,
                "further_prefills": further_prefills,
            },
            source=str(model),
            path=str(model),
            format="gguf",
        )
        launch = adapter.launch(task, None)
        for name, content in launch.files.items():
            (scratch / name).write_text(content, encoding="utf-8")
        head = Head(purpose="trial", runtime=adapter.name, job=task)
        transcript = supervise(launch, head=head, path=scratch / "transcript.jsonl", limits=PATIENT)
        slot = Slot(model="m", test="t", runtime=runtime, round=number, task=task.task)
        return read_trial(adapter, slot, "x", transcript, None, lambda path: None)


def answer_of(found: Trial) -> ScoreRequest:
    """The job of scoring a trial's prompt and answer."""
    prompt, output = found.prompt_ids or (), found.output_ids or ()
    return ScoreRequest(ids=(*prompt, *output), prompt_tokens=len(prompt))
