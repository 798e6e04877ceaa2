"""One job at the robot's device: delivered, watched, and reported to its end."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from instruments.base import (
    Busy,
    Card,
    Clock,
    Found,
    Instrument,
    Job,
    JobState,
    Refused,
    Result,
    Scalar,
    Series,
    Unreachable,
)
from instruments.units import UnitError, converter
from loop.robot_link import Link, Work

UNTOLD_S = 5.0  # between two looks at a device that does not say when to look again


class JobAtDevice:
    """Brings one claimed job to its end, step by step; a step that cannot be done is done later.

    The device gets the key of the job. Whether it has the job already is asked (`find`) whenever
    that is in doubt: after a restart of this program, and after a hand-over without an answer.
    """

    def __init__(self, work: Work, link: Link, device: Instrument, clock: Clock) -> None:
        self.work = work
        self.over = False  # nothing is left to be done about it here
        self.note = ""
        self.run_id = ""
        self.stop = ""  # why it is to be stopped
        self.hands = threading.RLock()  # held while the job is handed to the device, or ended
        self._link = link
        self._device = device
        self._clock = clock
        self._cycle = work.cycle
        self._delivered = False
        self._doubtful = work.state != "claimed"  # begun before: the device may have it
        self._began = clock.now()

    def step(self) -> datetime | None:
        """Do what can be done now; when to come again, None for at once or never.

        Raises InstrumentError where the device does not take or answer, LinkError.
        """
        if not self._delivered:
            self._deliver()
            return None
        try:
            progress = self._device.poll(self.work.key)
        except KeyError:
            self._fail("lost", "the device does not know the job")
            return None
        self.note, self.run_id = progress.note, progress.run_id or self.run_id
        if progress.state is JobState.LOST:
            self._fail("lost", "the device no longer knows the job")
            return None
        if progress.state is not JobState.RUNNING:
            self._conclude(self._device.fetch(self.work.key, self._cycle))
            return None
        if progress.cycle > self._cycle:
            self._pass_on(self._device.fetch(self.work.key, self._cycle).series)
        return progress.ask_at or self._clock.now() + timedelta(seconds=UNTOLD_S)

    def give_up(self, reason: str) -> None:
        """End the job: what the device gave cannot be used."""
        self._fail("data_gap", reason)

    def halt(self, reason: str) -> None:
        """Stop the job, and report it once the device says that it is not running.

        From any thread, at any time: the device's abort has a connection of its own.
        """
        if not self._delivered and not self._doubtful and self.hands.acquire(blocking=False):
            try:
                self._end_unsent(reason)
            finally:
                self.hands.release()
            return
        status = self._device.abort(self.work.key, reason)
        if status.safe and status.state is JobState.ABORTED:
            self._end_stopped(reason)

    def drop(self, reason: str) -> bool:
        """Stop at the device what the server has no use for; false where it is ending anyway."""
        if self.over or not self.hands.acquire(blocking=False):
            return False
        try:
            self.over = True
            if self._delivered:
                self._device.abort(self.work.key, reason)
        finally:
            self.hands.release()
        return True

    # to the device ---------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Begin, then hand over what the device does not have yet."""
        with self.hands:
            if self.over:
                return
            if not self._doubtful:
                job = self._accepted()
                if job is None:
                    return
                if self._link.begin(self.work).stop:
                    self._end_unsent("a stop was asked for before it began")
                    return
                self._submit(job)
                return
            self._meet()

    def _accepted(self) -> Job | None:
        """The job in the device's units; None where it cannot be done, which is reported.

        The second gate: the server has checked the limits of the robot's card, this checks those
        of the device itself.
        """
        try:
            job = Job(
                self.work.key,
                _converted(self.work, self._device.describe()),
                self.work.seed,
                self._began,
                self.work.checkpoints,
                self.work.sample,
            )
        except UnitError as error:
            self._fail("out_of_range", str(error))
            return None
        problems = "; ".join(f"{p.setting} {p.reason}" for p in self._device.check(job))
        if problems:
            self._fail("out_of_range", problems)
            return None
        return job

    def _submit(self, job: Job) -> None:
        self._doubtful = True
        try:
            self.run_id = self._device.submit(job).run_id
        except Busy as error:
            self.note = f"the device is busy: {error}"
            raise
        except Refused as error:
            self._fail("out_of_range", str(error))
            return
        self._delivered = True

    def _meet(self) -> None:
        """Does the device have the job? Only where it surely has not, it is handed over."""
        begun = self.work.begun_at
        since = datetime.now(UTC) if begun is None else datetime.fromisoformat(begun)
        found = self._device.find(self.work.key, since)
        if found is Found.UNKNOWN:
            self._fail("lost", "the device cannot say whether the job ran")
        elif found is not Found.NEVER:
            self._delivered = True
        elif self.stop:
            self._end_unsent(self.stop)
        else:
            job = self._accepted()
            if job is not None:
                self._submit(job)

    # to the server ---------------------------------------------------------------------------

    def _conclude(self, result: Result) -> None:
        with self.hands:
            if self.over:
                return
            self._pass_on(result.series)
            if result.state is JobState.FINISHED:
                self._complete(result.scalars)
            elif result.state is JobState.ABORTED and self.stop:
                self._end_stopped(self.stop)
            elif result.state is JobState.ABORTED:
                self._fail("aborted", result.reason or "stopped at the device")
            elif result.state is JobState.FAILED:
                kind = "channel_fault" if result.failure is None else result.failure.value
                self._fail(kind, result.reason, result.at_least)
            else:
                raise Unreachable(f"{self.work.key}: is over, and its result is {result.state}")

    def _complete(self, scalars: Mapping[str, Scalar]) -> None:
        told = _told(scalars, self.work)
        wrong = [name for name, one in told.items() if not math.isfinite(one["value"])]
        if wrong:
            self._fail("data_gap", f"{', '.join(wrong)}: not a finite number")
            return
        self._link.complete(self.work, told, self.run_id)
        self.over = True

    def _fail(self, kind: str, reason: str, at_least: Mapping[str, Scalar] | None = None) -> None:
        with self.hands:
            if not self.over:
                scalars = _told(at_least or {}, self.work)
                self._link.fail(self.work, kind, reason, scalars, self.run_id)
                self.over = True

    def _end_unsent(self, reason: str) -> None:
        """It was to be stopped, and the device never got it."""
        with self.hands:
            if not self.over:
                self._link.stopped(self.work, f"{reason}; the device never had it", "")
                self.over = True

    def _end_stopped(self, reason: str) -> None:
        with self.hands:
            if not self.over and self.stop:
                self._link.stopped(self.work, reason, self.run_id)
                self.over = True
            elif not self.over:
                self._fail("aborted", reason)

    def _pass_on(self, series: Series | None) -> None:
        """Hand in the cycles that the server does not have; numbered by the last of them."""
        if series is None or not len(series.cycles):
            return
        last = int(series.cycles[-1])
        self._link.part(self.work, last, _json(series))
        self._cycle = last


def _converted(work: Work, card: Card) -> dict[str, Any]:
    """The settings in the device's units. Raises UnitError."""
    units = {setting.name: setting.unit for setting in card.settings}
    converted: dict[str, Any] = {}
    for name, told in work.parameters.items():
        value, unit = told["value"], str(told["unit"])
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and units.get(name, unit) != unit:
            value = converter(unit, units[name])(value)
        converted[name] = value
    return converted


def _told(scalars: Mapping[str, Scalar], work: Work) -> dict[str, dict[str, Any]]:
    """The metrics that the server asked for, in JSON."""
    return {
        name: {"value": one.value, "unit": one.unit, "sd": _sd(one.sd)}
        for name, one in scalars.items()
        if name in work.metrics
    }


def _sd(sd: float | None) -> float | None:
    return sd if sd is not None and math.isfinite(sd) else None


def _json(series: Series) -> dict[str, Any]:
    return {
        "cycles": series.cycles.tolist(),
        "summary": {
            name: [value if math.isfinite(value) else None for value in values.tolist()]
            for name, values in series.summary.items()
        },
        "voltage": series.voltage.tolist(),
        "curves": series.curves.tolist(),
        "curve_cycles": series.curve_cycles.tolist(),
    }
