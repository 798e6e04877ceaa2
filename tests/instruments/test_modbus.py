"""The Modbus adapter against pymodbus' simulator with a process behind its registers."""

import math
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.records import FailureKind
from instruments.base import (
    Busy,
    Found,
    Garbled,
    Job,
    JobState,
    Refused,
    Unreachable,
)
from instruments.clock import RealClock
from instruments.modbus import ModbusInstrument
from instruments.modbus_register import Register
from tests.instruments.setpoint_oven import OvenDevice, Served, brisk

pymodbus = pytest.importorskip("pymodbus")

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parents[1] / "docs/examples/oven_modbus.toml"
SETTING = {"temperature": 120.0, "duration": 0.5}
CLOCK = RealClock()
ORDERS = st.sampled_from(("big", "little"))


@pytest.fixture(scope="module")
def oven(tmp_path_factory):
    served = Served(HERE / "modbus_oven.py", tmp_path_factory.mktemp("oven"))
    yield OvenDevice(served, {"host": "127.0.0.1", "port": served.wire.port})
    served.close()


@pytest.fixture
def adapter(oven):
    yield opened(oven)
    oven.restore()


def opened(oven, *changes):
    text = brisk(EXAMPLE).decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    options = {"file": "oven.toml", **oven.options}
    return ModbusInstrument.open(options, CLOCK, {"oven.toml": text.encode()})


def job(name, setting=SETTING, seed=(1, 1, 1), sample=""):
    return Job(f"test/{name}/{time.monotonic_ns()}", setting, seed, CLOCK.now(), sample=sample)


def finished(adapter, key):
    for _ in range(100):
        progress = adapter.poll(key)
        if progress.state is not JobState.RUNNING:
            return progress
        time.sleep(0.05)
    raise AssertionError("the job never ends")


def switched(oven, coil, on):
    """Reach past the adapter: coil 2 makes the oven deaf, coil 3 overheats it."""
    from pymodbus.client import ModbusTcpClient

    with ModbusTcpClient("127.0.0.1", port=oven.served.wire.port) as client:
        client.write_coil(coil, on, device_id=1)


def test_a_job_goes_all_the_way_round(oven, adapter):
    one = job("round")
    receipt = adapter.submit(one)
    assert adapter.poll(one.key).run_id == receipt.run_id
    progress = finished(adapter, one.key)
    assert progress.state is JobState.FINISHED
    scalar = adapter.fetch(one.key).scalars["moisture"]
    assert scalar.value == pytest.approx(2000.0 / (120.0 * 0.5), rel=1e-6)
    assert (scalar.unit, scalar.sd) == ("ppm", 0.4)  # equal readings: what the map declares
    assert oven.starts(one.key) == 1


def test_the_campaigns_unit_is_not_the_devices(oven):
    kelvin = ('unit = "degC"', 'unit = "K"\ndevice_unit = "degC"')
    limits = ("low = 40.0\nhigh = 200.0", "low = 313.15\nhigh = 473.15")
    adapter = opened(oven, kelvin, limits)
    one = job("kelvin", {"temperature": 393.15, "duration": 0.5})
    adapter.submit(one)
    finished(adapter, one.key)
    moisture = adapter.fetch(one.key).scalars["moisture"].value
    assert moisture == pytest.approx(2000.0 / (120.0 * 0.5), rel=1e-5)


def test_a_read_back_that_differs_starts_nothing(oven, adapter):
    one = job("clamped", {"temperature": 160.0, "duration": 0.5})
    with pytest.raises(Refused, match="temperature was set to 160 degC but reads back 150 degC"):
        adapter.submit(one)
    assert oven.starts(one.key) == 0
    with pytest.raises(Refused):  # and asked again it is refused again
        adapter.submit(one)


def test_the_devices_own_no_is_refused_with_its_words(oven, adapter):
    one = job("too_hot", {"temperature": 190.0, "duration": 0.5})
    with pytest.raises(Refused, match="would not write holding 0: illegal value"):
        adapter.submit(one)
    assert oven.starts(one.key) == 0


def test_the_payload_is_part_of_what_the_device_remembers(oven, adapter):
    one = job("payload", sample="A")
    adapter.submit(one)
    for other in ({"seed": (1, 2, 1)}, {"sample": "B"}, {"setting": {**SETTING, "duration": 0.6}}):
        twin = Job(one.key, other.get("setting", SETTING), other.get("seed", (1, 1, 1)),
                   CLOCK.now(), sample=other.get("sample", "A"))  # fmt: skip
        with pytest.raises(Refused, match="another payload"):
            opened(oven).submit(twin)
    assert opened(oven).submit(one) == adapter.submit(one)
    assert oven.starts(one.key) == 1
    finished(adapter, one.key)


def test_a_device_that_takes_the_start_and_does_nothing_has_failed(oven, adapter):
    switched(oven, 2, True)
    one = job("deaf")
    adapter.submit(one)
    result = adapter.fetch(one.key)
    assert (result.state, result.failure) == (JobState.FAILED, FailureKind.CHANNEL_FAULT)
    assert result.reason == "it did not begin within 1 s"
    switched(oven, 2, False)


def test_an_alarm_keeps_the_device_busy_and_names_a_failure(oven, adapter):
    one = job("alarm")
    adapter.submit(one)
    switched(oven, 3, True)
    assert adapter.poll(one.key).note == "the oven is overheated"
    progress = finished(adapter, one.key)
    assert progress.state is JobState.FAILED
    assert adapter.fetch(one.key).reason == "the oven is overheated"
    with pytest.raises(Busy, match="not ready: the oven is overheated"):
        adapter.submit(job("alarm2"))
    switched(oven, 3, False)


def test_after_a_kill_the_same_adapter_finds_the_device_again(oven, adapter):
    one = job("killed")
    adapter.submit(one)
    oven.kill()
    with pytest.raises(Unreachable):
        adapter.poll(one.key)
    oven.restart()
    assert adapter.poll(one.key).state is JobState.LOST  # the registers were volatile
    assert adapter.find(one.key, one.started_at) is Found.UNKNOWN
    two = job("after_kill")
    adapter.submit(two)
    assert finished(adapter, two.key).state is JobState.FINISHED


def test_without_a_memory_only_this_process_knows(oven):
    text = brisk(EXAMPLE).decode()
    memory = text[text.index("[memory]") : text.index("[timing]")]
    adapter = opened(oven, (memory, ""))
    one = job("no_memory")
    adapter.submit(one)
    assert adapter.find(one.key, one.started_at) is Found.RUNNING
    other = opened(oven, (memory, ""))
    assert other.find(one.key, one.started_at) is Found.UNKNOWN
    assert other.poll(one.key).state is JobState.LOST
    with pytest.raises(Busy):
        other.submit(job("no_memory_2"))
    assert finished(adapter, one.key).state is JobState.FINISHED
    assert adapter.find(one.key) is Found.FINISHED


def test_never_is_said_only_by_a_memory_that_is_older_than_the_question(oven, adapter):
    adapter.submit(job("older"))
    since = CLOCK.now()
    with pytest.raises(Unreachable, match="too early to tell"):
        opened(oven).find("test/nobody", since)
    time.sleep(1.6)
    assert adapter.find("test/nobody", since) is Found.NEVER
    assert adapter.find("test/nobody", None) is Found.UNKNOWN
    assert adapter.find("test/nobody", one_day_before(since)) is Found.UNKNOWN


def one_day_before(moment):
    return moment.replace(year=moment.year - 1)


def test_a_value_beyond_belief_is_garbled(oven):
    adapter = opened(oven, ("high = 10000.0", "high = 0.001"))
    one = job("belief")
    adapter.submit(one)
    assert finished(adapter, one.key).state is JobState.FINISHED
    with pytest.raises(Garbled, match="moisture reads"):
        adapter.fetch(one.key)


def test_a_state_that_the_map_does_not_know_is_garbled(oven):
    adapter = opened(oven, ('1 = "running"', '77 = "running"'))
    with pytest.raises(Garbled, match="the state reads '1'"):
        adapter.submit(job("state"))
    time.sleep(0.6)


def test_a_device_with_a_set_point_only_settles_and_holds(oven):
    text = brisk(EXAMPLE).decode()
    start = text[text.index("[settings.duration]") : text.index("[metrics.moisture]")]
    hold = """[[abort]]
address = 0
type = "float32"
value = 25.0

[hold]
seconds = 0.4
settle_s = 0.2
"""
    settled = ('before = { address = 112, type = "uint16" }',
               'before = { address = 112, type = "uint16" }\n'
               'settled = { address = 113, type = "uint64" }')  # fmt: skip
    actual = ("tolerance = 0.1 ", "settle_tolerance = 1.0\nactual = "
              '{ address = 0, type = "float32" }\ntolerance = 0.1 ')  # fmt: skip
    adapter = opened(oven, (start, hold), settled, actual)
    one = job("hold", {"temperature": 80.0})
    adapter.submit(one)
    assert adapter.poll(one.key).note == "settling"
    with pytest.raises(Busy):
        adapter.submit(job("hold2", {"temperature": 90.0}))
    assert opened(oven, (start, hold), settled, actual).poll(one.key).state is JobState.RUNNING
    progress = finished(adapter, one.key)
    assert progress.state is JobState.FINISHED
    assert progress.hours * 3600 > 0.6
    two = job("hold3", {"temperature": 90.0})
    adapter.submit(two)
    assert adapter.abort(two.key, "test").safe
    assert adapter.poll(two.key).state is JobState.ABORTED


@given(
    value=st.integers(-(2**15), 2**15 - 1), words=ORDERS, octets=ORDERS,
    kind=st.sampled_from(("int16", "int32", "int64", "float32", "float64")),
)  # fmt: skip
def test_what_is_encoded_decodes_to_itself(value, words, octets, kind):
    register = Register(0, type=kind)
    coded = register.encode(value, words, octets)
    assert len(coded) == register.count
    assert register.decode(coded, words, octets) == value


@given(value=st.floats(-3000.0, 3000.0), scale=st.sampled_from((0.1, 0.25, -0.1)))
def test_scale_and_offset_round_to_the_nearest_step(value, scale):
    register = Register(0, type="int16", scale=scale, offset=5.0)
    back = register.decode(register.encode(value, "big", "big"), "big", "big")
    assert math.isclose(back, value, abs_tol=abs(scale) / 2 + 1e-9)


def test_the_most_significant_byte_comes_first_unless_told():
    register = Register(0, type="uint32")
    assert register.encode(0x01020304, "big", "big") == [0x0102, 0x0304]
    assert register.encode(0x01020304, "little", "big") == [0x0304, 0x0102]
    assert register.encode(0x01020304, "big", "little") == [0x0201, 0x0403]
    assert not register.takes(-1)
    assert not register.takes(2**32)
    with pytest.raises(struct.error):
        Register(0, type="uint16").encode(70000, "big", "big")


def test_a_bit_of_a_word_can_be_read():
    assert Register(0, bit=3).decode([0b1000], "big", "big") == 1
    assert Register(0, bit=2).decode([0b1000], "big", "big") == 0
    assert not Register(0, bit=2).writable
