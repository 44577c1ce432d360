"""What counts as an adapter, and what is said of a package that brings something else."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.registry import UnknownAdapterError, adapter_class, entries

HALF = """
from parity.adapter import Adapter, AdapterSettings

class Half(Adapter[AdapterSettings]):
    name = "half"
    Settings = AdapterSettings

    def probe(self): ...

    def launch(self, job, build): ...
"""


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        (HALF, "it lacks read_probe"),
        ("class Half:\n    name = 'half'\n", "it does not derive from parity.adapter.Adapter"),
        ("raise RuntimeError('no GPU')", "can't be loaded from half_adapter:Half (RuntimeError: no GPU)"),
    ],
)
def test_what_is_no_adapter_is_refused_with_what_is_wrong(
    add_adapter: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, wrong: str
) -> None:
    (tmp_path / "half_adapter.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "half_adapter", raising=False)
    add_adapter("half", "half_adapter:Half")
    with pytest.raises(UnknownAdapterError) as caught:
        adapter_class("half")
    assert wrong in caught.value.args[0]
    [entry] = [entry for entry in entries() if entry.name == "half"]
    assert entry.broken is not None
    assert wrong in entry.broken
