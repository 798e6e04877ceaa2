"""What a coated cathode changes in the simulated cell: its balance and its resistance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from campaigns.records import Value
from instruments.base import SettingCard
from instruments.cycler.cell import CellFactors

LOWEST, HIGHEST = 0.5, 2.0
CATHODE_SETTINGS: Final = (
    SettingCard("cathode_capacity", "1", LOWEST, HIGHEST, optional=True),
    SettingCard("cathode_resistance", "1", LOWEST, HIGHEST, optional=True),
)


@dataclass(frozen=True, slots=True)
class Cathode:
    """A cathode relative to the one the cell model was calibrated with; 1 is that one.

    capacity:   areal capacity; it brings its lithium along, so that more of it shifts the balance
                towards the graphite, which then fills further and plates lithium earlier, and less
                of it leaves a cell that soon falls below its end-of-life capacity
    resistance: of the whole cell, for a cathode that conducts worse or is thicker
    """

    capacity: float = 1.0
    resistance: float = 1.0

    @classmethod
    def of(cls, parameters: Mapping[str, Value]) -> Self:
        """The cathode that a job's settings describe."""
        values = [parameters.get(card.name, 1.0) for card in CATHODE_SETTINGS]
        return cls(*(float(value) for value in values))

    def applied(self, factors: CellFactors) -> CellFactors:
        """A cell with this cathode in place of the calibrated one."""
        return replace(
            factors,
            positive_capacity=factors.positive_capacity * self.capacity,
            lithium=factors.lithium * self.capacity,
            resistance=factors.resistance * self.resistance,
        )
