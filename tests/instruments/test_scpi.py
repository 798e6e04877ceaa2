"""The SCPI adapter against pyvisa-sim, and against the oven on a TCP socket."""

import time
from pathlib import Path

import pytest

from instruments.base import Found, Garbled, Job, JobState, Refused, Unreachable
from instruments.clock import RealClock
from instruments.scpi import ScpiInstrument
from instruments.scpi_command import Command
from tests.instruments.setpoint_oven import OvenDevice, Served, brisk

pytest.importorskip("pyvisa_sim")

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parents[1] / "docs/examples/oven_scpi.toml"
CLOCK = RealClock()
SUPPLY = """
[connection]
resource = "TCPIP::localhost::5025::SOCKET"
identity = "LEYDEN,SUPPLY"

[settings.voltage]
unit = "mV"
device_unit = "V"
low = 0.0
high = 6000.0
tolerance = 1.0
write = { set = "VOLT {value:.3f}", query = "VOLT?", suffix = "V" }

[[start]]
set = "OUTP 1"

[[abort]]
set = "OUTP {value:d}"
query = "OUTP?"
value = 0

[hold]
seconds = 0.2

[metrics.noise]
read = { query = "MEAS:NOISE?" }

[memory]
text = { set = "DISP:TEXT {value}", query = "DISP:TEXT?", type = "text" }

[timing]
timeout_s = 0.5
call_s = 6.0
delivery_s = 0.2
poll_s = 0.1
begin_s = 1.0
readings = 20
"""


@pytest.fixture
def supply(tmp_path):
    """Opens adapters of one supply, which is new in every test."""
    devices = tmp_path / "supply_sim.yaml"
    devices.write_bytes((HERE / "supply_sim.yaml").read_bytes())

    def opened(*changes):
        text = SUPPLY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        options = {"file": "supply.toml", "backend": f"{devices}@sim"}
        return ScpiInstrument.open(options, CLOCK, {"supply.toml": text.encode()})

    return opened


@pytest.fixture(scope="module")
def oven(tmp_path_factory):
    served = Served(HERE / "scpi_oven.py", tmp_path_factory.mktemp("oven"))
    yield OvenDevice(served, {"resource": f"TCPIP::127.0.0.1::{served.wire.port}::SOCKET"})
    served.close()


@pytest.fixture
def adapter(oven):
    options = {"file": "oven.toml", **oven.options}
    yield ScpiInstrument.open(options, CLOCK, {"oven.toml": brisk(EXAMPLE)})
    oven.restore()


def job(name, setting):
    return Job(f"test/{name}/{time.monotonic_ns()}", setting, (1, 1, 1), CLOCK.now())


def finished(adapter, key):
    for _ in range(100):
        progress = adapter.poll(key)
        if progress.state is not JobState.RUNNING:
            return progress
        time.sleep(0.05)
    raise AssertionError("the job never ends")


def test_a_job_goes_all_the_way_round_in_the_campaigns_unit(supply):
    adapter = supply()
    one = job("round", {"voltage": 3300.0})
    adapter.submit(one)
    assert supply().find(one.key, one.started_at) is Found.RUNNING  # the label tells
    assert finished(adapter, one.key).state is JobState.FINISHED
    scalar = adapter.fetch(one.key).scalars["noise"]
    assert 0.9 < scalar.value < 1.1
    assert 0.0 < scalar.sd < 0.1  # of the mean of 20 readings, spread evenly over 0.2
    assert adapter.fetch(one.key).scalars["noise"] == scalar


def test_out_of_range_comes_back_as_the_devices_words(supply):
    adapter = supply()
    with pytest.raises(Refused, match=r'refused VOLT 5\.500: -222,"Data out of range"'):
        adapter.submit(job("range", {"voltage": 5500.0}))
    adapter.submit(job("range2", {"voltage": 1000.0}))


def test_a_device_that_answers_to_orders_refuses_by_its_answer(supply):
    loud = ('write = { set = "VOLT {value:.3f}", query = "VOLT?", suffix = "V" }',
            'write = { set = "LOUD {value:.3f}", query = "LOUD?", reply = "OK" }')  # fmt: skip
    queue = ('identity = "LEYDEN,SUPPLY"', 'error_query = ""')
    adapter = supply(loud, queue)
    with pytest.raises(Refused, match=r"the device answered 'TOO MUCH' to LOUD 5\.5"):
        adapter.submit(job("loud", {"voltage": 5500.0}))
    adapter.submit(job("loud2", {"voltage": 1000.0}))


def test_an_abort_is_read_back(supply):
    adapter = supply()
    one = job("abort", {"voltage": 1000.0})
    adapter.submit(one)
    status = adapter.abort(one.key, "test")
    assert (status.state, status.safe) == (JobState.ABORTED, True)
    assert adapter.abort(one.key, "test") == status


@pytest.mark.parametrize("query", ["MEAS:NAN?", "MEAS:WORD?"])
def test_what_is_no_number_is_garbled(supply, query):
    adapter = supply(("MEAS:NOISE?", query))
    one = job("nan", {"voltage": 1000.0})
    adapter.submit(one)
    finished(adapter, one.key)
    with pytest.raises(Garbled):
        adapter.fetch(one.key)


def test_a_question_that_the_device_does_not_know_is_unreachable(supply):
    adapter = supply(("MEAS:NOISE?", "MEAS:NOTHING?"))
    one = job("silent", {"voltage": 1000.0})
    adapter.submit(one)
    finished(adapter, one.key)
    with pytest.raises(Unreachable, match="no answer to MEAS:NOTHING"):
        adapter.fetch(one.key)


def test_another_device_at_the_address_is_not_spoken_to(supply):
    adapter = supply(("LEYDEN,SUPPLY", "OTHER,SUPPLY"))
    with pytest.raises(Garbled, match=r"\*IDN\? answered 'LEYDEN,SUPPLY,3,1.0'"):
        adapter.submit(job("identity", {"voltage": 1000.0}))


def test_the_oven_runs_its_programme_and_keeps_the_key(oven, adapter):
    one = job("oven", {"temperature": 100.0, "duration": 0.5})
    adapter.submit(one)
    assert finished(adapter, one.key).state is JobState.FINISHED
    scalar = adapter.fetch(one.key).scalars["moisture"]
    assert scalar.value == pytest.approx(40.0)
    assert oven.starts(one.key) == 1


def test_a_read_back_that_differs_starts_nothing(oven, adapter):
    one = job("clamped", {"temperature": 160.0, "duration": 0.5})
    with pytest.raises(Refused, match="reads back 150 degC"):
        adapter.submit(one)
    assert oven.starts(one.key) == 0


def test_a_killed_device_is_found_again_by_the_same_adapter(oven, adapter):
    one = job("killed", {"temperature": 100.0, "duration": 5.0})
    adapter.submit(one)
    oven.kill()
    with pytest.raises(Unreachable):
        adapter.poll(one.key)
    oven.restart()
    assert adapter.poll(one.key).state is JobState.LOST
    two = job("after", {"temperature": 100.0, "duration": 0.5})
    adapter.submit(two)
    assert finished(adapter, two.key).state is JobState.FINISHED


@pytest.mark.parametrize(
    ("answer", "value"), [("1.5", 1.5), ("+1.50E+00", 1.5), (" -.5 ", -0.5), ("ON", 1), ("off", 0)]
)
def test_numbers_as_instruments_write_them(answer, value):
    assert Command(query="X?").parsed(answer) == value


@pytest.mark.parametrize("answer", ["", "1.5 V", "1,5", "NAN", "1.5;2", "9.9E37", "0x10"])
def test_what_is_not_a_number_is_never_taken_for_one(answer):
    with pytest.raises(Garbled):
        Command(query="X?").parsed(answer)
