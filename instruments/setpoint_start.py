"""Starting a job on a set-point device: at most once, and whatever fails on the way is known."""

from __future__ import annotations

from typing import Any, Generic

from instruments.base import Busy, Clock, Job, Refused, Unreachable
from instruments.setpoint_device import SetpointDevice
from instruments.setpoint_line import P
from instruments.setpoint_map import SetpointMap
from instruments.setpoint_memory import milliseconds
from instruments.setpoint_watch import Phase, Record, Watch


class Starter(Generic[P]):
    """Settings, read-back, memory, start order, sign of life: in this order.

    A device without a start order begins with its first setting, so that its memory is written
    before; a device with one takes the key last, so that a refused job leaves no trace.
    """

    def __init__(self, plan: SetpointMap[P, Any], watch: Watch[P], clock: Clock) -> None:
        self._plan = plan
        self._watch = watch
        self._clock = clock

    def begin(self, device: SetpointDevice[P], job: Job, record: Record) -> str:
        """Start the job, and note in its record how far that came.

        Returns why it never began, "" where it did. Raises Refused and Busy where the device said
        no and is at rest, Unreachable where an answer is missing.
        """
        before, slot = device.standing(), device.slot()
        try:
            self._send(device, job, record)
            seen = self._watch.begins(device, before, slot.run if slot else None)
        except (Refused, Busy):
            self._take_back(device, record)
            raise
        except Unreachable:
            record.sent_at = self._clock.now()
            raise
        record.phase, record.began = Phase.BEGUN, self._clock.now()
        if not seen:
            return self._never_began(device)
        device.note("started", milliseconds(record.began))
        return ""

    def _send(self, device: SetpointDevice[P], job: Job, record: Record) -> None:
        if self._plan.start:
            device.apply(job.parameters)
        device.take(job, self._now_ms())
        record.phase = Phase.SENT
        if self._plan.start:
            device.order(self._plan.start)
        else:
            device.apply(job.parameters)

    def _take_back(self, device: SetpointDevice[P], record: Record) -> None:
        """The device said no: make sure that it does nothing. Raises Unreachable otherwise."""
        if record.phase is Phase.PREPARED:
            return
        device.order(self._plan.abort)
        if self._plan.abort and not self._watch.at_rest(device):
            raise Unreachable("the device refused the job and is not at rest")
        device.let_go(self._now_ms())
        record.phase = Phase.PREPARED

    def _never_began(self, device: SetpointDevice[P]) -> str:
        """The start was taken and nothing happened: see to it that nothing will."""
        device.order(self._plan.abort)
        alarms = "".join(f"; {alarm}" for alarm in device.alarms())
        return f"it did not begin within {self._plan.timing.begin_s:g} s{alarms}"

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())
