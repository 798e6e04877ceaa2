"""Is every step of a cycling protocol within the protocol's own safety block, and the channel's?

The protocol is aurora-unicycler's, as JSON. The library checks the form of steps and of the safety
block, but never one against the other: a step to 9 V passes under a limit of 4.3 V.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from campaigns.problems import unknown
from instruments.base import Problem
from instruments.cycler.protocol_limits import ChannelLimits, Range
from instruments.cycler.protocol_steps import STEP_KEYS, c_rate, layout

SECONDS_PER_HOUR: Final = 3600.0
HIGHEST_FREQUENCY_HZ: Final = 1e7
LOWEST_FREQUENCY_HZ: Final = 1e-5


def problems(protocol: Mapping[str, Any], channel: ChannelLimits | None = None) -> list[Problem]:
    """Everything in a protocol that its safety block, or the channel, does not allow.

    protocol: the tables `safety`, `sample`, `method` of aurora-unicycler (voltages in V, currents
    in mA, times in s, capacities in mAh, rates in 1/h). [] means that every step has an end, and
    lies within limits that are all given. A problem's setting is the place: `method[2].voltage_V`,
    steps counted from 0.
    """
    return list(_Reading(protocol, channel or ChannelLimits()).problems())


class _Reading:
    """One protocol while it is read."""

    def __init__(self, protocol: Mapping[str, Any], channel: ChannelLimits) -> None:
        self._protocol = protocol
        self._found: list[Problem] = []
        safety = self._table("safety")
        self._limits = {name: self._number(safety, "safety", name) for name in _LIMITS}
        self._capacity_mAh = self._number(self._table("sample"), "sample", "capacity_mAh")
        own_voltage = self._range("min_voltage_V", "max_voltage_V", "V")
        own_current = self._range("min_current_mA", "max_current_mA", "mA")
        voltage, current = channel.ranges()
        self._voltages = (own_voltage, voltage)
        self._currents = (own_current, current)
        self._at_V: float | None = None  # where the steps before have left the cell

    def problems(self) -> Iterator[Problem]:
        for name in _LIMITS:
            if self._limits[name] is None and not self._told(f"safety.{name}"):
                self._say(f"safety.{name}", "is missing; nothing can be checked against it")
        if self._capacity_mAh is not None and self._capacity_mAh <= 0:
            self._say("sample.capacity_mAh", f"{self._capacity_mAh:g} is not allowed; > 0 is")
        self._unknown_keys(self._protocol, "", _TABLES)
        self._unknown_keys(self._table("safety"), "safety", (*_LIMITS, "delay_s"))
        method = self._protocol.get("method")
        if not isinstance(method, Sequence) or isinstance(method, str) or not method:
            self._say("method", "holds no steps; one or more are needed")
            method = ()
        self._found += layout(method)
        for i, step in enumerate(method):
            self._step(f"method[{i}]", step)
        yield from self._found

    def _step(self, where: str, step: Any) -> None:
        kind = step.get("step") if isinstance(step, Mapping) else None
        if not isinstance(kind, str) or kind not in STEP_KEYS:
            allowed = unknown("step", str(kind), list(STEP_KEYS))
            self._say(f"{where}.step", f"{kind!r}: {allowed}; it cannot be checked")
            return
        self._unknown_keys(step, where, ("step", "id", *STEP_KEYS[kind]))
        checks = {
            "open_circuit_voltage": self._rest,
            "constant_current": self._constant_current,
            "constant_voltage": self._constant_voltage,
            "impedance_spectroscopy": self._impedance,
            "voltage_scan": self._scan,
        }
        if kind in checks:
            checks[kind](where, step)
        else:
            self._at_V = None  # a loop may come here from elsewhere

    # steps -----------------------------------------------------------------------------------

    def _rest(self, where: str, step: Mapping[str, Any]) -> None:
        self._at_V = None
        if self._time(where, step) is None:
            self._no_end(where, "until_time_s")

    def _constant_current(self, where: str, step: Mapping[str, Any]) -> None:
        name, current = self._current(where, step, "rate_C", "current_mA")
        time, voltage = self._time(where, step), self._number(step, where, "until_voltage_V")
        if not current:
            self._say(f"{where}.current_mA", "is missing or 0; rate_C or current_mA is needed")
        else:
            self._within(f"{where}.{name}", current, self._currents)
        if voltage:
            self._within(f"{where}.until_voltage_V", voltage, self._voltages)
        if time is None and not voltage:
            self._no_end(where, "until_time_s or until_voltage_V")
        most = self._limits["max_capacity_mAh"]
        if current and time is not None and most is not None:
            passed = Range(0.0, most, "", "safety.max_capacity_mAh", "mAh")
            charge = abs(current) * time / SECONDS_PER_HOUR
            self._within(f"{where}.until_time_s", charge, (passed,))
        self._at_V = voltage or None

    def _constant_voltage(self, where: str, step: Mapping[str, Any]) -> None:
        voltage = self._number(step, where, "voltage_V")
        if voltage is None:
            self._missing(f"{where}.voltage_V")
        else:
            self._within(f"{where}.voltage_V", voltage, self._voltages)
        name, current = self._current(where, step, "until_rate_C", "until_current_mA")
        if current:
            self._within(f"{where}.{name}", current, self._currents)
        if self._time(where, step) is None and not current:
            self._no_end(where, "until_time_s, until_rate_C or until_current_mA")
        self._at_V = voltage

    def _impedance(self, where: str, step: Mapping[str, Any]) -> None:
        """An amplitude in V swings about where the cell is, as far as that is known."""
        volts = self._number(step, where, "amplitude_V")
        milliamps = self._number(step, where, "amplitude_mA")
        if (volts is None) == (milliamps is None):
            self._say(f"{where}.amplitude_V", "one of amplitude_V and amplitude_mA is needed")
        if milliamps is not None:
            for side in (abs(milliamps), -abs(milliamps)):
                self._within(f"{where}.amplitude_mA", side, self._currents)
        if volts is not None:
            for limits in self._voltages:
                at = self._at_V
                if at is None:
                    at = (limits.low + limits.high) / 2 if math.isfinite(limits.low) else 0.0
                for side in (at + abs(volts), at - abs(volts)):
                    self._within(f"{where}.amplitude_V", side, (limits,))
        for name in ("start_frequency_Hz", "end_frequency_Hz"):
            frequency = self._number(step, where, name)
            if frequency is None:
                self._missing(f"{where}.{name}")
            elif not LOWEST_FREQUENCY_HZ <= frequency <= HIGHEST_FREQUENCY_HZ:
                self._say(f"{where}.{name}", f"{frequency:g} is not allowed; 1e-5 to 1e7 are")

    def _scan(self, where: str, step: Mapping[str, Any]) -> None:
        ends = {name: self._number(step, where, name) for name in _SCAN}
        for name, voltage in ends.items():
            if voltage is None:
                self._missing(f"{where}.{name}")
            else:
                self._within(f"{where}.{name}", voltage, self._voltages)
        rate = self._number(step, where, "scan_rate_mV_per_s")
        if rate is None or rate <= 0:
            self._no_end(where, "scan_rate_mV_per_s")
        self._at_V = ends["end_voltage_V"]

    # numbers ---------------------------------------------------------------------------------

    def _current(
        self, where: str, step: Mapping[str, Any], rate: str, current: str
    ) -> tuple[str, float | None]:
        """In mA, and the key it came from; a rate goes first, as in the library."""
        per_hour = self._rate(step, where, rate)
        if not per_hour:
            return current, self._number(step, where, current)
        if self._capacity_mAh is None:
            self._say(f"{where}.{rate}", "cannot be checked: sample.capacity_mAh is missing")
            return rate, math.nan  # within no limit and beyond none
        return rate, per_hour * self._capacity_mAh

    def _time(self, where: str, step: Mapping[str, Any]) -> float | None:
        time = self._number(step, where, "until_time_s")
        if time is not None and time < 0:
            self._say(f"{where}.until_time_s", f"{time:g} is not allowed; > 0 is")
        return time if time and time > 0 else None

    def _rate(self, table: Mapping[str, Any], where: str, name: str) -> float | None:
        value = table.get(name)
        rate = c_rate(value) if isinstance(value, str) else None
        return self._number(table, where, name) if rate is None else rate

    def _number(self, table: Mapping[str, Any], where: str, name: str) -> float | None:
        """None where nothing is given; what is no finite number is a problem."""
        value = table.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            self._say(f"{where}.{name}", f"{value!r} is not a finite number")
            return None
        return number

    def _range(self, low: str, high: str, unit: str) -> Range:
        least, most = self._limits[low], self._limits[high]
        if least is not None and most is not None and least >= most:
            self._say(f"safety.{low}", f"{least:g} is not below {high} = {most:g}")
        return Range(
            -math.inf if least is None else least, math.inf if most is None else most,
            f"safety.{low}", f"safety.{high}", unit,
        )  # fmt: skip

    def _within(self, place: str, value: float, limits: Sequence[Range]) -> None:
        for one in limits:
            violation = one.violation(value)
            if violation:
                self._say(place, violation)

    # telling ---------------------------------------------------------------------------------

    def _table(self, name: str) -> Mapping[str, Any]:
        table = self._protocol.get(name)
        if table is not None and not isinstance(table, Mapping) and not self._told(name):
            self._say(name, f"{table!r} is no table")
        return table if isinstance(table, Mapping) else {}

    def _unknown_keys(self, table: Mapping[str, Any], where: str, allowed: Sequence[str]) -> None:
        for key in table:
            if key not in allowed:
                place = f"{where}.{key}" if where else str(key)
                self._say(place, unknown("key", str(key), allowed))

    def _missing(self, place: str) -> None:
        if not self._told(place):
            self._say(place, "is missing")

    def _no_end(self, where: str, needed: str) -> None:
        self._say(where, f"has no end; {needed} is needed, and not 0")

    def _told(self, place: str) -> bool:
        return any(problem.setting == place for problem in self._found)

    def _say(self, place: str, reason: str) -> None:
        self._found.append(Problem(place, reason))


_LIMITS: Final = (
    "max_voltage_V", "min_voltage_V", "max_current_mA", "min_current_mA", "max_capacity_mAh",
)  # fmt: skip
_TABLES: Final = ("unicycler", "sample", "record", "safety", "method")
_SCAN: Final = ("start_voltage_V", "end_voltage_V")
