"""What happened on the machine around a trial, from its transcript; and whether the trial is void because of it. Pure.

Only what happens outside the trial's process tree can make it void, by limits that the config fixes beforehand: a slow
runtime must not get rid of its own bad rounds.
"""

from parity.reading.timeline import ALREADY_RUNNING
from parity.records import ConditionLimits, Conditions, Trial, WallClock
from parity.transcript import Surroundings, Transcript
from parity.units import plural

CLOCK_ERROR_S = 0.1
"""Systems count CPU time in ticks of up to 10 ms, a few of which may be charged wrongly on each CPU: less than this is
not evidence of anything."""
CLOCK_ERROR = 0.1
"""Share of its own CPU time by which the system's may be less than a trial's."""
PAUSED_S = 0.5
"""Of time that nobody watched. A supervisor that waits for a CPU stamps late by less."""
SLEWED = 0.001
"""The most that time servers let a clock run faster or slower by: twice what kernels allow them by default."""
STEP_S = 0.1
"""By less, no clock is set at once."""
MIB = 1 << 20


def under_conditions(trial: Trial, transcript: Transcript, limits: ConditionLimits) -> Trial:
    """The trial with its conditions, and void where they crossed the limits and it would count otherwise."""
    conditions = conditions_of(transcript)
    if conditions is None:
        return trial
    if trial.identity is not None and trial.identity.settings.get(ALREADY_RUNNING) is True:
        unseen = "what computes is no process of the trial, so that its work can't be told from that of others"
        conditions = conditions.but(others_cpu=None, absent={**conditions.absent, "others_cpu": unseen})
    why = (unwatched(transcript) or void(conditions, limits)) if _counts(trial) else None
    return trial.but(conditions=conditions, void=why)


def conditions_of(transcript: Transcript) -> Conditions | None:
    """The difference between the two looks at the machine; None where a transcript doesn't hold both."""
    before, after = transcript.before, transcript.after
    if before is None or after is None or after.t_ns <= before.t_ns:
        return None
    wall_s = (after.t_ns - before.t_ns) / 1e9
    tree_s = (transcript.end.cpu_s if transcript.end else None) or 0.0
    stolen_s = _difference(before.steal_s, after.steal_s)
    own_s = tree_s + after.own_cpu_s - before.own_cpu_s
    others_s = after.busy_s - before.busy_s - own_s
    absent = {**before.absent, **after.absent}
    # Some sandboxes count no CPU time at all, or only a part of it.
    counted = others_s + (stolen_s or 0.0) > -max(CLOCK_ERROR_S, CLOCK_ERROR * own_s)
    if not counted:
        absent["others_cpu"] = "the CPU times of the system don't hold those of the trial"
    return Conditions(
        wall_s=round(wall_s, 3),
        usable_cpus=before.usable_cpus,
        others_cpu=round(max(0.0, others_s + (stolen_s or 0.0)) / wall_s, 3) if counted else None,
        steal_cpu=_share(stolen_s, wall_s),
        iowait_cpu=_share(_difference(before.iowait_s, after.iowait_s), wall_s),
        interrupt_cpu=_share(_difference(before.interrupt_s, after.interrupt_s), wall_s),
        load_1min=before.load_1min,
        cpu_pressure=_pressure(before, after, "cpu", wall_s),
        io_pressure=_pressure(before, after, "io", wall_s),
        memory_pressure=_pressure(before, after, "memory", wall_s),
        throttle_events=_count(before.throttle_events, after.throttle_events),
        throttled_s=_longest_throttled(before, after),
        frequency_mhz=after.frequency_mhz,
        swapped_bytes=_count(before.swapped_bytes, after.swapped_bytes),
        on_battery=after.on_battery,
        gpu_processes=max((n for n in (before.gpu_processes, after.gpu_processes) if n is not None), default=None),
        page_cache=before.page_cache,
        wall_step_s=_wall_step_s(before, after, wall_s),
        wall_clock=_wall_clock(before, after),
        absent=absent,
    )


def unwatched(transcript: Transcript) -> str | None:
    """A sentence where nobody watched the trial for a while: what it printed then has no arrival time."""
    lasted_s = transcript.end.paused_s if transcript.end is not None else 0.0
    if lasted_s < PAUSED_S:
        return None
    return f"parity itself was stopped, or the machine slept, for {lasted_s:.1f} s while it ran"


def void(conditions: Conditions, limits: ConditionLimits) -> str | None:
    """Why a trial under these conditions does not count, as a sentence; None where it does."""
    cpus, others = conditions.usable_cpus, conditions.others_cpu
    most = limits.most_others_cpu(cpus)
    if others is not None and others > most and others * conditions.wall_s > CLOCK_ERROR_S:
        stolen = conditions.steal_cpu or 0.0
        who = "other virtual machines and programs" if stolen > others / 2 else "other programs"
        return f"{who} used {others:.2f} of {plural(cpus, 'CPU')} while it ran (limit {most:.2f})"
    lasted_s, events = conditions.throttled_s, conditions.throttle_events
    if lasted_s is not None and lasted_s > limits.throttled * conditions.wall_s:
        share = min(1.0, lasted_s / conditions.wall_s)
        return f"a CPU was too hot and throttled for {share:.0%} of the time (limit {limits.throttled:.0%})"
    if lasted_s is None and events:
        return f"a CPU was too hot and throttled {plural(events, 'time')}"
    if conditions.swapped_bytes is not None and conditions.swapped_bytes > limits.swap_mib * MIB:
        return f"the machine swapped {conditions.swapped_bytes / MIB:.0f} MiB (limit {limits.swap_mib:.0f} MiB)"
    return None


def _counts(trial: Trial) -> bool:
    """Whether a trial can be void. Any trial may miss a deadline because of others. Those that measure no speed can be
    void for nothing else; a crash is a crash on any machine, and a stall too: a program that waits for a CPU gets some
    of it."""
    if trial.failure is not None:
        return trial.failure.kind.startswith("timeout:")
    return trial.is_measured


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


def _count(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


def _share(seconds: float | None, wall_s: float) -> float | None:
    return None if seconds is None else round(seconds / wall_s, 3)


def _pressure(before: Surroundings, after: Surroundings, name: str, wall_s: float) -> float | None:
    waited_s = _difference(before.pressure_s.get(name), after.pressure_s.get(name))
    return None if waited_s is None else min(1.0, round(waited_s / wall_s, 3))


def stepped_s(earlier_offset_s: float, later_offset_s: float, between_s: float) -> float:
    """What the wall clock was set by between two readings of it, less the time since the machine was started, that are
    so far apart; 0 for what time servers correct by letting it run a little faster or slower."""
    step_s = later_offset_s - earlier_offset_s
    return round(step_s, 3) if abs(step_s) > STEP_S + SLEWED * between_s else 0.0


def _wall_step_s(before: Surroundings, after: Surroundings, wall_s: float) -> float | None:
    if before.wall_offset_s is None or after.wall_offset_s is None:
        return None
    return stepped_s(before.wall_offset_s, after.wall_offset_s, wall_s)


def _wall_clock(before: Surroundings, after: Surroundings) -> WallClock | None:
    """Absent also in transcripts of versions that named no clock."""
    if before.clock is None or before.wall_offset_s is None or after.wall_offset_s is None:
        return None
    return WallClock(
        clock=before.clock,
        begin_ns=before.t_ns,
        end_ns=after.t_ns,
        begin_offset_s=before.wall_offset_s,
        end_offset_s=after.wall_offset_s,
    )


def _longest_throttled(before: Surroundings, after: Surroundings) -> float | None:
    if before.throttled_s is None or after.throttled_s is None:
        return None
    earlier = before.throttled_s
    lasted = [max(0.0, s - earlier[cpu]) for cpu, s in after.throttled_s.items() if cpu in earlier]
    return round(max(lasted), 3) if lasted else None
