"""From trials to comparisons, verdicts, an exit code and the report. Pure."""
