"""Time as a campaign sees it: a real clock sleeps, a simulated one jumps."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # where simulated campaigns begin


class SimulatedClock:
    """Jumps to the next moment anything happens, so that a campaign of weeks runs in seconds."""

    simulated = True

    def __init__(self, now: datetime = EPOCH) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def wait_until(self, moment: datetime) -> None:
        self._now = max(self._now, moment)


class RealClock:
    """The wall clock (UTC); `interrupt` ends a wait at once, also from a signal handler."""

    simulated = False

    def __init__(self) -> None:
        self._woken = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait_until(self, moment: datetime) -> None:
        seconds = (moment - self.now()) / timedelta(seconds=1)
        if seconds > 0:
            self._woken.wait(seconds)

    def interrupt(self) -> None:
        self._woken.set()
