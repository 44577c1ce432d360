"""Whether two runtimes compute the same: prompt ids, greedy continuation, text and log-probabilities, rung by rung,
and the verdict on them. Pure."""

from parity.outputs.judge import drifting, judge_outputs
from parity.outputs.sides import Compared

__all__ = ["Compared", "drifting", "judge_outputs"]
