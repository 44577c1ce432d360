"""What a run says and does about the page cache of large models. On a scripted host."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from builders import MODEL
from scripted_host import Script, ScriptedHost

from parity.config import LoadedConfig, load_config
from parity.hosts.cancel import Cancel
from parity.registry import settings_of
from parity.run.log import RunFolder
from parity.run.progress import PlainProgress
from parity.run.session import LOCAL, Session
from parity.run.surroundings import brought

LARGE = MODEL.but(size_bytes=5 << 30)


@pytest.fixture
def cancel() -> Iterator[Cancel]:
    with Cancel() as made:
        yield made


def loaded(tmp_path: Path, page_cache: str) -> LoadedConfig:
    path = tmp_path / "c.toml"
    path.write_text(
        'baseline = "base"\n[[models]]\nname = "m"\nsource = "m.gguf"\n[[tests]]\nname = "t"\nprompt = "p"\n'
        'max_tokens = 5\n[runtimes.base]\nadapter = "command"\nprogram = "base"\n'
        f'args = ["{{prompt}}"]\nevents = true\n[conditions]\npage_cache = "{page_cache}"\n',
        encoding="utf-8",
    )
    return load_config(path, settings_of)


def said(tmp_path: Path, cancel: Cancel, *, resident: float, page_cache: str = "warm", large: bool = True) -> list[str]:
    notes: list[str] = []
    host = ScriptedHost({"base": Script()}, tmp_path, resident=resident)
    config = loaded(tmp_path, page_cache)
    session = Session(config, cast(RunFolder, None), {LOCAL: host}, PlainProgress(notes.append), cancel)
    brought(session, host, LARGE if large else MODEL)
    return notes


def test_a_large_model_that_has_to_be_read_is_announced(tmp_path: Path, cancel: Cancel) -> None:
    [note] = said(tmp_path, cancel, resident=0.1)
    assert note.startswith("m: reading it into memory (5.00 GiB)")


@pytest.mark.parametrize(
    ("resident", "page_cache", "large"), [(1.0, "warm", True), (0.1, "warm", False), (0.1, "as-is", True)]
)
def test_what_takes_no_time_is_not(
    tmp_path: Path, cancel: Cancel, resident: float, page_cache: str, large: bool
) -> None:
    assert said(tmp_path, cancel, resident=resident, page_cache=page_cache, large=large) == []
