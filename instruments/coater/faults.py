"""Faults on demand: agglomerates, streaks, cracks, delamination and broken webs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from campaigns.records import FailureKind


class FaultKind(StrEnum):
    """What goes wrong with a coating; a coating has one fault at most.

    Agglomerates and streaks spoil the measurement: the numbers are worse and scatter more from
    place to place. Cracks, delamination and a broken web leave nothing to measure.
    """

    AGGLOMERATES = "agglomerates"
    STREAKS = "streaks"
    CRACKS = "cracks"
    DELAMINATION = "delamination"
    WEB_BREAK = "web_break"


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often each fault strikes a coating, and which trials are struck for certain.

    forced: trial number -> (kind, attempt it strikes, or None for every attempt)

    Raises ValueError unless the probabilities lie in 0 to 1 and add up to 1 at most.
    """

    shares: Mapping[FaultKind, float] = field(default_factory=lambda: MappingProxyType({}))
    forced: Mapping[int, tuple[FaultKind, int | None]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def __post_init__(self) -> None:
        for kind, share in self.shares.items():
            if not (math.isfinite(share) and 0.0 <= share <= 1.0):
                raise ValueError(f"{kind.value}: {share!r} is not allowed; 0 to 1 is")
        if sum(self.shares.values()) > 1.0 + 1e-12:
            raise ValueError("the probabilities must add up to 1 at most")

    def draw(self, rng: np.random.Generator, trial: int, attempt: int) -> FaultKind | None:
        """The fault of one attempt; always consumes one random number."""
        chance = float(rng.random())
        kind, struck = self.forced.get(trial, (None, None))
        if kind is not None and struck in (None, attempt):
            return kind
        edge = 0.0
        for drawn, share in self.shares.items():
            edge += share
            if chance < edge:
                return drawn
        return None


@dataclass(frozen=True, slots=True)
class Ruin:
    """Why a coating cannot be measured, and the stage after which nothing was left of it."""

    failure: FailureKind
    stage: str
    reason: str


RUINS: Mapping[FaultKind, Ruin] = MappingProxyType(
    {
        FaultKind.CRACKS: Ruin(
            FailureKind.ASSEMBLY, "drying", "the film cracked on drying (a draught in the dryer)"
        ),
        FaultKind.DELAMINATION: Ruin(
            FailureKind.ASSEMBLY, "calendering", "the film came off the foil (a greasy foil)"
        ),
        FaultKind.WEB_BREAK: Ruin(
            FailureKind.CHANNEL_FAULT, "coating", "the web broke; the line was threaded anew"
        ),
    }
)
# The spread from place to place, the conductivity and the gap of a coating with such a fault.
UNEVEN: Mapping[FaultKind, float] = MappingProxyType(
    {FaultKind.AGGLOMERATES: 3.0, FaultKind.STREAKS: 6.0}
)
AGGLOMERATED_NETWORK = 0.4
STREAK_GAP_UM = -8.0
