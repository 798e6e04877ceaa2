"""Faults on demand: cells that die early, channels that hang, gaps and NaN in the data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from instruments.cycler.degradation import CYCLES_PER_STEP


class FaultKind(StrEnum):
    """What goes wrong with a job; a job has one fault at most."""

    EARLY_DEATH = "early_death"
    CHANNEL_HANG = "channel_hang"
    DATA_GAP = "data_gap"
    NAN = "nan"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one job.

    cycle: the first cycle concerned (the leak begins after it, the channel hangs after it)
    length: cycles that are missing or hold NaN
    leak_ah: lithium that a leaking cell loses each cycle
    """

    kind: FaultKind
    cycle: int
    length: int = 0
    leak_ah: float = 0.0

    def spoils(
        self, cycles: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of the cycles lie in the gap or hold NaN."""
        return (cycles >= self.cycle) & (cycles < self.cycle + self.length)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often each fault strikes a job, and which trials are struck for certain.

    forced: trial number -> (kind, attempt it strikes, or None for every attempt)

    Raises ValueError unless the probabilities lie in 0 to 1 and add up to 1 at most.
    """

    early_death: float = 0.0
    channel_hang: float = 0.0
    data_gap: float = 0.0
    nan: float = 0.0
    forced: Mapping[int, tuple[FaultKind, int | None]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def __post_init__(self) -> None:
        chances = self._chances()
        for kind, chance in chances.items():
            if not (math.isfinite(chance) and 0.0 <= chance <= 1.0):
                raise ValueError(f"{kind.value}: {chance!r} is not allowed; 0 to 1 is")
        if sum(chances.values()) > 1.0 + 1e-12:
            raise ValueError("the probabilities must add up to 1 at most")

    def _chances(self) -> dict[FaultKind, float]:
        names = [f.name for f in fields(self) if f.name != "forced"]
        return {FaultKind(name): getattr(self, name) for name in names}

    def draw(self, rng: np.random.Generator, trial: int, attempt: int) -> Fault | None:
        """The fault of one attempt; always consumes the same count of random numbers."""
        chance, when, how = rng.random(3).tolist()
        kind, struck = self.forced.get(trial, (None, None))
        if kind is None or struck not in (None, attempt):
            kind = self._kind(chance)
        return None if kind is None else _fault(kind, when, how)

    def _kind(self, chance: float) -> FaultKind | None:
        edge = 0.0
        for kind, share in self._chances().items():
            edge += share
            if chance < edge:
                return kind
        return None


def _fault(kind: FaultKind, when: float, how: float) -> Fault:
    """A fault of this kind from two numbers in 0 to 1: when it strikes, and how badly.

    Cells leak from a cycle between 20 and 300 on and then last 15 to 45 cycles; channels hang
    within 200 cycles; gaps and NaN fall where early prediction looks.
    """
    if kind is FaultKind.EARLY_DEATH:
        start = CYCLES_PER_STEP * int((20 + 280 * when) / CYCLES_PER_STEP)
        return Fault(kind, start, leak_ah=0.004 + 0.006 * how)
    if kind is FaultKind.CHANNEL_HANG:
        return Fault(kind, 5 + int(195 * when))
    if kind is FaultKind.DATA_GAP:
        return Fault(kind, 5 + int(90 * when), length=5 + int(25 * how))
    return Fault(kind, 5 + int(90 * when), length=1 + int(5 * how))
