"""What is said to a set-point device over one open line, in the units of its card."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Generic

from campaigns.records import Setting
from instruments.base import Garbled, Job, Refused, Scalar
from instruments.setpoint_entries import AT_WORK, Standing
from instruments.setpoint_line import Line, P
from instruments.setpoint_map import Metric, Order, SetpointMap, word
from instruments.setpoint_memory import Slot, SlotKeeper, mark, payload

PAUSE_S = 0.02  # between two looks at a device that is about to begin or to stop


class SetpointDevice(Generic[P]):
    """One device, as long as one line to it is open; what it answers is believed or Garbled."""

    def __init__(self, plan: SetpointMap[P, Any], line: Line[P]) -> None:
        self._plan = plan
        self._line = line
        self._keeper = SlotKeeper(plan.memory, line) if plan.memory else None

    # settings --------------------------------------------------------------------------------

    def apply(self, parameters: Setting) -> None:
        """Write every setting, then read all of them back. Raises Refused where one differs."""
        for name, setpoint in self._plan.settings.items():
            self._line.write(setpoint.write, setpoint.to_device(float(parameters[name])))
        differing = self.differing(parameters)
        if differing:
            raise Refused("; ".join(differing))

    def differing(self, parameters: Setting) -> list[str]:
        """Settings that read back other than asked, beyond their tolerance."""
        told = []
        for name, setpoint in self._plan.settings.items():
            asked, read = float(parameters[name]), self._setting(name)
            if abs(read - asked) > setpoint.tolerance:
                unit = setpoint.card.unit
                told.append(f"{name} was set to {asked:g} {unit} but reads back {read:g} {unit}")
        return told

    def far(self) -> list[str]:
        """Settings whose actual value has not come near to what is set."""
        told = []
        for name, setpoint in self._plan.settings.items():
            if setpoint.actual is None:
                continue
            wanted = self._setting(name)
            actual = setpoint.from_device(self._number(setpoint.actual, f"actual {name}"))
            if abs(actual - wanted) > setpoint.settle_tolerance:
                told.append(f"{name} is {actual:g}, not {wanted:g} {setpoint.card.unit}")
        return told

    def _setting(self, name: str) -> float:
        setpoint = self._plan.settings[name]
        return setpoint.from_device(self._number(setpoint.read_back, name))

    # orders and standing ---------------------------------------------------------------------

    def order(self, orders: Iterable[Order[P]]) -> None:
        for one in orders:
            self._line.write(one.point, one.value)

    def obeyed(self, orders: Iterable[Order[P]]) -> bool:
        """Whether every order reads back as it was written."""
        return all(word(self._line.read(one.point)) == word(one.value) for one in orders)

    def standing(self) -> Standing | None:
        """What the device says of itself; None where it has no state to read."""
        state = self._plan.state
        if state is None:
            return None
        told = word(self._line.read(state.read))
        if told not in state.values:
            known = ", ".join(state.values)
            raise Garbled(f"the state reads {told!r}; the map knows {known}")
        return state.values[told]

    @property
    def at_work(self) -> bool:
        return self.standing() in AT_WORK

    def alarms(self) -> list[str]:
        """Texts of the alarms that are active now."""
        alarms = self._plan.alarms
        return [one.text for one in alarms if word(self._line.read(one.read)) == one.when]

    # metrics ---------------------------------------------------------------------------------

    def scalars(self) -> dict[str, Scalar]:
        """Every metric: the mean of its readings, with its standard deviation."""
        timing = self._plan.timing
        readings: dict[str, list[float]] = {name: [] for name in self._plan.metrics}
        for n in range(timing.readings):
            if n and timing.interval_s:
                time.sleep(timing.interval_s)
            for name, metric in self._plan.metrics.items():
                readings[name].append(self._metric(name, metric))
        return {
            name: Scalar(math.fsum(values) / len(values), metric.unit, _sd(values, metric.sd))
            for (name, metric), values in zip(
                self._plan.metrics.items(), readings.values(), strict=True
            )
        }

    def _metric(self, name: str, metric: Metric[P]) -> float:
        value = metric.convert(self._number(metric.read, name))
        if not metric.low <= value <= metric.high:
            allowed = f"{metric.low:g} to {metric.high:g} {metric.unit}"
            raise Garbled(f"{name} reads {value:g} {metric.unit}; believed are {allowed}")
        return value

    def _number(self, point: P, name: str) -> float:
        told = self._line.read(point)
        try:
            value = float(told)
        except ValueError as error:
            raise Garbled(f"{name} reads {told!r}, which is no number") from error
        if not math.isfinite(value):
            raise Garbled(f"{name} reads {value}, which is not finite")
        return value

    # memory ----------------------------------------------------------------------------------

    def slot(self) -> Slot | None:
        """The job in the device's memory; None where it has none."""
        return self._keeper.read() if self._keeper else None

    def stamp(self, now_ms: int) -> None:
        """Write into an empty memory since when it is watched."""
        slot = self.slot()
        if self._keeper and slot is not None and slot.written == 0:
            self._keeper.write(Slot(written=now_ms, before=slot.run))

    def take(self, job: Job, now_ms: int) -> None:
        """Write the job into the memory, as one that has not begun."""
        if self._keeper:
            run = self._keeper.read().run
            self._keeper.write(Slot(mark(job.key), payload(job), now_ms, before=run))

    def let_go(self, now_ms: int) -> None:
        """Empty the memory: its job has never begun."""
        if self._keeper:
            self._keeper.write(Slot(written=now_ms, before=self._keeper.read().run))

    def note(self, field: str, time_ms: int) -> None:
        """Write when the job in the memory has `started` or `settled`; 0 takes it back."""
        if self._keeper:
            self._keeper.note(replace(self._keeper.read(), **{field: time_ms}), field)


def _sd(values: list[float], declared: float | None) -> float | None:
    """Of the mean: the standard error of n readings and the declared scatter from job to job.

    None where nothing is known: one reading, or equal ones (a coarse display is not exact).
    """
    n = len(values)
    mean = math.fsum(values) / n
    error = math.fsum((one - mean) ** 2 for one in values) / (n - 1) / n if n > 1 else 0.0
    return math.sqrt(error + (declared or 0.0) ** 2) or None
