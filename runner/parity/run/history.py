"""The runs in a folder, found through an index that is made again from the run folders at any time.

The index is a cache: for a folder whose files have not changed it saves reading them, and it decides nothing. One that
is corrupt, of a different version, or can't be written is a slower list.
"""

import hashlib
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final, TypeVar

from parity.errors import RunFolderError
from parity.judging.exit import ENDED, MEASURED, WORDS
from parity.private import OWNER_ALONE
from parity.run.past import NOT_JUDGED, UNFINISHED, PastRun, Ratio, read_past
from parity.units import plural

_T = TypeVar("_T")

_NAMED_BY_TIME = re.compile(r"\d{8}T\d{6}Z")
"""How the name of a run folder begins that `parity run` chose."""

ALL_WORDS: Final = (*WORDS.values(), MEASURED, ENDED, UNFINISHED, NOT_JUDGED)
"""All that a run may have come to."""

_VERSION = 2
"""Of the index; a different one is made again."""

_FILES = ("run.json", "end.json", "report.json")
"""What an entry of the index is made of."""

_WAIT_S = 5.0
"""For a different parity that writes the index."""

_LATEST = re.compile(r"latest(?:~(\d{1,6}))?")

_RUNS = tuple(field.name for field in fields(PastRun))
_RATIOS = tuple(field.name for field in fields(Ratio))

_COUNT = "SELECT count(*) FROM runs WHERE "
# The names are of the dataclasses above.
_SELECT = f"SELECT {', '.join(_RUNS)} FROM runs WHERE "  # noqa: S608
_NEWEST = " ORDER BY started DESC, folder DESC LIMIT ?"
_ADD_RUN = f"INSERT INTO runs VALUES ({', '.join('?' for _ in _RUNS)})"  # noqa: S608
_ADD_RATIO = f"INSERT INTO ratios VALUES ({', '.join('?' for _ in ('folder', *_RATIOS))})"  # noqa: S608
_FORGET = tuple(f"DELETE FROM {table} WHERE folder = ?" for table in ("looked", "runs", "ratios"))  # noqa: S608

_TABLES = f"""
CREATE TABLE looked (folder TEXT PRIMARY KEY, stamp TEXT NOT NULL, wrong TEXT);
CREATE TABLE runs ({", ".join(f"{name} TEXT NOT NULL" for name in _RUNS)}, PRIMARY KEY (folder));
CREATE INDEX by_start ON runs (started DESC, folder DESC);
CREATE TABLE ratios (folder TEXT NOT NULL, {", ".join(_RATIOS)});
CREATE INDEX by_folder ON ratios (folder);
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True)
class Wanted:
    """Which runs are asked for. `words`: what they came to; any if empty. `config`: the name, or a pattern with `*`.
    `since`: they began then or later, in the form of `started`. `limit`: the newest of them; None for all."""

    words: tuple[str, ...] = ()
    config: str | None = None
    since: str | None = None
    limit: int | None = None


@dataclass(frozen=True)
class History:
    """`runs`: the newest first. `more`: how many were left out because of the limit. `wrong`: name of a folder that
    could not be read → why."""

    runs: tuple[PastRun, ...]
    more: int
    wrong: dict[str, str]


def history(runs: Path, cache: Path, wanted: Wanted) -> History:
    """The runs in a folder. Raises OSError if the folder can't be listed."""
    return _asked(runs, cache, lambda database: _found(database, wanted))


def ratios_of(runs: Path, cache: Path, wanted: Wanted, metric: str) -> tuple[History, dict[str, list[Ratio]]]:
    """The same runs, and folder → its ratios of a metric. Raises as `history`."""

    def ask(database: sqlite3.Connection) -> tuple[History, dict[str, list[Ratio]]]:
        found: dict[str, list[Ratio]] = {}
        for folder, *values in database.execute("SELECT * FROM ratios WHERE metric = ? ORDER BY rowid", (metric,)):
            found.setdefault(folder, []).append(Ratio(*values))
        return _found(database, wanted), found

    return _asked(runs, cache, ask)


def _asked(runs: Path, cache: Path, ask: Callable[[sqlite3.Connection], _T]) -> _T:
    """What the index answers once it is up to date: that in the cache or, where that is no use, one in memory."""
    index = _index_file(runs, cache)
    try:
        with closing(_connected(index)) as database:
            _bring_up_to_date(database, runs)
            return ask(database)
    except sqlite3.Error as error:
        if not isinstance(error, sqlite3.OperationalError):
            # It is no index, and would be none the next time.
            with suppress(OSError):
                index.unlink()
    with closing(_connected(None)) as database:
        _bring_up_to_date(database, runs)
        return ask(database)


def latest(name: str, runs: Path, cache: Path) -> Path | None:
    """The run that `latest` names, or `latest~N` N runs before it; None for any other name.

    Raises:
        RunFolderError: there are not so many runs.
    """
    match = _LATEST.fullmatch(name)
    if match is None:
        return None
    back = int(match[1] or 0)
    found = history(runs, cache, Wanted(limit=back + 1)) if runs.is_dir() else History((), 0, {})
    if len(found.runs) <= back:
        held = f"holds only {plural(len(found.runs), 'run')}" if found.runs else "holds no run"
        raise RunFolderError(f"{name}: {runs} {held}; name a run folder")
    began = found.runs[back].started.replace("-", "").replace(":", "")
    if newer := [folder for folder in found.wrong if _NAMED_BY_TIME.match(folder) and folder > began]:
        wrong = f"{runs / newer[-1]} is newer and can't be read ({found.wrong[newer[-1]]})"
        raise RunFolderError(f"{name}: {wrong}; name a run folder")
    return runs / found.runs[back].folder


def _index_file(runs: Path, cache: Path) -> Path:
    return cache / "history" / f"{hashlib.sha256(os.fsencode(runs.resolve())).hexdigest()[:24]}.sqlite"


def _connected(index: Path | None) -> sqlite3.Connection:
    """An index with its tables; None for one in memory. Raises sqlite3.Error if it is no index or can't be opened."""
    if index is not None:
        with suppress(OSError):
            index.parent.mkdir(mode=OWNER_ALONE, parents=True, exist_ok=True)
    database = sqlite3.connect(index if index is not None else ":memory:", timeout=_WAIT_S, isolation_level=None)
    try:
        with database:
            database.execute("BEGIN IMMEDIATE")
            [[version]] = database.execute("PRAGMA user_version")
            if version != _VERSION:
                for table in ("looked", "runs", "ratios"):
                    database.execute(f"DROP TABLE IF EXISTS {table}")
                for statement in filter(str.strip, _TABLES.split(";")):
                    database.execute(statement)
    except BaseException:
        database.close()
        raise
    return database


def _found(database: sqlite3.Connection, wanted: Wanted) -> History:
    where, values = _condition(wanted)
    [[count]] = database.execute(_COUNT + where, values)
    rows = database.execute(
        _SELECT + where + _NEWEST,
        (*values, -1 if wanted.limit is None else wanted.limit),
    )
    found = tuple(PastRun(*row) for row in rows)
    wrong = database.execute("SELECT folder, wrong FROM looked WHERE wrong IS NOT NULL ORDER BY folder")
    return History(found, count - len(found), dict(wrong))


def _condition(wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    """As SQL, with the values that it stands on."""
    parts: list[tuple[str, tuple[str, ...]]] = [("1", ())]
    if wanted.words:
        parts.append((f"word IN ({', '.join('?' for _ in wanted.words)})", wanted.words))
    if wanted.config is not None:
        parts.append(("config GLOB ?", (wanted.config,)))
    if wanted.since is not None:
        parts.append(("started >= ?", (wanted.since,)))
    return " AND ".join(sql for sql, _ in parts), tuple(value for _, values in parts for value in values)


def _bring_up_to_date(database: sqlite3.Connection, runs: Path) -> None:
    """Reads the folders of which a file changed since they were read, and forgets those that are gone."""
    known = dict(database.execute("SELECT folder, stamp FROM looked"))
    stamps = {}
    with os.scandir(runs) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir():
                stamps[entry.name] = _stamp(entry.path)
    changed = [name for name, stamp in stamps.items() if known.get(name) != stamp]
    gone = [name for name in known if name not in stamps]
    if not changed and not gone:
        return
    with database:
        database.execute("BEGIN IMMEDIATE")
        for name in (*changed, *gone):
            for statement in _FORGET:
                database.execute(statement, (name,))
        for name in changed:
            _add(database, runs / name, stamps[name])


def _add(database: sqlite3.Connection, folder: Path, stamp: str) -> None:
    wrong = None
    try:
        run, ratios = read_past(folder)
    except RunFolderError as error:
        wrong = str(error)
    else:
        database.execute(_ADD_RUN, astuple(run))
        database.executemany(_ADD_RATIO, [(run.folder, *astuple(one)) for one in ratios])
    database.execute("INSERT INTO looked VALUES (?, ?, ?)", (folder.name, stamp, wrong))


def _stamp(folder: str) -> str:
    """Changes whenever one of the files is written anew."""
    found = []
    for name in _FILES:
        try:
            seen = os.stat(f"{folder}/{name}")  # noqa: PTH116 - many thousands of them
        except OSError:
            found.append("-")
        else:
            found.append(f"{seen.st_ino}.{seen.st_size}.{seen.st_mtime_ns}.{seen.st_ctime_ns}")
    return " ".join(found)
