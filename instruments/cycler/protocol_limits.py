"""What a voltage, current or charge may be, and which limit says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SLACK: Final = 1e-9  # relative: 0.1 * 3 is a little more than 0.3


@dataclass(frozen=True, slots=True)
class Range:
    """What a quantity may be, and which limit says so."""

    low: float
    high: float
    low_name: str
    high_name: str
    unit: str

    def violation(self, value: float) -> str:
        """ "" where the value is within."""
        if value > self.high + SLACK * max(1.0, abs(self.high)):
            return self._told(value, "above", self.high_name, self.high)
        if value < self.low - SLACK * max(1.0, abs(self.low)):
            return self._told(value, "below", self.low_name, self.low)
        return ""

    def _told(self, value: float, side: str, name: str, limit: float) -> str:
        return f"{value:g} {self.unit} is {side} {name} = {limit:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """What a channel of a cycler can stand; currents in both directions."""

    min_voltage_v: float = -math.inf
    max_voltage_v: float = math.inf
    max_current_ma: float = math.inf

    def ranges(self) -> tuple[Range, Range]:
        """Of voltage and of current."""
        names = ("the channel's min_voltage_v", "the channel's max_voltage_v")
        voltage = Range(self.min_voltage_v, self.max_voltage_v, *names, "V")
        most = self.max_current_ma
        name = "the channel's max_current_ma"
        current = Range(-most, most, name, name, "mA")
        return voltage, current
