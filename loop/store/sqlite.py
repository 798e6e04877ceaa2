"""SQLite as the place of a store: opening, transactions and errors; all that is SQLite's own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from loop.store.errors import (
    NoStore,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StoreReadOnly,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import Dialect

PREFIX = "sqlite://"
NO_ROOM_BYTES = 1 << 20  # an I/O error with less left than this is a full disk


class _Connection(sqlite3.Connection):
    """A connection whose transactions begin and end by statements alone, whoever borrows it."""

    def commit(self) -> None:
        """Nothing: SQLAlchemy asks for it in the middle of our transaction."""

    def rollback(self) -> None:
        """Nothing, for the same reason."""


class Database:
    """One connection to one file (or to memory), shared by the threads of a process in turn."""

    def __init__(self, url: str, *, create: bool, read_only: bool, timeout_s: float) -> None:
        """Raises StoreMissing, StoreReadOnly, StoreDamaged, StoreLocked, StoreFull, StoreError."""
        self.path = _path(url)
        self.url = PREFIX + (f"/{self.path}" if self.path else "")
        self.read_only = read_only
        self.timeout_s = timeout_s
        self._turn = threading.RLock()
        if self.path is not None:
            self._look(self.path, create and not read_only)
        with self._explained():
            self._raw = self._connect()

    def close(self) -> None:
        """Let go of the file; a second time is harmless."""
        self._raw.close()

    # statements ------------------------------------------------------------------------------

    @property
    def dialect(self) -> Dialect:
        """What SQLAlchemy writes statements for; parameters are named."""
        from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

        return SQLiteDialect_pysqlite(paramstyle="named")

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """What a query returns."""
        with self._turn, self._explained():
            return self._raw.execute(sql, values or {}).fetchall()

    def run(self, sql: str, values: Mapping[str, Any]) -> int:
        """Execute one statement; how many rows it changed."""
        return self._raw.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute one statement for every row."""
        self._raw.executemany(sql, rows)

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[None]:
        """One write transaction: all of it or, after any exception, nothing.

        durable: it is on the disk before this returns; not even a loss of power undoes it.
        """
        with self._turn:
            if durable:
                self._raw.execute("PRAGMA synchronous=FULL")
            try:
                with self._transaction("BEGIN IMMEDIATE"):
                    yield
            finally:
                if durable:
                    self._raw.execute("PRAGMA synchronous=NORMAL")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several queries that see the store at one moment."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._turn, self._explained():
            try:
                self._raw.execute(begin)
                yield
                self._raw.execute("COMMIT")
            except BaseException:
                if self._raw.in_transaction:  # a full disk has rolled back by itself
                    self._raw.execute("ROLLBACK")
                raise

    @contextmanager
    def alchemy(self) -> Iterator[Connection]:
        """This very connection for SQLAlchemy; transactions stay ours."""
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import StaticPool

        engine = create_engine(
            "sqlite://",
            creator=lambda: self._raw,
            poolclass=StaticPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
        )
        try:
            with engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error):
                raise self.explain(error.orig) from error
            raise

    # the file --------------------------------------------------------------------------------

    def tables(self) -> set[str]:
        """The names of all tables."""
        return {name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type='table'")}

    def columns(self, table: str) -> list[str]:
        """The names of the columns of a table, in order."""
        return [row[1] for row in self.rows(f"PRAGMA table_info({table})")]

    def broken_pages(self) -> list[tuple[str, str, str]]:
        """What SQLite finds wrong with the file: (table, where, what)."""
        found = self.rows("PRAGMA integrity_check")
        texts = (" ".join(str(text).split()) for (text,) in found)
        return [("", "file", text) for text in texts if text != "ok"]

    def dangling(self) -> list[tuple[str, str, str]]:
        """Rows that refer to none: (table, where, what)."""
        return [
            (table, f"row {row}", f"refers to a row of {parent} that does not exist")
            for table, row, parent, _ in self.rows("PRAGMA foreign_key_check")
        ]

    def backup(self, target: Path) -> None:
        """Copy everything into a new file while others go on writing.

        Raises StoreError if the file exists already.
        """
        if target.exists():
            raise StoreError(f"{target} exists already; name a new file for the backup")
        if not target.parent.is_dir():
            raise StoreMissing(f"there is no folder {target.parent}; create it first")
        partial = target.with_name(target.name + ".part")
        with self._turn, self._explained():
            copy = sqlite3.connect(partial)
            try:
                self._raw.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
            finally:
                copy.close()
        os.replace(partial, target)

    def _look(self, path: Path, create: bool) -> None:
        if not path.parent.is_dir():
            raise StoreMissing(
                f"{self.url}: there is no folder {path.parent}; create it or name another store"
            )
        if not path.exists():
            if not create:
                raise StoreMissing(f"{self.url}: there is no such store; check --store")
            if not _writable(path.parent):
                raise self._not_writable(path.parent)
            return
        if not path.is_file():
            raise NoStore(f"{self.url}: {path} is no file; name another store")
        if not self.read_only:
            for place in (path, path.parent):  # the folder takes the write-ahead log
                if not _writable(place):
                    raise self._not_writable(place)

    def _connect(self) -> sqlite3.Connection:
        if self.path is None:
            raw = self._attach("file::memory:")
        elif not self.read_only:
            raw = self._attach(f"file:{quote(str(self.path))}?mode=rwc")
        else:
            raw = self._attach_read_only(self.path)
        try:
            self._prepare(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    def _attach(self, uri: str) -> sqlite3.Connection:
        return sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=self.timeout_s,
            check_same_thread=False,
            factory=_Connection,
        )

    def _attach_read_only(self, path: Path) -> sqlite3.Connection:
        """Where not even the log's index can be made, read the file as it lies if nobody writes."""
        raw = self._attach(f"file:{quote(str(path))}?mode=ro")
        try:
            raw.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError as error:
            raw.close()
            log = path.with_name(path.name + "-wal")
            if error.sqlite_errorname[:15] not in ("SQLITE_CANTOPEN", "SQLITE_READONLY") or (
                log.exists() and log.stat().st_size
            ):
                raise
            raw = self._attach(f"file:{quote(str(path))}?mode=ro&immutable=1")
        return raw

    def _prepare(self, raw: sqlite3.Connection) -> None:
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA synchronous=NORMAL")
        if not self.read_only:
            # Larger pages than usual: a compressed curve takes 2-3 kB and would fill a 4 kB page.
            raw.execute("PRAGMA page_size=16384")
            self._use_log(raw)
        raw.execute("SELECT count(*) FROM sqlite_master")  # reads the header: is it a database?

    def _use_log(self, raw: sqlite3.Connection) -> None:
        """Turn on the write-ahead log; for this one change SQLite itself does not wait."""
        last = time.monotonic() + self.timeout_s
        while True:
            try:
                raw.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                    raise
                time.sleep(0.01)

    # errors ----------------------------------------------------------------------------------

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self.explain(error) from error
        except UnicodeDecodeError as error:
            raise StoreDamaged(f"{self.url} is damaged ({error.reason} in a text)") from error

    def explain(self, error: sqlite3.Error) -> StoreError:
        """The one line a person can act upon."""
        code = getattr(error, "sqlite_errorname", "") or ""
        told = " ".join(str(error).split())  # a broken schema is quoted line by line
        if "Could not decode" in told:  # Python's own, without a code
            return self._damaged(told)
        match code.split("_")[1:2]:
            case ["FULL"]:
                return self._no_room()
            case ["READONLY"]:
                return self._not_writable(self.path)
            case ["BUSY"] | ["LOCKED"]:
                return StoreLocked(
                    f"{self.url}: another program kept the store locked for "
                    f"{self.timeout_s:g} s; wait for it or stop it, then try again"
                )
            case ["NOTADB"]:
                return NoStore(f"{self.url} is not a database; name another store")
            case ["CORRUPT"]:
                return self._damaged(told)
            case ["ERROR"]:  # a table, a column or the format is not what a store has
                return self._damaged(told)
            case ["CANTOPEN"] | ["PERM"] | ["AUTH"]:
                return StoreReadOnly(
                    f"{self.url} cannot be opened; check the permissions of the file and its folder"
                )
            case ["IOERR"]:
                if self._free_bytes() < NO_ROOM_BYTES:
                    return self._no_room()
                return StoreError(f"{self.url}: the disk failed ({told}); check it, then try again")
            case _:
                return StoreError(f"{self.url} refused: {told}")

    def _damaged(self, what: str) -> StoreDamaged:
        return StoreDamaged(f"{self.url} is damaged ({what}); restore it from a backup")

    def _no_room(self) -> StoreFull:
        return StoreFull(
            f"{self.url}: the disk is full, nothing was written; make room, then `leyden resume`"
        )

    def _not_writable(self, place: Path | None) -> StoreReadOnly:
        return StoreReadOnly(
            f"{self.url}: {place or 'the store'} cannot be written (read-only); "
            "change its permissions or name another store"
        )

    def _free_bytes(self) -> int:
        with suppress(OSError):
            if self.path is not None:
                return shutil.disk_usage(self.path.parent).free
        return NO_ROOM_BYTES


def _path(url: str) -> Path | None:
    """The file of a URL, None for memory. Raises StoreError for a scheme that is not known."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        rest = "/" + url  # a bare path
    elif scheme not in ("sqlite", "sqlite+pysqlite"):
        raise StoreError(f"{url}: stores of kind {scheme!r} are not supported; use sqlite:///PATH")
    rest = rest.removeprefix("/")
    if rest in ("", ":memory:"):
        return None
    return Path(rest).expanduser()


def _writable(place: Path) -> bool:
    return os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
