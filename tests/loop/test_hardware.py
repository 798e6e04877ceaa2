"""A device that remembers and cannot be run again: every job runs at most once, whatever fails."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from campaigns.campaign import parse
from campaigns.records import TrialState
from instruments import registry
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
    Unreachable,
)
from loop import amend, launch
from loop.launch import create
from loop.restoring import restore
from loop.store.store import Store
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
        state = self.poll(key).state
        scalars = {"value": Scalar(1.0, "1", 0.1)} if state is JobState.FINISHED else {}
        return Result(state, scalars)

    def abort(self, key, reason):
        if self.world.obeys and self.world.over_at(key) > HandClock.time:
            self.world.stopped[key] = HandClock.time
        return Status(self.poll(key).state, safe=self.world.obeys)

    def find(self, key):
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


@pytest.fixture
def world(monkeypatch):
    HandClock.time = datetime(2026, 1, 1, tzinfo=UTC)
    Press.world = World()
    monkeypatch.setattr(launch, "RealClock", HandClock)
    monkeypatch.setattr(registry, "target", lambda kind: Press)
    return Press.world


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


def press(store, budget="trials = 6"):
    return create(store, parse(TEXT.format(budget=budget)))


def crashed(store, campaign_id):
    with pytest.raises(Crash):
        finish(store, campaign_id)


def counts(store, campaign_id):
    return +restore(store, campaign_id).counts


def test_an_undisturbed_campaign(store, world):
    campaign_id = press(store)
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert set(world.starts.values()) == {1}
    assert restore(store, campaign_id).cost.instrument_hours == 30


@pytest.mark.parametrize("where", ["before submit", "after submit"])
def test_a_crash_around_the_hand_over_starts_nothing_twice(store, world, where):
    campaign_id = press(store)
    world.faults[where] = [Crash()]
    crashed(store, campaign_id)
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert set(world.starts.values()) == {1}


def test_a_job_that_ended_while_the_engine_was_away_keeps_its_measurement(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    HandClock.time += timedelta(days=2)
    finish(store, campaign_id)
    state = restore(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert state.cost.instrument_hours == 30
    assert set(world.starts.values()) == {1}


def test_what_the_device_cannot_tell_is_lost_and_never_sent_again(store, world):
    campaign_id = press(store)
    world.faults["after submit"] = [Crash()]
    crashed(store, campaign_id)
    world.forgotten = {f"{campaign_id}/1/1"}
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.LOST: 1, TrialState.COMPLETED: 5}
    assert world.starts[f"{campaign_id}/1/1"] == 1


def test_a_busy_device_is_asked_again(store, world):
    world.places = 1
    campaign_id = press(store)
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}


def test_silence_is_waited_out(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Unreachable("cut"), Unreachable("cut")]
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}


def test_a_lost_answer_is_cleared_up_by_asking(store, world):
    campaign_id = press(store)
    world.faults["after submit"] = [Unreachable("cut")]
    world.faults["find"] = [Unreachable("cut"), Unreachable("cut")]
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert set(world.starts.values()) == {1}


def test_a_job_that_never_arrived_follows_the_failure_rule(store, world):
    campaign_id = press(store)
    world.faults["before submit"] = [Unreachable("cut")]
    finish(store, campaign_id)
    state = restore(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert state.history.trials[1].attempt == 2  # channel_fault = "retry:2"


def test_a_trial_is_over_only_when_the_device_has_stopped(store, world):
    world.obeys = False
    campaign_id = press(store, "lab_days = 0.1")
    finish(store, campaign_id)
    assert not world.running()
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 2}


def test_running_jobs_are_stopped_at_the_deadline(store, world):
    campaign_id = press(store, "lab_days = 0.1")
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.STOPPED: 2}
    assert not world.running()


def test_stopping_a_campaign_stops_its_jobs(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    assert world.running()
    amend.stop(store, campaign_id, "enough")
    state = restore(store, campaign_id)
    assert not world.running()
    assert state.status == "stopped"
    assert not state.attempts


def test_fewer_channels_wait_for_what_runs(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    finish(store, campaign_id, {"instrument.channels": 1})
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert set(world.starts.values()) == {1}
