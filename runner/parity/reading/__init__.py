"""From a transcript to a trial: outcome, timeline, identity, measurements. Pure."""
