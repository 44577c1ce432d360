"""Two generated texts compared word by word, where a side shows no ids. Pure."""

from dataclasses import dataclass

from parity.outputs.sides import Side

MOST_CUT = 2
"""Words that a shorter text may lack at its end: budgets count tokens, and a last word may be cut."""

_SHOWN = 6
"""Words that are quoted from the first difference on."""


@dataclass(frozen=True)
class TextsCompared:
    """`words`: how many both have in common from the start. `word`: number of the first that differs, from 1, with what
    each side wrote from there on; None where the texts agree as far as the shorter one goes. `ended`: the shorter one
    ends much earlier."""

    words: int
    longest: int
    word: int | None = None
    theirs: str = ""
    ours: str = ""
    ended: bool = False

    @property
    def agree(self) -> bool:
        return self.word is None and not self.ended


def compare_texts(theirs: Side, ours: Side) -> TextsCompared | None:
    """By their words, since programs differ in the white space around a text; None where a side shows no text."""
    if not theirs.texts or not ours.texts:
        return None
    one, other = (next(iter(side.texts.values())).split() for side in (theirs, ours))
    shortest, longest = sorted((len(one), len(other)))
    same = next((k for k in range(shortest) if one[k] != other[k]), shortest)
    if same == shortest:
        return TextsCompared(same, longest, ended=longest - shortest > MOST_CUT)
    # The last word of a text may be cut where the budget ended.
    cut = same == shortest - 1 and longest - shortest <= MOST_CUT and _is_cut(one[same], other[same])
    if cut:
        return TextsCompared(same, longest)
    theirs_from, ours_from = (" ".join(words[same : same + _SHOWN]) for words in (one, other))
    return TextsCompared(same, longest, same + 1, theirs_from, ours_from)


def _is_cut(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
