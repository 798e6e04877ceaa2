"""How the end of a job on a set-point device is recognised: by its state, or by holding still."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol

from instruments.base import JobState, Progress, Result
from instruments.setpoint_device import PAUSE_S, SetpointDevice
from instruments.setpoint_entries import AT_WORK, HoldEntry, Standing
from instruments.setpoint_line import P
from instruments.setpoint_map import SetpointMap
from instruments.setpoint_memory import Slot, milliseconds, moment


class Phase(StrEnum):
    """How far this process got with starting a job."""

    PREPARED = "prepared"  # nothing that sets the device going was sent
    SENT = "sent"  # it was sent, and no answer came
    BEGUN = "begun"


@dataclass
class Record:
    """What this process knows of one job.

    payload:  of the submitted job; None for a job that was found on the device
    sent_at:  when something was last sent without an answer
    began:    None until the job has begun, and where nobody knows when
    near_since, settled: of a held job
    over:     the last progress, once the job is over
    """

    key: str
    payload: int | None
    phase: Phase = Phase.PREPARED
    sent_at: datetime | None = None
    began: datetime | None = None
    near_since: datetime | None = None
    settled: datetime | None = None
    over: Progress | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """How a job stands, why, and when it is worth looking again."""

    state: JobState
    note: str = ""
    again_s: float = 0.0


class Watch(Protocol[P]):
    """The part of the sequence that differs between devices with and without a state."""

    def occupied(self, device: SetpointDevice[P], slot: Slot | None, now: datetime) -> bool:
        """Whether the device is at work on some job."""

    def begins(self, device: SetpointDevice[P], before: Standing | None, run: int | None) -> bool:
        """Wait until the device is seen to have begun; False where it does not."""

    def judge(self, device: SetpointDevice[P], record: Record, now: datetime) -> Judged: ...

    def at_rest(self, device: SetpointDevice[P]) -> bool:
        """Whether the device itself says that it is not at work."""


class StateWatch(Generic[P]):
    """The device runs a programme by itself and says when it is over."""

    def __init__(self, plan: SetpointMap[P, Any]) -> None:
        self._timing = plan.timing

    def occupied(self, device: SetpointDevice[P], slot: Slot | None, now: datetime) -> bool:
        return device.at_work

    def begins(self, device: SetpointDevice[P], before: Standing | None, run: int | None) -> bool:
        """An end that stood there before the start is no sign, unless the run counter went on."""

        def seen() -> bool:
            standing = device.standing()
            if standing is Standing.IDLE or standing is before:
                slot = device.slot() if run is not None else None
                return slot is not None and slot.run is not None and slot.run != run
            return True

        return wait_for(seen, self._timing.begin_s)

    def judge(self, device: SetpointDevice[P], record: Record, now: datetime) -> Judged:
        standing = device.standing()
        alarms = "; ".join(device.alarms())
        if standing in AT_WORK:
            held = "held at the device" if standing is Standing.HELD else ""
            note = "; ".join(part for part in (held, alarms) if part)
            return Judged(JobState.RUNNING, note, self._timing.poll_s)
        if standing is Standing.FINISHED:
            return Judged(JobState.FINISHED, alarms)
        if standing is Standing.FAILED:
            return Judged(JobState.FAILED, alarms or "the device says that the job failed")
        if standing is Standing.ABORTED:
            return Judged(JobState.ABORTED, alarms)
        return Judged(JobState.LOST, "the device is idle and tells nothing of the job")

    def at_rest(self, device: SetpointDevice[P]) -> bool:
        return not device.at_work


class HoldWatch(Generic[P]):
    """The device keeps what it is set to; the job is over when that has lasted long enough."""

    def __init__(self, plan: SetpointMap[P, Any], hold: HoldEntry) -> None:
        self._plan = plan
        self._hold = hold

    def occupied(self, device: SetpointDevice[P], slot: Slot | None, now: datetime) -> bool:
        """By the times in the memory: a job whose time is up occupies nothing."""
        if slot is None or slot.started == 0:
            return False
        hold = self._hold
        if slot.settled > 0:
            return now < moment(slot.settled) + timedelta(seconds=hold.seconds)
        longest = hold.settle_limit_s + hold.settle_s + hold.seconds
        return now < moment(slot.started) + timedelta(seconds=longest)

    def begins(self, device: SetpointDevice[P], before: Standing | None, run: int | None) -> bool:
        return True

    def judge(self, device: SetpointDevice[P], record: Record, now: datetime) -> Judged:
        alarms = device.alarms()
        if alarms:
            return self._give_up(device, "; ".join(alarms))
        far = "; ".join(device.far())
        if record.settled is None:
            self._settle(device, record, far, now)
        if record.settled is None:
            return self._settling(device, record, far, now)
        left = self._hold.seconds - (now - record.settled) / timedelta(seconds=1)
        if left <= 0:
            return Judged(JobState.FINISHED)
        if far:
            return self._give_up(device, f"the settings were not kept: {far}")
        return Judged(JobState.RUNNING, "holding", min(left, self._plan.timing.poll_s))

    def _settle(self, device: SetpointDevice[P], record: Record, far: str, now: datetime) -> None:
        """Note since when the settings are near, and when that has lasted long enough."""
        if far:
            record.near_since = None
            return
        record.near_since = record.near_since or now
        if now - record.near_since >= timedelta(seconds=self._hold.settle_s):
            device.note("settled", milliseconds(now))
            record.settled = now

    def _settling(
        self, device: SetpointDevice[P], record: Record, far: str, now: datetime
    ) -> Judged:
        hold = self._hold
        since = record.began or now
        if (now - since) / timedelta(seconds=1) > hold.settle_limit_s + hold.settle_s:
            return self._give_up(device, f"not settled within {hold.settle_limit_s:g} s: {far}")
        wait = self._plan.timing.poll_s if far else min(hold.settle_s, self._plan.timing.poll_s)
        return Judged(JobState.RUNNING, f"settling: {far}" if far else "settling", wait)

    def _give_up(self, device: SetpointDevice[P], reason: str) -> Judged:
        """End a job that the device itself would go on with for ever."""
        device.order(self._plan.abort)
        if self._plan.abort:
            device.note("started", 0)
        return Judged(JobState.FAILED, reason)

    def at_rest(self, device: SetpointDevice[P]) -> bool:
        return device.obeyed(self._plan.abort)


def wait_for(seen: Callable[[], bool], limit_s: float) -> bool:
    """Look again and again until it is seen; False when the time is up."""
    until = time.monotonic() + limit_s
    while not seen():
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE_S)
    return True
