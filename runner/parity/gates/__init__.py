"""Gates: each kind in one module, with its keys, its checks, its judgement and its sentences.

To add a kind, write its module and add its class to `Gate`: config, complaints and verdicts derive from it.
"""

from typing import get_args

from parity.gates.base import GateBase, Judgement, When
from parity.gates.bound import BoundGate
from parity.gates.consistency import ConsistencyGate
from parity.gates.evidence import Evidence
from parity.gates.no_failed_trials import NoFailedTrialsGate
from parity.gates.outputs import OutputsGate
from parity.gates.ratio import RatioGate

Gate = BoundGate | RatioGate | NoFailedTrialsGate | ConsistencyGate | OutputsGate

KINDS: dict[str, type[GateBase]] = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(Gate)}
"""What `kind` says in a config → the gate's class."""

__all__ = ["KINDS", "Evidence", "Gate", "GateBase", "Judgement", "When"]
