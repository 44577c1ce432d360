"""Two generated texts compared, where a side shows no ids. Pure."""

from dataclasses import dataclass, replace

from parity.outputs.sides import Side
from parity.records import FirstDifference
from parity.redaction import REDACTED

MOST_CUT = 12
"""Characters that a shorter text may lack at its end: budgets count tokens, and a last one may be cut."""

MOST_CUT_SHARE = 0.1
"""The share of the longer text that these may be."""

FEW = 4
"""Characters that may be cut from any text, and that texts must have in common before a cut says anything."""

_LONG_WORD = 40
"""Characters of a word from which on a text is taken for one that is written without spaces."""

_SHOWN = 40
"""Characters that are quoted from the first difference on."""


@dataclass(frozen=True)
class TextsCompared:
    """`same`: how many units both have in common from the start; `longest`: how many the longer one has. `at`: number
    of the first unit that differs, from 1, with what each side wrote from there on; None where the shorter text is the
    beginning of the longer one. `lacks`: how much it lacks then, in characters, if that is too much for a cut."""

    unit: str
    same: int
    longest: int
    at: int | None = None
    theirs: str = ""
    ours: str = ""
    lacks: int = 0
    theirs_shorter: bool = False

    @property
    def agree(self) -> bool:
        return self.at is None and not self.lacks

    @property
    def difference(self) -> FirstDifference | None:
        if self.at is None:
            return None
        return FirstDifference.model_validate(
            {"at": self.at, "unit": self.unit, "theirs": self.theirs, "ours": self.ours}
        )


def compare_texts(theirs: Side, ours: Side) -> TextsCompared | None:
    """The baseline's first text with each that the runtime wrote: the first that does not agree, if there is one. None
    where a side shows no text."""
    if not theirs.texts or not ours.texts:
        return None
    first = next(iter(theirs.texts.values()))
    found = [_within_end(_compare(first, text), theirs, ours) for text in ours.texts.values()]
    return next((compared for compared in found if not compared.agree), found[0])


def _within_end(compared: TextsCompared, theirs: Side, ours: Side) -> TextsCompared:
    """Where one text stops at its end token and the other goes on past it, the rest of the longer one says nothing."""
    shorter, longer = (theirs, ours) if compared.theirs_shorter else (ours, theirs)
    if compared.lacks and longer.past_end and (shorter.met_end or shorter.ended):
        return replace(compared, lacks=0)
    return compared


def differ(theirs: str, ours: str) -> bool:
    """Whether two texts differ in more than white space and a cut at the end."""
    return bool(theirs.split() and ours.split()) and not _compare(theirs, ours).agree


def holds(theirs: str, ours: str) -> bool:
    """Whether one of two texts holds the other, white space aside."""
    one, other = ("".join(text.split()) for text in (theirs, ours))
    return one in other or other in one


def _compare(theirs: str, ours: str) -> TextsCompared:
    """Programs differ in the white space around and between words, so that each is one space here."""
    one, other = " ".join(theirs.split()), " ".join(ours.split())
    if masked := [text.index(REDACTED) for text in (one, other) if REDACTED in text]:
        # What was masked on one side may stand in pieces on the other.
        compared = _compare(one[: min(masked)], other[: min(masked)])
        return replace(compared, lacks=max(compared.lacks, 1), theirs_shorter=False) if compared.agree else compared
    common = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    shorter, longer = sorted((one, other), key=len)
    unit = "character" if max(map(len, longer.split()), default=0) >= _LONG_WORD else "word"
    if common == len(shorter):
        lacks = len(longer) - len(shorter)
        cut = common >= FEW and lacks <= max(FEW, min(MOST_CUT, MOST_CUT_SHARE * len(longer)))
        same = _units(shorter, unit)
        if unit == "word" and longer[common : common + 1].strip():
            # Its last word is a part of the longer one's.
            same -= 1
        return TextsCompared(unit, same, _units(longer, unit), lacks=0 if cut else lacks, theirs_shorter=one is shorter)
    begin = common if unit == "character" else one.rfind(" ", 0, common) + 1
    theirs_from, ours_from = (_quoted(text[begin:]) for text in (one, other))
    same = _units(one[:begin], unit)
    return TextsCompared(unit, same, _units(longer, unit), same + 1, theirs_from, ours_from)


def _units(text: str, unit: str) -> int:
    return len(text) if unit == "character" else len(text.split())


def _quoted(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
