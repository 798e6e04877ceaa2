"""Options of a wrapped bluesky device, and the object they name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from campaigns.records import NOTHING

MISSING = "the kind bluesky needs the package bluesky: pip install 'leyden[bluesky]'"


@dataclass(frozen=True)
class BlueskyOptions:
    """Options of `[instrument] kind = "bluesky"`.

    device:    "mypkg.module:make_device", called with `arguments`; an object is taken as it is
    settings:  setting -> attribute of the device that is set (dots go deeper, "" is the device)
    metrics:   metric -> field of the device's `read`
    units:     by setting or metric, where the device does not tell them in `describe`
    limits:    by setting; the device's own limits hold beside them
    answer_s:  for which a call to the device may last
    longest_s: after which a job that has not ended is stopped and has failed
    """

    device: str
    settings: Mapping[str, str]
    metrics: Mapping[str, str]
    arguments: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    units: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=lambda: NOTHING)
    answer_s: float = 5.0
    longest_s: float = 3600.0
    channels: int = 1

    def __post_init__(self) -> None:
        if self.channels != 1:
            raise ValueError(f"channels: {self.channels} is not allowed; one device does one job")
        for name in ("answer_s", "longest_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not allowed; above 0 is")
        for name in ("settings", "metrics"):
            if not getattr(self, name):
                raise ValueError(f"{name}: is empty; at least one is needed")
        for name, (low, high) in self.limits.items():
            if name not in self.settings:
                raise ValueError(f"limits.{name}: there is no such setting")
            if not low < high:
                raise ValueError(f"limits.{name}: {low:g} is not below {high:g}")

    def made(self) -> Any:
        """The device. Raises ValueError where it cannot be had."""
        module, colon, name = self.device.partition(":")
        if not (module and colon and name):
            raise ValueError(f"device: {self.device!r} is not allowed; mypkg.module:name is")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"device: {self.device!r}: {error}") from error
        return found(**self.arguments) if callable(found) else found

    def part(self, device: Any, setting: str) -> Any:
        """The part of the device that takes a setting. Raises ValueError."""
        for step in filter(None, self.settings[setting].split(".")):
            if not hasattr(device, step):
                raise ValueError(f"settings.{setting}: {device!r} has no {step}")
            device = getattr(device, step)
        return device


def demand_bluesky() -> None:
    """Raises ValueError (one line) where the package is missing."""
    if find_spec("bluesky") is None:
        raise ValueError(MISSING)
