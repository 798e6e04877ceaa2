"""The verbs of the bluesky protocols on one device: set, trigger, read, stop, each awaited."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from bluesky.protocols import (
    Checkable,
    Locatable,
    Movable,
    Readable,
    Status,
    Stoppable,
    Triggerable,
)

T = TypeVar("T")

STEADY_S = 0.05  # between two looks at a part that has been stopped


class StepFailed(Exception):
    """A part did not do what it was asked."""


class Verbs:
    """One device seen as settings to be set and fields to be read; used inside its event loop.

    movers: setting -> the Movable part that takes it
    fields: metric -> the name of its field in `read`
    Raises ValueError where a part lacks a protocol that is needed.
    """

    def __init__(self, device: Any, movers: Mapping[str, Any], fields: Mapping[str, str]) -> None:
        for name, mover in movers.items():
            if not isinstance(mover, Movable):
                raise ValueError(f"settings.{name}: {mover!r} has no set(); a Movable is needed")
        if not isinstance(device, Readable):
            raise ValueError(f"device: {device!r} has no read() and describe(); both are needed")
        self._device = device
        self._movers = movers
        self._fields = fields
        self._moving: list[Status] = []

    @property
    def stoppable(self) -> bool:
        """Whether every part that may be on its way can be stopped."""
        device = isinstance(self._device, Stoppable)
        return device or all(isinstance(mover, Stoppable) for mover in self._movers.values())

    async def units(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Units of the settings and of the metrics where the device tells them.

        Raises ValueError for a metric that is no field of the device.
        """
        described = await told(self._device.describe())
        for metric, name in self._fields.items():
            if name not in described:
                raise ValueError(
                    f"metrics.{metric}: the device has no field {name!r}; "
                    f"its fields: {', '.join(described)}"
                )
        settings = {name: await _own_unit(mover) for name, mover in self._movers.items()}
        metrics = {one: _unit(described[name]) for one, name in self._fields.items()}
        return settings, metrics

    def limits(self) -> Mapping[str, tuple[float, float]]:
        """Limits that the parts tell themselves; equal ones mean none, as in EPICS."""
        found = {}
        for name, mover in self._movers.items():
            low, high = getattr(mover, "limits", None) or (0.0, 0.0)
            if low < high:
                found[name] = (float(low), float(high))
        return found

    async def objections(self, setting: Mapping[str, Any]) -> Mapping[str, str]:
        """What the parts' own `check_value` has against a setting, by name; nothing moves."""
        found = {}
        for name, mover in self._movers.items():
            if isinstance(mover, Checkable):
                try:
                    await told(mover.check_value(setting[name]))
                except Exception as error:  # noqa: BLE001 - the protocol: "raise an Exception"
                    found[name] = f"{type(error).__name__}: {error}"
        return found

    async def measure(self, setting: Mapping[str, Any]) -> Mapping[str, float]:
        """Set every part, wait for all, trigger, read. Raises StepFailed."""
        self._moving = [mover.set(setting[name]) for name, mover in self._movers.items()]
        for name, status in zip(self._movers, self._moving, strict=True):
            await _ended(status, f"{name} = {setting[name]}")
        if isinstance(self._device, Triggerable):
            self._moving = [self._device.trigger()]
            await _ended(self._moving[0], "trigger")
        reading = await told(self._device.read())
        return {metric: _number(reading, name) for metric, name in self._fields.items()}

    async def stop(self) -> None:
        """Ask every part that can stop to do so, as after a fault."""
        for part in {id(part): part for part in (self._device, *self._movers.values())}.values():
            if isinstance(part, Stoppable):
                await told(part.stop(success=False))

    async def still(self) -> bool:
        """Read back: nothing is on its way, and what can be located stays where it is."""
        if not all(status.done for status in self._moving):
            return False
        before = await self._places()
        await asyncio.sleep(STEADY_S)
        return bool(before == await self._places())

    async def _places(self) -> Sequence[Any]:
        movers = [mover for mover in self._movers.values() if isinstance(mover, Locatable)]
        return [(await told(mover.locate()))["readback"] for mover in movers]


async def told(answer: T | Awaitable[T]) -> T:
    """The protocols leave it open whether a method is async."""
    return await answer if inspect.isawaitable(answer) else answer


async def _ended(status: Status, what: str) -> None:
    """Wait for a Status, whatever thread ends it."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell(_: Status) -> None:
        with suppress(RuntimeError):  # nobody waits any more: the loop was closed meanwhile
            loop.call_soon_threadsafe(over.set)

    status.add_callback(tell)
    await over.wait()
    error = status.exception(0.0)
    if error is not None or not status.success:
        raise StepFailed(f"{what}: {type(error).__name__}: {error}" if error else f"{what} failed")


async def _own_unit(mover: Any) -> str:
    if not isinstance(mover, Readable):
        return ""
    described = await told(mover.describe())
    key = mover.name if mover.name in described else next(iter(described), "")
    return _unit(described.get(key, {}))


def _unit(described: Mapping[str, Any]) -> str:
    return str(described.get("units") or "")


def _number(reading: Mapping[str, Any], field: str) -> float:
    value = reading.get(field, {}).get("value")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise StepFailed(f"{field} = {value!r} is not a number") from error
    if not math.isfinite(number):
        raise StepFailed(f"{field} = {value!r} is not finite")
    return number
