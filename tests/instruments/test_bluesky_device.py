"""A device of the bluesky protocols as an instrument: settings, limits, units, stops, failures."""

from __future__ import annotations

from datetime import timedelta

import pytest

from instruments.base import Found, Job, JobState, Refused
from instruments.bluesky_device import BlueskyInstrument
from instruments.clock import RealClock

pytest.importorskip("bluesky")
import bluesky.protocols as protocols

from tests.instruments.bluesky_coater import Axis, Coater, MoveStatus

OPTIONS = {
    "device": "tests.instruments.bluesky_coater:make_coater",
    "settings": {"gap_um": "gap"},
    "metrics": {"loading": "coater-loading"},
    "answer_s": 2.0,
}


@pytest.fixture
def opened():
    devices = []

    def opening(**options):
        clock = RealClock()
        devices.append(BlueskyInstrument.open({**OPTIONS, **options}, clock))
        return devices[-1], clock

    yield opening
    for device in devices:
        device.close()


def job(clock, gap_um=200.0, key="k/1/1"):
    return Job(key, {"gap_um": gap_um}, (1, 1, 1), clock.now())


def ended(instrument, clock, key="k/1/1"):
    while (progress := instrument.poll(key)).state is JobState.RUNNING:
        clock.wait_until(min(progress.ask_at, clock.now() + timedelta(seconds=0.05)))
    return instrument.fetch(key)


def test_the_device_of_these_tests_follows_the_protocols():
    for protocol in (protocols.Movable, protocols.Locatable, protocols.Stoppable,
                     protocols.Checkable, protocols.Readable):  # fmt: skip
        assert isinstance(Axis("a", 0.1), protocol)
    for protocol in (protocols.Triggerable, protocols.Readable):
        assert isinstance(Coater(), protocol)
    assert isinstance(MoveStatus(), protocols.Status)


def test_units_and_limits_come_from_the_device(opened):
    instrument, _ = opened(limits={"gap_um": [10.0, 300.0]})
    (gap,) = instrument.describe().settings
    assert (gap.unit, gap.low, gap.high) == ("um", 50.0, 300.0)
    assert instrument.describe().metrics == {"loading": "mg/cm^2"}


def test_a_job_sets_triggers_and_reads(opened):
    instrument, clock = opened()
    instrument.submit(job(clock))
    result = ended(instrument, clock)
    assert result.scalars["loading"].value == pytest.approx(0.1 * 200 + 0.01 * 100)


def test_what_the_part_itself_objects_to_is_refused(opened):
    instrument, clock = opened()
    assert "grinds" in instrument.check(job(clock, 444.0))[0].reason
    with pytest.raises(Refused, match="grinds"):
        instrument.submit(job(clock, 444.0))


@pytest.mark.parametrize(("fault", "told"), [("nan", "not finite"), ("text", "not a number")])
def test_a_reading_that_is_no_number_is_a_failure(opened, fault, told):
    instrument, clock = opened(arguments={"fault": fault})
    instrument.submit(job(clock))
    result = ended(instrument, clock)
    assert result.state is JobState.FAILED
    assert told in result.reason
    assert not result.scalars


def test_a_part_that_does_not_obey_is_not_called_safe(opened):
    instrument, clock = opened(arguments={"fault": "stuck", "travel_s": 3.0})
    instrument.submit(job(clock))
    status = instrument.abort("k/1/1", "test")
    assert not status.safe
    assert instrument.poll("k/1/1").state is JobState.RUNNING
    while not status.safe:
        status = instrument.abort("k/1/1", "test")
    assert status.state is JobState.ABORTED


def test_a_job_that_does_not_end_is_stopped_and_has_failed(opened):
    instrument, clock = opened(arguments={"fault": "endless"}, longest_s=1.0)
    instrument.submit(job(clock))
    result = ended(instrument, clock)
    assert result.state is JobState.FAILED
    assert "1 s" in result.reason


def test_a_device_without_memory_never_says_never(opened):
    instrument, _ = opened()
    assert instrument.find("k/9/1") is Found.UNKNOWN
    assert instrument.poll("k/9/1").state is JobState.LOST
    with pytest.raises(KeyError):
        instrument.poll("k/8/1")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"device": "nowhere:make"}, "nowhere"),
        ({"settings": {"gap_um": "slot"}}, "has no slot"),
        ({"settings": {"gap_um": ""}}, "Movable"),
        ({"metrics": {"loading": "weight"}}, "coater-loading"),
        ({"channels": 2}, "one device does one job"),
        ({"limits": {"gap_um": [3.0, 2.0]}}, "not below"),
    ],
)
def test_a_wrong_option_is_one_clear_line(opened, options, told):
    with pytest.raises(ValueError, match=told) as raised:
        opened(**options)
    assert "\n" not in str(raised.value)


def test_an_ophyd_async_device_is_wrapped_too(opened):
    pytest.importorskip("ophyd_async")
    instrument, clock = opened(
        device="tests.instruments.ophyd_coater:make_coater",
        settings={"gap_um": "gap"},
        metrics={"loading": "coater-loading"},
        limits={"gap_um": [50.0, 500.0]},
    )
    assert instrument.describe().settings[0].unit == "um"
    instrument.submit(job(clock, 250.0))
    assert ended(instrument, clock).scalars["loading"].value == pytest.approx(25.0)
