"""Bringing the tables of a store up to this release; the events are never touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loop.store.errors import NoStore, StoreDamaged, StoreMissing, StoreNewer, StoreOlder

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from loop.store.sqlite import Database

HEAD = "0008"  # the last revision in `migrations/versions`
VERSION_TABLE = (  # word for word Alembic's own
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
MIGRATIONS = Path(__file__).parent / "migrations"


def revision(database: Database) -> str:
    """The revision of a store; "" where there are no tables yet.

    Raises NoStore for the database of another program, StoreDamaged.
    """
    tables = database.tables()
    if not tables:
        return ""
    if not {"alembic_version", "campaign", "event"} <= tables:
        raise NoStore(f"{database.url} is the database of another program; name another store")
    rows = database.rows("SELECT version_num FROM alembic_version")
    if len(rows) != 1:
        raise StoreDamaged(f"{database.url} does not say its revision; restore it from a backup")
    return str(rows[0][0])


def require_current(database: Database, *, create: bool) -> None:
    """Make the tables where there are none; raises StoreOlder or StoreNewer for other revisions."""
    found = revision(database)
    if found == HEAD:
        return
    if found == "":
        if not create:
            raise StoreMissing(f"{database.url} is empty: it holds no store yet")
        with database.alchemy() as connection, database.writing():
            found = revision(database)  # another process may have been faster
            if found == "":
                _make(connection)
                return
    _refuse_newer(database.url, found)
    if found != HEAD:
        raise StoreOlder(
            f"{database.url} was made by an older release (revision {found}, this one "
            f"has {HEAD}); run `leyden store upgrade`"
        )


def upgrade(url: str, *, timeout_s: float = 30.0) -> tuple[str, str]:
    """Bring a store up to this release in one transaction: (revision before, revision now).

    What follows from the events is made anew. Raises StoreNewer, StoreMissing and what opening
    a store raises.
    """
    from loop.store.sqlite import Database
    from loop.store.store import Store

    database = Database(url, create=False, read_only=False, timeout_s=timeout_s)
    try:
        with database.alchemy() as connection, database.writing():
            found = revision(database)
            _refuse_newer(database.url, found)
            if found == "":
                raise StoreMissing(f"{database.url} is empty: it holds no store yet")
            if found != HEAD:
                _run(connection)
                Store(database).rebuild_all()
    finally:
        database.close()
    return found, HEAD


def _refuse_newer(url: str, found: str) -> None:
    if not found.isdigit() or int(found) > int(HEAD):
        raise StoreNewer(
            f"{url} was made by a newer release (revision {found}, this one knows up to {HEAD}); "
            "install that release"
        )


def _make(connection: Connection) -> None:
    """The tables as the last revision leaves them, without the cost of Alembic.

    A test holds them against those that the revisions make from nothing.
    """
    from loop.store.tables import METADATA

    METADATA.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(VERSION_TABLE)
    connection.exec_driver_sql(f"INSERT INTO alembic_version (version_num) VALUES ('{HEAD}')")


def _run(connection: Connection, target: str = "head") -> None:
    """Run the revisions inside the transaction under way."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, target)
