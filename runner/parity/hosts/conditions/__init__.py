"""What else happens on this machine: counters around a trial, the page cache, and who keeps the machine busy.

All of it is looked at before a process is started and after it is gone, never while it is timed.
"""

from parity.hosts.conditions.busy import busyness
from parity.hosts.conditions.page_cache import CannotDropError, bring
from parity.hosts.conditions.surroundings import look

__all__ = ["CannotDropError", "bring", "busyness", "look"]
