"""The simulated coater as a machine: its states, its memory, its lease, and who may talk to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from instruments.coater.options import CoaterOptions
from instruments.coater.process import run
from instruments.coater.server_access import Access, Users
from instruments.coater.server_machine import PROGRAM, Denial, Denied, Machine, Phase, Step
from instruments.coater.server_memory import Diary, FileUnusable, JobMemory
from loop import cli
from tests.instruments.opcua_rig import SETTINGS

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Shop:
    """A machine and the clock on its wall."""

    def __init__(self, folder, *, log=False, kept=1000):
        self.now = BEGIN
        self.folder = folder
        self._log = folder / "jobs.jsonl" if log else None
        self._kept = kept
        self._open = ()
        self.switch_on()

    def switch_off(self):
        for one in self._open:
            one.close()

    def switch_on(self):
        self.switch_off()
        memory = JobMemory(self._log, self.now, self._kept)
        diary = Diary(self.folder / "audit.jsonl", lambda: self.now)
        self._open = (memory, diary)
        options = CoaterOptions()
        self.machine = Machine(
            lambda parameters, seed: run(parameters, seed, options),
            memory,
            diary,
            lambda: self.now,
            speed=3600.0,
            lease_s=10.0,
            entropy=1,
        )

    def wait(self, seconds, *, beats=True, step=0.5):
        for _ in range(int(seconds / step)):
            self.now += timedelta(seconds=step)
            if beats:
                self.machine.beat()
            self.machine.tick()

    def start(self, job_id="a/1/1", **changes):
        return self.machine.start(PROGRAM, {**SETTINGS[0], **changes}, job_id, job_id, ())

    def denied(self, **changes):
        with pytest.raises(Denied) as denial:
            self.start("a/9/1", **changes)
        return denial.value.why


@pytest.fixture
def shops(tmp_path):
    made = []

    def make(**options):
        made.append(Shop(tmp_path, **options))
        return made[-1]

    yield make
    for shop in made:
        shop.switch_off()


@pytest.fixture
def shop(shops):
    return shops()


def test_a_job_passes_its_stages_and_leaves_a_record(shop):
    run_id = shop.start(Seed="3,1,1")
    stages = set()
    while shop.machine.phase is Phase.RUNNING:
        shop.wait(0.05, step=0.05)
        stages.add(shop.machine.stage)
    assert {"mixing", "coating", "drying", "calendering"} - stages <= {"coating", "drying"}
    record = shop.machine.memory.jobs["a/1/1"]
    assert (record.run_id, record.outcome) == (run_id, "Completed")
    expected = run(SETTINGS[0], (3, 1, 1), CoaterOptions())
    assert {name: one[0] for name, one in record.metrics.items()} == {
        name: scalar.value for name, scalar in expected.scalars.items()
    }
    assert (record.stopped - record.started).total_seconds() == pytest.approx(
        expected.seconds / 3600.0, abs=0.2
    )
    assert shop.machine.phase is Phase.STOPPED


def test_without_a_seed_every_job_is_another_coating(shop):
    values = []
    for job in ("a/1/1", "a/2/1"):
        shop.start(job)
        shop.wait(5.0)
        values.append(shop.machine.memory.jobs[job].metrics["porosity"][0])
    assert values[0] != values[1]


def test_the_same_job_again_is_the_same_run_and_another_one_is_denied(shop):
    first = shop.start()
    assert shop.start() == first
    shop.wait(5.0)
    assert shop.start() == first
    with pytest.raises(Denied) as denial:
        shop.start(gap_um=151.0)
    assert denial.value.why is Denial.CONFLICT


def test_what_it_cannot_do_is_denied_for_its_reason(shop):
    assert shop.denied(gap_um=5000.0) is Denial.LIMITS
    assert shop.denied(active_percent=97.0) is Denial.LIMITS  # does not add up
    assert shop.denied(calender_c=110.0, calender_pressure_mpa=200.0) is Denial.LIMITS
    assert shop.denied(Seed="one") is Denial.ARGUMENT
    shop.machine.interlocks.cover_closed = False
    assert shop.denied() is Denial.STATE
    shop.machine.interlocks.cover_closed = True
    shop.start()
    assert shop.denied() is Denial.BUSY
    assert not shop.machine.memory.jobs.get("a/9/1")


def test_an_abort_ends_the_job_and_wants_to_be_cleared(shop):
    shop.start()
    shop.wait(1.0)
    shop.machine.abort()
    assert shop.machine.phase is Phase.ABORTING
    shop.wait(0.5)
    assert shop.machine.phase is Phase.ABORTED
    assert shop.denied() is Denial.STATE
    shop.machine.clear()
    shop.wait(0.5)
    assert shop.machine.phase is Phase.STOPPED
    assert shop.machine.memory.jobs["a/1/1"].outcome == "Aborted"
    shop.start("a/2/1")


def test_without_a_heartbeat_it_holds_and_with_one_it_goes_on(shop):
    shop.machine.lease_s = 0.6
    shop.start()
    shop.wait(1.5, beats=False, step=0.1)
    assert shop.machine.step is Step.HELD
    done = shop.machine.done_s
    shop.wait(100.0, beats=False)
    assert shop.machine.done_s == done
    shop.wait(0.1, step=0.1)
    assert shop.machine.step is Step.EXECUTE
    shop.wait(5.0, step=0.1)
    assert shop.machine.memory.jobs["a/1/1"].outcome == "Completed"


def test_a_heartbeat_does_not_undo_what_a_person_held(shop):
    shop.start()
    shop.wait(0.5)
    shop.machine.hold("held at the panel")
    shop.wait(60.0)
    assert shop.machine.step is Step.HELD
    shop.machine.unhold()
    shop.wait(5.0)
    assert shop.machine.memory.jobs["a/1/1"].outcome == "Completed"


def test_an_open_cover_holds_and_the_emergency_stop_aborts(shop):
    shop.start()
    shop.wait(0.5)
    shop.machine.interlocks.cover_closed = False
    shop.wait(0.5)
    assert shop.machine.step is Step.HELD
    with pytest.raises(Denied):
        shop.machine.unhold()
    shop.machine.interlocks.emergency_stop_released = False
    shop.wait(1.0)
    assert shop.machine.phase is Phase.ABORTED
    assert shop.machine.memory.jobs["a/1/1"].reason == "emergency stop"
    with pytest.raises(Denied):
        shop.machine.clear()


def test_with_a_log_it_knows_after_the_power_came_back_what_ran(shops, tmp_path):
    shop = shops(log=True)
    shop.start("a/1/1")
    shop.wait(5.0)
    before = shop.machine.memory.jobs["a/1/1"]
    shop.start("a/2/1")
    shop.wait(0.5)
    with (tmp_path / "jobs.jsonl").open("ab") as torn:
        torn.write(b'{"job_id": "a/3')
    shop.now += timedelta(hours=1)
    shop.switch_on()
    memory = shop.machine.memory
    assert memory.since == BEGIN
    assert memory.jobs["a/1/1"] == before
    assert memory.jobs["a/2/1"].outcome == "PowerLost"
    assert set(memory.jobs) == {"a/1/1", "a/2/1"}
    assert shop.start("a/2/1") == memory.jobs["a/2/1"].run_id
    assert shop.machine.phase is Phase.STOPPED


def test_without_a_log_its_memory_begins_when_it_is_switched_on(shop):
    shop.start()
    shop.now += timedelta(hours=1)
    shop.switch_on()
    assert shop.machine.memory.since == shop.now
    assert not shop.machine.memory.jobs


def test_a_full_memory_says_so(shops):
    shop = shops(kept=2)
    for trial in range(4):
        shop.start(f"a/{trial}/1")
        shop.wait(5.0)
    memory = shop.machine.memory
    assert set(memory.jobs) == {"a/2/1", "a/3/1"}
    assert BEGIN < memory.since < memory.jobs["a/2/1"].started


@pytest.mark.parametrize(
    "content",
    [
        b"a list of things to do",
        b"one line\n",
        b"{",
        b'{"memory_since": "today, and what I thought of it',
        b"<!doctype html>\n<p>a page</p>\n",
        b'{"other": 1}\n{"memory_si',
        b"[1]\n",
        b"\n",
        b"\xff\xfe\x00",
    ],
)
def test_a_file_that_is_no_job_memory_is_left_alone(tmp_path, capsys, content):
    file = tmp_path / "jobs.jsonl"
    file.write_bytes(content)
    assert cli.answer(["robot", "simulate", "coater", "--opcua", "--log", str(file)]) == 2
    told = f"leyden: {file} is no job memory of the simulated coater\n"
    assert capsys.readouterr().err == told
    assert file.read_bytes() == content


def test_a_damaged_line_in_the_middle_is_named_and_left_alone(tmp_path):
    file = tmp_path / "jobs.jsonl"
    JobMemory(file, BEGIN).close()
    content = file.read_bytes() + b"scribble\n" + file.read_bytes()
    file.write_bytes(content)
    with pytest.raises(FileUnusable, match="line 2 is none of its entries"):
        JobMemory(file, BEGIN)
    assert file.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b'{"memory_since": "2025-01-01T00:'])
def test_a_first_line_that_was_never_finished_is_written_again(tmp_path, content):
    file = tmp_path / "jobs.jsonl"
    file.write_bytes(content)
    JobMemory(file, BEGIN).close()
    JobMemory(file, BEGIN + timedelta(hours=1)).close()
    assert file.read_bytes() == b'{"memory_since": "2026-01-01T00:00:00+00:00"}\n'


@pytest.mark.parametrize("option", ["--log", "--audit"])
def test_a_file_that_cannot_be_opened_is_said_of_its_option(tmp_path, capsys, option):
    file = str(tmp_path / "nowhere" / "file")
    assert cli.answer(["robot", "simulate", "coater", "--opcua", option, file]) == 2
    assert capsys.readouterr().err == f"leyden: {option} {file}: No such file or directory\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"endpoint": "opc.tcp://0.0.0.0:4840/coater/"}, "needs"),
        ({"endpoint": "opc.tcp://0.0.0.0:4840/coater/", "user": "u"}, "together"),
        ({"endpoint": "opc.tcp://127.0.0.1:4840/", "user": "u"}, "together"),
        ({"endpoint": "opc.tcp://127.0.0.1:4840/", "certificate": "c.der"}, "together"),
        ({"endpoint": "http://127.0.0.1:4840/"}, "write it like"),
        ({"endpoint": "opc.tcp://127.0.0.1/"}, "write it like"),
    ],
)
def test_nobody_from_outside_gets_in_unasked(given, told):
    with pytest.raises(ValueError, match=told):
        Access(**given)


def test_a_user_needs_the_right_password():
    users = Users("leyden", "secret")
    assert users.get_user(None, "leyden", "secret") is not None
    assert users.get_user(None, "leyden", "Secret") is None
    assert users.get_user(None, "other", "secret") is None
    assert users.get_user(None) is None
    assert Users("", "").get_user(None) is not None
