"""What the couriers must remember: every attempt (the newest of them), dead letters, and which alerts a destination follows.

One SQLite file for all destinations. Calls block for as long as the disk takes; couriers make them in a thread.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hub.model import AlertChange
from hub.whole_file import make_folder, set_aside

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 10_000
"""Attempts kept per destination; older ones are forgotten."""
DEAD_LETTERS_MAX = 10_000
"""Dead letters kept per destination; the oldest make room, and that is counted."""
TRIM_EVERY = 256
"""Attempts between two clean-ups."""

SCHEMA = """
create table if not exists attempts (
    number integer primary key, destination text not null, id text not null, at integer not null, took_ms real not null,
    outcome text not null, detail text not null);
create index if not exists attempts_of on attempts (destination, number);
create table if not exists dead_letters (
    number integer primary key, destination text not null, id text not null, at integer not null, reason text not null,
    attempts integer not null, change blob not null, wanted integer not null default 0, unique (destination, id));
create index if not exists dead_letters_of on dead_letters (destination, at);
create table if not exists destinations (name text primary key) without rowid;
create table if not exists followed (destination text not null, alert text not null, primary key (destination, alert))
    without rowid;
"""


class Attempt(msgspec.Struct, frozen=True):
    """One call of a sink. `outcome` is "taken", "partly" (taken, but not for everybody), "refused" (for good) or "failed" (to be repeated). `at` in ns."""

    destination: str
    id: str
    at: int
    took_ms: float
    outcome: str
    detail: str


class DeadLetter(msgspec.Struct, frozen=True):
    """A change that a destination refused for good: kept until a person retries or drops it."""

    number: int
    destination: str
    at: int
    """When it was refused first, ns."""
    reason: str
    attempts: int
    change: AlertChange


class Refusals(msgspec.Struct, frozen=True):
    """The dead letters of one destination: how many, and when the oldest of them was refused (ns)."""

    count: int
    since: int


class Journal:
    """The file. Safe to use from several threads; a second process (the command line) may open it too."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._lock = threading.Lock()
        self._since_trim = 0
        self.begun_anew = not path.exists()
        """It knows nothing of what was delivered before: the first start, or the file was lost or damaged."""
        try:
            self._db = self._opened(path)
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise
            self.begun_anew = True
            self._db = self._opened_anew(path, error)
        self.refusals: dict[str, Refusals] = self._counted()
        """By destination, where it has dead letters: also of one that the city has no more. Kept here, so that who asks waits for no disk."""

    @staticmethod
    def _opened(path: Path | str) -> sqlite3.Connection:
        """Looked through and ready. Raises sqlite3.DatabaseError for what is damaged or no journal."""
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        try:
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = full")
            [found] = db.execute("pragma quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
            db.executescript(SCHEMA)
            for columns in (
                "number, destination, id, at, took_ms, outcome, detail from attempts",
                "number, destination, id, at, reason, attempts, change, wanted from dead_letters",
                "destination, alert from followed",
            ):
                db.execute(f"select {columns} limit 0")
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def _opened_anew(self, path: Path, why: Exception) -> sqlite3.Connection:
        """A new file in the place of the damaged one; in memory only where not even that can be had. Warnings go out either way."""
        set_aside(path, str(why), ("-wal", "-shm"))
        try:
            return self._opened(path)
        except sqlite3.DatabaseError as error:
            logger.error("%s cannot be opened (%s): deliveries are on record in memory only", path, error)
            return self._opened(":memory:")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # ---------------------------------------------------------------------------------------------- attempts

    def record(self, attempt: Attempt) -> None:
        row = (attempt.destination, attempt.id, attempt.at, attempt.took_ms, attempt.outcome, attempt.detail[:500])
        with self._lock:
            self._db.execute(
                "insert into attempts (destination, id, at, took_ms, outcome, detail) values (?, ?, ?, ?, ?, ?)", row
            )
            self._since_trim += 1
            if self._since_trim >= TRIM_EVERY:
                self._since_trim = 0
                for destination in self._destinations():
                    self._trim("attempts", destination, ATTEMPTS_MAX)

    def attempts(self, destination: str | None = None, limit: int = 100) -> list[Attempt]:
        """The newest `limit` of this destination, or of each, so that a busy one hides no other; the newest first."""
        with self._lock:
            names = [destination] if destination else self._destinations()
            rows = [
                row
                for name in names
                for row in self._db.execute(
                    "select number, destination, id, at, took_ms, outcome, detail from attempts "
                    "where destination = ? order by number desc limit ?",
                    (name, limit),
                )
            ]
        return [Attempt(*row[1:]) for row in sorted(rows, reverse=True)]

    def _destinations(self) -> list[str]:
        return [name for (name,) in self._db.execute("select distinct destination from attempts")]

    # ---------------------------------------------------------------------------------------------- dead letters

    def bury(self, destination: str, change: AlertChange, reason: str, attempts: int, at: int) -> int:
        """Put a change among the dead letters, or, where it is one, note why it was refused again; gives how many old ones had to make room."""
        row = (destination, change.id, at, reason, attempts, msgspec.msgpack.encode(change))
        with self._lock:
            self._db.execute(
                "insert into dead_letters (destination, id, at, reason, attempts, change) values (?, ?, ?, ?, ?, ?) "
                "on conflict (destination, id) do update set reason = excluded.reason, "
                "attempts = dead_letters.attempts + excluded.attempts, wanted = 0",
                row,
            )
            made_room = self._trim("dead_letters", destination, DEAD_LETTERS_MAX)
            self.refusals = self._counted()
            return made_room

    def dead_letters(self, destination: str | None = None, wanted_only: bool = False) -> list[DeadLetter]:
        """In the order in which they were refused."""
        with self._lock:
            rows = self._db.execute(
                "select number, destination, at, reason, attempts, change from dead_letters "
                "where (?1 is null or destination = ?1) and wanted >= ?2 order by number",
                (destination, int(wanted_only)),
            ).fetchall()
        return [
            DeadLetter(number, name, at, reason, attempts, msgspec.msgpack.decode(change, type=AlertChange))
            for number, name, at, reason, attempts, change in rows
        ]

    def want(self, numbers: Sequence[int] | None = None) -> int:
        """Ask for these (or all) dead letters to be offered once more, by the running hub or when it next starts."""
        return self._each("update dead_letters set wanted = 1", numbers)

    def drop(self, numbers: Sequence[int] | None = None) -> int:
        """Forget these (or all) dead letters; gives how many there were."""
        return self._each("delete from dead_letters", numbers)

    def _each(self, statement: str, numbers: Sequence[int] | None) -> int:
        with self._lock:
            if numbers is None:
                done = self._db.execute(statement).rowcount
            else:
                done = sum(self._db.execute(f"{statement} where number = ?", (number,)).rowcount for number in numbers)
            self.refusals = self._counted()
            return done

    def _counted(self) -> dict[str, Refusals]:
        rows = self._db.execute("select destination, count(*), min(at) from dead_letters group by destination")
        return {name: Refusals(count, since) for name, count, since in rows}

    # ---------------------------------------------------------------------------------------------- followed alerts

    def followed(self, destination: str) -> set[str]:
        """Alerts that passed the destination's filters once and have not ended: all that follows goes there too."""
        with self._lock:
            rows = self._db.execute("select alert from followed where destination = ?", (destination,)).fetchall()
        return {row[0] for row in rows}

    def follow(self, destination: str, alert: str) -> None:
        with self._lock:
            self._db.execute("insert or ignore into followed values (?, ?)", (destination, alert))

    def unfollow(self, destination: str, alert: str) -> None:
        with self._lock:
            self._db.execute("delete from followed where destination = ? and alert = ?", (destination, alert))

    def forget(self, destination: str) -> None:
        """Drop all that belongs to a destination that is no more."""
        with self._lock:
            for table in ("attempts", "dead_letters", "followed"):
                self._db.execute(f"delete from {table} where destination = ?", (destination,))
            self._db.execute("delete from destinations where name = ?", (destination,))
            self.refusals = self._counted()

    # ---------------------------------------------------------------------------------------------- who was served before

    def served(self, destination: str) -> bool:
        """Whether this destination has run before: then a lost cursor means "again", not "from now on"."""
        with self._lock:
            return any(
                self._db.execute(f"select 1 from {where} = ? limit 1", (destination,)).fetchone()
                for where in ("destinations where name", "attempts where destination", "followed where destination")
            )

    def serve(self, destination: str) -> None:
        """It runs from now on."""
        with self._lock:
            self._db.execute("insert or ignore into destinations values (?)", (destination,))

    def settled(self, destination: str) -> set[str]:
        """Ids of changes that the destination has taken, as far as attempts are remembered, or refused for good."""
        with self._lock:
            rows = self._db.execute(
                "select id from attempts where destination = ?1 and outcome in ('taken', 'partly') "
                "union select id from dead_letters where destination = ?1",
                (destination,),
            ).fetchall()
        return {row[0] for row in rows}

    def _trim(self, table: str, destination: str, keep: int) -> int:
        return self._db.execute(
            f"delete from {table} where destination = ?1 and number <= (select number from {table} "
            "where destination = ?1 order by number desc limit 1 offset ?2)",
            (destination, keep),
        ).rowcount
