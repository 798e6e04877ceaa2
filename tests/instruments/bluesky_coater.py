"""A small coater that follows the bluesky protocols, with real movements in threads of its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

STEP_S = 0.02


class MoveStatus:
    """A bluesky Status that a thread ends."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._callbacks: list[Any] = []
        self._lock = threading.Lock()

    @property
    def done(self) -> bool:
        return self._over.is_set()

    @property
    def success(self) -> bool:
        return self.done and self._error is None

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        self._over.wait(timeout)
        return self._error

    def add_callback(self, callback: Any) -> None:
        with self._lock:
            if not self.done:
                self._callbacks.append(callback)
                return
        callback(self)

    def end(self, error: BaseException | None = None) -> None:
        with self._lock:
            self._error = error
            self._over.set()
        for callback in self._callbacks:
            callback(self)


class Axis:
    """Movable, Locatable, Readable, Stoppable, Checkable: goes to a place in `travel_s`."""

    limits = (50.0, 500.0)

    def __init__(self, name: str, travel_s: float, stuck: bool = False) -> None:
        self.name = name
        self.place = 100.0
        self._goal = 100.0
        self._travel_s = travel_s
        self._stuck = stuck  # one that does not obey stop
        self._stop = threading.Event()

    def set(self, value: float) -> MoveStatus:
        status = MoveStatus()
        self._goal = value
        self._stop.clear()
        threading.Thread(target=self._move, args=(value, status), daemon=True).start()
        return status

    def _move(self, value: float, status: MoveStatus) -> None:
        steps = max(int(self._travel_s / STEP_S), 1)
        stride = (value - self.place) / steps
        for _ in range(steps):
            if self._stop.is_set() and not self._stuck:
                status.end(RuntimeError("stopped"))
                return
            time.sleep(STEP_S)
            self.place += stride
        self.place = value
        status.end()

    def stop(self, success: bool = True) -> None:
        self._stop.set()

    def check_value(self, value: float) -> None:
        if value == 444.0:
            raise ValueError("the axis grinds at 444")

    def locate(self) -> dict[str, float]:
        return {"setpoint": self._goal, "readback": self.place}

    def read(self) -> dict[str, Any]:
        return {self.name: {"value": self.place, "timestamp": time.time()}}

    def describe(self) -> dict[str, Any]:
        return {self.name: {"source": "test", "dtype": "number", "shape": [], "units": "um"}}


class Coater:
    """Triggerable and Readable: two axes and the loading that a scale reads."""

    name = "coater"

    def __init__(self, travel_s: float = 0.6, fault: str = "", diary: str = "") -> None:
        self.gap = Axis("coater-gap", travel_s, stuck=fault == "stuck")
        self.shim = Axis("coater-shim", travel_s)
        self._fault = fault
        self._diary = diary

    def trigger(self) -> MoveStatus:
        status = MoveStatus()
        if self._diary:
            with Path(self._diary).open("a") as diary:
                diary.write("coat\n")
        wait = 3600.0 if self._fault == "endless" else 0.5
        timer = threading.Timer(wait, status.end)
        timer.daemon = True
        timer.start()
        return status

    def read(self) -> dict[str, Any]:
        loading = 0.1 * self.gap.place + 0.01 * self.shim.place
        value: Any = {"nan": float("nan"), "text": "??"}.get(self._fault, loading)
        return {"coater-loading": {"value": value, "timestamp": time.time()}}

    def describe(self) -> dict[str, Any]:
        told = {"source": "test", "dtype": "number", "shape": [], "units": "mg/cm^2"}
        return {"coater-loading": told}


def make_coater(**arguments: Any) -> Coater:
    return Coater(**arguments)
