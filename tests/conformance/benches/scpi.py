"""The SCPI adapter on the example map, against the oven on a TCP socket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from instruments.conformance.bench import Bench, Device
from tests.instruments.setpoint_oven import OvenDevice, Served, brisk

TESTS = Path(__file__).resolve().parents[2]
MAP = TESTS.parent / "docs/examples/oven_scpi.toml"


@contextmanager
def device() -> Iterator[Device]:
    with TemporaryDirectory() as folder:
        served = Served(TESTS / "instruments/scpi_oven.py", Path(folder))
        # an order twice is executed twice; a question twice would only shift the answers
        served.wire.doubled = lambda data: re.sub(rb"[^\n?]+\n", lambda m: m[0] * 2, data)
        resource = f"TCPIP::127.0.0.1::{served.wire.port}::SOCKET"
        try:
            yield OvenDevice(served, {"resource": resource})
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
        needs="pyvisa_py",
    )
