"""The exact arm: how far each runtime lies from the same weights computed in F32, and what that decides."""

from spoken import SPOKEN, generated, noisy, score_trial

from parity.outputs import Compared, judge_outputs

ALIKE = [*generated("one"), *generated("two")]


def test_what_the_exact_arm_scored_is_no_runtimes_own() -> None:
    own = [score_trial("one", SPOKEN), score_trial("two", SPOKEN)]
    arm = [score_trial(name, noisy(SPOKEN, 1.0)).but(kind="exact", attempt=2) for name in ("one", "two", "three")]
    compared = Compared(model="m", test="t", baseline="one", trials=ALIKE, scored=[*own, *arm], exact=arm)
    assert list(compared.sides) == ["one", "two"]
    found = judge_outputs(compared, "two")
    assert found is not None
    assert found.verdict == "IDENTICAL"
