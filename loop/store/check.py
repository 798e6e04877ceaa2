"""Whether a store still says what was written: tables against events, events against the chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loop.events import VERSION, Created, Event, Fitted, Measured, decode
from loop.store.chain import breaks
from loop.store.curves import cycle_rows, digest_series, join
from loop.store.errors import StoreError
from loop.store.journal import COLUMNS, UNTOLD
from loop.store.projection import KEYS, REBUILT, Row, fold
from loop.store.schema import altered
from loop.store.seals import SEALED, broken

if TYPE_CHECKING:
    from loop.store.sqlite import Database

TYPES = (str, int, int, str, str, str, str, str)  # of the columns of an event


@dataclass(frozen=True, slots=True)
class Damage:
    """One contradiction: the table, where in it, and what is wrong."""

    table: str
    where: str
    what: str

    def __str__(self) -> str:
        return " ".join(f"{self.table or 'store'}, {self.where}: {self.what}".split())


def check(database: Database, campaign: str | None = None) -> list[Damage]:
    """All contradictions of one campaign or, with None, of the whole store; [] if there are none.

    The file's own structure, the foreign keys and what belongs to no campaign's journal (rulings,
    the board of work, tokens) are always checked as a whole.
    """
    found = list(_guarded(("", "file"), _flaws(database.broken_pages)))
    ids = [campaign] if campaign is not None else _ids(database, found)
    for one in ids:
        found += _guarded(("campaign", one), _campaign(database, one))
    for table in SEALED:
        found += _guarded((table, ""), _seals(database, table))
    if campaign is None:
        found += _guarded(("artifact", ""), _artifacts(database))
        found += _guarded(("", "schema"), _flaws(lambda: altered(database)))
    # last: a lost row shows above as what it is, here as what no longer finds it
    found += _guarded(("", "foreign keys"), _flaws(database.dangling))
    return found


def _flaws(find: Callable[[], Iterable[tuple[str, str, str]]]) -> Iterator[Damage]:
    yield from (Damage(*flaw) for flaw in find())


def _seals(database: Database, table: str) -> Iterator[Damage]:
    yield from (Damage(table, *flaw) for flaw in broken(database, table))


def _guarded(where: tuple[str, str], damages: Iterator[Damage]) -> Iterator[Damage]:
    """The damages and, where even looking fails, the reason as one more."""
    try:
        yield from damages
    except StoreError as error:
        yield Damage(*where, f"cannot be read: {error}")


def _ids(database: Database, found: list[Damage]) -> list[str]:
    try:
        return [str(one) for (one,) in database.rows("SELECT id FROM campaign ORDER BY id")]
    except StoreError as error:
        found.append(Damage("campaign", "", f"cannot be read: {error}"))
        return []


def _campaign(database: Database, campaign: str) -> Iterator[Damage]:
    rows = database.rows(
        f"SELECT {', '.join(COLUMNS)} FROM event WHERE campaign = :campaign ORDER BY seq",
        {"campaign": campaign},
    )
    if not rows:
        yield Damage("event", campaign, "the campaign has no events")
        return
    for row in rows:
        if tuple(map(type, row)) != TYPES:
            yield Damage("event", campaign, f"event {row[1]!r} holds a value of another type")
            return
    yield from (Damage("event", campaign, what) for what in breaks(rows))
    events: list[Event] = []
    for row in rows:
        event = _event(row)
        if isinstance(event, Damage):
            yield event
            return
        events.append(event)
    yield from _projections(database, campaign, events)
    yield from _document(database, campaign, events[0])
    yield from _series(database, campaign, events)
    yield from _models(database, campaign, events)


def _event(row: Sequence[Any]) -> Event | Damage:
    event = dict(zip(COLUMNS, row, strict=True))
    if event["version"] > VERSION:
        return Damage("event", event["campaign"], f"event {event['seq']} is of a newer release")
    try:
        return Event(**event, body=decode(event["kind"], event["payload"]))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        return Damage("event", event["campaign"], f"event {event['seq']} cannot be read: {reason}")


# what follows from the events ----------------------------------------------------------------


def _projections(database: Database, campaign: str, events: list[Event]) -> Iterator[Damage]:
    found = _rows(database, "campaign", "id", campaign)
    if not found:
        yield Damage("campaign", campaign, "the row is missing")
        return
    stored = found[0]
    if stored["id"] != f"{stored['name']}-{stored['number']}":
        yield Damage("campaign", campaign, "the id is not the name and number")
    given = {name: stored[name] for name in ("id", "number", "text")}
    tables = fold(events, given | UNTOLD)
    yield from _compare("campaign", tables["campaign"], [stored])
    for name in REBUILT:
        yield from _compare(name, tables[name], _rows(database, name, "campaign", campaign))


def _rows(database: Database, table: str, column: str, value: str) -> list[Row]:
    names = database.columns(table)
    rows = database.rows(f"SELECT * FROM {table} WHERE {column} = :value", {"value": value})
    return [dict(zip(names, row, strict=True)) for row in rows]


def _compare(
    table: str, expected: dict[tuple[Any, ...], Row], stored: Iterable[Row]
) -> Iterator[Damage]:
    left = dict(expected)
    for row in stored:
        key = tuple(row[name] for name in KEYS[table])
        where = " ".join(map(str, key))
        wanted = left.pop(key, None)
        if wanted is None:
            yield Damage(table, where, "the row follows from no event")
            continue
        wrong = [name for name in row if row[name] != wanted.get(name)]
        if wrong:
            yield Damage(table, where, f"{', '.join(wrong)} differ from what the events say")
    for key in left:
        yield Damage(table, " ".join(map(str, key)), "the row is missing")


# what the events digest ----------------------------------------------------------------------


def _document(database: Database, campaign: str, first: Event) -> Iterator[Damage]:
    from campaigns.campaign import CampaignError, parse

    if not isinstance(first.body, Created):
        yield Damage("event", campaign, "event 1 does not create the campaign")
        return
    text = database.rows("SELECT text FROM campaign WHERE id = :campaign", {"campaign": campaign})
    files = database.rows(
        "SELECT file.name, content FROM file JOIN artifact USING (digest) "
        "WHERE campaign = :campaign",
        {"campaign": campaign},
    )
    if not text:
        return  # told already: the row is missing
    try:
        if parse(text[0][0], dict(files)).digest != first.body.digest:
            yield Damage("campaign", campaign, "text or files differ from the digest in event 1")
    except CampaignError as error:
        yield Damage("campaign", campaign, f"the text cannot be read: {error.problems[0]}")


def _series(database: Database, campaign: str, events: list[Event]) -> Iterator[Damage]:
    known: set[tuple[int, int, int]] = set()
    for event in events:
        if isinstance(event.body, Measured):
            key = (event.body.trial, event.body.attempt, event.seq)
            known.add(key)
            yield from _measured(database, event, event.body)
    for table in ("cycle", "curve"):
        found = database.rows(
            f"SELECT DISTINCT trial, attempt, seq FROM {table} WHERE campaign = :campaign",
            {"campaign": campaign},
        )
        for trial, attempt, seq in set(found) - known:
            where = f"{campaign} trial {trial} attempt {attempt}"
            yield Damage(table, where, f"event {seq} measured nothing of it")


def _measured(database: Database, event: Event, body: Measured) -> Iterator[Damage]:
    where = f"{event.campaign} trial {body.trial} attempt {body.attempt} event {event.seq}"
    key = {
        "campaign": event.campaign,
        "trial": body.trial,
        "attempt": body.attempt,
        "seq": event.seq,
    }
    chosen = "campaign = :campaign AND trial = :trial AND attempt = :attempt AND seq = :seq"
    cycles = database.rows(f"SELECT cycle, summary FROM cycle WHERE {chosen} ORDER BY cycle", key)
    curves = database.rows(
        "SELECT first_cycle, cycles, content, data, checksum FROM curve "
        f"LEFT JOIN artifact ON digest = voltage WHERE {chosen} ORDER BY first_cycle",
        key,
    )
    for first, numbers, content, data, checksum in curves:
        what = _blob(first, numbers, content, data, checksum)
        if what:
            yield Damage("curve", f"{where} cycle {first}", what)
            return
    try:
        data = join(cycles, [row[1:4] for row in curves])
        found = digest_series(data)
        texts = [row["summary"] for row in cycle_rows(data)]
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        yield Damage("cycle or curve", where, f"cannot be read: {error}")
        return
    if found != body.digest:
        yield Damage("cycle or curve", where, "the data differ from the digest in the event")
    elif texts != [text for _, text in cycles]:  # 1e-5 and 1E-5 are one number
        yield Damage("cycle", where, "the text is not as it was written")


def _blob(first: int, cycles: str, grid: bytes | None, data: Any, checksum: str) -> str:
    """What is wrong with one row of curves; "" for nothing."""
    if grid is None:
        return "the voltage grid is missing"
    if not isinstance(data, bytes) or hashlib.sha256(data).hexdigest() != checksum:
        return "the checksum does not match"
    try:
        numbers = json.loads(cycles)
    except (ValueError, TypeError) as error:
        return f"the cycles cannot be read: {error}"
    if json.dumps(numbers, separators=(",", ":")) != cycles:
        return "the cycles are not as they were written"
    if numbers[:1] != [first]:
        return "the cycles do not begin with the first"
    return ""


def _models(database: Database, campaign: str, events: list[Event]) -> Iterator[Damage]:
    for event in events:
        if isinstance(event.body, Fitted):
            for digest in filter(None, (event.body.model, event.body.card)):
                yield from _artifact(database, digest, f"{campaign} event {event.seq}")


def _artifacts(database: Database) -> Iterator[Damage]:
    for (digest,) in database.rows("SELECT digest FROM artifact ORDER BY digest"):
        yield from _artifact(database, digest, str(digest))


def _artifact(database: Database, digest: str, where: str) -> Iterator[Damage]:
    rows = database.rows("SELECT content FROM artifact WHERE digest = :digest", {"digest": digest})
    if not rows:
        yield Damage("artifact", where, f"{digest} is missing")
    elif hashlib.sha256(rows[0][0]).hexdigest() != digest:
        yield Damage("artifact", where, "the content differs from its digest")
