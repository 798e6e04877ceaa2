"""One check's share of the bench: the adapter, its clock, and the jobs the check submits."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from campaigns.records import Setting
from instruments.base import (
    Busy,
    Card,
    Clock,
    Found,
    InstrumentError,
    Job,
    JobState,
    Progress,
    Receipt,
    Result,
    Unreachable,
)
from instruments.clock import SimulatedClock
from instruments.conformance.bench import Bench, Device, NotTested
from instruments.conformance.observed import Observed
from instruments.conformance.opening import Opening
from instruments.conformance.verdict import NotApplicable, demand

T = TypeVar("T")

LOOK_S = 0.1  # real seconds between two looks at a real device
MOST_LOOKS = 10_000  # at a simulated one


class Rig:
    """What a check works with; `adapter` is the latest of those that it opened."""

    def __init__(self, bench: Bench, device: Device, clock: Clock, opening: Opening) -> None:
        self.bench = bench
        self.device = device
        self.clock = clock
        self.opening = opening
        self.jobs: list[Job] = []
        self._submitted: dict[str, datetime] = {}
        self._engines = [opening.open(clock)]
        self._name = f"conformance-{uuid4().hex[:12]}"

    @property
    def adapter(self) -> Observed:
        return self._engines[-1]

    @property
    def card(self) -> Card:
        return self.adapter.card

    @property
    def setting(self) -> Setting:
        """A setting that the adapter accepts."""
        return self.bench.settings[0]

    def job(self, setting: Setting | None = None) -> Job:
        """A fresh job, of the first good setting unless told; it is not submitted."""
        trial = len(self.jobs) + 1
        job = Job(
            key=f"{self._name}/{trial}/1",
            parameters=self.setting if setting is None else setting,
            seed=(5, trial, 1),
            started_at=self.clock.now(),
        )
        self.jobs.append(job)
        return job

    def start(self, job: Job) -> Receipt:
        """Submit, with patience while a channel of an earlier check is still being freed."""
        receipt = self.eventually(lambda: self.adapter.submit(job), Busy)
        self._submitted[job.key] = self.clock.now()
        return receipt

    def since_submit(self, key: str) -> timedelta:
        """How long ago, on the adapter's clock, `start` had the receipt of a job."""
        return self.clock.now() - self._submitted[key]

    def started(self, setting: Setting | None = None) -> Job:
        """A fresh job that has been submitted."""
        job = self.job(setting)
        self.start(job)
        return job

    def to_the_end(self, key: str) -> tuple[Progress, Result]:
        """Follow a job as the engine does; its last progress and result.

        Holds the progress to the contract on the way: it never goes back while the job runs, and
        the next moment to ask lies ahead.
        """
        before = Progress(JobState.RUNNING, 0, None, 0.0)
        deadline = time.monotonic() + self.bench.longest_s
        for _ in range(MOST_LOOKS):
            asked = self.clock.now()
            progress = self.adapter.poll(key)
            demand(progress.cycle >= before.cycle, f"cycle {progress.cycle} after {before.cycle}")
            if progress.state is JobState.RUNNING or self.clock.simulated:
                # at the end a real device's own times correct what was counted until it told them
                demand(progress.hours >= before.hours, f"{progress.hours} h after {before.hours} h")
            if progress.state is not JobState.RUNNING:
                return progress, self.adapter.fetch(key)
            if progress.ask_at is None or progress.ask_at <= asked:
                demand(False, f"a running job is to be asked again at {progress.ask_at}; "
                       f"it is {asked} already")  # fmt: skip
            demand(self.clock.simulated or time.monotonic() < deadline,
                   f"the job is not over after {self.bench.longest_s:g} s")  # fmt: skip
            self._wait(progress.ask_at or asked)
            before = progress
        demand(False, f"the job is not over after {MOST_LOOKS} looks")
        raise AssertionError("unreachable")

    def partial(self, key: str) -> Result:
        """What a job has measured at the first moment it has news, while it still runs."""
        deadline = time.monotonic() + self.bench.longest_s
        while True:
            progress = self.adapter.poll(key)
            news = progress.cycle > 0 or progress.ask_at is None
            if news or time.monotonic() > deadline:
                return self.adapter.fetch(key)
            self._wait(progress.ask_at or self.clock.now())

    def find(self, key: str, since: datetime | None = None) -> Found:
        """What the adapter knows of a key, once it is no longer too early to tell."""
        return self.eventually(lambda: self.adapter.find(key, since), Unreachable)

    def not_begun(self, key: str, since: datetime | None = None) -> None:
        """Demands that the adapter does not claim to have the job, and that it never began."""
        found = self.find(key, since)
        demand(
            found in (Found.NEVER, Found.UNKNOWN),
            f"find says {found} of a job that was turned away; never (or unknown) is needed",
        )
        starts = self.starts(key)
        demand(not starts, f"the device began a job that was turned away ({starts} times)")

    def starts(self, key: str) -> int | None:
        """How often the device began the job; None where the bench cannot tell."""
        try:
            return self.device.starts(key)
        except NotTested:
            return None

    def at_work(self, key: str) -> bool:
        """Whether the device itself says that it works on the job; False where it cannot tell."""
        try:
            return self.device.is_running(key)
        except NotTested:
            return False

    def under_way(self, setting: Setting | None = None) -> Job:
        """A fresh job that the device itself has begun, as far as the bench can tell."""
        job = self.started(setting)
        try:
            self.within(self.bench.longest_s, lambda: self.device.starts(job.key) > 0)
        except NotTested:
            return job
        return job

    def new_engine(self) -> Observed:
        """Open a new adapter, as an engine does that was started again; the old one is closed."""
        self.adapter.close()
        return self.fresh_engine()

    def fresh_engine(self) -> Observed:
        """Open a new adapter beside the old one, which is left as it stands."""
        self._engines.append(self.opening.open(self.clock))
        return self.adapter

    def restart_clock(self) -> Observed:
        """Open a new adapter on a simulated clock that begins anew."""
        self.clock = SimulatedClock()
        return self.fresh_engine()

    def real_time(self) -> None:
        """Raises NotApplicable for an instrument whose time is simulated."""
        if self.card.simulated:
            raise NotApplicable("its time is simulated: no engine and no device can be late")

    def eventually(self, call: Callable[[], T], patient_with: type[InstrumentError]) -> T:
        """The call's answer, asked again while it raises that error and time allows."""
        deadline = time.monotonic() + self.bench.longest_s
        while True:
            try:
                return call()
            except patient_with:
                if self.clock.simulated or time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_S)

    def within(self, seconds: float, true: Callable[[], bool]) -> bool:
        """Whether something becomes true within so many real seconds."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_S)
        return True

    def tidy(self) -> bool:
        """Stop what still runs and close every adapter; False where that does not succeed."""
        try:
            if not self.clock.simulated:
                for job in self.jobs:
                    self._settle(job.key)
            for engine in self._engines:
                engine.close()
        except Exception:  # noqa: BLE001 - the check has been judged; this only decides on a new device
            return False
        return True

    def _settle(self, key: str) -> None:
        """Abort a job that still runs; wait for the end of one that cannot be aborted."""
        try:
            if self.adapter.poll(key).state is not JobState.RUNNING:
                return
        except KeyError:
            return
        if self.card.abortable:
            stopped = self.within(5.0, lambda: self.adapter.abort(key, "end of the check").safe)
            demand(stopped, f"{key} did not stop")
        else:
            self.to_the_end(key)

    def _wait(self, moment: datetime) -> None:
        """To the moment on a simulated clock; on a real one at most a little while."""
        if not self.clock.simulated:
            moment = min(moment, self.clock.now() + timedelta(seconds=LOOK_S))
        self.clock.wait_until(moment)
