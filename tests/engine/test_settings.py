"""What a report says of a runtime over all of its trials."""

from parity.judging.settings import merged


def test_a_setting_that_never_varied_is_what_it_was() -> None:
    assert merged([{"device": "cpu", "threads": 2}, {"device": "cpu", "threads": 2}]) == {
        "device": "cpu",
        "threads": 2,
    }


def test_a_setting_that_varied_is_told_with_how_often_it_was_what() -> None:
    seen = [{"busy": True, "device": "cpu"}, {"busy": False, "device": "cpu"}, {"busy": True}]
    assert merged(seen) == {
        "busy": "true in 2 of 3 trials, false in 1 of 3 trials",
        "device": "cpu in 2 of 3 trials, not reported in 1 of 3 trials",
    }


def test_a_setting_that_was_seen_as_unknown_stays_unknown() -> None:
    assert merged([{"weights_file": None}, {"weights_file": None}]) == {"weights_file": None}
