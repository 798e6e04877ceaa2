"""Instruments whose jobs are computed: everything but the physics, on the campaign's clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from campaigns.records import FailureKind, Setting
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
from instruments.computing import Computer, ComputingFailed, InlineComputer, Payload, Task
from instruments.guard import outside, same_job


class ComputedInstrument(ABC):
    """A simulation that takes one setting and gives its numbers at the end.

    A job begins to be computed when it is submitted and holds its channel for the nominal
    `seconds` of the campaign's clock, however long the computer takes: what happens in a campaign
    and when does not depend on the machine. An answer is waited for when its moment has come.
    """

    simulated: ClassVar[bool] = True

    def __init__(self, card: Card, clock: Clock) -> None:
        self._card = card
        self._clock = clock
        self._computer: Computer = InlineComputer()
        self._jobs: dict[str, Job] = {}
        self._results: dict[str, Result] = {}
        self._aborted: dict[str, datetime] = {}

    @abstractmethod
    def task(self, job: Job) -> Task:
        """What is to be computed for a job."""

    @abstractmethod
    def seconds(self, job: Job) -> float:
        """Nominal duration of a job on the campaign's clock, from the job alone; above 0."""

    @abstractmethod
    def result(self, answer: Payload) -> Result:
        """A computed answer as the measurement, or the failure, that it is."""

    def compute_with(self, computer: Computer) -> None:
        """Send all later jobs there; without this they are computed in this very process."""
        self._computer = computer

    def describe(self) -> Card:
        return self._card

    def check(self, job: Job) -> list[Problem]:
        return outside(self._card, job.parameters)

    def submit(self, job: Job) -> Receipt:
        if job.key not in self._jobs:
            problems = self.check(job)
            if problems:
                raise Refused("; ".join(f"{p.setting} {p.reason}" for p in problems))
            if self._running() >= self._card.channels:
                raise Busy(f"all {self._card.channels} channels are taken")
            self._jobs[job.key] = job
            self._computer.start(job.key, self.task(job))
        same_job(self._jobs[job.key], job)
        return Receipt(job.key, job.key)

    def poll(self, key: str) -> Progress:
        job, now = self._jobs[key], self._clock.now()
        if key in self._aborted:
            over = self._aborted[key]
            return Progress(JobState.ABORTED, 0, None, _hours(job, over), over, run_id=key)
        over = self._over(key)
        if now < over:
            return Progress(JobState.RUNNING, 0, over, _hours(job, now), run_id=key)
        state = self._result(key).state
        return Progress(state, 0, None, _hours(job, over), over, run_id=key)

    def fetch(self, key: str, since: int = 0) -> Result:
        state = self.poll(key).state
        if state in (JobState.RUNNING, JobState.ABORTED):
            return Result(state)
        return self._result(key)

    def abort(self, key: str, reason: str) -> Status:
        if self.poll(key).state is JobState.RUNNING:
            self._aborted[key] = self._clock.now()
            self._computer.cancel(key)
        return Status(self.poll(key).state, safe=True)

    def find(self, key: str, since: datetime | None = None) -> Found:
        if key not in self._jobs:
            return Found.NEVER
        running = self.poll(key).state is JobState.RUNNING
        return Found.RUNNING if running else Found.FINISHED

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """None: a noisy simulation does not know its own mean."""
        return None

    def close(self) -> None:
        """Give up what is still computed; the computer belongs to whoever gave it."""
        for key in self._jobs:
            self._computer.cancel(key)

    def _over(self, key: str) -> datetime:
        job = self._jobs[key]
        return job.started_at + timedelta(seconds=self.seconds(job))

    def _running(self) -> int:
        now = self._clock.now()
        held = (key for key in self._jobs if key not in self._results and key not in self._aborted)
        return sum(self._over(key) > now for key in held)

    def _result(self, key: str) -> Result:
        """The answer, waited for once and kept."""
        if key not in self._results:
            try:
                self._results[key] = self.result(self._computer.result(key))
            except ComputingFailed as error:
                self._results[key] = Result(
                    JobState.FAILED, failure=FailureKind.CHANNEL_FAULT, reason=str(error)
                )
            self._computer.cancel(key)
        return self._results[key]


def _hours(job: Job, until: datetime) -> float:
    return (until - job.started_at) / timedelta(hours=1)
