"""The instrument `robot`: its card, and what it says of the jobs on its board."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaigns.problems import CampaignError
from campaigns.records import FailureKind
from instruments.base import (
    Busy,
    Found,
    Garbled,
    InstrumentError,
    Job,
    JobState,
    Refused,
    Status,
    Unreachable,
)
from instruments.board import WorkState
from instruments.clock import RealClock
from instruments.registry import open_instrument
from instruments.robot import Robot
from loop.store.errors import StoreLocked
from loop.store.store import Store
from loop.store.work import WorkBoard
from loop.store.work_robots import Caller, WorkDesk
from tests.loop.robots import HandClock

CARD = b"""\
[settings.x]
unit = "mm"
low = 0.0
high = 5.0
[settings.blade]
options = ["A", "B"]
optional = true
[metrics]
y = "mm"
"""
OPTIONS = {
    "name": "coater", "channels": 2, "card": {"file": "card.toml"}, "lease_s": 10.0,
    "lost_after_s": 60.0,
}  # fmt: skip
FILES = {"card.toml": CARD}
ARM = Caller("arm", "coater")
JOB = Job("c/1/1", {"x": 1.5, "blade": "A"}, (5, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), (), "s7")


class Place:
    """The instrument, its board, and the desk of its robots, on a clock moved by hand."""

    def __init__(self, **options: object) -> None:
        self.clock = HandClock()
        self.store = Store.open("sqlite://")
        self.robot = Robot.open({**OPTIONS, **options}, RealClock(), FILES)
        self.robot.work_on(WorkBoard(self.store._database, self.clock))
        self.desk = WorkDesk(self.store._database, self.clock)

    def begun(self):
        self.robot.submit(JOB)
        work = self.desk.claim(ARM, "a")
        self.desk.begin(ARM, work.id, work.fence)
        return work


@pytest.fixture
def place():
    made = Place()
    yield made
    made.store.close()


def done(value: float = 2.0, unit: str = "mm", sd: float | None = 0.5):
    return {"scalars": {"y": {"value": value, "unit": unit, "sd": sd}}, "files": []}


def test_a_robot_is_told_all_it_needs(place):
    place.robot.submit(JOB)
    assert place.desk.claim(ARM, "a").request == {
        "parameters": {
            "x": {"value": 1.5, "unit": "mm", "low": 0.0, "high": 5.0},
            "blade": {"value": "A", "unit": "1"},
        },
        "metrics": {"y": "mm"},
        "sample": "s7",
        "seed": [5, 1, 1],
        "checkpoints": [],
    }


def test_every_state_of_the_board_has_its_answer(place):
    robot = place.robot
    assert robot.find(JOB.key) is Found.NEVER
    with pytest.raises(KeyError):
        robot.poll(JOB.key)
    robot.submit(JOB)
    assert robot.poll(JOB.key).note == "waits for a robot"
    assert (robot.poll(JOB.key).hours, robot.find(JOB.key)) == (0.0, Found.RUNNING)
    work = place.desk.claim(ARM, "a")
    assert robot.poll(JOB.key).note == "taken by arm, not begun"
    place.desk.begin(ARM, work.id, 1)
    place.clock.go(5)
    place.desk.beat(ARM, work.id, 1, 0.3, "coating", "run-9")
    progress = robot.poll(JOB.key)
    assert (progress.state, progress.note, progress.run_id) == (
        JobState.RUNNING, "coating", "run-9",
    )  # fmt: skip
    place.clock.go(5)
    place.desk.end(ARM, work.id, 1, WorkState.FINISHED, done())
    progress = robot.poll(JOB.key)
    assert (progress.state, progress.hours, progress.ask_at) == (JobState.FINISHED, 10 / 3600, None)
    assert robot.find(JOB.key) is Found.FINISHED
    assert robot.fetch(JOB.key).scalars["y"].value == 2.0


def test_results_come_in_the_units_of_the_card(place):
    work = place.begun()
    place.desk.end(ARM, work.id, 1, WorkState.FINISHED, done(0.002, "m", 1e-3))
    scalar = place.robot.fetch(JOB.key).scalars["y"]
    assert (scalar.value, scalar.unit, scalar.sd) == pytest.approx((2.0, "mm", 1.0))


def test_a_unit_that_does_not_fit_is_garbled(place):
    work = place.begun()
    place.desk.end(ARM, work.id, 1, WorkState.FINISHED, done(unit="kg"))
    with pytest.raises(Garbled):
        place.robot.fetch(JOB.key)


def test_a_failure_keeps_its_kind_reason_and_bounds(place):
    work = place.begun()
    told = {"kind": "assembly", "reason": "no slurry", **done()}
    place.desk.end(ARM, work.id, 1, WorkState.FAILED, told)
    result = place.robot.fetch(JOB.key)
    assert (result.failure, result.reason) == (FailureKind.ASSEMBLY, "no slurry")
    assert (dict(result.scalars), result.at_least["y"].value) == ({}, 2.0)


def test_an_abort_is_safe_when_nothing_moves(place):
    place.robot.submit(JOB)
    for _ in range(2):
        assert place.robot.abort(JOB.key, "no") == Status(JobState.ABORTED, True)
    with pytest.raises(KeyError):
        place.robot.abort("nobody", "no")


def test_an_abort_is_safe_only_when_the_robot_says_so(place):
    work = place.begun()
    assert place.robot.abort(JOB.key, "no") == Status(JobState.RUNNING, False)
    assert "asked to stop" in place.robot.poll(JOB.key).note
    place.desk.end(ARM, work.id, 1, WorkState.STOPPED, {"reason": ""})
    assert place.robot.abort(JOB.key, "no") == Status(JobState.ABORTED, True)


def test_silence_is_told_and_then_the_job_is_lost(place):
    work = place.begun()
    place.clock.go(30)
    progress = place.robot.poll(JOB.key)
    assert (progress.state, progress.note) == (
        JobState.RUNNING, "arm has been silent for 30 s; lost after 60 s",
    )  # fmt: skip
    place.clock.go(31)
    assert place.robot.poll(JOB.key).state is JobState.LOST
    assert place.robot.find(JOB.key) is Found.UNKNOWN
    assert place.robot.abort(JOB.key, "no") == Status(JobState.LOST, False)
    place.desk.beat(ARM, work.id, 1, 0, "", "")  # it comes back
    assert place.robot.find(JOB.key) is Found.RUNNING
    assert "came back" in place.robot.poll(JOB.key).note
    place.desk.end(ARM, work.id, 1, WorkState.FINISHED, done())
    assert place.robot.find(JOB.key) is Found.FINISHED
    assert place.robot.fetch(JOB.key).scalars["y"].value == 2.0


def test_what_the_robot_does_not_know_is_lost(place):
    work = place.begun()
    told = {"kind": "lost", "reason": "memory gone", "scalars": {}}
    place.desk.end(ARM, work.id, 1, WorkState.LOST, told)
    assert place.robot.find(JOB.key) is Found.UNKNOWN
    progress = place.robot.poll(JOB.key)
    assert (progress.state, progress.note) == (JobState.LOST, "memory gone")


def test_the_board_takes_as_many_jobs_as_there_are_channels(place):
    for number in (1, 2):
        place.robot.submit(Job(f"c/{number}/1", {"x": 1.0}, (5, 1, 1), JOB.started_at))
    with pytest.raises(Busy):
        place.robot.submit(Job("c/3/1", {"x": 1.0}, (5, 1, 1), JOB.started_at))


@pytest.mark.parametrize("setting", [{"x": 9.0}, {}, {"x": 1.0, "z": 1}, {"x": 1.0, "blade": "C"}])
def test_what_is_beyond_the_card_never_gets_on_the_board(place, setting):
    with pytest.raises(Refused):
        place.robot.submit(Job("c/1/1", setting, (5, 1, 1), JOB.started_at))
    assert place.robot.find("c/1/1") is Found.NEVER


def test_a_locked_store_is_a_board_that_does_not_answer(place, monkeypatch):
    def locked(*arguments: object) -> None:
        raise StoreLocked("locked")

    monkeypatch.setattr(place.store._database, "rows", locked)
    for call in (place.robot.poll, place.robot.find, place.robot.fetch):
        with pytest.raises(Unreachable):
            call(JOB.key)


def test_without_a_board_it_says_so():
    robot = Robot.open(OPTIONS, RealClock(), FILES)
    assert robot.check(JOB) == []
    with pytest.raises(InstrumentError, match="through the board of a store"):
        robot.submit(JOB)


def test_its_card_may_be_that_of_another_kind():
    options = {"name": "line", "like": "coater.simulated", "channels": 3}
    card = open_instrument("robot", options, RealClock()).describe()
    other = open_instrument("coater.simulated", {"channels": 1}, RealClock()).describe()
    assert (card.kind, card.simulated, card.repeatable, card.channels) == ("robot", False, False, 3)
    assert (card.settings, dict(card.metrics)) == (other.settings, dict(other.metrics))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": " "}, "name"),
        ({"like": "coater.simulated"}, "exactly one"),
        ({"card": None}, "exactly one"),
        ({"lost_after_s": 5.0}, "lost_after_s"),
        ({"lease_s": 0.0}, "lease_s"),
        ({"on_lease_loss": "panic"}, "on_lease_loss"),
        ({"colour": 1}, "colour"),
        ({"card": {"file": "none.toml"}}, "no such file"),
        ({"card": None, "like": "coater.simulatd"}, "did you mean"),
        ({"card": None, "like": "robot"}, "like"),
        ({"board": {"target": "nowhere:board", "url": "x"}}, "board"),
    ],
)
def test_a_wrong_option_is_one_clear_line(changes, told):
    options = {name: one for name, one in {**OPTIONS, **changes}.items() if one is not None}
    with pytest.raises(ValueError, match=told) as caught:
        Robot.open(options, RealClock(), FILES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("metrics = { y = '1' }", "settings"),
        ("[settings.x]\n[metrics]\n", "metrics"),
        ("[settings.x]\nunit = 'furlongs per'\n[metrics]\ny = '1'", "settings.x.unit"),
        ("[settings.x]\nlow = 2.0\nhigh = 1.0\n[metrics]\ny = '1'", "low must be below high"),
        ("[settings.x]\nlowest = 2.0\n[metrics]\ny = '1'", "lowest"),
        ("[settings.x\n", "card.toml"),
    ],
)
def test_a_wrong_card_is_told_by_file_and_key(text, told):
    with pytest.raises(CampaignError, match=told):
        Robot.open(OPTIONS, RealClock(), {"card.toml": text.encode()})
