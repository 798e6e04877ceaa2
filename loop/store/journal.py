"""Events as rows: what is read of a journal, and how its rows become events again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loop.events import VERSION, Event, decode
from loop.store.errors import CampaignUnknown, StoreDamaged, StoreNewer

if TYPE_CHECKING:
    from loop.store.sqlite import Database

COLUMNS = ("campaign", "seq", "version", "kind", "payload", "recorded_at", "previous", "hash")
HEAD = (
    "SELECT event.seq, event.hash, lease.fence FROM event "
    "LEFT JOIN lease ON lease.campaign = event.campaign "
    "WHERE event.campaign = :campaign ORDER BY event.seq DESC LIMIT 1"
)
READ = (
    f"SELECT {', '.join(COLUMNS)} FROM event "
    "WHERE campaign = :campaign AND seq > :after ORDER BY seq"
)
UNTOLD: dict[str, Any] = {  # of a campaign's row, until event 1 has told
    "digest": "",
    "created_at": "",
    "seed": 0,
    "epoch": "",
    "origin": "",
    "environment": "",
    "status": "",
    "reason": "",
    "trials": 0,
}


def head(database: Database, campaign: str) -> tuple[int, str, int]:
    """Number and hash of the last event, and the fence (0: never leased).

    Raises CampaignUnknown.
    """
    rows = database.rows(HEAD, {"campaign": campaign})
    if not rows:
        ids = database.rows("SELECT id FROM campaign")
        raise CampaignUnknown(database.url, campaign, (name for (name,) in ids))
    seq, last, fence = rows[0]
    return seq, last, fence or 0


def read(database: Database, campaign: str, after: int = 0) -> list[Event]:
    """The events behind number `after`. Raises CampaignUnknown, StoreNewer, StoreDamaged."""
    rows = database.rows(READ, {"campaign": campaign, "after": after})
    if not rows:
        head(database, campaign)
    return [_event(database.url, row) for row in rows]


def row_of(event: Event) -> dict[str, Any]:
    """The event as a row."""
    return {name: getattr(event, name) for name in COLUMNS}


def _event(url: str, row: Sequence[Any]) -> Event:
    event = dict(zip(COLUMNS, row, strict=True))
    where = f"{url}: event {event['seq']} of {event['campaign']}"
    if event["version"] > VERSION:
        raise StoreNewer(f"{where} was written by a newer release; install that release")
    try:
        return Event(**event, body=decode(event["kind"], event["payload"]))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise StoreDamaged(f"{where} cannot be read ({reason}); run `leyden store check`") from None
