"""A wide box of electrode designs: where accuracy, speed and failures are measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from campaigns.records import Setting


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the box: its ends, and whether it is even in the logarithm."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, share: float) -> float:
        """The value at a share of the way from low to high."""
        if self.logarithmic:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)


WIDE_BOX: Final[Mapping[str, Side]] = MappingProxyType(
    {
        "positive_thickness": Side(20.0, 200.0),
        "np_ratio": Side(0.9, 1.3),
        "positive_active_fraction": Side(0.30, 0.75),
        "positive_inactive_fraction": Side(0.02, 0.35),
        "positive_bruggeman": Side(1.2, 3.0),
        "positive_particle_radius": Side(0.5, 15.0, logarithmic=True),
        "negative_particle_radius": Side(1.0, 20.0, logarithmic=True),
        "electrolyte_concentration": Side(400.0, 2500.0),
        "c_rate": Side(0.1, 8.0, logarithmic=True),
    }
)


def settings_at(point: Sequence[float]) -> Setting:
    """The settings at a point of the unit cube, one share for each side of the box."""
    return {
        name: side.at(float(share))
        for (name, side), share in zip(WIDE_BOX.items(), point, strict=True)
    }
