"""A robot at work: any adapter behind a real server, through crashes, stops and silence."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import numpy as np
import pytest

from instruments.base import Busy, Found, JobState, Progress, Unreachable
from instruments.board import WorkState
from instruments.clock import RealClock, SimulatedClock
from instruments.cycler.simulated import SimulatedCycler
from instruments.robot import Robot as RobotInstrument
from instruments.robot_series import joined
from instruments.scaled_clock import ScaledClock
from loop.robot_link import Denied, Link
from loop.robot_worker import Abandoned, Robot
from loop.store.store import Store
from loop.store.work import board_of
from tests.loop import file_device
from tests.loop.file_device import FileDevice
from tests.loop.robots import leyden, look, post, posting, serving, token


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    """One store and its server; every test has an instrument of its own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('server')}/w.db"
    with Store.open(url), serving(url) as address:
        yield url, address


@pytest.fixture
def lab(server, tmp_path: Path, request: pytest.FixtureRequest):
    return Lab(*server, tmp_path, request.node.name)


class Lab:
    """One instrument of the shared server, with its robot and device."""

    def __init__(self, url: str, address: str, folder: Path, name: str) -> None:
        self.url, self.address, self.name = url, address, name
        self.folder = folder / "device"
        self.folder.mkdir()
        self.secret = token(url, f"robot of {name}", name)
        self.told: list[str] = []

    def key(self, number: int = 1) -> str:
        return f"{self.name}/{number}/1"

    def post(self, number: int = 1, **changes: object) -> str:
        post(self.url, self.key(number), instrument=self.name, **{"lease_s": 2.0, **changes})
        return self.key(number)

    def look(self, number: int = 1):
        return look(self.url, self.key(number), self.name)

    def stop(self, number: int = 1) -> None:
        with Store.open(self.url) as store:
            board_of(store).ask_to_stop(self.name, self.key(number), "enough")

    def wait(self, *states: WorkState, number: int = 1):
        until = time.monotonic() + 30
        while (seen := self.look(number)).state not in states and time.monotonic() < until:
            time.sleep(0.05)
        assert seen.state in states, self.told
        return seen

    def begins(self) -> None:
        """Wait until the device has physically begun."""
        until = time.monotonic() + 30
        while not file_device.starts(self.folder):
            assert time.monotonic() < until
            time.sleep(0.02)

    def device(self, **options: object) -> FileDevice:
        given = {"folder": str(self.folder), "seconds": 0.5, **options}
        return FileDevice.open(given, RealClock())

    @contextmanager
    def robot(self, device, clock=None, speed: float = 1.0, secret: str = "") -> Iterator[Robot]:
        """A robot in a thread of this process."""
        link = Link(self.address, secret or self.secret, lambda s, why: made.wait(s, why))
        made = Robot(link, device, clock or RealClock(), self.told.append, speed)
        self.ended: list[BaseException | None] = []

        def work() -> None:
            try:
                made.run()
                self.ended.append(None)
            except (Abandoned, Denied) as error:
                self.ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield made
        finally:
            made.leave()
            thread.join()
            link.close()

    def spawn(self, **options: object):
        """A robot in a process of its own."""
        path = self.folder.parent / "token"
        path.write_text(self.secret)
        path.chmod(0o600)
        given = {"folder": json.dumps(str(self.folder)), "seconds": 2.0, **options}
        words = [word for name, value in given.items() for word in ("--option", f"{name}={value}")]
        return leyden(
            "robot", "run", "--server", self.address, "--token-file", str(path),
            "--adapter", "tests.loop.file_device:FileDevice", *words,
        )  # fmt: skip


def test_jobs_are_done_one_after_the_other(lab):
    for number in (1, 2, 3):
        lab.post(number)
    with lab.robot(lab.device(seconds=0.1)) as robot:
        for number in (1, 2, 3):
            seen = lab.wait(WorkState.FINISHED, number=number)
            assert seen.outcome["scalars"]["y"]["value"] == pytest.approx(6.75, abs=0.01)
            assert seen.run_id.startswith("run-")
        robot.finish()
    assert file_device.starts(lab.folder) == [lab.key(n) for n in (1, 2, 3)]


def test_a_device_with_room_for_two_does_two_at_once(lab):
    for number in (1, 2):
        lab.post(number)
    with lab.robot(lab.device(seconds=2.0, channels=2)):
        lab.wait(WorkState.RUNNING, number=1)
        lab.wait(WorkState.RUNNING, number=2)
        assert lab.look(1).state is WorkState.RUNNING
        lab.stop(1)
        lab.stop(2)
        lab.wait(WorkState.STOPPED, number=1)
        lab.wait(WorkState.STOPPED, number=2)


def test_a_stop_is_read_back_from_the_device(lab):
    lab.post()
    with lab.robot(lab.device(seconds=60.0)):
        lab.wait(WorkState.RUNNING)
        lab.stop()
        lab.wait(WorkState.STOPPED)
    assert lab.device(seconds=60.0).find(lab.key()) is Found.FINISHED


def test_settings_reach_the_device_in_its_own_units(lab):
    parameters = {"x": {"value": 0.0015, "unit": "m"}}
    lab.post(request={**posting().request, "parameters": parameters})
    with lab.robot(lab.device(seconds=0.1)):
        seen = lab.wait(WorkState.FINISHED)
    assert seen.outcome["scalars"]["y"]["value"] == pytest.approx(6.75, abs=0.01)


@pytest.mark.parametrize("parameter", [{"value": 9.0, "unit": "mm"}, {"value": 1.0, "unit": "s"}])
def test_the_device_has_the_last_word_on_limits(lab, parameter):
    lab.post(request={**posting().request, "parameters": {"x": parameter}})
    with lab.robot(lab.device()):
        seen = lab.wait(WorkState.FAILED)
    assert seen.outcome["kind"] == "out_of_range"
    assert file_device.starts(lab.folder) == []


def test_a_robot_that_is_killed_takes_its_job_up_again(lab):
    lab.post()
    first = lab.spawn()
    lab.begins()
    first.kill()
    first.communicate()
    assert file_device.starts(lab.folder) == [lab.key()]
    second = lab.spawn()
    seen = lab.wait(WorkState.FINISHED)
    second.send_signal(signal.SIGTERM)
    _, told = second.communicate(timeout=30)
    assert second.returncode == 0, told
    assert "taken up again" in told
    assert seen.fence == 1
    assert file_device.starts(lab.folder) == [lab.key()]


def test_a_job_that_ended_meanwhile_is_fetched(lab):
    lab.post()
    device = lab.device(seconds=0.2)
    with lab.robot(device):
        lab.begins()
    time.sleep(0.3)
    with lab.robot(device):
        lab.wait(WorkState.FINISHED)
    assert file_device.starts(lab.folder) == [lab.key()]


def test_a_device_that_forgot_makes_its_job_lost(lab):
    lab.post()
    with lab.robot(lab.device(seconds=60.0)):
        lab.begins()
    file_device.forget(lab.folder)
    with lab.robot(lab.device(seconds=60.0)):
        seen = lab.wait(WorkState.LOST)
    assert "cannot say" in seen.outcome["reason"]
    assert file_device.starts(lab.folder) == [lab.key()]


def test_two_programs_with_one_token_do_not_share_a_job(lab, tmp_path: Path):
    """Two devices would do it, each by its own memory for the first time."""
    lab.post(lease_s=1.0)
    with lab.robot(lab.device(seconds=60.0)):
        lab.begins()
        other = FileDevice.open({"folder": str(tmp_path)}, RealClock())
        link = Link(lab.address, lab.secret, lambda s, why: None)
        with pytest.raises(Denied, match="another program"):
            Robot(link, other, RealClock(), lab.told.append).run()
        link.close()
    assert file_device.starts(tmp_path) == []


def test_a_program_whose_job_ends_while_another_listens_is_noticed(lab, tmp_path: Path):
    lab.post(lease_s=8.0)
    other = FileDevice.open({"folder": str(tmp_path)}, RealClock())
    caught: list[BaseException] = []
    link = Link(lab.address, lab.secret, lambda s, why: None)
    first = link.claim(str(uuid4()), 0.0)

    def second() -> None:
        again = Link(lab.address, lab.secret, lambda s, why: None)
        try:
            Robot(again, other, RealClock(), lab.told.append).run()
        except Denied as error:
            caught.append(error)
        finally:
            again.close()

    listening = threading.Thread(target=second)
    listening.start()
    time.sleep(1.0)  # it has seen the claim, and listens
    link.begin(first)
    link.complete(first, {"y": {"value": 1.0, "unit": "1"}}, "")
    link.close()
    listening.join()
    assert "another program" in str(caught[0])
    assert file_device.starts(tmp_path) == []


@pytest.mark.parametrize("silent", [False, True])
def test_one_signal_ends_a_robot_without_a_job(tmp_path: Path, silent: bool):
    """Also where nothing listens at the address, and where what listens does not answer."""
    (tmp_path / "token").write_text("leyden_x")
    (tmp_path / "token").chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1] if silent else 1}"
        process = leyden(
            "robot", "run", "--server", address, "--token-file", str(tmp_path / "token"),
            "--adapter", "coater.simulated",
        )  # fmt: skip
        assert "takes its work" in process.stderr.readline()
        time.sleep(0.7)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=8)  # less than a request may take
    assert (process.returncode, "Traceback" in told) == (0, False)


class Moody(FileDevice):
    """Does not answer at first, is busy then, and answers a submit into the void."""

    moods: ClassVar[list[Exception]] = []

    def submit(self, job):
        receipt = None
        mood = self.moods.pop(0) if self.moods else None
        if not isinstance(mood, Busy):
            receipt = super().submit(job)
        if mood is not None:
            raise mood
        return receipt


def test_a_hand_over_without_an_answer_is_cleared_up(lab):
    device = Moody(file_device.FileOptions(str(lab.folder), 0.3))
    device.moods = [Busy("not yet"), Unreachable("cut")]
    lab.post()
    with lab.robot(device):
        lab.wait(WorkState.FINISHED)
    assert file_device.starts(lab.folder) == [lab.key()]


class Hanging(FileDevice):
    """Its poll never comes back; its abort has a connection of its own."""

    def poll(self, key: str) -> Progress:
        progress = super().poll(key)
        if progress.state is JobState.RUNNING and threading.current_thread().name != "heartbeats":
            self.release.wait(20)
        return progress


def test_a_device_that_hangs_is_stopped_all_the_same(lab):
    device = Hanging(file_device.FileOptions(str(lab.folder), 60.0))
    device.release = threading.Event()
    lab.post()
    with lab.robot(device):
        lab.begins()
        lab.stop()
        lab.wait(WorkState.STOPPED)
        device.release.set()
    assert lab.device(seconds=60.0).find(lab.key()) is Found.FINISHED


def test_a_job_that_was_given_away_is_stopped_here(lab):
    lab.post(repeatable=True, lease_s=1.0)
    with lab.robot(lab.device(seconds=60.0)):
        work = lab.wait(WorkState.RUNNING)
        with Store.open(lab.url) as store:  # as after a silence of the robot
            columns = "state = 'queued', robot = NULL, claim = NULL"
            store._database.run(f"UPDATE work SET {columns} WHERE id = :id", {"id": work.id})
        until = time.monotonic() + 10
        while lab.device(seconds=60.0).find(lab.key()) is Found.RUNNING:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_robot_that_is_cut_off_stops_where_that_was_agreed(lab):
    lab.post(lease_s=1.0, on_lease_loss="stop")
    device = lab.device(seconds=60.0)
    with lab.robot(device) as robot:
        lab.begins()
        client, robot._link._client = robot._link._client, _Cut()
        until = time.monotonic() + 10
        while device.find(lab.key()) is Found.RUNNING:
            assert time.monotonic() < until
            time.sleep(0.05)
        robot._link._client = client
        seen = lab.wait(WorkState.FAILED)
    assert seen.outcome["kind"] == "aborted"


class _Cut:
    """A line that is dead."""

    def request(self, *arguments: object, **options: object) -> None:
        import httpx

        raise httpx.ConnectError("cut")


def test_a_wrong_token_ends_the_robot(lab):
    with lab.robot(lab.device(), secret="leyden_wrong"):
        until = time.monotonic() + 10
        while not lab.ended and time.monotonic() < until:
            time.sleep(0.05)
    assert isinstance(lab.ended[0], Denied)


def test_a_wrong_token_is_told_in_one_line(lab):
    lab.secret = "leyden_wrong"
    process = lab.spawn()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 2
    last = told.splitlines()[-1]
    assert "--token-file" in last
    assert "leyden token create" in last


def test_series_come_through_as_they_were_measured(lab):
    """A simulated cycler, in a hurry: what the instrument fetches is what the cycler gives."""
    setting = {"cc1": 8.0, "cc2": 7.0, "cc3": 5.2, "cc4": 2.661}
    options = {"name": lab.name, "like": "cycler.simulated", "channels": 1, "lease_s": 5.0}
    robot = RobotInstrument.open(options, RealClock())
    with Store.open(lab.url) as store:
        robot.work_on(board_of(store))
        from instruments.base import Job

        job = Job(lab.key(), setting, (5, 1, 1), RealClock().now(), (60,))
        robot.submit(job)
        clock = ScaledClock(1e6)
        with lab.robot(SimulatedCycler.open({"channels": 1}, clock), clock, 1e6):
            lab.wait(WorkState.FINISHED)
        got = robot.fetch(job.key)
        later = robot.fetch(job.key, since=60)
    alone = SimulatedClock(job.started_at)
    cycler = SimulatedCycler.open({"channels": 1}, alone)
    cycler.submit(job)
    while (progress := cycler.poll(job.key)).state is JobState.RUNNING:
        alone.wait_until(progress.ask_at)
    truth = cycler.fetch(job.key)
    assert got.scalars == truth.scalars
    for name in ("cycles", "voltage", "curves", "curve_cycles"):
        assert np.array_equal(getattr(got.series, name), getattr(truth.series, name)), name
    for name, values in truth.series.summary.items():
        assert np.array_equal(got.series.summary[name], values, equal_nan=True)
    assert later.series.cycles[0] == 61


def test_parts_without_series_are_no_series():
    assert joined([]) is None
    assert joined([{"scalars": {"y": 1.0}}]) is None
