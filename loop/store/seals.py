"""Rows that follow from no event hold a digest of themselves: their seal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loop.store.sqlite import Database

# What a seal covers, by table. Of `work` not what every sign of life of a robot changes
# (HEARTBEAT): that says how a lease stands, not what was measured.
SEALED: Mapping[str, tuple[str, ...]] = {
    "ruling": ("id", "campaign", "body", "filed_at", "state", "answer"),
    "work": (
        "id", "key", "instrument", "request", "lease_s", "lost_after_s", "on_lease_loss",
        "repeatable", "state", "fence", "robot", "claim", "posted_unix", "begun_unix", "over_unix",
        "stop", "outcome",
    ),
    "work_part": ("work", "part", "content"),
    "work_event": ("id", "work", "recorded_at", "kind", "fence", "robot", "text"),
    "robot_token": (
        "digest", "name", "instrument", "verbs", "created_at", "expires_at", "revoked_at",
    ),
}  # fmt: skip
HEARTBEAT = frozenset({"seen_unix", "progress", "cycle", "note", "run_id"})


def digest(table: str, values: Sequence[Any]) -> str:
    """SHA-256 of a JSON list: the table, then the sealed columns in their order, as stored."""
    text = json.dumps([table, *values], separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def seal(database: Database, table: str, key: Mapping[str, Any]) -> None:
    """Seal the rows with these values as they stand now; in the transaction that wrote them."""
    chosen = " AND ".join(f"{name} = :{name}" for name in key)
    query = f"SELECT {', '.join(SEALED[table])} FROM {table} WHERE {chosen}"
    for row in database.rows(query, key):
        said = digest(table, row)
        database.run(f"UPDATE {table} SET seal = :seal WHERE {chosen}", {**key, "seal": said})


def broken(database: Database, table: str) -> Iterator[tuple[str, str]]:
    """Where a row is not as it was sealed, and what is wrong."""
    query = f"SELECT {', '.join(SEALED[table])}, seal FROM {table}"
    for *values, said in database.rows(query):
        if any(isinstance(value, bytes) for value in values):
            yield str(values[0]), "the row holds a value of another type"
        elif digest(table, values) != said:
            yield str(values[0]), "the row was altered: it is not as it was sealed"
