"""What of a config and of a job may be kept: all but the secrets in them."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping

import tomli

from parity.config import LoadedConfig
from parity.records import Job
from parity.redaction import REDACTED, SECRET, known, learn, mask_of, redact, redact_all, redact_lines, secrets_of

_TOML_STRING = re.compile(
    r"(?P<comment>#[^\n]*)"
    r'|"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


def secrets_in(loaded: LoadedConfig) -> frozenset[str]:
    """The values that came from, or are given to, secret-looking variables. One that stands in a name of the config, or
    in its path, is none: it is shown everywhere, and results could not be told apart without it."""
    runtimes = loaded.config.runtimes.values()
    given = [value for runtime in runtimes for value in secrets_of(runtime.env)]
    passed = {name: os.environ[name] for runtime in runtimes for name in runtime.pass_env if name in os.environ}
    found = frozenset((*loaded.secrets, *given, *secrets_of(passed)))
    return frozenset(value for value in found if not any(value in public for public in _public(loaded)))


def _public(loaded: LoadedConfig) -> Iterator[str]:
    """What a report shows of a config by its nature."""
    config = loaded.config
    yield from (loaded.file, config.name, *config.runtimes)
    yield from (runtime.adapter for runtime in config.runtimes.values())
    yield from (table.name for table in (*config.models, *config.tests, *config.gates))


def learn_secrets(loaded: LoadedConfig) -> None:
    """From now on, nothing that parity writes or prints holds a secret of this config."""
    learn(secrets_in(loaded))


def without_secrets(loaded: LoadedConfig) -> LoadedConfig:
    """A config as it may be kept."""
    secrets = secrets_in(loaded) | known()
    texts = {where: redact_lines(text, secrets) for where, text in loaded.texts.items()}
    masked = tuple(where for where, text in loaded.texts.items() if texts[where] != text)
    text = redact_toml(loaded.text, secrets)
    tree = loaded.but(text=text, texts=texts, masked=masked).model_dump(mode="json")
    kept = LoadedConfig.model_validate_json(json.dumps(redact_all(tree, secrets)))
    runtimes = {name: runtime.but(env=_hidden(runtime.env)) for name, runtime in kept.config.runtimes.items()}
    return kept.but(config=kept.config.but(runtimes=runtimes))


def job_without_secrets(job: Job, secrets: Iterable[str]) -> Job:
    """A job as it may be kept."""
    return Job.model_validate_json(json.dumps(redact_all(job.model_dump(mode="json"), secrets)))


def redact_toml(text: str, secrets: Iterable[str]) -> str:
    """A TOML text whose strings hold no secret, however they are written. Where one can't be found, nothing of the text
    is kept."""
    hidden = frozenset(secrets)
    if not hidden:
        return text
    kept = redact(_TOML_STRING.sub(lambda found: _redact_string(found, hidden), text), hidden)
    try:
        left = tomli.loads(kept)
    except (tomli.TOMLDecodeError, RecursionError):
        return f"# {REDACTED}: the text holds a secret in a way that parity can't mask\n"
    if any(mask_of(hidden).found_in(string) for string in _strings(left)):
        return f"# {REDACTED}: the text holds a secret in a way that parity can't mask\n"
    return kept


def _redact_string(found: re.Match[str], secrets: frozenset[str]) -> str:
    token = found[0]
    if found["comment"] is not None:
        return token
    try:
        value = tomli.loads(f"x = {token}")["x"]
    except tomli.TOMLDecodeError:
        return token
    if not mask_of(secrets).found_in(value):
        return token
    # TOML takes no surrogates, which JSON would write for what is beyond the basic plane.
    return json.dumps(redact(value, secrets), ensure_ascii=False).replace("\x7f", "\\u007f")


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _strings(each)


def _hidden(env: Mapping[str, str]) -> dict[str, str]:
    return {name: REDACTED if SECRET.search(name) else value for name, value in env.items()}
