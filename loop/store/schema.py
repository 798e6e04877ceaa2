"""Whether the tables of a store are declared as this release declares them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from loop.store.sqlite import Database

Shape: TypeAlias = dict[str, frozenset[tuple[Any, ...]]]  # what is declared of each table


def altered(database: Database) -> Iterator[tuple[str, str, str]]:
    """Tables whose declaration is not that of a new store: (table, where, what).

    A flipped letter of a type or a key changes no row, only what will be written next.
    """
    expected, found = _declared(), shape(database)
    for table in sorted(expected.keys() | found.keys()):
        if table not in found:
            yield table, "schema", "the table is missing"
        elif table not in expected:
            yield table, "schema", "no release makes such a table"
        elif expected[table] != found[table]:
            lost, more = expected[table] - found[table], found[table] - expected[table]
            told = sorted(map(str, lost or more))[0]
            yield table, "schema", f"{'lacks' if lost else 'has besides'} {told}"


def shape(database: Database) -> Shape:
    """Columns, keys and indices of every table, in no order: upgrades add columns at the end."""
    return {
        table: frozenset(
            [("column", *row) for row in _columns(database, table)]
            + [("refers", *row) for row in _references(database, table)]
            + [("index", *row) for row in _indices(database, table)]
        )
        for table in database.tables()
    }


def _columns(database: Database, table: str) -> Iterator[tuple[Any, ...]]:
    for _, *column in database.rows(f"PRAGMA table_info({table})"):
        yield tuple(column)  # name, type, not null, default, place in the key


def _references(database: Database, table: str) -> Iterator[tuple[Any, ...]]:
    for _, _, parent, ours, theirs, *rest in database.rows(f"PRAGMA foreign_key_list({table})"):
        yield parent, ours, theirs, *rest


def _indices(database: Database, table: str) -> Iterator[tuple[Any, ...]]:
    for _, name, unique, origin, partial in database.rows(f"PRAGMA index_list({table})"):
        columns = database.rows(f"PRAGMA index_info({name})")
        label = name if origin == "c" else ""
        yield label, unique, origin, partial, tuple(column for _, _, column in columns)


def _declared() -> Shape:
    """The shape of a new store."""
    from loop.store.migrate import require_current
    from loop.store.sqlite import Database

    database = Database("sqlite://", create=True, read_only=False, timeout_s=1.0)
    try:
        require_current(database, create=True)
        return shape(database)
    finally:
        database.close()
