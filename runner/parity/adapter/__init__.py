"""The contract between parity and a runtime's adapter: all that an adapter may import.

`parity.adapter` holds the base class, jobs, commands and the protocol reader; `parity.adapter.events` the typed events;
`parity.adapter.cargo` what Cargo says, for runtimes that it builds.
"""

from parity.adapter.base import Adapter, AdapterSettings, InputPath, Program
from parity.adapter.commands import Availability, Build, Command, Example, Launch, Marker, Markers, Need, Written
from parity.adapter.echo import is_echo, refuse_echoed
from parity.adapter.patterns import checked
from parity.adapter.printed import half_of_last_digit, longer_number, other_unit
from parity.adapter.protocol import PROTOCOL_MARKERS, read_protocol, read_protocol_probe, worker_argv
from parity.bounded import note
from parity.errors import ReadError, RefusedError
from parity.records import HostFacts, Job, ModelFacts, Record, Scalar, Task
from parity.records.metrics import METRIC_NAMES
from parity.redaction import looks_secret
from parity.transcript import Line, Transcript

__all__ = [
    "METRIC_NAMES",
    "PROTOCOL_MARKERS",
    "Adapter",
    "AdapterSettings",
    "Availability",
    "Build",
    "Command",
    "Example",
    "HostFacts",
    "InputPath",
    "Job",
    "Launch",
    "Line",
    "Marker",
    "Markers",
    "ModelFacts",
    "Need",
    "Program",
    "ReadError",
    "Record",
    "RefusedError",
    "Scalar",
    "Task",
    "Transcript",
    "Written",
    "checked",
    "half_of_last_digit",
    "is_echo",
    "longer_number",
    "looks_secret",
    "note",
    "other_unit",
    "read_protocol",
    "read_protocol_probe",
    "refuse_echoed",
    "worker_argv",
]
