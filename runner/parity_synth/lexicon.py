"""What the synthetic tokenizer learns from: common words, runs, characters of many scripts, and invented words."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

_COMMON: Final = """
the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one
you were all her she there would their we him been has when who will no more if out so up said what its about than
into them can only other time new some could these two may first then do any like my now over such our man me even
most made after also did many off before must well back through years where much your way down should because long
each just state those people too mr how little good world make very year still see own work men day get here old
between both life being under three never know same last another while us might great go come since against right
came take used himself few house use during without again place around however small found mrs part thought went
say general once high upon school every don does got united left number course war until always away something
fact water though less public put think almost hand enough took head yet government system better set told nothing
night end why called eyes find going look asked later knew point next program city business give group toward young
days let room word words language model token tokens text question answer user assistant system data input output
explain describe write read step solve compute calculate add plus minus times equals sum number value result name
quantum physics light energy matter force field wave particle science theory mathematics computer code function
return class import def self true false none null void int float string list dict set map print println const static
public private struct enum match let mut async await error test file path open close main args type self pub use crate
hello please thank help story poem short simple longer generation performance memory load speed run runtime parity
"""

_OPERATORS: Final = """
== != <= >= && || ++ -- += -= *= /= -> => :: << >> // /* */ ** ... () {} [] (" ") (' ') ); }); }} {{ ]] [[ <! --> #[ #!
":" ", '," "," </ /> ** __ ~~ `` ``` ;; ?? !! ?. $( ${ @@ %% ^^ \\" \\n
"""

_ONSETS: Final = (
    *"bcdfghjklmnprstvwz",
    *("bl", "br", "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "ph", "pl", "pr", "qu", "sc", "sh", "sk", "sl", "sp"),
    *("st", "th", "tr"),
)
_VOWELS: Final = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "ie", "oo", "ou")
_CODAS: Final = ("", "n", "r", "s", "t", "l", "m", "d", "k", "p", "ck", "ng", "nd", "nt", "rd", "rt", "st")
_ENDINGS: Final = ("", "", "", "s", "ed", "er", "ing", "ly", "al", "ion", "ment", "ness", "able")

_SCRIPTS: Final = (
    *((0xA1, 0x180), (0x370, 0x400), (0x400, 0x460), (0x5D0, 0x5EB), (0x621, 0x64B), (0x905, 0x93A), (0xE01, 0xE3B)),
    *((0x2010, 0x2028), (0x2190, 0x2200), (0x2200, 0x2260), (0x2500, 0x2580), (0x3001, 0x3003), (0x3041, 0x3097)),
    *((0x30A1, 0x30FB), (0x1F300, 0x1F650), (0x4E00, 0xA000), (0xAC00, 0xD7A4)),
)
"""Ranges of code points, first in, last out."""


def common_words() -> Iterator[str]:
    """English and code words: after a space, alone, and capitalised."""
    words = list(dict.fromkeys(_COMMON.split()))
    for word in words:
        yield f" {word}"
    for word in words:
        yield word
        yield word.capitalize()
        yield f" {word.capitalize()}"


def runs() -> Iterator[str]:
    """Runs of white space and rules, and the operators of programming languages."""
    for character, longest in ((" ", 64), ("\n", 8), ("\t", 16), ("=", 16), ("-", 32), ("*", 8), ("#", 6), (".", 8)):
        for length in range(2, longest + 1):
            yield character * length
    yield from ("\r\n", "\r\n\r\n", " \n", ".\n", ";\n", "{\n", "}\n", ",\n", ":\n")
    for operator in dict.fromkeys(_OPERATORS.split()):
        yield operator
        yield f" {operator}"


def characters() -> Iterator[str]:
    """Characters outside ASCII, script by script."""
    for first, end in _SCRIPTS:
        for point in range(first, end):
            character = chr(point)
            if character.isprintable():
                yield character


def invented_words() -> Iterator[str]:
    """Pronounceable words without end, short ones first; always the same ones."""
    numbers = _splitmix64(20)
    for round_number in itertools.count():
        syllables = 1 + min(round_number // 4000, 3)
        word = "".join(_syllable(next(numbers)) for _ in range(syllables)) + _pick(_ENDINGS, next(numbers))
        yield word.capitalize() if next(numbers) % 16 == 0 else f" {word}"


def _syllable(number: int) -> str:
    return _pick(_ONSETS, number) + _pick(_VOWELS, number >> 16) + _pick(_CODAS, number >> 32)


def _pick(choices: Sequence[str], number: int) -> str:
    return choices[number % len(choices)]


def _splitmix64(seed: int) -> Iterator[int]:
    """Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014): the same on every machine."""
    mask = (1 << 64) - 1
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        yield mixed ^ (mixed >> 31)
