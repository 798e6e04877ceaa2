"""The simulated coating line as an instrument, on the campaign's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from campaigns.options import build
from campaigns.records import NOTHING, Setting
from instruments.base import (
    Busy,
    Card,
    Clock,
    Found,
    Job,
    JobState,
    Problem,
    Progress,
    Receipt,
    Refused,
    Result,
    Status,
)
from instruments.coater.options import CoaterOptions
from instruments.coater.process import CoatingRun, run, truth
from instruments.coater.settings import METRICS, SETTINGS, Recipe, unsafe
from instruments.guard import outside


@dataclass(frozen=True, slots=True)
class Coating:
    """One accepted job and how it ends; aborted ones keep the moment."""

    job: Job
    run: CoatingRun
    aborted: datetime | None = None

    @property
    def over(self) -> datetime:
        """When its line is free again."""
        if self.aborted is not None:
            return self.aborted
        return self.job.started_at + timedelta(seconds=self.run.seconds)

    def result(self) -> Result:
        """What it gave once it was over and nobody aborted it."""
        if self.run.failure is None:
            return Result(JobState.FINISHED, self.run.scalars)
        return Result(JobState.FAILED, failure=self.run.failure, reason=self.run.reason)


class SimulatedCoater:
    """Runs recipes on the simulated line; a job's data depend on the job alone.

    A run takes less than a millisecond to compute, so it is computed when it is submitted and in
    this very process, whatever the campaign's `[execution]` says.
    """

    simulated: ClassVar[bool] = True

    def __init__(self, options: CoaterOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._coatings: dict[str, Coating] = {}
        self._live: set[str] = set()  # a few more than run now: pruned when it matters

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: option, what is wrong, what is allowed."""
        return cls(build(CoaterOptions, options, "instrument.options"), clock)

    def describe(self) -> Card:
        return Card(
            kind="coater.simulated",
            settings=SETTINGS,
            metrics=METRICS,
            channels=self._options.channels,
            series=False,
            repeatable=True,
            abortable=True,
            simulated=True,
        )

    def check(self, job: Job) -> list[Problem]:
        """Limits of each setting, then the combinations that the safety block forbids."""
        return outside(self.describe(), job.parameters) or unsafe(Recipe.of(job.parameters))

    def submit(self, job: Job) -> Receipt:
        known = self._coatings.get(job.key)
        if known is None:
            self._start(job)
        elif dict(known.job.parameters) != dict(job.parameters):
            raise Refused(f"{job.key} was submitted with other settings")
        return Receipt(job.key, job.key)

    def poll(self, key: str) -> Progress:
        coating, now = self._coatings[key], self._clock.now()
        started, over = coating.job.started_at, coating.over
        if coating.aborted is not None:
            return Progress(JobState.ABORTED, 0, None, _hours(started, over), over, run_id=key)
        if now < over:
            note = _stage(coating.run, (now - started).total_seconds())
            return Progress(JobState.RUNNING, 0, over, _hours(started, now), run_id=key, note=note)
        state = coating.result().state
        return Progress(state, 0, None, _hours(started, over), over, run_id=key)

    def fetch(self, key: str, since: int = 0) -> Result:
        state = self.poll(key).state
        if state in (JobState.RUNNING, JobState.ABORTED):
            return Result(state)
        return self._coatings[key].result()

    def abort(self, key: str, reason: str) -> Status:
        if self.poll(key).state is JobState.RUNNING:
            self._coatings[key] = replace(self._coatings[key], aborted=self._clock.now())
        return Status(self.poll(key).state, safe=True)

    def find(self, key: str, since: datetime | None = None) -> Found:
        if key not in self._coatings:
            return Found.NEVER
        running = self.poll(key).state is JobState.RUNNING
        return Found.RUNNING if running else Found.FINISHED

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """Metrics without spread, wear or faults; outside the process window no capacity."""
        return [truth(setting, self._options) for setting in settings]

    def close(self) -> None:
        """Nothing to let go of."""

    def _start(self, job: Job) -> None:
        problems = self.check(job)
        if problems:
            raise Refused("; ".join(f"{p.setting} {p.reason}" for p in problems))
        now = self._clock.now()
        self._live = {key for key in self._live if self._coatings[key].over > now}
        if len(self._live) >= self._options.channels:
            raise Busy(f"all {self._options.channels} channels are taken")
        self._coatings[job.key] = Coating(job, run(job.parameters, job.seed, self._options))
        self._live.add(job.key)


def _stage(coating: CoatingRun, seconds: float) -> str:
    """Name of the stage that is under way after so many seconds."""
    for stage in coating.stages:
        if seconds < stage.seconds:
            return stage.name
        seconds -= stage.seconds
    return ""


def _hours(start: datetime, until: datetime) -> float:
    return (until - start) / timedelta(hours=1)
