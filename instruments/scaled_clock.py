"""A real clock that runs faster: for simulated devices that play real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from instruments.clock import RealClock


class ScaledClock(RealClock):
    """Real time from the moment it was made on, `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        """Raises ValueError for a speed that is not above 0."""
        super().__init__()
        if not speed > 0:
            raise ValueError(f"speed: {speed:g} is not allowed; above 0 is")
        self._speed = speed
        self._start = datetime.now(UTC)

    def now(self) -> datetime:
        return self._start + (datetime.now(UTC) - self._start) * self._speed

    def wait_until(self, moment: datetime) -> None:
        seconds = (moment - self.now()) / timedelta(seconds=self._speed)
        if seconds > 0:
            self._woken.wait(seconds)
