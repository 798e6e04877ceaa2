"""Computed instruments: answers come when their moment has come, wherever they are computed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

from campaigns.records import NOTHING, FailureKind
from instruments.base import Card, Job, JobState, Result, Scalar, SettingCard
from instruments.clock import SimulatedClock
from instruments.computed import ComputedInstrument
from instruments.computing import Computed, ComputingFailed, InlineComputer, Task

START = datetime(2000, 1, 1, tzinfo=UTC)


class Squares(ComputedInstrument):
    """y = x^2, a minute each."""

    @classmethod
    def open(cls, options: dict[str, Any], clock: SimulatedClock, files: Any = NOTHING) -> Self:
        settings = (SettingCard("x", "1", -10.0, 10.0),)
        card = Card("squares", settings, {"y": "1"}, 2, False, True, True, True)
        return cls(card, clock)

    def task(self, job: Job) -> Task:
        return Task("builtins:dict", {"x": job.parameters["x"]})

    def seconds(self, job: Job) -> float:
        return 60.0

    def result(self, answer):
        return Result(JobState.FINISHED, {"y": Scalar(answer["x"] ** 2, "1")})


class Recording(InlineComputer):
    """Writes down what it is asked for; `broken` keys cannot be computed."""

    def __init__(self, broken=()):
        super().__init__()
        self.started, self.asked, self.cancelled, self.broken = [], [], [], set(broken)

    def start(self, key, task):
        self.started.append(key)
        super().start(key, task)

    def result(self, key):
        self.asked.append(key)
        if key in self.broken:
            raise ComputingFailed("the worker process died 3 times")
        return super().result(key)

    def cancel(self, key):
        self.cancelled.append(key)
        super().cancel(key)


@pytest.fixture
def lab():
    clock = SimulatedClock(START)
    return Squares.open({}, clock), clock


def job(x, trial=1):
    return Job(f"k/{trial}/1", {"x": x}, (1, trial, 1), START)


def test_it_computes_here_until_told_where(lab):
    instrument, _ = lab
    assert isinstance(instrument, Computed)
    computer = Recording()
    instrument.compute_with(computer)
    instrument.submit(job(3.0))
    instrument.submit(job(3.0))
    assert computer.started == ["k/1/1"], "one start a job, at once"


def test_a_task_is_named_by_text():
    assert dict(Task("builtins:dict", {"x": 3}).run()) == {"x": 3}


def test_an_answer_is_asked_for_when_its_moment_has_come_and_once(lab):
    instrument, clock = lab
    computer = Recording()
    instrument.compute_with(computer)
    instrument.submit(job(3.0))
    progress = instrument.poll("k/1/1")
    assert (progress.state, progress.ask_at) == (JobState.RUNNING, START + timedelta(minutes=1))
    assert not computer.asked
    clock.wait_until(progress.ask_at)
    for _ in range(2):
        assert instrument.poll("k/1/1").state is JobState.FINISHED
        assert instrument.fetch("k/1/1").scalars["y"].value == 9.0
    assert computer.asked == ["k/1/1"]


def test_what_cannot_be_computed_is_a_failed_job(lab):
    instrument, clock = lab
    instrument.compute_with(Recording(broken=["k/1/1"]))
    instrument.submit(job(3.0))
    clock.wait_until(START + timedelta(minutes=1))
    result = instrument.fetch("k/1/1")
    assert result.state is JobState.FAILED
    assert result.failure is FailureKind.CHANNEL_FAULT
    assert "died 3 times" in result.reason
    assert instrument.poll("k/1/1").hours == pytest.approx(1 / 60)


def test_an_aborted_job_is_given_up(lab):
    instrument, clock = lab
    computer = Recording()
    instrument.compute_with(computer)
    instrument.submit(job(3.0))
    clock.wait_until(START + timedelta(seconds=30))
    assert instrument.abort("k/1/1", "test").state is JobState.ABORTED
    assert computer.cancelled == ["k/1/1"]
    clock.wait_until(START + timedelta(minutes=2))
    assert instrument.fetch("k/1/1").state is JobState.ABORTED
    assert not computer.asked
