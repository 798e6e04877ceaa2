"""How long a campaign has not found anything better."""

from __future__ import annotations


class Stall:
    """Signed values by trial, larger being better, and the trials ended since the best of them."""

    def __init__(self) -> None:
        self._values: dict[int, float] = {}
        self._ended: dict[int, int] = {}
        self._best: int | None = None

    @property
    def best(self) -> float | None:
        """The best value so far."""
        return None if self._best is None else self._values[self._best]

    @property
    def since(self) -> int:
        """Trials that ended behind the best one; all of them while nothing has a value."""
        if self._best is None:
            return len(self._ended)
        return len(self._ended) - self._ended.get(self._best, len(self._ended))

    def learn(self, trial: int, value: float) -> None:
        """A trial has this value now, whatever it had before."""
        lowered = trial == self._best and value < self._values[trial]
        self._values[trial] = value
        if lowered:
            self._best = max(self._values, key=self._rank)
        elif self._best is None or value > self._values[self._best]:
            self._best = trial

    def forget(self, trial: int) -> None:
        """A trial has no value any more."""
        if self._values.pop(trial, None) is not None and trial == self._best:
            self._best = max(self._values, key=self._rank, default=None)

    def end(self, trial: int) -> None:
        """A trial is over."""
        self._ended.setdefault(trial, len(self._ended) + 1)

    def _rank(self, trial: int) -> tuple[float, int]:
        return self._values[trial], -trial
