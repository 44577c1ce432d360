"""How tokens were chosen, in canonical words. Pure.

What a runtime reports and parity does not understand proves nothing: the sampling is then not known.
"""

import math
import re
from collections.abc import Iterator, Mapping

from parity.records import Identity, Sampling, Scalar

Settings = Mapping[str, Scalar]

GREEDY = "greedy"

_KEYS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature_in_effect", "temperature", "temp"),
    "top_k": ("top_k",),
    "top_p": ("top_p",),
    "penalty": ("repeat_penalty", "repetition_penalty"),
}
"""What decides the choice → the settings that report it; the first that is reported counts."""

_OTHER_SAMPLERS = (
    *("presence_penalty", "frequency_penalty", "dry_multiplier", "xtc_probability", "mirostat", "mirostat_mode"),
)
"""Settings that change which token is taken in other ways, unless they are 0 or off."""

_NAMES = ("sampling", "sampler", "decoding")
_SWITCHES = {"do_sample": False, "greedy": True}
"""Setting → the value at which the likeliest token is taken."""

_OFF = {"off", "none", "false", "no", "disabled"}
_GREEDY_WORDS = re.compile(r"(greedy|argmax)( in effect| sampling| decoding| search| \(argmax\))?")
_SAMPLED_WORDS = re.compile(r"sampled|sampling|multinomial|random|stochastic|nucleus")
_ITEM = re.compile(r"(temperature|temp|top[-_ ]?k|top[-_ ]?p|(?:repeat|repetition)[-_ ]penalty)\s*[=: ]\s*([0-9.]+)")


class _NotUnderstoodError(Exception):
    pass


def asked_sampling(sampling: Sampling) -> str:
    """The sampling that a test asks for, in canonical words."""
    return _words(sampling.temperature, sampling.top_k, sampling.top_p, None)


def reports_sampling(settings: Settings) -> bool:
    """Whether a runtime reports anything of how it chooses tokens."""
    keys = (*_NAMES, *_SWITCHES, *(key for keys in _KEYS.values() for key in keys))
    return any(settings.get(key) is not None for key in keys)


def reported_sampling(settings: Settings, asked: Sampling, *, told: bool = True) -> str | None:
    """The sampling that took effect: what a runtime reports, and for the rest what the test asks for, which it was
    told. None where it was not told and reports nothing, or where what it reports is not understood.

    A runtime that is greedy in effect, whichever temperature or truncation it was given, is greedy."""
    try:
        greedy, found = _read(settings)
        penalty = _off_or_number(found.get("penalty"))
        if greedy:
            return _words(0.0, None, None, penalty)
        temperature = _number(found.get("temperature"))
        if temperature is None and not told:
            return None
        temperature = asked.temperature if temperature is None else temperature
        if temperature <= 0:
            # A program that says that it draws tokens can't be at temperature 0.
            return _words(0.0, None, None, penalty) if greedy is None else None
        top_k, top_p = _off_or_number(found.get("top_k")), _off_or_number(found.get("top_p"))
    except _NotUnderstoodError:
        return None
    return _words(
        temperature, asked.top_k if top_k is None else top_k, asked.top_p if top_p is None else top_p, penalty
    )


def temperature_in(ran: Identity | None) -> float | None:
    """The temperature at which a runtime drew its tokens: that of the words, or of a setting where a program is greedy
    in effect only. None where it is not known, or more than that decides, such as a repeat penalty."""
    if ran is None or ran.sampling is None or "penalty" in ran.sampling:
        return None
    try:
        if any(_off_or_number(ran.settings.get(key)) for key in _OTHER_SAMPLERS):
            return None
        if ran.sampling == GREEDY:
            return _number(ran.settings.get("temperature_in_effect")) or 0.0
    except _NotUnderstoodError:
        return None
    name, _, value = ran.sampling.partition(",")[0].partition(" ")
    return float(value) if name == "temperature" else None


def _read(settings: Settings) -> tuple[bool | None, dict[str, Scalar]]:
    """Whether the runtime says that it is greedy, None where it doesn't say, and what decides the choice."""
    found = {
        name: next((settings[key] for key in keys if settings.get(key) is not None), None)
        for name, keys in _KEYS.items()
    }
    said = list(_switched(settings))
    for key in _NAMES:
        if (text := settings.get(key)) is None:
            continue
        if not isinstance(text, str):
            raise _NotUnderstoodError
        for item in re.split(r"\s*[,;]\s*", text.strip().casefold()):
            if match := _ITEM.fullmatch(item):
                name = _name_of(match[1])
                found[name] = match[2] if found[name] is None else found[name]
                if _number(found[name]) != _number(match[2]):
                    raise _NotUnderstoodError
            elif _GREEDY_WORDS.fullmatch(item) or _SAMPLED_WORDS.fullmatch(item):
                said.append(_GREEDY_WORDS.fullmatch(item) is not None)
            else:
                raise _NotUnderstoodError
    if len(set(said)) > 1:
        raise _NotUnderstoodError
    return (said[0] if said else None), found


def _switched(settings: Settings) -> Iterator[bool]:
    for key, greedy in _SWITCHES.items():
        value = settings.get(key)
        if value is None:
            continue
        on = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}.get(str(value).casefold())
        if on is None:
            raise _NotUnderstoodError
        yield on is greedy


def _name_of(word: str) -> str:
    return "temperature" if word.startswith("temp") else "penalty" if word.startswith("rep") else f"top_{word[-1]}"


def _number(value: Scalar) -> float | None:
    """None where nothing is reported; what is reported must be a number."""
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except ValueError:
        raise _NotUnderstoodError from None
    if not math.isfinite(number) or number < 0:
        raise _NotUnderstoodError
    return number


def _off_or_number(value: Scalar) -> float | None:
    if value is False or (isinstance(value, str) and value.strip().casefold() in _OFF):
        return 0.0
    # Programs say with -1 that they don't cut off.
    return 0.0 if value in (-1, "-1") else _number(value)


def _words(temperature: float, top_k: float | None, top_p: float | None, penalty: float | None) -> str:
    """Truncation changes nothing where the likeliest token is taken anyway; a penalty of 1 is none."""
    penalised = [f"repeat penalty {penalty:g}"] if penalty not in (None, 0, 1) else []
    if temperature <= 0 or top_k == 1:
        return ", ".join([GREEDY, *penalised])
    kept = [f"top_k {top_k:g}"] if top_k else []
    kept += [f"top_p {top_p:g}"] if top_p not in (None, 0, 1) else []
    return ", ".join([f"temperature {temperature:g}", *kept, *penalised])
