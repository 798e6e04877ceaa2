"""The statements that write rows, made once a shape from the tables by SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loop.store.projection import KEYS, Add, Change, Put, Row, Set

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql import ClauseElement

    from loop.store.sqlite import Database

OLD = "old_"  # marks the parameters that name the row to change


class Statements:
    """Writes rows and changes; every statement is compiled once and then only executed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._dialect: Dialect = database.dialect
        self._texts: dict[tuple[object, ...], str] = {}

    def insert(self, table: str, rows: list[Row]) -> None:
        """Write new rows with equal columns."""
        if not rows:
            return
        names = tuple(rows[0])
        text = self._texts.get((table, names))
        if text is None:
            text = self._texts[table, names] = self._compile(_insert(table, names))
        self.database.run_many(text, rows)

    def apply(self, change: Change) -> None:
        """Make one change of a projection."""
        match change:
            case Add():
                self.insert(change.table, [change.row])
            case Put():
                shape = (Put, change.table, *change.row)
                text = self._texts.get(shape)
                if text is None:
                    statement = _upsert(change.table, tuple(change.row), self._dialect.name)
                    text = self._texts[shape] = self._compile(statement)
                self.database.run(text, change.row)
            case Set():
                self.update(change.table, change.key, change.values)

    def update(self, table: str, key: Row, values: Row) -> int:
        """Change columns of the rows with that key; how many there were."""
        shape = (table, tuple(key), tuple(values))
        text = self._texts.get(shape)
        if text is None:
            text = self._texts[shape] = self._compile(_update(table, tuple(key), tuple(values)))
        old = {OLD + name: value for name, value in key.items()}
        return self.database.run(text, {**values, **old})

    def delete(self, table: str, campaign: str) -> None:
        """Delete all rows of a campaign."""
        shape = ("delete", table)
        text = self._texts.get(shape)
        if text is None:
            text = self._texts[shape] = self._compile(_delete(table))
        self.database.run(text, {"campaign": campaign})

    def _compile(self, statement: ClauseElement) -> str:
        return str(statement.compile(dialect=self._dialect))


def _insert(name: str, names: tuple[str, ...]) -> ClauseElement:
    from sqlalchemy import bindparam

    from loop.store.tables import table

    return table(name).insert().values({column: bindparam(column) for column in names})


def _upsert(name: str, names: tuple[str, ...], dialect: str) -> ClauseElement:
    from sqlalchemy.dialects import postgresql, sqlite

    from loop.store.tables import table

    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    insert = make(table(name)).values(dict.fromkeys(names))
    changed = {column: insert.excluded[column] for column in names if column not in KEYS[name]}
    return insert.on_conflict_do_update(index_elements=KEYS[name], set_=changed)


def _update(name: str, key: tuple[str, ...], names: tuple[str, ...]) -> ClauseElement:
    from sqlalchemy import bindparam

    from loop.store.tables import table

    chosen = table(name)
    statement = chosen.update().values({column: bindparam(column) for column in names})
    for column in key:
        statement = statement.where(chosen.c[column] == bindparam(OLD + column))
    return statement


def _delete(name: str) -> ClauseElement:
    from sqlalchemy import bindparam

    from loop.store.tables import table

    chosen = table(name)
    return chosen.delete().where(chosen.c.campaign == bindparam("campaign"))
