"""What persons ruled while an engine held the campaign: filed here, answered by that engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loop.store.errors import RulingWithdrawn
from loop.store.seals import seal

if TYPE_CHECKING:
    from loop.store.sqlite import Database
    from loop.store.statements import Statements

OPEN, DONE, REFUSED, WITHDRAWN = "open", "done", "refused", "withdrawn"


@dataclass(frozen=True, slots=True)
class Filed:
    """A ruling that waits; `body` is its JSON."""

    number: int
    body: str


def file(statements: Statements, campaign: str, body: str) -> int:
    """Write a ruling down; its number. In the caller's transaction."""
    filed_at = datetime.now(UTC).isoformat(timespec="seconds")
    row = {"campaign": campaign, "body": body, "filed_at": filed_at, "state": OPEN, "answer": ""}
    statements.insert("ruling", [row])
    ((number,),) = statements.database.rows("SELECT max(id) FROM ruling")
    seal(statements.database, "ruling", {"id": number})
    return int(number)


def waiting(database: Database, campaign: str) -> list[Filed]:
    """Open rulings, oldest first."""
    rows = database.rows(
        "SELECT id, body FROM ruling WHERE campaign = :campaign AND state = :state ORDER BY id",
        {"campaign": campaign, "state": OPEN},
    )
    return [Filed(number, body) for number, body in rows]


def answer(statements: Statements, number: int, state: str, said: str) -> None:
    """Say what became of an open ruling. In the caller's transaction.

    Raises RulingWithdrawn where its author has taken it back meanwhile.
    """
    key = {"id": number, "state": OPEN}
    if not statements.update("ruling", key, {"state": state, "answer": said}):
        raise RulingWithdrawn(number)
    seal(statements.database, "ruling", {"id": number})


def withdraw(statements: Statements, number: int) -> bool:
    """Take an open ruling back; False where it is open no more. In the caller's transaction."""
    key = {"id": number, "state": OPEN}
    withdrawn = statements.update("ruling", key, {"state": WITHDRAWN}) > 0
    seal(statements.database, "ruling", {"id": number})
    return withdrawn


def state(database: Database, number: int) -> tuple[str, str]:
    """State and answer. Raises KeyError for a number that was never filed."""
    rows = database.rows("SELECT state, answer FROM ruling WHERE id = :id", {"id": number})
    if not rows:
        raise KeyError(number)
    return str(rows[0][0]), str(rows[0][1])
