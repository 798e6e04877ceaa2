"""The store of campaigns: append to the journal, read it back, hold files and series."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from instruments.base import Series
from loop.events import Body, Created, Event, Measured
from loop.store import journal, leases, measurements, rulings
from loop.store.chain import GENESIS, breaks, extend
from loop.store.curves import digest_series
from loop.store.errors import (
    CampaignUnknown,
    LeaseHeld,
    LeaseLost,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StoreNewer,
    StoreOlder,
    StoreReadOnly,
)
from loop.store.leases import LEASE_S, Lease
from loop.store.measurements import Packed
from loop.store.migrate import require_current
from loop.store.projection import REBUILT, fold, project
from loop.store.rulings import Filed
from loop.store.sqlite import Database

if TYPE_CHECKING:
    from loop.store.check import Damage
    from loop.store.statements import Statements
    from loop.store.transfer import Whole

__all__ = [
    "CampaignRow",
    "CampaignUnknown",
    "Lease",
    "LeaseHeld",
    "LeaseLost",
    "Store",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoreMissing",
    "StoreNewer",
    "StoreOlder",
    "StoreReadOnly",
    "digest_series",
]

NO_SERIES: Mapping[int, Series] = MappingProxyType({})
NO_ARTIFACTS: Mapping[str, bytes] = MappingProxyType({})
NO_ANSWERS: Mapping[int, str] = MappingProxyType({})
TIMEOUT_S = 30.0  # how long to wait for another program's write lock


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """What a list shows of a campaign.

    status: `created`, `running`, `interrupted` (its engine is gone), or what it finished with.
    """

    id: str
    name: str
    created_at: str  # ISO 8601, UTC
    status: str
    seed: int
    trials: int
    digest: str
    origin: str
    reason: str


class Store:
    """A database of campaigns; every method is one transaction, done as a whole or not at all.

    What the database refuses comes as a StoreError, what a caller got wrong as a ValueError.

    Events, files, artifacts and series are recorded and never changed; every other table follows
    from the events. A store may be used by several threads, in turn.
    """

    def __init__(self, database: Database) -> None:
        """Use `Store.open`."""
        self._database = database
        self.url = database.url

    @classmethod
    def open(
        cls,
        url: str,
        *,
        create: bool = True,
        read_only: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> Store:
        """Open the store at `sqlite:///PATH`, `sqlite://` (in memory) or a bare path.

        A new one is made where there is none, unless `create` is false or it is opened `read_only`.
        timeout_s: how long to wait while another program writes.

        Raises StoreMissing, StoreReadOnly, StoreFull, StoreLocked, StoreOlder, StoreNewer,
        StoreDamaged.
        """
        database = Database(url, create=create, read_only=read_only, timeout_s=timeout_s)
        try:
            require_current(database, create=create and not read_only)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Let go of the database; a second time is harmless."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # writing ---------------------------------------------------------------------------------

    def create(self, name: str, text: str, files: Mapping[str, bytes], created: Created) -> str:
        """Freeze a campaign: its text, the files it names, and event 1. Returns its id.

        Raises ValueError where event 1 gives another name.
        """
        if created.name != name:
            raise ValueError(f"event 1 names the campaign {created.name!r}, not {name!r}")
        key = {"name": name}
        with self._database.writing():
            last = self._database.rows("SELECT max(number) FROM campaign WHERE name = :name", key)
            number = (last[0][0] or 0) + 1
            campaign = f"{name}-{number}"
            row = {"id": campaign, "name": name, "number": number, "text": text}
            self._statements.insert("campaign", [row | journal.UNTOLD])
            for file, content in files.items():
                digest = measurements.keep(self._statements, content)
                entry = {"campaign": campaign, "name": file, "digest": digest}
                self._statements.insert("file", [entry])
            self._record(extend(campaign, 0, GENESIS, [created]))
        return campaign

    def append(
        self,
        campaign: str,
        bodies: Sequence[Body],
        *,
        fence: int | None = None,
        series: Mapping[int, Series] = NO_SERIES,
        artifacts: Mapping[str, bytes] = NO_ARTIFACTS,
        answered: Mapping[int, str] = NO_ANSWERS,
        durable: bool = False,
    ) -> list[Event]:
        """Add events and all that belongs to them, in one transaction; the events as stored.

        fence: of the caller's lease; LeaseLost is raised if another engine has taken over.
        series: position in `bodies` of a Measured -> the data that its digest covers.
        artifacts: SHA-256 -> content.
        answered: filed rulings that these events carry out -> what their author is told.
        durable: on the disk before this returns, so that not even a loss of power undoes it.

        Raises ValueError for a series or artifact that does not match its digest, CampaignUnknown.
        """
        _match(bodies, series, artifacts)
        packed = {position: Packed.of(measured) for position, measured in series.items()}
        with self._database.writing(durable=durable):
            seq, head, current = journal.head(self._database, campaign)
            if fence is not None and fence != current:
                raise LeaseLost(campaign, fence, current)
            events = extend(campaign, seq, head, bodies)
            for content in artifacts.values():
                measurements.keep(self._statements, content)
            self._record(events)
            for position, rows in packed.items():
                measurements.write(self._statements, events[position], rows)
            for number, answer in answered.items():
                rulings.answer(self._statements, number, rulings.DONE, answer)
        return events

    def adopt(self, whole: Whole) -> None:
        """Write a campaign as another store holds it: same id, same journal, same data.

        Raises ValueError, with nothing written, where the campaign is there already or anything
        in it contradicts the journal.
        """
        from loop.store import transfer
        from loop.store.check import check

        with self._database.writing():
            transfer.put(self._statements, whole)
            for damage in check(self._database, whole.campaign):
                raise ValueError(str(damage))

    def rebuild(self, campaign: str) -> None:
        """Make all that follows from the events of a campaign anew."""
        with self._database.writing():
            self._rebuild(campaign)

    def rebuild_all(self) -> None:
        """Make all that follows from events anew, inside the caller's transaction."""
        for (campaign,) in self._database.rows("SELECT id FROM campaign ORDER BY id"):
            self._rebuild(campaign)

    # reading ---------------------------------------------------------------------------------

    def campaigns(self) -> list[CampaignRow]:
        """Every campaign, oldest first."""
        rows = self._database.rows(
            "SELECT id, name, created_at, status, seed, trials, digest, origin, reason "
            "FROM campaign ORDER BY created_at, id"
        )
        return [self._listed(CampaignRow(*row)) for row in rows]

    def events(self, campaign: str, after: int = 0) -> list[Event]:
        """The events of a campaign behind number `after`, in order. Raises CampaignUnknown."""
        return journal.read(self._database, campaign, after)

    def head(self, campaign: str) -> tuple[int, str]:
        """Number and hash of the last event. Raises CampaignUnknown."""
        return journal.head(self._database, campaign)[:2]

    def document(self, campaign: str) -> tuple[str, dict[str, bytes]]:
        """The campaign's text and the files it names, as frozen. Raises CampaignUnknown."""
        key = {"campaign": campaign}
        with self._database.reading():
            journal.head(self._database, campaign)
            texts = self._database.rows("SELECT text FROM campaign WHERE id = :campaign", key)
            files = self._database.rows(
                "SELECT file.name, file.digest FROM file WHERE campaign = :campaign "
                "ORDER BY file.name",
                key,
            )
            found = {name: measurements.artifact(self._database, sha) for name, sha in files}
        if not texts:
            raise StoreDamaged(f"{self.url}: the row of campaign {campaign} is missing")
        return texts[0][0], found

    def whole(self, campaign: str) -> Whole:
        """All that is recorded of a campaign, as stored. Raises CampaignUnknown, StoreDamaged."""
        from loop.store import transfer

        with self._database.reading():
            return transfer.take(self._database, campaign)

    def artifact(self, digest: str) -> bytes:
        """The content with that SHA-256. Raises StoreError where there is none, StoreDamaged."""
        return measurements.artifact(self._database, digest)

    def series(
        self, campaign: str, trial: int, attempt: int | None = None, until: int | None = None
    ) -> Series:
        """The per-cycle data of one attempt (the last one with data), up to cycle `until`.

        Empty where nothing was measured. Raises CampaignUnknown, StoreDamaged.
        """
        with self._database.reading():
            journal.head(self._database, campaign)
            return measurements.read(self._database, campaign, trial, attempt, until)

    # rulings ---------------------------------------------------------------------------------

    def file_ruling(self, campaign: str, body: str) -> int:
        """Leave what a person ruled for whoever runs the campaign; its number."""
        with self._database.writing():
            return rulings.file(self._statements, campaign, body)

    def open_rulings(self, campaign: str) -> list[Filed]:
        """What was ruled and is not answered yet, oldest first."""
        return rulings.waiting(self._database, campaign)

    def refuse_ruling(self, number: int, answer: str) -> None:
        """Tell its author why a ruling cannot be carried out."""
        with self._database.writing():
            rulings.answer(self._statements, number, rulings.REFUSED, answer)

    def withdraw_ruling(self, number: int) -> bool:
        """Take a ruling back; False where it was answered meanwhile."""
        with self._database.writing():
            return rulings.withdraw(self._statements, number)

    def ruling(self, number: int) -> tuple[str, str]:
        """State (`open`, `done`, `refused`, `withdrawn`) and answer of a ruling."""
        return rulings.state(self._database, number)

    # leases ----------------------------------------------------------------------------------

    def acquire(self, campaign: str, lease_s: float = LEASE_S) -> Lease:
        """Become the one engine of a campaign. Raises LeaseHeld, CampaignUnknown."""
        journal.head(self._database, campaign)
        return leases.acquire(self._statements, campaign, lease_s)

    def renew(self, lease: Lease) -> None:
        """Keep the lease; needed only where other hosts share the store. Raises LeaseLost."""
        leases.renew(self._statements, lease)

    def release(self, lease: Lease) -> None:
        """Give the lease back."""
        leases.release(self._statements, lease)

    # care ------------------------------------------------------------------------------------

    def check(self, campaign: str | None = None) -> list[Damage]:
        """All that contradicts itself, in one campaign or in all; [] for a sound store."""
        from loop.store.check import check

        with self._database.reading():
            if campaign is not None:
                journal.head(self._database, campaign)
            return check(self._database, campaign)

    def require_sound(self, campaign: str) -> None:
        """Refuse to build on a broken journal. Raises StoreDamaged, CampaignUnknown."""
        with self._database.reading():
            journal.head(self._database, campaign)
            rows = self._database.rows(
                "SELECT campaign, seq, version, kind, payload, recorded_at, previous, hash "
                "FROM event WHERE campaign = :campaign ORDER BY seq",
                {"campaign": campaign},
            )
        for wrong in breaks(rows):
            raise StoreDamaged(
                f"{self.url}: {campaign}: {wrong}; `leyden store check` tells all, restore a backup"
            )

    def backup(self, target: str | Path) -> None:
        """Copy the store into a new file while others go on writing."""
        self._database.backup(Path(target))

    # inside ----------------------------------------------------------------------------------

    @cached_property
    def _statements(self) -> Statements:
        from loop.store.statements import Statements

        return Statements(self._database)

    def _record(self, events: Sequence[Event]) -> None:
        self._statements.insert("event", [journal.row_of(event) for event in events])
        for event in events:
            for change in project(event):
                self._statements.apply(change)

    def _rebuild(self, campaign: str) -> None:
        events = self.events(campaign)
        ((text, number),) = self._database.rows(
            "SELECT text, number FROM campaign WHERE id = :campaign", {"campaign": campaign}
        )
        given = {"id": campaign, "number": number, "text": text}
        tables = fold(events, given | journal.UNTOLD)
        for name in reversed(REBUILT):
            self._statements.delete(name, campaign)
        self._statements.update("campaign", {"id": campaign}, tables["campaign"][campaign,])
        for name in REBUILT:
            self._statements.insert(name, list(tables[name].values()))

    def _listed(self, row: CampaignRow) -> CampaignRow:
        if row.status != "running":
            return row
        last = leases.held(self._database, row.id)
        live = last is not None and last.live(datetime.now(UTC))
        return row if live else replace(row, status="interrupted")


def _match(
    bodies: Sequence[Body], series: Mapping[int, Series], artifacts: Mapping[str, bytes]
) -> None:
    """Raises ValueError where what is given with events is not what they digest."""
    for position, body in enumerate(bodies):
        if isinstance(body, Measured) and position not in series:
            raise ValueError(f"event {position} of the call is Measured, but its series is missing")
    for position, measured in series.items():
        body = bodies[position]
        if not isinstance(body, Measured) or digest_series(measured) != body.digest:
            raise ValueError(f"event {position} of the call is no Measured of the series given")
    for digest, content in artifacts.items():
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"an artifact given as {digest} has another SHA-256")
