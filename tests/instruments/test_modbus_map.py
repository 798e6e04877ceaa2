"""Device maps: every mistake is one clear line with its key, and nothing is sent."""

from pathlib import Path

import pytest

from instruments.clock import RealClock
from instruments.modbus import ModbusInstrument
from instruments.scpi import ScpiInstrument

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
KINDS = {"modbus": ModbusInstrument, "scpi": ScpiInstrument}


def refused(kind, *changes):
    """The lines that a changed example map is refused with."""
    text = (EXAMPLES / f"oven_{kind}.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(ValueError, match=r"^oven\.toml: ") as told:
        KINDS[kind].open({"file": "oven.toml"}, RealClock(), {"oven.toml": text.encode()})
    return str(told.value).splitlines()


MODBUS = [
    (('low = 40.0', ''), "settings.temperature.low: is missing"),
    (('low = 40.0', 'low = 400.0'),
     "settings.temperature.low: 400 is not allowed; it must be < high = 200"),
    (('tolerance = 0.1', 'tolerance = 0.0'),
     "settings.temperature.tolerance: 0 is not allowed; must be > 0"),
    (('type = "float32" }', 'type = "float48" }'), "settings.temperature.write.type"),
    (('0, type = "float32" }', '0 }'),
     "settings.temperature.write: type: none is not allowed; allowed: int16, "),
    (('type = "float32"', 'typ = "float32"'), "did you mean 'type'?"),
    (('high = 6000.0', 'high = 66000.0'),
     "settings.duration.high: 66000 s does not fit into what write can hold"),
    (('{ address = 2, type = "uint16"', '{ address = 1, type = "uint16"'),
     "settings.duration.write: overlaps settings.temperature.write"),
    (('{ address = 2, type = "uint16", scale = 0.1 }', '{ address = 0, type = "float32" }'),
     "settings.duration.write: writes the same place as settings.temperature.write"),
    (('unit = "degC"', 'unit = "degC"\ndevice_unit = "kg"'),
     "settings.temperature.device_unit: 'degC' cannot be converted to 'kg'"),
    (('write = { address = 0', 'write = { kind = "input", address = 0'),
     "settings.temperature.write: cannot be written"),
    (('3 = "finished"', '3 = "done"'), "state.values"),
    (('3 = "finished", ', ''), 'state.values: no value means "finished"; one has to'),
    (('key = { address = 100, type = "uint64" }', 'key = { address = 100, type = "uint16" }'),
     "memory.key: is too small; whole numbers of 32 bits are needed"),
    (('run = { address = 120, type = "uint16" }', ''),
     "memory.before: run and before are needed together, or neither"),
    (('port = 502', 'port = 70000'), "connection.port: 70000 is not allowed; 1 to 65535 are"),
    (('host = "192.168.1.20"', ''), "connection.host: is missing"),
    (('call_s = 20.0', 'call_s = 1.0'), "timing.call_s: 1 is not allowed"),
    (('kind = "coil"\naddress = 0\nvalue = 1', 'kind = "coil"\naddress = 0\nvalue = 7'),
     "start[0].value: 7 cannot be written there"),
    (('[state]\n', '[hold]\nseconds = 5.0\n[state]\n'),
     "state: both are given of [state] and [hold]"),
    (('scale = 0.1', 'scale = 0'), "settings.duration.write.scale: 0 is not allowed"),
    (('address = 0, type = "float32"', 'address = 65535, type = "float32"'),
     "address: 65535 is not allowed"),
    (('[connection]', '[connection'), "is not a TOML file"),
]  # fmt: skip
SCPI = [
    (('resource = "TCPIP::192.168.1.21::5025::SOCKET"', 'resource = "192.168.1.21"'),
     "connection.resource: \'192.168.1.21\' is not allowed; a VISA name"),
    (('set = "TEMP {value:.2f}"', 'set = "TEMP {value:.2q}"'),
     "settings.temperature.write.set: \'.2q\' is not allowed; a number format"),
    (('set = "TEMP {value:.2f}"', 'set = "TEMP {temperature}"'), "one {value} or {value:.3f} is"),
    ((', query = "TIME?"', ''),
     "settings.duration.read_back: is missing; write cannot be read back itself"),
    (('set = "TIME {value:.1f}"', 'set = "TEMP {value:.1f}"'),
     "settings.duration.write: writes the same place as settings.temperature.write"),
    ((', type = "text" }\nrun', ' }\nrun'), "memory.text: holds no text"),
    (('read = { query = "MEAS:MOIS?" }', 'read = { set = "MEAS:MOIS" }'),
     "metrics.moisture.read: cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), MODBUS)
def test_a_mistake_in_a_register_map_is_one_line(change, told):
    lines = refused("modbus", change)
    assert any(told in line for line in lines), lines
    assert all(line.startswith("oven.toml: ") for line in lines)


@pytest.mark.parametrize(("change", "told"), SCPI)
def test_a_mistake_in_a_command_table_is_one_line(change, told):
    lines = refused("scpi", change)
    assert any(told in line for line in lines), lines
    assert all(line.startswith("oven.toml: ") for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_more_channels_than_the_one_device_are_refused(kind):
    with pytest.raises(ValueError, match="channels: 2 is not allowed"):
        KINDS[kind].open({"file": "oven.toml", "channels": 2}, RealClock(), {})


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_not_given_is_told(kind):
    with pytest.raises(ValueError, match=r"instrument\.options\.file: 'oven.toml' was not given"):
        KINDS[kind].open({"file": "oven.toml"}, RealClock(), {})
