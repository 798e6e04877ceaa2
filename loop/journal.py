"""The engine's one way to write: events into the store, and with them into the state."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from instruments.base import Busy, Clock, Series
from loop.events import Body, Event
from loop.state import CampaignState
from loop.stopwatch import Stopwatch
from loop.store.rulings import Filed
from loop.store.store import Lease, Store

RENEW_S = 5.0  # wall seconds between renewals of the lease
LOOK_S = 0.5  # wall seconds between looks for what persons have ruled

Listener = Callable[[Sequence[Event], CampaignState], None]


class Journal:
    """Appends under the campaign's lease; the state is always what the store holds."""

    def __init__(
        self,
        store: Store,
        campaign_id: str,
        state: CampaignState,
        lease: Lease,
        clock: Clock,
        listener: Listener | None = None,
    ) -> None:
        self.store = store
        self.campaign_id = campaign_id
        self.state = state
        self.watch = Stopwatch()
        self._lease = lease
        self._clock = clock
        self._listener = listener
        self._renewed = time.monotonic()
        self._looked = 0.0
        self._troubles: dict[int, str] = {}
        self._silent: set[int] = set()

    def append(
        self,
        bodies: Sequence[Body],
        series: Mapping[int, Series] | None = None,
        artifacts: Mapping[str, bytes] | None = None,
        answered: Mapping[int, str] | None = None,
    ) -> None:
        """One transaction: events and what belongs to them. Raises StoreError, nothing written.

        answered: rulings that are carried out by these events, with what their author is told.
        """
        events = self.store.append(
            self.campaign_id,
            bodies,
            fence=self._lease.fence,
            series=series or {},
            artifacts=artifacts or {},
            answered=answered or {},
            durable=not self._clock.simulated,  # hardware remembers what power cuts make us forget
        )
        for event in events:
            self.state.apply(event)
            self.answered(getattr(event.body, "trial", 0))
        if self._listener is not None:
            with self.watch.measure("faces"):
                self._show(self._listener, events)

    def trouble(self, trial: int, error: Exception) -> None:
        """Say that an instrument was busy or silent; once, as long as it stays the same."""
        if not isinstance(error, Busy):
            self._silent.add(trial)
        line = f"trial {trial}: {error}"
        tell = getattr(self._listener, "trouble", None)
        if tell is not None and self._troubles.get(trial) != line:
            with self.watch.measure("faces"):
                tell(line)
        self._troubles[trial] = line

    def answered(self, trial: int) -> None:
        """The instrument of a trial has answered."""
        self._silent.discard(trial)
        self._troubles.pop(trial, None)

    @property
    def silent(self) -> frozenset[int]:
        """Trials under way whose instrument did not answer when it was last asked."""
        return frozenset(self._silent) & frozenset(self.state.attempts)

    def rulings(self) -> list[Filed]:
        """What persons have ruled and nobody has carried out yet; looked for twice a second."""
        if time.monotonic() - self._looked < LOOK_S:
            return []
        self._looked = time.monotonic()
        return self.store.open_rulings(self.campaign_id)

    def _show(self, listener: Listener, events: Sequence[Event]) -> None:
        try:
            listener(events, self.state)
        except OSError:  # a closed terminal must not stop a campaign
            self._listener = None

    @property
    def now(self) -> float:
        """Campaign seconds on the campaign's clock."""
        return self.state.seconds(self._clock.now())

    def renew(self) -> None:
        """Keep the lease alive. Raises LeaseLost where another engine has taken over."""
        if time.monotonic() - self._renewed > RENEW_S:
            self.store.renew(self._lease)
            self._renewed = time.monotonic()
