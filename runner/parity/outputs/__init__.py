"""Whether two runtimes compute the same: prompt ids, greedy continuation, text and log-probabilities, rung by rung,
and the verdict on them. Pure."""

from parity.outputs.judge import judge_outputs
from parity.outputs.sides import Compared

__all__ = ["Compared", "judge_outputs"]
