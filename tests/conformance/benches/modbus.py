"""The Modbus adapter on the example map, against the oven on pymodbus' simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from instruments.conformance.bench import Bench, Device
from tests.instruments.setpoint_oven import OvenDevice, Served, brisk

TESTS = Path(__file__).resolve().parents[2]
MAP = TESTS.parent / "docs/examples/oven_modbus.toml"


@contextmanager
def device() -> Iterator[Device]:
    with TemporaryDirectory() as folder:
        served = Served(TESTS / "instruments/modbus_oven.py", Path(folder))
        try:
            yield OvenDevice(served, {"host": "127.0.0.1", "port": served.wire.port})
        finally:
            served.close()


def bench() -> Bench:
    return Bench(
        options={"file": "oven.toml", "channels": 1},
        settings=[
            {"temperature": 120.0, "duration": 1.5},
            {"temperature": 100.0, "duration": 2.0},
        ],
        files={"oven.toml": brisk(MAP)},
        device=device,
        needs="pymodbus",
    )
