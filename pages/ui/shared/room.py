"""What a room shares: where the presenter is, a question and its answers, drawings.

It is nameless, and the latest of each counts. It lies in a small database: of this process alone,
or with `LATENT_ROOM=shared` in the data folder, where all replicas of a server find it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from pages.ui.shared.permissions import presenter_only
from vae.latent import LARGEST_CODE
from vae.locations import data_folder
from vae.schema import decode

__all__ = [
    "FILE",
    "ROOM",
    "Answer",
    "Lead",
    "Pin",
    "Pointer",
    "Question",
    "Room",
    "ask",
    "end_question",
]

FILE = "room.sqlite"
_MOST_VOTERS = 5_000
_MOST_DRAWINGS = 600  # the oldest goes first
_LARGEST_DRAWING = 65_536  # bytes
_KEPT = 12 * 3600.0  # seconds without a change after which the class has ended
_WAIT = 5.0  # seconds for another replica that is writing
_Text = Annotated[str, Meta(max_length=300)]
_Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]
_REFUSALS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}
_TABLES = """
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS shared (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS votes (voter TEXT PRIMARY KEY, option INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS drawings (number INTEGER PRIMARY KEY AUTOINCREMENT, png BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS changed (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL);
"""


class Pointer(Struct, forbid_unknown_fields=True):
    """Where the presenter's pointer is on a map: a place, and the id of an image there."""

    view: Annotated[str, Meta(max_length=40)]
    x: _Finite
    y: _Finite
    id: int | None = None


class Pin(Struct, forbid_unknown_fields=True):
    """What the presenter pinned last on a map; `count` tells one from the next."""

    view: Annotated[str, Meta(max_length=40)]
    count: int
    row: int
    z: Annotated[
        list[Annotated[float, Meta(ge=-LARGEST_CODE, le=LARGEST_CODE)]], Meta(max_length=1024)
    ]
    approximate: bool


class Lead(Struct, forbid_unknown_fields=True):
    """Where the presenter is: an address within the app, and what happens on its map."""

    address: Annotated[str, Meta(max_length=8_000, pattern=r"^/(?![/\\])")]
    model: Annotated[str, Meta(max_length=200)] | None = None
    pointer: Pointer | None = None
    pin: Pin | None = None


class Question(Struct, forbid_unknown_fields=True):
    """A question to the room, and what may be answered."""

    number: int
    text: _Text
    options: list[_Text]


class Answer(Struct, forbid_unknown_fields=True):
    """What a pupil answers: the question's number, an option's, and who, without a name."""

    number: int
    option: int
    voter: Annotated[str, Meta(pattern="^[0-9a-f]{16,64}$")]


class Room:
    """What is shared; every method may be called from any thread.

    Raises:
        OSError: the room's file in the data folder can be neither read nor written.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def parts(self) -> dict[str, bytes]:
        """Where the presenter is, and the question, each as JSON: what pupils see."""
        with self._transaction() as database:
            found = dict(database.execute("SELECT name, value FROM shared"))
        return {name: found.get(name, b"null") for name in ("lead", "question")}

    def lead(self, lead: Lead) -> None:
        """Takes where the presenter is now."""
        with self._transaction(changes=True) as database:
            _share(database, "lead", lead)

    def ask(self, text: str, options: list[str]) -> None:
        """Poses a question in place of the last one."""
        with self._transaction(changes=True) as database:
            number = time.time_ns() // 1_000  # below 2^53, so JavaScript keeps every digit
            _share(database, "question", Question(number, text, options))
            database.execute("DELETE FROM votes")

    def end_question(self) -> None:
        """Takes the question back."""
        with self._transaction(changes=True) as database:
            database.execute("DELETE FROM shared WHERE name = 'question'")
            database.execute("DELETE FROM votes")

    def answer(self, answer: Answer) -> bool:
        """Takes a pupil's answer in place of the last one; False where it answers nothing."""
        with self._transaction(changes=True) as database:
            asked = _question(database)
            if asked is None or asked.number != answer.number:
                return False
            if not 0 <= answer.option < len(asked.options):
                return False
            database.execute(
                "INSERT OR REPLACE INTO votes SELECT :voter, :option WHERE :most > "
                "(SELECT count(*) FROM votes WHERE voter != :voter)",
                {"voter": answer.voter, "option": answer.option, "most": _MOST_VOTERS},
            )
            return database.execute("SELECT changes()").fetchone()[0] > 0

    def question(self) -> tuple[Question, list[int]] | None:
        """The question, and how many chose each option; None where there is none."""
        with self._transaction() as database:
            asked = _question(database)
            votes = Counter(option for (option,) in database.execute("SELECT option FROM votes"))
        return asked and (asked, [votes[k] for k in range(len(asked.options))])

    def gather(self, drawing: bytes) -> bool:
        """Takes a drawing, a PNG; False for one that is too large."""
        if len(drawing) > _LARGEST_DRAWING:
            return False
        with self._transaction(changes=True) as database:
            database.execute("INSERT INTO drawings (png) VALUES (?)", (drawing,))
            database.execute(
                "DELETE FROM drawings WHERE number <= (SELECT max(number) FROM drawings) - ?",
                (_MOST_DRAWINGS,),
            )
        return True

    def gathered(self) -> list[bytes]:
        """The drawings, in the order in which they came."""
        return self.gathered_since(0)[1]

    def gathered_since(self, number: int) -> tuple[int, list[bytes]]:
        """How many drawings have come in all, and those after so many of them."""
        with self._transaction() as database:
            came = database.execute("SELECT seq FROM sqlite_sequence").fetchone()
            found = database.execute("SELECT png FROM drawings WHERE number > ?", (number,))
            return (came[0] if came else 0), [png for (png,) in found]

    def forget_drawings(self) -> None:
        """Forgets all drawings."""
        with self._transaction(changes=True) as database:
            database.execute("DELETE FROM drawings")

    @contextmanager
    def _transaction(self, changes: bool = False) -> Iterator[sqlite3.Connection]:
        """The database, for one of all threads and replicas; what an ended class left is gone."""
        with self._lock:
            try:
                if self._database is None:
                    self._database = _open()
                with self._database as database:
                    database.execute("BEGIN IMMEDIATE")
                    _end_class(database)
                    yield database
                    if changes:
                        now = time.time()
                        database.execute("INSERT OR REPLACE INTO changed VALUES (1, ?)", (now,))
            except sqlite3.Error as error:
                code = _REFUSALS.get(error.sqlite_errorcode & 0xFF, errno.EIO)
                raise OSError(code, str(error), f"{FILE} of the data folder") from error


def _open() -> sqlite3.Connection:
    shared = os.environ.get("LATENT_ROOM") == "shared"
    if shared:
        data_folder().mkdir(parents=True, exist_ok=True)
    place = data_folder() / FILE if shared else ":memory:"
    database = sqlite3.connect(place, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        database.executescript(_TABLES)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _end_class(database: sqlite3.Connection) -> None:
    old = time.time() - _KEPT
    if database.execute("SELECT 1 FROM changed WHERE at < ?", (old,)).fetchone():
        for table in ("shared", "votes", "drawings", "changed"):
            database.execute(f"DELETE FROM {table}")


def _share(database: sqlite3.Connection, name: str, value: Lead | Question) -> None:
    encoded = msgspec.json.encode(value)
    database.execute("INSERT OR REPLACE INTO shared VALUES (?, ?)", (name, encoded))


def _question(database: sqlite3.Connection) -> Question | None:
    found = database.execute("SELECT value FROM shared WHERE name = 'question'").fetchone()
    return found and decode(found[0], Question)


ROOM = Room()
ask = presenter_only(ROOM.ask)
end_question = presenter_only(ROOM.end_question)
forget_drawings = presenter_only(ROOM.forget_drawings)
