"""What can go wrong with a store: one clear line an error, naming the store and what to do.

StoreError
 ├─ StoreMissing      there is no store, or no folder to put it into
 ├─ StoreReadOnly     the file or its folder cannot be written
 ├─ StoreFull         the disk is full
 ├─ StoreLocked       another program holds the store for longer than the waiting time
 ├─ StoreOlder        made by an older release: `leyden store upgrade`
 ├─ StoreNewer        made by a newer release
 ├─ StoreDamaged      one that contradicts itself
 │   └─ NoStore       no database, or that of another program
 ├─ CampaignUnknown   no campaign of that id; the nearest ids are named
 ├─ LeaseHeld         another engine runs the campaign
 └─ LeaseLost         another engine has taken the campaign over
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StoreError(Exception):
    """The store could not do what it was asked; the transaction was rolled back."""


class StoreMissing(StoreError):
    """There is no store at that place."""


class StoreReadOnly(StoreError):
    """The store cannot be written."""


class StoreFull(StoreError):
    """There is no room left."""


class RulingWithdrawn(StoreError):
    """A ruling was taken back by its author before it was carried out."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ruling {number} was withdrawn")


class StoreLocked(StoreError):
    """Another program kept the store locked for longer than the waiting time."""


class StoreOlder(StoreError):
    """The store was made by an older release."""


class StoreNewer(StoreError):
    """The store was made by a newer release."""


class StoreDamaged(StoreError):
    """The content contradicts itself, or cannot be read."""


class NoStore(StoreDamaged):
    """What stands there is no store, and probably never was."""


class CampaignUnknown(StoreError):
    """No campaign of that id; `nearest` lists ids spelled alike."""

    def __init__(self, url: str, campaign: str, ids: Iterable[str]) -> None:
        known = sorted(ids)
        self.campaign = campaign
        self.nearest = tuple(difflib.get_close_matches(campaign, known, n=3, cutoff=0.5))
        if self.nearest:
            hint = f"did you mean {' or '.join(self.nearest)}?"
        elif known:
            hint = "`leyden list` shows the campaigns it holds"
        else:
            hint = "it holds no campaign yet"
        super().__init__(f"no campaign {campaign!r} in {url}; {hint}")


class LeaseHeld(StoreError):
    """The campaign is run by a live engine: `host`, `pid`, `since` (ISO 8601, UTC)."""

    def __init__(self, campaign: str, host: str, pid: int, since: str) -> None:
        self.campaign, self.host, self.pid, self.since = campaign, host, pid, since
        super().__init__(
            f"{campaign} is already run by process {pid} on {host} since {since}; "
            "stop that one first"
        )


class LeaseLost(StoreError):
    """The fence is superseded: another engine has taken the campaign over."""

    def __init__(self, campaign: str, fence: int, current: int) -> None:
        self.campaign, self.fence, self.current = campaign, fence, current
        super().__init__(
            f"{campaign} was taken over by another engine (fence {current}, ours was {fence}); "
            "nothing was written"
        )
