"""Room on a disk: asked of the disk that a folder lies on, or will lie on."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from parity.room import free_bytes, no_room


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "there") > 0


def test_what_just_fits_is_not_refused_and_one_byte_more_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 30))
    assert no_room(tmp_path, 1 << 30, "the file") is None
    assert no_room(tmp_path, (1 << 30) + 1, "the file") == (
        f"the file needs 1.00 GiB (1,073,741,825 bytes) on the disk of {tmp_path}, "
        "and 1.00 GiB (1,073,741,824 bytes) are free"
    )


def test_nothing_is_refused_where_the_system_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def untold(_: Path) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(shutil, "disk_usage", untold)
    assert no_room(tmp_path, 1 << 60, "the file") is None
