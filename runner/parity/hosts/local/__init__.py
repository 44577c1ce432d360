"""Runs one program and writes down everything it did: `supervise(launch) → transcript`.

The only part of parity that starts processes. It measures nothing but arrival times, memory and CPU time; what
the output means is read later, from the transcript.
"""

from parity.hosts.local.cancel import Cancel
from parity.hosts.local.loop import Sighting, supervise

__all__ = ["Cancel", "Sighting", "supervise"]
