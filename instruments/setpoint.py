"""Set, read back, start, watch, read: the sequence of every device that is a table of points."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic

from campaigns.records import FailureKind, Setting
from instruments.base import (
    Busy,
    Card,
    Clock,
    Found,
    InstrumentError,
    Job,
    JobState,
    Problem,
    Progress,
    Receipt,
    Refused,
    Result,
    Status,
    Unreachable,
)
from instruments.guard import outside
from instruments.setpoint_device import SetpointDevice
from instruments.setpoint_line import Line, P
from instruments.setpoint_map import SetpointMap
from instruments.setpoint_memory import Slot, mark, milliseconds, moment, payload
from instruments.setpoint_start import Starter
from instruments.setpoint_watch import HoldWatch, Judged, Phase, Record, StateWatch, Watch, wait_for

OVER = frozenset({JobState.FINISHED, JobState.FAILED, JobState.ABORTED})


class SetpointInstrument(Generic[P]):
    """One device with one channel, behind the contract.

    Every call opens a line of its own and closes it, so that a device that was away is simply
    found again, no late answer is taken for another, and an abort never waits behind a poll. What
    outlives this process is in the device's memory, where the map names one: the last job only.
    """

    simulated: ClassVar[bool] = False

    def __init__(
        self,
        kind: str,
        plan: SetpointMap[P, Any],
        connect: Callable[[float], AbstractContextManager[Line[P]]],
        clock: Clock,
    ) -> None:
        """connect opens a line that is good until a moment of time.monotonic()."""
        self._plan = plan
        self._connect = connect
        self._clock = clock
        self._card = _card(kind, plan)
        self._watch: Watch[P] = HoldWatch(plan, plan.hold) if plan.hold else StateWatch(plan)
        self._starter = Starter(plan, self._watch, clock)
        self._records: dict[str, Record] = {}
        self._opened = clock.now()
        self._stamp()

    def describe(self) -> Card:
        return self._card

    def check(self, job: Job) -> list[Problem]:
        return outside(self._card, job.parameters)

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """None: a device does not know its own mean."""
        return None

    def close(self) -> None:
        """Nothing to let go of: no line outlives its call."""

    # submit ----------------------------------------------------------------------------------

    def submit(self, job: Job) -> Receipt:
        problems = self.check(job)
        record = self._records.get(job.key)
        if record is not None and record.payload not in (None, payload(job)):
            raise Refused(f"{job.key} was submitted before with another payload")
        if problems:
            raise Refused("; ".join(f"{p.setting} {p.reason}" for p in problems))
        if record is not None and record.phase is Phase.BEGUN:
            return self._receipt(job.key)
        with self._device() as device:
            if not self._has(device, job, record):
                self._admit(device)
                record = self._records[job.key] = Record(job.key, payload(job))
                idle = self._starter.begin(device, job, record)
                if idle:
                    self._end(record, Judged(JobState.FAILED, idle))
        return self._receipt(job.key)

    def _has(self, device: SetpointDevice[P], job: Job, record: Record | None) -> bool:
        """Whether the job is on the device already. Raises Unreachable where nobody can tell."""
        slot = device.slot()
        if slot is not None and slot.holds(job.key) and slot.differs(job):
            raise Refused(f"{job.key} is on the device with another payload")
        found = self._remembered(device, job.key, slot, record, None)
        if found is Found.UNKNOWN and (record is not None or (slot and slot.holds(job.key))):
            raise Unreachable(f"the device cannot tell whether {job.key} has begun")
        return found in (Found.RUNNING, Found.FINISHED)

    def _admit(self, device: SetpointDevice[P]) -> None:
        """Raises Busy while the device cannot take a job; saves the results of the last one."""
        now = self._clock.now()
        for key, record in self._records.items():
            if record.phase is Phase.BEGUN and record.over is None:
                self._look(device, record)
                if record.over is None:
                    raise Busy(f"the device is at work on {key}")
            if record.over is not None and record.over.state is JobState.FINISHED:
                self._measure(device, record)
        if self._watch.occupied(device, device.slot(), now):
            raise Busy("the device is at work on another job")
        alarms = device.alarms()
        if alarms:
            raise Busy(f"the device is not ready: {'; '.join(alarms)}")

    def _receipt(self, key: str) -> Receipt:
        return Receipt(key, _run_id(key))

    # poll and fetch --------------------------------------------------------------------------

    def poll(self, key: str) -> Progress:
        record = self._records.get(key)
        if record is not None and record.over is not None:
            return record.over
        with self._device() as device:
            known = self._known(device, key)
            if known is None:
                lost = Judged(JobState.LOST, "the device cannot tell whether it had the job")
                return self._progress(Record(key, None), lost)
            return self._look(device, known)

    def fetch(self, key: str, since: int = 0) -> Result:
        progress = self.poll(key)
        if progress.state is JobState.FAILED:
            return Result(progress.state, failure=FailureKind.CHANNEL_FAULT, reason=progress.note)
        if progress.state is not JobState.FINISHED:
            return Result(progress.state, reason=progress.note)
        record = self._records[key]
        if record.result is None:
            with self._device() as device:
                slot = device.slot()
                if slot is not None and not slot.holds(key):
                    return Result(JobState.LOST, reason="the device has another job by now")
                return self._measure(device, record)
        return record.result

    def _measure(self, device: SetpointDevice[P], record: Record) -> Result:
        """Read the metrics of a finished job, once."""
        if record.result is None:
            record.result = Result(JobState.FINISHED, device.scalars())
        return record.result

    def _known(self, device: SetpointDevice[P], key: str) -> Record | None:
        """The record of a job that has begun; None where nobody can tell whether it has.

        Raises KeyError for a job of which this process knows that it has not begun, Unreachable
        while it is too early to tell.
        """
        slot, record = device.slot(), self._records.get(key)
        ours = slot if slot is not None and slot.holds(key) else None
        if ours and (ours.begun or (ours.begun is None and device.at_work)):
            return self._adopted(key, ours)
        if record is not None and record.phase is Phase.PREPARED:
            raise KeyError(key)
        if record is not None and record.phase is Phase.SENT:
            self._wait_out(record)
            return None
        return record

    def _adopted(self, key: str, slot: Slot) -> Record:
        """The record of the job in the device's memory, completed by what the memory tells."""
        record = self._records.setdefault(key, Record(key, None))
        record.phase = Phase.BEGUN
        record.payload = slot.payload if record.payload is None else record.payload
        if slot.started:
            record.began = record.began or moment(slot.started)
        if slot.settled:
            record.settled = record.settled or moment(slot.settled)
        return record

    def _look(self, device: SetpointDevice[P], record: Record) -> Progress:
        """Judge a begun job now, and keep the judgement where it is final."""
        slot = device.slot()
        if slot is not None and not slot.holds(record.key):
            return self._end(record, Judged(JobState.LOST, "the device no longer has the job"))
        judged = self._watch.judge(device, record, self._clock.now())
        if judged.state is not JobState.RUNNING:
            return self._end(record, judged)
        if slot is not None and slot.started == 0:
            device.note("started", milliseconds(record.began or self._clock.now()))
        return self._progress(record, judged)

    def _progress(self, record: Record, judged: Judged) -> Progress:
        now = self._clock.now()
        running = judged.state is JobState.RUNNING
        return Progress(
            state=judged.state,
            cycle=0,
            ask_at=now + timedelta(seconds=judged.again_s) if running else None,
            hours=(now - (record.began or now)) / timedelta(hours=1),
            over_at=None if running else now,
            run_id=_run_id(record.key),
            note=judged.note,
        )

    def _end(self, record: Record, judged: Judged) -> Progress:
        record.over = self._progress(record, judged)
        return record.over

    # abort -----------------------------------------------------------------------------------

    def abort(self, key: str, reason: str) -> Status:
        record = self._records.get(key)
        if record is not None and record.over is not None and record.over.state in OVER:
            return Status(record.over.state, safe=True)
        with self._device() as device:
            if record is not None and record.phase is Phase.SENT:
                return self._stop(device, record, reason)
            known = self._known(device, key)
            state = self._look(device, known).state if known is not None else JobState.LOST
            if known is None or state is JobState.LOST:  # another's job is not ours to stop
                return Status(JobState.LOST, safe=self._watch.at_rest(device))
            if state is not JobState.RUNNING:
                return Status(state, safe=True)
            return self._stop(device, known, reason)

    def _stop(self, device: SetpointDevice[P], record: Record, reason: str) -> Status:
        """Give the order and read back that it was obeyed."""
        if not self._plan.abort:
            return Status(JobState.RUNNING, safe=False)
        try:
            device.order(self._plan.abort)
        except Refused:
            return Status(JobState.RUNNING, safe=False)
        if not wait_for(lambda: self._watch.at_rest(device), self._plan.timing.abort_s):
            return Status(JobState.RUNNING, safe=False)
        if self._plan.hold is not None:
            device.note("started", 0)
        self._end(record, Judged(JobState.ABORTED, reason))
        return Status(JobState.ABORTED, safe=True)

    # find ------------------------------------------------------------------------------------

    def find(self, key: str, since: datetime | None = None) -> Found:
        record = self._records.get(key)
        if record is not None and record.over is not None:
            lost = record.over.state is JobState.LOST
            return Found.UNKNOWN if lost else Found.FINISHED
        with self._device() as device:
            slot = device.slot()
            found = self._remembered(device, key, slot, record, since)
        if found is Found.NEVER or (found is Found.UNKNOWN and record is not None):
            self._wait_out(record)
        return found

    def _remembered(
        self,
        device: SetpointDevice[P],
        key: str,
        slot: Slot | None,
        record: Record | None,
        since: datetime | None,
    ) -> Found:
        """What the device's memory and this process know of a key, taken together."""
        ours = slot is not None and slot.holds(key)
        begun = slot.begun if slot is not None and ours else None
        if record is not None and record.phase is Phase.BEGUN:
            begun = True
        if begun is None and record is not None and record.phase is Phase.PREPARED:
            begun = False
        if begun is None and not ours and slot is not None and record is None:
            return Found.NEVER if slot.reaches(since) else Found.UNKNOWN
        if begun is None and (ours or (record is not None and slot is None)) and device.at_work:
            begun = True  # it was at rest before the job was sent, so this is the job
        if begun is None:
            return Found.UNKNOWN
        return self._standing(device, slot, record, key) if begun else Found.NEVER

    def _standing(
        self, device: SetpointDevice[P], slot: Slot | None, record: Record | None, key: str
    ) -> Found:
        if slot is not None and slot.holds(key):
            record = self._adopted(key, slot)
        elif record is not None:
            record.phase = Phase.BEGUN
        if record is None:
            return Found.UNKNOWN
        state = self._look(device, record).state
        if state is JobState.LOST:
            return Found.UNKNOWN
        return Found.RUNNING if state is JobState.RUNNING else Found.FINISHED

    def _wait_out(self, record: Record | None) -> None:
        """Raises Unreachable while something sent can still be under way to the device."""
        last = max(self._opened, (record and record.sent_at) or self._opened)
        if self._clock.now() - last < timedelta(seconds=self._plan.timing.delivery_s):
            raise Unreachable("too early to tell: the job may still be under way to the device")

    # the device ------------------------------------------------------------------------------

    @contextmanager
    def _device(self) -> Iterator[SetpointDevice[P]]:
        until = time.monotonic() + self._plan.timing.call_s
        with self._connect(until) as line:
            yield SetpointDevice(self._plan, line)

    def _stamp(self) -> None:
        """From now on an empty memory is watched; where that fails it tells less later."""
        if self._plan.memory is None:
            return
        try:
            with self._device() as device:
                device.stamp(self._now_ms())
        except InstrumentError:
            return

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())


def _run_id(key: str) -> str:
    """The name of the job on the device: what its memory shows."""
    return f"{mark(key):08x}"


def _card(kind: str, plan: SetpointMap[Any, Any]) -> Card:
    timing = plan.timing
    return Card(
        kind=kind,
        settings=tuple(setpoint.card for setpoint in plan.settings.values()),
        metrics={name: metric.unit for name, metric in plan.metrics.items()},
        channels=1,
        series=False,
        repeatable=False,
        abortable=bool(plan.abort),
        simulated=False,
        needs_approval=plan.needs_approval,
        retry_s=max(timing.poll_s, 1.0),
        patience_s=timing.call_s + 2 * timing.timeout_s,
    )
