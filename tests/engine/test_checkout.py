"""Which commit a source tree is at, as git says it of real repositories."""

from pathlib import Path

from preparing import git, make_repository

from parity.adapter import Availability, checkout
from parity.hosts.local import supervise
from parity.records import Checkout, Limits
from parity.transcript import Head


def state_of(folder: Path, tmp_path: Path) -> Checkout:
    head = Head(purpose="probe", runtime="one")
    told = supervise(checkout.command(str(folder)), head=head, path=tmp_path / "told.jsonl", limits=Limits())
    return checkout.read(told, str(folder))


def test_a_clean_tree_has_its_commit_and_no_changed_files(tmp_path: Path) -> None:
    tree = make_repository(tmp_path / "tree", {"a.rs": "one", "b.rs": "two"})
    found = state_of(tree, tmp_path)
    assert found == Checkout(folder=str(tree), commit=git(tree, "rev-parse", "HEAD"), changed_files=0)
    assert str(found) == f"commit {found.commit and found.commit[:12]}"


def test_changed_and_new_files_are_counted_and_what_cargo_makes_is_not(tmp_path: Path) -> None:
    tree = make_repository(tmp_path / "tree", {"a.rs": "one", "b.rs": "two", ".gitignore": "target\n"})
    (tree / "target").mkdir()
    for name in ("a.rs", "build.rs", "target/built", "Cargo.lock"):
        (tree / name).write_text("other", encoding="utf-8")
    found = state_of(tree, tmp_path)
    assert found.changed_files == 2
    assert str(found).endswith(" with 2 changed files")


def test_the_repository_around_a_folder_is_not_asked_in_its_place(tmp_path: Path) -> None:
    inner = make_repository(tmp_path / "outer", {"inner/a.rs": "one"}) / "inner"
    assert state_of(inner, tmp_path) == Checkout(folder=str(inner))


def test_a_tree_without_a_commit_is_unknown(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    found = state_of(tmp_path, tmp_path)
    assert found.commit is None
    assert str(found) == "commit unknown"


def test_the_commit_is_part_of_the_version(tmp_path: Path) -> None:
    found = checkout.built_from(Availability(ready=True, version="tiny 0.1.0"), Checkout(folder="/tree"))
    assert (found.version, found.checkout) == ("tiny 0.1.0, commit unknown", Checkout(folder="/tree"))
