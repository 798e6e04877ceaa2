"""The board of work: one job to one robot, fences, leases, and what is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from instruments.base import Busy, Refused
from instruments.board import WorkState
from loop.store.seals import SEALED, broken
from loop.store.store import Store
from loop.store.work import WorkBoard, board_of
from loop.store.work_robots import (
    Caller,
    NoSuchWork,
    NotYours,
    Superseded,
    WorkDesk,
    WorkError,
    desk_of,
)
from tests.loop.robots import HandClock, posting

ARM, LEG = Caller("arm", "coater"), Caller("leg", "coater")
OTHER = Caller("eye", "camera")
DONE = {"scalars": {"y": {"value": 2.0, "unit": "1", "sd": None}}, "files": []}


class Place:
    """A board and its desk over one store in memory, on a clock moved by hand."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = Store.open("sqlite://")
        database = self.store._database
        self.board = WorkBoard(database, self.clock)
        self.desk = WorkDesk(database, self.clock)

    def events(self) -> list[str]:
        rows = self.store._database.rows("SELECT kind FROM work_event ORDER BY id")
        return [kind for (kind,) in rows]


@pytest.fixture
def place():
    made = Place()
    yield made
    made.store.close()


def begun(place, caller=ARM, **changes):
    place.board.post(posting(**changes), 9)
    job = place.desk.claim(caller, "claim-1")
    return place.desk.begin(caller, job.id, job.fence)


def test_a_job_goes_its_way(place):
    place.board.post(posting(), 1)
    job = place.desk.claim(ARM, "a")
    assert (job.state, job.fence, job.robot) == (WorkState.CLAIMED, 1, "arm")
    assert place.desk.begin(ARM, job.id, 1).state is WorkState.RUNNING
    place.clock.go(5)
    place.desk.beat(ARM, job.id, 1, 0.5, "half", "run-7")
    place.desk.end(ARM, job.id, 1, WorkState.FINISHED, DONE)
    seen = place.board.look("coater", "c/1/1")
    assert (seen.state, seen.outcome, seen.note, seen.run_id) == (
        WorkState.FINISHED, DONE, "half", "run-7",
    )  # fmt: skip
    assert (seen.over_at - seen.begun_at).total_seconds() == 5
    assert place.events() == ["posted", "claimed", "begun", "finished"]
    assert place.store.check() == []


def test_the_same_post_changes_nothing_and_another_is_refused(place):
    one = place.board.post(posting(), 1)
    assert place.board.post(posting(), 1).id == one.id
    with pytest.raises(Refused):
        place.board.post(posting(request={"parameters": {}}), 1)
    with pytest.raises(Refused):
        place.board.post(posting(instrument="camera"), 1)


def test_more_open_jobs_than_channels_are_turned_away(place):
    place.board.post(posting("k1"), 1)
    with pytest.raises(Busy):
        place.board.post(posting("k2"), 1)
    place.board.ask_to_stop("coater", "k1", "no")
    place.board.post(posting("k2"), 1)


def test_the_same_claim_gives_the_same_job(place):
    place.board.post(posting("k1"), 9)
    place.board.post(posting("k2"), 9)
    assert place.desk.claim(ARM, "a").key == "k1"
    assert place.desk.claim(ARM, "a").key == "k1"
    assert place.desk.claim(ARM, "b").key == "k2"
    assert place.desk.claim(LEG, "c") is None
    assert place.desk.claim(OTHER, "d") is None
    with pytest.raises(NotYours):
        place.desk.claim(LEG, "a")


def test_a_claim_is_used_up_with_its_job(place):
    job = begun(place)
    place.desk.end(ARM, job.id, 1, WorkState.FINISHED, DONE)
    with pytest.raises(Superseded):
        place.desk.claim(ARM, "claim-1")


@pytest.mark.parametrize("threads", [8])
def test_claims_at_the_same_time_give_each_job_once(tmp_path: Path, threads):
    url = f"sqlite:///{tmp_path}/w.db"
    with Store.open(url) as store:
        for number in range(60):
            board_of(store).post(posting(f"k{number}"), 99)
    got: list[str] = []

    def work(name: str) -> None:
        with Store.open(url) as own:
            desk, caller = desk_of(own), Caller(name, "coater")
            while (job := desk.claim(caller, f"{name}-{len(got)}-{id(object())}")) is not None:
                got.append(job.key)
                desk.begin(caller, job.id, job.fence)
                desk.end(caller, job.id, job.fence, WorkState.FINISHED, DONE)

    crowd = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(threads)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert sorted(got) == sorted(f"k{number}" for number in range(60))


def test_the_same_claim_twice_at_once_takes_one_job(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/w.db"
    with Store.open(url) as store:
        for number in range(20):
            board_of(store).post(posting(f"k{number}"), 99)
        desk = desk_of(store)
        for number in range(8):
            got: list[str] = []
            ask = lambda: got.append(desk.claim(ARM, f"claim-{number}").key)  # noqa: B023, E731
            crowd = [threading.Thread(target=ask) for _ in range(4)]
            for one in crowd:
                one.start()
            for one in crowd:
                one.join()
            assert got == [f"k{number}"] * 4


def test_a_job_that_was_not_begun_is_withdrawn_for_certain(place):
    place.board.post(posting(), 9)
    job = place.desk.claim(ARM, "a")
    assert place.board.ask_to_stop("coater", job.key, "no").state is WorkState.WITHDRAWN
    assert place.board.ask_to_stop("coater", job.key, "no").state is WorkState.WITHDRAWN
    with pytest.raises(Superseded):
        place.desk.begin(ARM, job.id, job.fence)
    assert place.desk.claim(ARM, "b") is None


def test_a_running_job_is_asked_to_stop_and_says_that_it_did(place):
    job = begun(place)
    with pytest.raises(Superseded, match="nobody asked"):
        place.desk.end(ARM, job.id, 1, WorkState.STOPPED, {"reason": ""})
    assert place.board.ask_to_stop("coater", job.key, "late").state is WorkState.RUNNING
    assert place.desk.beat(ARM, job.id, 1, 0, "", "").stop == "late"
    place.desk.end(ARM, job.id, 1, WorkState.STOPPED, {"reason": ""})
    assert place.board.look("coater", job.key).state is WorkState.STOPPED


def test_reports_before_the_beginning_are_refused(place):
    place.board.post(posting(), 9)
    job = place.desk.claim(ARM, "a")
    with pytest.raises(Superseded, match="begin it first"):
        place.desk.end(ARM, job.id, 1, WorkState.FINISHED, DONE)
    with pytest.raises(Superseded):
        place.desk.part(ARM, job.id, 1, 1, {}, 0)
    place.desk.end(ARM, job.id, 1, WorkState.FAILED, {"kind": "out_of_range", "reason": "no"})


def test_a_second_end_is_harmless_if_it_says_the_same(place):
    job = begun(place)
    for _ in range(2):
        place.desk.end(ARM, job.id, 1, WorkState.FINISHED, DONE)
    with pytest.raises(Superseded):
        place.desk.end(ARM, job.id, 1, WorkState.FINISHED, {**DONE, "files": [1]})
    with pytest.raises(Superseded):
        place.desk.end(ARM, job.id, 1, WorkState.FAILED, {"kind": "aborted", "reason": "x"})
    assert place.events().count("finished") == 1


def test_parts_are_kept_once_each(place):
    job = begun(place)
    place.desk.part(ARM, job.id, 1, 1, {"series": 1}, 10)
    place.desk.part(ARM, job.id, 1, 1, {"series": 1}, 10)
    place.desk.part(ARM, job.id, 1, 2, {"series": 2}, 20)
    with pytest.raises(Superseded):
        place.desk.part(ARM, job.id, 1, 2, {"series": 3}, 20)
    assert place.board.parts("coater", job.key) == [{"series": 1}, {"series": 2}]
    assert place.board.look("coater", job.key).cycle == 20


def test_nobody_touches_what_is_not_theirs(place):
    job = begun(place)
    with pytest.raises(NotYours):
        place.desk.show(LEG, job.id)
    with pytest.raises(NotYours):
        place.desk.beat(LEG, job.id, 1, 0, "", "")
    with pytest.raises(NotYours):
        place.desk.end(OTHER, job.id, 1, WorkState.FINISHED, DONE)
    with pytest.raises(NoSuchWork):
        place.desk.show(ARM, 99)
    assert place.desk.held(LEG) == []
    assert [one.id for one in place.desk.held(ARM)] == [job.id]


def test_a_claim_without_a_beginning_goes_to_the_next_robot(place):
    place.board.post(posting(), 9)
    first = place.desk.claim(ARM, "a")
    assert place.desk.claim(LEG, "b") is None
    place.clock.go(11)
    second = place.desk.claim(LEG, "c")
    assert (second.id, second.fence, second.robot) == (first.id, 2, "leg")
    with pytest.raises(Superseded):  # it had the job: 409, not 403
        place.desk.begin(ARM, first.id, first.fence)


def test_a_silent_robot_keeps_its_job_until_it_is_lost(place):
    job = begun(place)
    place.clock.go(50)
    assert place.board.look("coater", job.key).state is WorkState.RUNNING
    assert place.desk.claim(LEG, "b") is None
    place.clock.go(11)
    assert place.board.look("coater", job.key).state is WorkState.LOST
    place.clock.go(1000)
    assert place.desk.claim(LEG, "c") is None  # never again
    assert place.board.look("coater", job.key).state is WorkState.LOST


def test_a_robot_that_is_heard_of_in_time_keeps_its_job(place):
    job = begun(place)
    for _ in range(5):
        place.clock.go(55)
        place.desk.beat(ARM, job.id, 1, 0, "", "")
    assert place.board.look("coater", job.key).state is WorkState.RUNNING


def test_a_late_answer_is_kept_for_whoever_rules(place):
    job = begun(place)
    place.clock.go(61)
    assert place.board.look("coater", job.key).state is WorkState.LOST
    place.desk.beat(ARM, job.id, 1, 0, "", "")
    assert place.board.look("coater", job.key).state is WorkState.LOST
    place.desk.end(ARM, job.id, 1, WorkState.FINISHED, DONE)
    seen = place.board.look("coater", job.key)
    assert (seen.state, seen.outcome) == (WorkState.FINISHED, DONE)
    assert place.events()[-2:] == ["lost", "finished late"]


def test_a_robot_may_say_itself_that_it_does_not_know(place):
    job = begun(place)
    told = {"kind": "lost", "reason": "memory gone"}
    place.desk.end(ARM, job.id, 1, WorkState.LOST, told)
    place.desk.end(ARM, job.id, 1, WorkState.LOST, told)
    seen = place.board.look("coater", job.key)
    assert (seen.state, seen.outcome["reason"]) == (WorkState.LOST, "memory gone")
    assert seen.silent_s > seen.lease_s


def test_a_repeatable_job_of_a_silent_robot_goes_to_another(place):
    job = begun(place, repeatable=True)
    place.desk.part(ARM, job.id, 1, 5, {"series": 1}, 5)
    place.clock.go(11)
    again = place.desk.claim(LEG, "b")
    assert (again.id, again.fence, again.cycle, again.begun_at) == (job.id, 2, 0, None)
    assert place.board.parts("coater", job.key) == []
    with pytest.raises(Superseded):
        place.desk.end(ARM, job.id, 1, WorkState.FINISHED, DONE)
    place.desk.begin(LEG, job.id, 2)
    place.desk.end(LEG, job.id, 2, WorkState.FINISHED, DONE)


def test_a_repeatable_job_is_never_lost(place):
    job = begun(place, repeatable=True)
    place.clock.go(61)
    assert place.board.look("coater", job.key).state is WorkState.QUEUED


class Lab(RuleBasedStateMachine):
    """Two robots, an engine and time, in any order: nothing begins twice, nothing ends twice."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Place()
        self.held: dict[Caller, list[tuple[int, int]]] = {ARM: [], LEG: []}
        self.begun: dict[int, set[tuple[Caller, int]]] = {}
        self.ended: dict[int, int] = {}
        self.claims = 0

    @rule(key=st.integers(1, 4))
    def post(self, key: int) -> None:
        self.place.board.post(posting(f"k{key}"), 99)

    @rule(caller=st.sampled_from([ARM, LEG]))
    def claim(self, caller: Caller) -> None:
        self.claims += 1
        job = self.place.desk.claim(caller, f"claim {self.claims}")
        if job is not None:
            assert all((job.id, job.fence) not in held for held in self.held.values())
            self.held[caller].append((job.id, job.fence))

    @rule(caller=st.sampled_from([ARM, LEG]), which=st.integers(0, 5))
    def begin(self, caller: Caller, which: int) -> None:
        for work, fence in self.held[caller][which : which + 1]:
            try:
                self.place.desk.begin(caller, work, fence)
            except WorkError:
                continue
            self.begun.setdefault(work, set()).add((caller, fence))

    @rule(
        caller=st.sampled_from([ARM, LEG]),
        which=st.integers(0, 5),
        state=st.sampled_from([WorkState.FINISHED, WorkState.STOPPED, WorkState.FAILED]),
    )
    def end(self, caller: Caller, which: int, state: WorkState) -> None:
        for work, fence in self.held[caller][which : which + 1]:
            before = self.place.board.look("coater", self.key(work)).state
            try:
                self.place.desk.end(caller, work, fence, state, {"reason": "", "kind": "x"})
            except WorkError:
                continue
            if before != state:
                self.ended[work] = self.ended.get(work, 0) + 1

    @rule(key=st.integers(1, 4))
    def stop(self, key: int) -> None:
        if self.place.board.look("coater", f"k{key}") is not None:
            standing = self.place.board.ask_to_stop("coater", f"k{key}", "no")
            if standing.state is WorkState.WITHDRAWN:
                assert standing.id not in self.begun

    @rule(seconds=st.sampled_from([3.0, 11.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.place.clock.go(seconds)

    def key(self, work: int) -> str:
        ((key,),) = self.place.store._database.rows(f"SELECT key FROM work WHERE id = {work}")
        return str(key)

    @invariant()
    def nothing_happens_twice(self) -> None:
        assert all(len(who) == 1 for who in self.begun.values())
        assert all(times == 1 for times in self.ended.values())

    @invariant()
    def every_row_is_as_it_was_sealed(self) -> None:
        database = self.place.store._database
        assert not [flaw for table in SEALED for flaw in broken(database, table)]

    def teardown(self) -> None:
        self.place.store.close()


TestLab = Lab.TestCase
TestLab.settings = settings(max_examples=60, stateful_step_count=40)
