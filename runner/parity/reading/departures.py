"""Whether one trial ran what was asked: the job's weights, prompt, token count, device and sampling. Pure.

Every kind of gate reads what is found here: a trial that ran something different is evidence for nothing.
"""

from collections.abc import Iterator, Sequence, Set

from parity.adapter.events import Bye, Event, Prompt
from parity.errors import ModelError
from parity.models.template import holds
from parity.models.tokenizer import Encode
from parity.reading.devices import DEVICE_CLASSES, device_class
from parity.reading.dictionary import METRICS
from parity.reading.facts import FACTS, facts_in, is_partial, is_speed
from parity.reading.identity import WEIGHTS_FILE
from parity.reading.sampling import asked_sampling, reports_sampling
from parity.records import Departure, Identity, Job
from parity.redaction import REDACTED
from parity.transcript import Transcript
from parity.units import shortened

LONGEST_SHOWN = 120
"""Characters of a prompt that a sentence repeats."""

OF_THE_PROMPT = tuple(name for name, spec in METRICS.items() if spec.depends_on_prompt)
"""Metrics that depend on which prompt was run, and how tokens were chosen."""

OF_THE_COUNT = tuple(
    name
    for name, spec in METRICS.items()
    if spec.depends_on_count or name in ("gen_tps", "itl_p50_s", "itl_p95_s", "gen_cores")
)
"""Metrics that depend on how many tokens were generated."""

OF_SPEED = tuple(name for name, spec in METRICS.items() if is_speed(spec))

OF_A_LATE_LOAD = ("load_s", "prompt_tps", "ttft_s", "total_s")
"""Metrics of which a load that comes with the request makes one too small and the others wrong."""

OF_THE_CACHE = tuple(name for name, spec in METRICS.items() if FACTS["prefix_cache"].concerns(spec))
"""Metrics that a cache of prompts makes faster."""

CHANGED = "changed"
"""The fact of what changed while the run went on: a declaration is of one difference, and covers no change."""


def departures_of(
    transcript: Transcript,
    ran: Identity,
    events: Sequence[Event],
    encode: Encode | None,
    device: str | None,
    untold: Set[str] = frozenset(),
) -> tuple[Departure, ...]:
    """How a good trial departed from its job. `device`: the one that the config asks for; `untold`: facts of the job
    that nothing told the program."""
    job = transcript.head.job
    assert job is not None, "a trial's transcript opens with its job"
    return (
        *departures_in_setup(transcript, ran, device),
        *_not_sent(job, events),
        *(_unknown_prompt(ran) if "prompt" in untold else ()),
        *_prompt(job, events, encode),
        *_tokens(job, ran, events),
        *_sampling(job, ran),
        *_prefix_cache(ran),
        *_late_load(ran),
    )


def departures_in_setup(transcript: Transcript, ran: Identity, device: str | None) -> tuple[Departure, ...]:
    """How a good trial departed from its job in files, weights and device, whatever its task is."""
    job = transcript.head.job
    assert job is not None, "a trial's transcript opens with its job"
    changed = tuple(_changed(transcript, str(ran.settings.get(WEIGHTS_FILE))))
    weights = () if changed and ran.weights_sha256 is None else tuple(_weights(job, ran))
    return (*changed, *weights, *_device(ran, device))


def _changed(transcript: Transcript, chosen: str) -> Iterator[Departure]:
    """Files that are not, after the trial, what they were when it was started. `chosen`: the weights file that the
    runtime says it chose; those that other runtimes chose are none of its own."""
    before, after = transcript.head.files, transcript.files_after
    if before is None or after is None:
        return
    later = {file.path: file for file in (after.model, *after.weights, *after.programs)}
    own = (file for file in before.weights if file.path == chosen)
    for file in dict.fromkeys((before.model, *own, *before.programs)):
        if later.get(file.path, file) != file:
            yield Departure(fact=CHANGED, sentence=f"{file.path} was changed while it ran")


def _weights(job: Job, ran: Identity) -> Iterator[Departure]:
    if ran.weights_sha256 is None:
        yield Departure(fact="weights", sentence="nothing shows which weights it ran", metrics=tuple(METRICS))
    elif ran.weights_sha256 != job.model.sha256:
        hashes = f"sha256 {ran.weights_sha256[:12]}, and the model's is {job.model.sha256[:12]}"
        yield Departure(fact="weights", sentence=f"it ran other weights than the test's model ({hashes})")


def _not_sent(job: Job, events: Sequence[Event]) -> Iterator[Departure]:
    """The prompt as it was rendered must hold the test's. One character beside ids stands for a text that is left
    out. Jobs without a rendered turn, such as those of earlier versions, say too little of what was to be sent."""
    prompt = job.test.prompt
    event = next((event for event in events if isinstance(event, Prompt) and event.text is not None), None)
    shown = None if event is None or (event.ids is not None and len(event.text or "") <= 1) else event.text
    if shown is not None and holds(shown, prompt):
        return
    if not job.test.raw and job.chat_turn is not None and not holds(job.chat_turn, prompt):
        sentence = (
            "the model's chat template leaves the test's prompt out (it may expect content in parts), so that nothing "
            "shows that the model was asked it; set `raw = true`, with the turn written out in the prompt"
        )
        yield Departure(fact="prompt", sentence=sentence, metrics=OF_THE_PROMPT)
    elif shown is not None and (job.test.raw or job.chat_turn is not None):
        sentence = f"the prompt that it ran does not hold the test's prompt: {shortened(shown, LONGEST_SHOWN)!r}"
        yield Departure(fact="prompt", sentence=sentence, metrics=OF_THE_PROMPT)


def _unknown_prompt(ran: Identity) -> Iterator[Departure]:
    if ran.prompt_tokens is None:
        sentence = "it was not given the test's prompt, and shows none: give it `{prompt}` or `{scratch}/job.json`"
        yield Departure(fact="prompt", sentence=sentence, metrics=OF_THE_PROMPT, unproven=True)


def _prompt(job: Job, events: Sequence[Event], encode: Encode | None) -> Iterator[Departure]:
    """Only where the model's own tokenizer is at hand, and the run rendered the prompt. A begin token may come ahead
    of the text's own: whether it must is between the two sides."""
    sent = job.test.prompt if job.test.raw else job.chat_turn
    if sent is not None and REDACTED in sent:
        return  # what was sent holds a secret, which the transcript leaves out
    ran = next((event.ids for event in events if isinstance(event, Prompt)), None)
    if encode is None or sent is None or ran is None:
        return
    try:
        ids = encode(sent)
    except ModelError as error:
        sentence = f"nothing shows that it ran the ids of the test's prompt: {error.wrong}"
        yield Departure(fact="prompt", sentence=sentence, metrics=OF_THE_PROMPT, unproven=True)
        return
    if ids not in (ran, ran[1:]):
        lengths = f"{len(ran)} tokens, and the test's prompt has {len(ids)}"
        sentence = f"it ran other prompt ids than those of the test's prompt ({lengths})"
        yield Departure(fact="prompt", sentence=sentence, metrics=OF_THE_PROMPT)


def _tokens(job: Job, ran: Identity, events: Sequence[Event]) -> Iterator[Departure]:
    """An early end is what was asked, where the test doesn't ignore the end token."""
    count, budget = ran.generated_tokens, job.test.max_tokens
    if job.kind == "whole" or count is None or count == budget:
        return
    bye = next((event for event in events if isinstance(event, Bye)), None)
    ended = bye is None or bye.reason == "end-token"
    if count < budget and ended and not job.test.ignore_end:
        return
    remedy = "; set `ignore_end = false` if it may end by itself" if count < budget and job.test.ignore_end else ""
    sentence = f"it generated {count} of {budget} tokens{remedy}"
    yield Departure(fact="tokens", sentence=sentence, metrics=OF_THE_COUNT)


def _device(ran: Identity, wanted: str | None) -> Iterator[Departure]:
    asked, used = device_class(wanted), facts_in(ran.settings).get("device")
    if asked is None or used is None or used == asked:
        return
    named = used.partition(" (")[0] if is_partial(used) else used
    if asked == "gpu" and named in DEVICE_CLASSES and named != "cpu":
        return
    sentence = f"it ran on {used}, and the config asks for {asked}"
    yield Departure(fact="device", sentence=sentence, metrics=OF_SPEED)


def _sampling(job: Job, ran: Identity) -> Iterator[Departure]:
    asked = asked_sampling(job.test.sampling)
    if ran.sampling is None and reports_sampling(ran.settings):
        said = ran.settings.get("sampling")
        sentence = "what it reports of its sampling is not understood: report `temperature`, `top_k` and `top_p`"
        if said is not None:
            sentence = f"what it reports of its sampling is not understood: {said}"
        yield Departure(fact="sampling", sentence=sentence, metrics=OF_THE_PROMPT, unproven=True)
    elif ran.sampling is not None and ran.sampling != asked:
        sentence = f"it sampled by {ran.sampling}, and the test asks for {asked}"
        yield Departure(fact="sampling", sentence=sentence, metrics=OF_THE_PROMPT)


def _prefix_cache(ran: Identity) -> Iterator[Departure]:
    if facts_in(ran.settings).get("prefix_cache") == "on":
        sentence = "its prefix cache is on, which may hold the prompt: switch it off"
        yield Departure(fact="prefix_cache", sentence=sentence, metrics=OF_THE_CACHE)


def _late_load(ran: Identity) -> Iterator[Departure]:
    if ran.settings.get("loaded_when_ready") is False:
        sentence = (
            "nothing shows that its model was loaded before it was asked: set `ready` to a path that answers 200 once "
            "it is"
        )
        yield Departure(fact="load", sentence=sentence, metrics=OF_A_LATE_LOAD, unproven=True)
