"""This machine as a host. `supervise` runs one program and writes down everything it did.

The only part of parity that starts processes. It measures nothing but arrival times, memory and CPU time; what
the output means is read later, from the transcript.
"""

from parity.hosts.local.host import LocalHost
from parity.hosts.local.starting import supervise

__all__ = ["LocalHost", "supervise"]
