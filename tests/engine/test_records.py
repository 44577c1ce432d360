"""Records hold only what is valid, also when one is made from another one."""

import json

import pytest
from builders import trial
from pydantic import ValidationError

from parity.records import Measurement, Trial


def measurement(**fields: object) -> Measurement:
    return Measurement.model_validate(
        {"metric": "gen_tps", "unit": "token/s", "definition": "token-stamps", "provenance": "observed", **fields}
    )


def test_a_measurement_has_either_a_value_or_a_reason() -> None:
    assert measurement(value=0.0).reason is None
    assert measurement(reason="one token has no interval").value is None
    for fields in ({}, {"value": 1.0, "reason": "because"}):
        with pytest.raises(ValidationError, match="either a value or the reason"):
            measurement(**fields)


def test_a_changed_copy_is_validated() -> None:
    good = trial("one", 1, {"gen_tps": 1.0})
    assert good.but(round=2).round == 2
    assert good.but(round=2).but(round=1) == good
    with pytest.raises(ValidationError):
        good.but(round="2")
    with pytest.raises(ValidationError):
        good.but(rounds=2)
    with pytest.raises(ValidationError, match="either a value or the reason"):
        measurement(value=1.0).but(value=None)


def test_a_trial_of_schema_1_reads_its_ledger_as_its_identity() -> None:
    good = trial("one", 1, {"gen_tps": 1.0})
    old = good.model_dump(mode="json")
    old["ledger"] = old.pop("identity")
    assert Trial.model_validate_json(json.dumps(old)) == good
    assert good.identity is not None
