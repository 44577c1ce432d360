"""A lock that is waited for: one build at a time, whoever asks."""

import threading
import time
from pathlib import Path

from parity.run.locking import locked, waited


def never() -> bool:
    return False


def test_who_comes_second_waits_and_is_told_once_for_whom(tmp_path: Path) -> None:
    path, said, order = tmp_path / "cache" / "lock", list[str](), list[str]()
    path.parent.mkdir()

    def second() -> None:
        with waited(path, said.append, never):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        until = time.monotonic() + 30
        while not said and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.5)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert len(said) == 1
    assert said[0].startswith("process ")


def test_a_wait_that_is_given_up_and_a_lock_that_cannot_be_made_hold_nothing_up(tmp_path: Path) -> None:
    path, said = tmp_path / "lock", list[str]()
    with locked(path), waited(path, said.append, lambda: bool(said)):
        pass
    assert len(said) == 1
    (tmp_path / "file").write_text("", encoding="utf-8")
    with waited(tmp_path / "file" / "lock", said.append, never):
        pass
    assert len(said) == 1


def test_the_folder_of_a_lock_is_made(tmp_path: Path) -> None:
    with waited(tmp_path / "cache" / "lock", print, never):
        assert (tmp_path / "cache" / "lock").exists()
