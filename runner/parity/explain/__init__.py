"""Why a run has the verdicts that it has: from lines of transcripts to verdicts. Pure."""

from parity.explain.building import cells_of, explain_cell, explain_metric, explain_run, worst_question
from parity.explain.naming import cell_named, metric_named
from parity.explain.records import CellExplained, Explained, MetricExplained, RunExplained
from parity.explain.terminal import render_explained
from parity.explain.tracing import Traced
from parity.explain.unfolding import unfold

__all__ = [
    "CellExplained",
    "Explained",
    "MetricExplained",
    "RunExplained",
    "Traced",
    "cell_named",
    "cells_of",
    "explain_cell",
    "explain_metric",
    "explain_run",
    "metric_named",
    "render_explained",
    "unfold",
    "worst_question",
]
