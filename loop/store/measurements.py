"""Artifacts by digest, and the per-cycle data of attempts, written and read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instruments.base import Series
from loop.events import Event, Measured
from loop.store import curves
from loop.store.errors import StoreDamaged, StoreError

if TYPE_CHECKING:
    from loop.store.sqlite import Database
    from loop.store.statements import Statements

LAST = 2**62  # beyond any cycle


def keep(statements: Statements, content: bytes) -> str:
    """Store content once; returns its SHA-256."""
    digest = hashlib.sha256(content).hexdigest()
    known = "SELECT 1 FROM artifact WHERE digest = :digest"
    if not statements.database.rows(known, {"digest": digest}):
        statements.insert("artifact", [{"digest": digest, "content": content}])
    return digest


def artifact(database: Database, digest: str) -> bytes:
    """The content with that SHA-256. Raises StoreError where there is none, StoreDamaged."""
    rows = database.rows("SELECT content FROM artifact WHERE digest = :digest", {"digest": digest})
    if not rows:
        raise StoreError(f"{database.url} holds no artifact {digest}")
    content: bytes = rows[0][0]
    if hashlib.sha256(content).hexdigest() != digest:
        raise StoreDamaged(f"{database.url}: artifact {digest} was altered; restore a backup")
    return content


@dataclass(frozen=True, slots=True)
class Packed:
    """A series as rows, made before the transaction so that nobody waits for the compression."""

    cycles: list[dict[str, Any]]
    curves: list[dict[str, Any]]
    grid: bytes

    @classmethod
    def of(cls, series: Series) -> Packed:
        """The rows of a series; those of curves still lack the digest of their grid."""
        return cls(
            list(curves.cycle_rows(series)), list(curves.curve_rows(series)), curves.grid(series)
        )


def write(statements: Statements, event: Event, packed: Packed) -> None:
    """The rows that a Measured event digests."""
    body = event.body
    assert isinstance(body, Measured)
    key = {
        "campaign": event.campaign,
        "trial": body.trial,
        "attempt": body.attempt,
        "seq": event.seq,
    }
    statements.insert("cycle", [key | row for row in packed.cycles])
    if packed.curves:
        key["voltage"] = keep(statements, packed.grid)
        statements.insert("curve", [key | row for row in packed.curves])


def read(
    database: Database, campaign: str, trial: int, attempt: int | None, until: int | None
) -> Series:
    """The data of an attempt (of the last one that has any) up to a cycle; empty where none.

    Raises StoreDamaged.
    """
    key: dict[str, Any] = {"campaign": campaign, "trial": trial}
    key["attempt"] = _last_attempt(database, key) if attempt is None else attempt
    key["until"] = LAST if until is None else until
    chosen = "campaign = :campaign AND trial = :trial AND attempt = :attempt"
    cycles = database.rows(
        f"SELECT cycle, summary FROM cycle WHERE {chosen} AND cycle <= :until ORDER BY cycle", key
    )
    blobs = database.rows(
        "SELECT cycles, content, data FROM curve JOIN artifact ON digest = voltage "
        f"WHERE {chosen} AND first_cycle <= :until ORDER BY first_cycle",
        key,
    )
    try:
        return curves.join(cycles, blobs, until)
    except ValueError as error:
        raise StoreDamaged(
            f"{database.url}: data of trial {trial} of {campaign} cannot be read ({error}); "
            "run `leyden store check`"
        ) from None


def _last_attempt(database: Database, key: dict[str, Any]) -> int:
    last = 0
    for table in ("cycle", "curve"):
        query = f"SELECT max(attempt) FROM {table} WHERE campaign = :campaign AND trial = :trial"
        last = max(last, database.rows(query, key)[0][0] or 0)
    return last
