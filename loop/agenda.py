"""When to look at each running job again: what an engine may forget without harm."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from instruments.base import Clock

RETRY_S = 30.0  # before an instrument is asked again that named no time
SHORTEST_S = 1.0  # between two questions to real hardware, whatever time it names


class Agenda:
    """Moments by job key. A job without one is due at once, as all are after a restart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: dict[str, datetime] = {}

    def due(self, key: str) -> bool:
        """True when the moment has come, or none is known."""
        return key not in self._at or self._at[key] <= self._clock.now()

    def put(self, key: str, moment: datetime | None, retry_s: float = RETRY_S) -> None:
        """Look again at that moment; None: the instrument named none."""
        moment = moment or self.later(retry_s)
        if not self._clock.simulated:  # a device's clock may run behind ours
            moment = max(moment, self.later(min(SHORTEST_S, retry_s)))
        self._at[key] = moment

    def again(self, key: str, retry_s: float = RETRY_S) -> None:
        """Look again a little later: no useful answer came."""
        self._at[key] = self.later(retry_s)

    def clear(self, key: str) -> None:
        """Look again at once."""
        self._at.pop(key, None)

    def next(self, keys: Iterable[str]) -> datetime:
        """The earliest moment for these keys; the others are forgotten."""
        self._at = {key: self._at[key] for key in keys}
        return min(self._at.values())

    def later(self, seconds: float) -> datetime:
        """A moment from now on the campaign's clock."""
        return self._clock.now() + timedelta(seconds=seconds)
