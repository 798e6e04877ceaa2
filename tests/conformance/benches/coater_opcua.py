"""The bench of `coater.opcua`: the simulated coater as a server process, behind a bad wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from instruments.conformance.bench import Bench, Device
from tests.instruments.opcua_rig import SETTINGS, Coater, coater, node_map

LEASE = ("lease_s = 10.0", "lease_s = 1.5")
DELIVERY = ("delivery_s = 1.0", "delivery_s = 1.5")  # above what the suite delays by
# each within its limits, refused by the machine's safety block
UNSAFE = (
    {**SETTINGS[0], "active_percent": 97.0},
    {**SETTINGS[0], "calender_pressure_mpa": 200.0, "calender_c": 110.0},
)


class CoaterDevice(Device):
    """What the suite may do to it."""

    def __init__(self, device: Coater) -> None:
        self.options = device.options
        self.cut, self.hang, self.garble = device.cut, device.hang, device.garble
        self.double, self.delay, self.restore = device.double, device.delay, device.restore
        self.kill, self.restart, self.forget = device.kill, device.restart, device.forget
        self.starts, self.is_running = device.starts, device.is_running


@contextmanager
def _device() -> Iterator[Device]:
    with coater("--lease", "1.5", speed=3000.0) as device:
        yield CoaterDevice(device)


def bench() -> Bench:
    return Bench(
        options={
            "file": "fast.toml",
            "channels": 1,
            "timeout_s": 1.5,
            "poll_s": 0.1,
            "retry_s": 0.2,
        },
        settings=SETTINGS,
        unsuitable=UNSAFE,
        files={"fast.toml": node_map(LEASE, DELIVERY)},
        device=_device,
        needs="asyncua",
    )
