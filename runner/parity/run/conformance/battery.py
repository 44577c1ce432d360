"""All checks of an adapter, one by one."""

import json
import sys
from dataclasses import dataclass
from typing import Any, Literal

from parity.adapter import Adapter, Build
from parity.bounded import LimitError, RaisedError, call, note
from parity.reading.events import made_anew, received, sent
from parity.records import Job, Record
from parity.run.conformance.describing import DESCRIBING, launch
from parity.run.conformance.outputs import ON_OUTPUT
from parity.run.conformance.wrong import WrongError, asked
from parity.transcript import Transcript

CHECK_S = 60.0
"""CPU time of one check. Reading a short output some thousand times takes a few seconds."""

LAUNCH = "launch"

CHECKS = {
    "settings": "its settings have descriptions, refuse unknown keys, and survive being written as JSON",
    "hooks": "each hook gives what its type says",
    "probe-missing": "a program that is not there is not ready, with a reason and a remedy",
    "probe-garbage": "whatever the probe prints is an answer",
    LAUNCH: "each job is started the same way every time, or refused",
    "result": "the trial is read as a good result",
    "order": "events come in order, and their stamps never decrease",
    "tokens": "tokens are numbered, as many as are counted, and have a text",
    "repeatable": "the same output gives the same events, however it arrives",
    "truncated": "output that is cut off at any byte is no good result",
    "damaged": "garbage, huge lines, CRLF, NUL and ANSI escapes give the same figures or none",
}
"""Check → what it is about, in the order in which they run."""

RECORDED = "name the output of a trial: --transcript FILE, or a run folder"
"""What helps where no trial can be run here."""

NEEDED = ("result", "repeatable")
"""Checks without which those that follow say nothing."""

State = Literal["PASS", "FAIL", "NOT RUN"]


class Checked(Record):
    """What came of one check. `wrong`: what is wrong, or why it was not run; `remedy`: what to do."""

    check: str
    state: State
    wrong: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Evidence:
    """What is known of a runtime's trials: one with its job, or why there is none and what would help, and what was
    built."""

    transcript: Transcript | None = None
    why_none: str | None = None
    remedy: str | None = None
    build: Build | None = None

    @property
    def job(self) -> Job | None:
        return self.transcript.head.job if self.transcript is not None else None


def conforms(adapter: Adapter[Any], evidence: Evidence, job: Job) -> list[Checked]:
    """What came of every check. `job`: for checks that need one where no trial is known."""
    found = [_checked(adapter, name, evidence, evidence.job or job) for name in DESCRIBING]
    if evidence.build is None and _is_built(adapter):
        reason = "it is built before a trial, and nothing that was built is known"
        found.append(_not_run(LAUNCH, reason, "name a run folder in which it was built: --transcript RUN"))
    else:
        found.append(_checked(adapter, LAUNCH, evidence, evidence.job or job))
    why_none = evidence.why_none
    remedy = "; or ".join(filter(None, (evidence.remedy, RECORDED)))
    for name in ON_OUTPUT:
        if why_none is not None:
            found.append(_not_run(name, why_none, remedy))
            continue
        found.append(_checked(adapter, name, evidence, evidence.job or job))
        if name in NEEDED and found[-1].state == "FAIL":
            why_none, remedy = f"the check `{name}` failed, on which it rests", f"correct what `{name}` found first"
    return found


def _is_built(adapter: Adapter[Any]) -> bool:
    try:
        return asked("build", adapter.build) is not None
    except WrongError:
        return False  # the check `hooks` says so


def _not_run(name: str, reason: str, remedy: str) -> Checked:
    return Checked(check=name, state="NOT RUN", wrong=reason, remedy=remedy)


def _checked(adapter: Adapter[Any], name: str, evidence: Evidence, job: Job) -> Checked:
    kind = type(adapter)
    try:
        wrong = call(
            "parity.run.conformance.battery:check_here",
            name,
            sys.path,
            f"{kind.__module__}:{kind.__qualname__}",
            adapter.settings.model_dump(mode="json"),
            adapter.host.model_dump(mode="json"),
            None if evidence.transcript is None else sent(evidence.transcript),
            job.model_dump(mode="json"),
            None if evidence.build is None else evidence.build.model_dump(mode="json"),
            cpu_s=CHECK_S,
        )
    except LimitError as error:
        wrong = [f"{error}{f', at {error.at}' if error.at else ''}"]
    except RaisedError as error:
        wrong = [f"the adapter can't be made: {error.kind} ({error})"]
    first = next(iter(wrong), None)
    if first is None:
        return Checked(check=name, state="PASS")
    wrong, _, remedy = first.partition("\n")
    return Checked(check=name, state="FAIL", wrong=wrong, remedy=remedy or f"see to it that {CHECKS[name]}")


def check_here(
    name: str,
    folders: list[str],
    adapter: str,
    settings: dict[str, Any],
    host: dict[str, Any],
    transcript: dict[str, Any] | None,
    job: dict[str, Any],
    build: dict[str, Any] | None,
) -> list[str]:
    """Everything that one check finds wrong, in the child. `folders`: where modules are looked for; `adapter`: its
    class, as `module:name`."""
    sys.path[:] = folders
    made = made_anew(adapter, settings, host)
    given = Job.model_validate_json(json.dumps(job))
    note(f"the check `{name}`")
    try:
        if name == LAUNCH:
            return list(launch(made, given, None if build is None else Build.model_validate(build, strict=False)))
        if name in DESCRIBING:
            return list(DESCRIBING[name](made))
        assert transcript is not None, "checks of output have one"
        return list(ON_OUTPUT[name](made, received(transcript), given))
    except WrongError as error:
        return [str(error)]


def render(checked: list[Checked]) -> str:
    """A line for each check, and beneath it what to do, once where checks in a row need the same."""
    width = max(len(each.check) for each in checked)
    lines, told = [], None
    for each in checked:
        lines.append(f"{each.state:<7}  {each.check:<{width}}  {each.wrong or CHECKS[each.check]}")
        if each.remedy and each.remedy != told:
            lines.append(f"    to fix it: {each.remedy}")
        told = each.remedy
    return "\n".join(lines)
