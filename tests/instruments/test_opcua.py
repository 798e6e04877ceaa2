"""The OPC UA adapter against a real server: limits, units, holds, lost answers, restarts."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from campaigns.records import FailureKind
from instruments.base import Busy, Found, Garbled, Job, JobState, Refused, Unreachable
from instruments.clock import RealClock
from instruments.coater.opcua import OpcUaCoater
from instruments.coater.options import CoaterOptions
from instruments.coater.process import run
from tests.instruments.opcua_rig import SETTINGS, coater, node_map, until

QUICK = (("delivery_s = 1.0", "delivery_s = 0.3"), ("lease_s = 10.0", "lease_s = 1.0"))
SPEED = 6000.0


class Bench:
    """A coater, and adapters that are closed at the end."""

    def __init__(self, device):
        self.device = device
        self.server, self.wire = device.server, device.wire
        self._open = []
        self._jobs, self._name = 0, uuid4().hex[:8]

    def adapter(self, *changes, through_wire=True, **options):
        endpoint = self.wire.endpoint if through_wire else self.server.endpoint
        given = {"timeout_s": 4.0, "poll_s": 0.1, "endpoint": endpoint, "file": "m.toml"} | options
        files = {"m.toml": node_map(*QUICK, *changes)}
        self._open.append(OpcUaCoater.open(given, RealClock(), files))
        return self._open[-1]

    def job(self, setting=SETTINGS[0], sample="", **changes):
        self._jobs += 1
        key = f"{self._name}/{self._jobs}/1"
        return Job(key, {**setting, **changes}, (3, self._jobs, 1), datetime.now(UTC),
                   sample=sample)  # fmt: skip

    def tidy(self):
        self.wire.restore()
        for one in self._open:
            one.close()
        for command in ("estop pressed", "estop released", "cover closed", "clear"):
            self.server.panel(command)
            time.sleep(0.1)


@pytest.fixture(scope="module")
def device():
    with coater("--lease", "1.0", speed=SPEED) as made:
        yield made


@pytest.fixture
def bench(device):
    bench = Bench(device)
    yield bench
    bench.tidy()


def started(adapter, job):
    """Submit, with patience while the job of the test before is being cleared away."""

    def accepted():
        try:
            adapter.submit(job)
        except Busy:
            return False
        return True

    assert until(accepted)
    return job.key


def ended(adapter, key, seconds=15.0):
    progress = []

    def over():
        progress.append(adapter.poll(key))
        return progress[-1].state is not JobState.RUNNING

    assert until(over, seconds), progress[-1]
    return progress[-1]


def test_a_job_measures_what_the_process_gives_and_both_ids_are_kept(bench):
    adapter, job = bench.adapter(), bench.job(sample="sheet 7")
    started(adapter, job)
    assert adapter.poll(job.key).note.startswith("mixing")
    progress = ended(adapter, job.key)
    assert progress.state is JobState.FINISHED
    expected = run(job.parameters, job.seed, CoaterOptions())
    assert progress.hours == pytest.approx(expected.seconds / SPEED / 3600.0, rel=0.3)
    assert abs(progress.over_at - datetime.now(UTC)) < timedelta(seconds=2)
    scalars = adapter.fetch(job.key).scalars
    assert {n: (s.value, s.sd, s.unit) for n, s in scalars.items()} == {
        n: (s.value, s.sd, s.unit) for n, s in expected.scalars.items()
    }
    line = next(line for line in bench.server.diary() if line["job"] == job.key)
    assert line["run"] == progress.run_id
    assert '"samples": ["sheet 7"]' in bench.server.log.read_text()


def test_settings_go_over_in_the_devices_unit(bench):
    changes = (('unit = "um"\nlow = 50.0\nhigh = 500.0', 'unit = "mm"\nlow = 0.05\nhigh = 0.5'),)
    adapter, job = bench.adapter(*changes), bench.job(gap_um=0.15)
    started(adapter, job)
    assert ended(adapter, job.key).state is JobState.FINISHED
    expected = run({**SETTINGS[0], "gap_um": 150.0}, job.seed, CoaterOptions())
    measured = adapter.fetch(job.key).scalars["mass_loading_mg_cm2"].value
    assert measured == pytest.approx(expected.scalars["mass_loading_mg_cm2"].value, rel=1e-9)


def test_a_unit_that_does_not_fit_is_refused(bench):
    adapter = bench.adapter(('unit = "um"\nlow = 50.0', 'unit = "degC"\nlow = 50.0'))
    with pytest.raises(Refused, match="gap_um"):
        adapter.submit(bench.job())


def test_the_devices_own_range_is_looked_at_before_anything_is_sent(bench):
    adapter = bench.adapter(("low = 50.0\nhigh = 500.0", "low = 50.0\nhigh = 5000.0"))
    job = bench.job(gap_um=900.0)
    assert adapter.check(job) == []
    with pytest.raises(Refused, match="above the device's 500"):
        adapter.submit(job)
    assert bench.server.starts(job.key) == 0


def test_what_the_device_refuses_is_refused_with_its_reason(bench):
    adapter = bench.adapter(("calender_c > 100 and", "calender_c > 1000 and"))
    job = bench.job(calender_c=110.0, calender_pressure_mpa=200.0)
    assert adapter.check(job) == []
    with pytest.raises(Refused, match="too much for rolls"):
        adapter.submit(job)
    assert bench.server.starts(job.key) == 0


def test_texts_instead_of_pairs_for_machines_that_take_those(bench):
    adapter, job = bench.adapter(('encoding = "pairs"', 'encoding = "text"')), bench.job()
    started(adapter, job)
    assert ended(adapter, job.key).state is JobState.FINISHED


def test_the_same_key_for_another_job_is_refused_by_the_device_too(bench):
    job = bench.job()
    started(bench.adapter(), job)
    other = Job(job.key, {**job.parameters, "gap_um": 151.0}, job.seed, job.started_at)
    with pytest.raises(Refused):
        bench.adapter().submit(other)
    assert bench.adapter().submit(job).key == job.key
    assert bench.server.starts(job.key) == 1


def test_a_lost_answer_is_cleared_up_by_asking(bench):
    adapter, job = bench.adapter(), bench.job()
    assert until(lambda: _ready(adapter))
    bench.wire.lose_answer()
    with pytest.raises(Unreachable):
        adapter.submit(job)
    assert adapter.find(job.key, job.started_at) in (Found.RUNNING, Found.FINISHED)
    assert adapter.submit(job).run_id == adapter.poll(job.key).run_id
    assert bench.server.starts(job.key) == 1


def test_a_job_that_never_arrived_is_never_but_not_too_early(bench):
    late = ("delivery_s = 0.3", "delivery_s = 2.0")
    adapter, job = bench.adapter(late, timeout_s=1.5), bench.job()
    assert until(lambda: _ready(adapter))
    bench.wire.swallow()
    with pytest.raises(Unreachable):
        adapter.submit(job)
    bench.wire.restore()
    with pytest.raises(Unreachable, match="too early"):
        bench.adapter(("delivery_s = 0.3", "delivery_s = 60.0")).find(job.key, job.started_at)
    assert until(lambda: _found(adapter, job) is Found.NEVER)
    adapter.submit(job)
    assert bench.server.starts(job.key) == 1


def test_an_open_cover_turns_jobs_away_and_holds_what_runs(bench):
    adapter, job = bench.adapter(), bench.job()
    assert until(lambda: _ready(adapter))
    bench.server.panel("cover open")
    with pytest.raises(Busy, match="cover"):
        adapter.submit(job)
    bench.server.panel("cover closed")
    started(adapter, job)
    bench.server.panel("cover open")
    assert until(lambda: "cover is open" in adapter.poll(job.key).note)
    assert adapter.poll(job.key).state is JobState.RUNNING
    bench.server.panel("cover closed")
    assert adapter.poll(job.key).note.startswith("held")
    bench.server.panel("unhold")
    assert ended(adapter, job.key).state is JobState.FINISHED


def test_an_interlock_that_cannot_be_read_counts_as_tripped(bench):
    adapter = bench.adapter(
        ('"cover closed" = "Interlocks/CoverClosed"', '"cover closed" = "Supervision/Message"')
    )
    with pytest.raises(Busy, match="cover closed"):
        adapter.submit(bench.job())


def refused(adapter, job) -> str:
    """Why a job is not taken."""
    with pytest.raises(Busy) as raised:
        adapter.submit(job)
    return str(raised.value)


def test_the_emergency_stop_ends_the_job_and_a_person_clears(bench):
    adapter, job = bench.adapter(), bench.job()
    started(adapter, job)
    bench.server.panel("estop pressed")
    assert until(lambda: adapter.poll(job.key).state is JobState.ABORTED)
    assert adapter.fetch(job.key).reason == "emergency stop"
    with pytest.raises(Busy, match="emergency stop"):
        adapter.submit(bench.job())
    bench.server.panel("estop released")
    patient = bench.adapter(("clear_aborted = true", "clear_aborted = false"))
    # the panel answers before the machine's next look at its button
    assert until(lambda: "emergency stop" not in refused(patient, bench.job()))
    with pytest.raises(Busy, match="Aborted"):
        patient.submit(bench.job())
    bench.server.panel("clear")
    started(patient, bench.job())


def test_nothing_stands_in_the_way_of_an_abort(bench):
    adapter, job = bench.adapter(), bench.job()
    started(adapter, job)
    asked = threading.Event()

    async def endless(device):
        asked.set()
        await asyncio.sleep(60.0)

    def ask():
        with pytest.raises(Unreachable):
            adapter._work.ask(endless)

    blocked = threading.Thread(target=ask)
    blocked.start()
    assert asked.wait(5)
    began = time.monotonic()
    status = adapter.abort(job.key, "test")
    assert time.monotonic() - began < 3.0  # the question that blocks is given up after 4 s
    assert status.safe
    assert status.state is JobState.ABORTED
    blocked.join(10)


def test_an_abort_of_another_job_leaves_the_running_one_alone(bench):
    adapter, first, second = bench.adapter(), bench.job(), bench.job()
    started(adapter, first)
    assert ended(adapter, first.key).state is JobState.FINISHED
    started(adapter, second)
    assert adapter.abort(first.key, "late").state is JobState.FINISHED
    assert adapter.poll(second.key).state is JobState.RUNNING
    with pytest.raises(KeyError):
        adapter.abort("nobody/1/1", "test")


def test_without_the_engine_it_holds_and_with_it_it_goes_on(bench):
    adapter, job = bench.adapter(), bench.job()
    started(adapter, job)
    adapter.close()
    assert until(lambda: not bench.server.is_running(job.key))
    time.sleep(1.5)  # longer than the job would have needed
    again = bench.adapter()
    assert again.find(job.key, job.started_at) is Found.RUNNING
    assert ended(again, job.key).state is JobState.FINISHED
    events = [line["event"] for line in bench.server.diary() if line["job"] == job.key]
    assert events == ["started", "held", "resumed", "ended"]


def test_a_state_that_the_map_does_not_know_is_no_answer(bench):
    adapter = bench.adapter(('"Running/Execute" = "running"\n', ""))
    job = bench.job()
    started(adapter, job)
    time.sleep(0.2)
    with pytest.raises(Garbled, match="Running/Execute"):
        adapter.poll(job.key)


def test_a_map_of_another_machine_is_told_by_the_node_that_is_missing(bench):
    adapter = bench.adapter(("Supervision/MemorySince", "Supervision/Memory"))
    with pytest.raises(Garbled, match="Supervision/Memory"):
        adapter.find("x/1/1")


def test_a_frozen_server_is_silence_within_the_patience(bench):
    adapter = bench.adapter(timeout_s=1.5)
    assert until(lambda: _ready(adapter))
    bench.server.freeze()
    try:
        for call in (lambda: adapter.poll("x/1/1"), lambda: adapter.abort("x/1/1", "test")):
            began = time.monotonic()
            with pytest.raises(Unreachable):
                call()
            assert time.monotonic() - began < adapter.describe().patience_s
    finally:
        bench.server.thaw()
    assert until(lambda: _ready(adapter))


def test_a_restarted_server_is_met_with_a_new_client_and_knows_its_jobs(bench):
    adapter, done, running = bench.adapter(), bench.job(), bench.job()
    started(adapter, done)
    ended(adapter, done.key)
    scalars = adapter.fetch(done.key).scalars
    started(adapter, running)
    bench.server.kill()
    with pytest.raises(Unreachable):
        adapter.poll(running.key)
    bench.server.start()
    assert adapter.fetch(done.key).scalars == scalars
    assert adapter.poll(running.key).state is JobState.FAILED
    result = adapter.fetch(running.key)
    assert result.failure is FailureKind.CHANNEL_FAULT
    assert "power lost" in result.reason
    assert adapter.submit(running).run_id == adapter.poll(running.key).run_id
    assert bench.server.starts(running.key) == 1


def test_a_server_that_forgot_is_not_believed(bench):
    adapter, job = bench.adapter(), bench.job()
    started(adapter, job)
    bench.server.forget()
    assert adapter.find(job.key, job.started_at) is Found.UNKNOWN
    assert adapter.poll(job.key).state is JobState.LOST
    assert adapter.fetch(job.key).state is JobState.LOST
    assert not adapter.abort(job.key, "test").safe
    other = bench.adapter()
    assert until(lambda: _found(other, job) is Found.UNKNOWN)
    since = datetime.now(UTC)
    later = Job("later/1/1", job.parameters, job.seed, since)
    assert until(lambda: _found(other, later) is Found.NEVER)
    with pytest.raises(KeyError):
        other.poll("later/1/1")


def _ready(adapter):
    try:
        adapter.find("nobody/1/1")
    except Unreachable:
        return False
    return True


def _found(adapter, job):
    try:
        return adapter.find(job.key, job.started_at)
    except Unreachable:
        return None
