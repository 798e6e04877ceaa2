"""A press that remembers and cannot be run again, and the world it stands in."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import ClassVar

import pytest

from campaigns.campaign import parse
from instruments.base import (
    Busy,
    Card,
    Found,
    JobState,
    Progress,
    Receipt,
    Result,
    Scalar,
    SettingCard,
    Status,
)
from loop.launch import create
from loop.restoring import restore
from tests.loop.laboratory import finish

TEXT = """\
name = "press"
[space.parameters]
a = {{ choices = [0, 1, 2, 3, 4, 5] }}
[[objectives]]
metric = "value"
[optimizer]
kind = "random"
replicates = 9
[instrument]
kind = "press"
channels = 2
[budget]
{budget}
"""


class Crash(BaseException):
    """Stands for the end of the engine's process."""


class HandClock:
    """Real time for the engine, moved by hand for the test."""

    simulated = False
    time: ClassVar[datetime]

    def now(self) -> datetime:
        return HandClock.time

    def wait_until(self, moment: datetime) -> None:
        HandClock.time = max(HandClock.time, moment)


class World:
    """The device itself: it outlives every engine."""

    def __init__(self) -> None:
        self.began: dict[str, datetime] = {}
        self.stopped: dict[str, datetime] = {}
        self.starts: Counter[str] = Counter()
        self.hours = 5.0
        self.places = 2
        self.faults: dict[str, list[BaseException]] = {}
        self.forgotten: set[str] = set()
        self.obeys = True
        self.failure = None

    def fault(self, where: str) -> None:
        """Raise the next planned fault of that place."""
        if self.faults.get(where):
            raise self.faults[where].pop(0)

    def over_at(self, key: str) -> datetime:
        return self.stopped.get(key, self.began[key] + timedelta(hours=self.hours))

    def running(self) -> list[str]:
        return [key for key in self.began if self.over_at(key) > HandClock.time]


class Press:
    """The adapter; a new one for every engine."""

    simulated = False
    world: ClassVar[World]

    @classmethod
    def open(cls, options, clock, files=None):
        return cls()

    def describe(self):
        return Card("press", (SettingCard("a"),), {"value": "1"}, 2, False, False, True, False)

    def check(self, job):
        return []

    def submit(self, job):
        self.world.fault("before submit")
        if job.key not in self.world.began:
            if len(self.world.running()) >= self.world.places:
                raise Busy("all places are taken")
            self.world.began[job.key] = HandClock.time
            self.world.starts[job.key] += 1
        self.world.fault("after submit")
        return Receipt(job.key, f"run-{len(self.world.began)}")

    def poll(self, key):
        self.world.fault("poll")
        now, began, over = HandClock.time, self.world.began[key], self.world.over_at(key)
        if now < over:
            hours = (now - began) / timedelta(hours=1)
            return Progress(JobState.RUNNING, 0, now + timedelta(minutes=10), hours, run_id="r")
        state = JobState.ABORTED if key in self.world.stopped else JobState.FINISHED
        return Progress(state, 0, None, (over - began) / timedelta(hours=1), over, run_id="r")

    def fetch(self, key, since=0):
        self.world.fault("fetch")
        state = self.poll(key).state
        if self.world.failure is not None:
            return Result(JobState.FAILED, failure=self.world.failure, reason="as planned")
        scalars = {"value": Scalar(1.0, "1", 0.1)} if state is JobState.FINISHED else {}
        return Result(state, scalars)

    def abort(self, key, reason):
        self.world.fault("abort")
        if self.world.obeys and self.world.over_at(key) > HandClock.time:
            self.world.stopped[key] = HandClock.time
        return Status(self.poll(key).state, safe=self.world.obeys)

    def find(self, key, since=None):
        self.world.fault("find")
        if key in self.world.forgotten:
            return Found.UNKNOWN
        if key not in self.world.began:
            return Found.NEVER
        return Found.RUNNING if key in self.world.running() else Found.FINISHED

    def truth(self, settings):
        return None

    def close(self):
        pass


def press(store, budget="trials = 6"):
    """A campaign on the press; its id."""
    return create(store, parse(TEXT.format(budget=budget)))


def job_key(store, campaign_id, trial, attempt=1):
    """The key under which an attempt went to the press."""
    intents = [e.body for e in store.events(campaign_id) if e.kind == "submitting"]
    return next(i.key for i in intents if (i.trial, i.attempt) == (trial, attempt))


def crashed(store, campaign_id):
    """Run until the engine's process ends as planned."""
    with pytest.raises(Crash):
        finish(store, campaign_id)


def counts(store, campaign_id):
    """Trials by state."""
    return +restore(store, campaign_id).counts
