"""A whole campaign as it is recorded: out of one store, and into another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as validated

from loop.events import VERSION, Event, Fitted, decode
from loop.store import journal
from loop.store.chain import breaks
from loop.store.measurements import artifact, keep
from loop.store.projection import project

if TYPE_CHECKING:
    from loop.store.sqlite import Database
    from loop.store.statements import Statements

STRICT = ConfigDict(extra="forbid", strict=True)


@validated(frozen=True, slots=True, config=STRICT)
class EventRow:
    """One line of the journal, as it is hashed."""

    campaign: str
    seq: int
    version: int
    kind: str
    payload: str
    recorded_at: str
    previous: str
    hash: str


@validated(frozen=True, slots=True, config=STRICT)
class CycleRow:
    """The summary of one cycle; `summary` is the stored text."""

    trial: int
    attempt: int
    cycle: int
    seq: int
    summary: str


@validated(frozen=True, slots=True, config=STRICT)
class CurveRow:
    """Some curves of an attempt; their blob goes by its `checksum`, the grid by `voltage`."""

    trial: int
    attempt: int
    first_cycle: int
    seq: int
    cycles: str
    voltage: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is recorded of one campaign. `contents` are artifacts and blobs by SHA-256."""

    campaign: str
    name: str
    number: int
    text: str
    files: Mapping[str, str]  # name -> digest
    events: tuple[EventRow, ...]
    cycles: tuple[CycleRow, ...]
    curves: tuple[CurveRow, ...]
    contents: Mapping[str, bytes]

    @property
    def head(self) -> str:
        """Hash of the last event."""
        return self.events[-1].hash


def take(database: Database, campaign: str) -> Whole:
    """The campaign as it is stored. Raises CampaignUnknown, StoreDamaged."""
    journal.head(database, campaign)
    key = {"campaign": campaign}
    ((name, number, text),) = database.rows(
        "SELECT name, number, text FROM campaign WHERE id = :campaign", key
    )
    files = database.rows("SELECT name, digest FROM file WHERE campaign = :campaign", key)
    events = tuple(EventRow(**row) for row in _rows(database, "event", "seq", journal.COLUMNS, key))
    order = "trial, attempt, cycle"
    cycles = tuple(CycleRow(**row) for row in _rows(database, "cycle", order, _CYCLE, key))
    order = "trial, attempt, first_cycle"
    curves = tuple(CurveRow(**row) for row in _rows(database, "curve", order, _CURVE, key))
    wanted = {*dict(files).values(), *(row.voltage for row in curves), *_models(database, campaign)}
    contents = {digest: artifact(database, digest) for digest in sorted(wanted)}
    for checksum, data in database.rows(
        "SELECT checksum, data FROM curve WHERE campaign = :campaign", key
    ):
        contents[checksum] = data
    return Whole(campaign, name, number, text, dict(files), events, cycles, curves, contents)


_CYCLE = ("trial", "attempt", "cycle", "seq", "summary")
_CURVE = ("trial", "attempt", "first_cycle", "seq", "cycles", "voltage", "checksum")


def _rows(
    database: Database, table: str, order: str, columns: tuple[str, ...], key: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    query = f"SELECT {', '.join(columns)} FROM {table} WHERE campaign = :campaign ORDER BY {order}"
    return (dict(zip(columns, row, strict=True)) for row in database.rows(query, key))


def _models(database: Database, campaign: str) -> Iterator[str]:
    for event in journal.read(database, campaign):
        if isinstance(event.body, Fitted):
            yield from filter(None, (event.body.model, event.body.card))


def put(statements: Statements, whole: Whole) -> None:
    """Write a campaign as it was stored elsewhere, in the caller's transaction.

    Raises ValueError for a campaign that is there already, a broken chain, a wrong checksum.
    """
    _require_sound(statements.database, whole)
    events = [_event(row) for row in whole.events]
    row = {"id": whole.campaign, "name": whole.name, "number": whole.number, "text": whole.text}
    statements.insert("campaign", [row | journal.UNTOLD])
    blobs = {one.checksum for one in whole.curves}
    named = {*whole.files.values(), *(one.voltage for one in whole.curves)}
    for digest, content in whole.contents.items():
        if digest not in blobs or digest in named:
            keep(statements, content)
    statements.insert(
        "file",
        [{"campaign": whole.campaign, "name": n, "digest": d} for n, d in whole.files.items()],
    )
    statements.insert("event", [journal.row_of(event) for event in events])
    for event in events:
        for change in project(event):
            statements.apply(change)
    key = {"campaign": whole.campaign}
    statements.insert("cycle", [key | _plain(one, _CYCLE) for one in whole.cycles])
    statements.insert(
        "curve",
        [key | _plain(c, _CURVE) | {"data": whole.contents[c.checksum]} for c in whole.curves],
    )


def _plain(row: CycleRow | CurveRow, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _event(row: EventRow) -> Event:
    if row.version > VERSION:
        raise ValueError(f"event {row.seq} was written by a newer release; install that release")
    fields = {name: getattr(row, name) for name in journal.COLUMNS}
    try:
        return Event(**fields, body=decode(row.kind, row.payload))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"event {row.seq} cannot be read: {reason}") from None


def _require_sound(database: Database, whole: Whole) -> None:
    key = {"campaign": whole.campaign}
    there = database.rows(
        "SELECT hash FROM event WHERE campaign = :campaign ORDER BY seq DESC LIMIT 1", key
    )
    if there:
        same = "the same journal" if there[0][0] == whole.head else "with another journal"
        raise ValueError(f"{whole.campaign} is in the store already ({same})")
    if whole.campaign != f"{whole.name}-{whole.number}":
        raise ValueError(f"the id {whole.campaign} is not the name and number")
    if any(row.campaign != whole.campaign for row in whole.events):
        raise ValueError(f"there are events of another campaign than {whole.campaign}")
    for wrong in breaks(astuple(row) for row in whole.events):
        raise ValueError(wrong)
    for digest, content in whole.contents.items():
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"the content of {digest} was altered")
    wanted = {*whole.files.values()}
    wanted |= {digest for row in whole.curves for digest in (row.voltage, row.checksum)}
    for digest in sorted(wanted - whole.contents.keys()):
        raise ValueError(f"the content of {digest} is missing")
