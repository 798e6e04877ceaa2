"""What a set-point adapter knows of its device: points, units and limits, ready for use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from instruments.base import SettingCard
from instruments.setpoint_entries import HoldEntry, Standing, TimingEntry
from instruments.setpoint_line import P, Raw

C = TypeVar("C")


@dataclass(frozen=True)
class Setpoint(Generic[P]):
    """One setting: its points, and the way between its unit and the device's."""

    card: SettingCard
    write: P
    read_back: P
    actual: P | None
    tolerance: float
    settle_tolerance: float
    to_device: Callable[[float], float]
    from_device: Callable[[float], float]


@dataclass(frozen=True)
class Metric(Generic[P]):
    """One measured number; sd is what the map declares, in the metric's unit."""

    read: P
    unit: str
    convert: Callable[[float], float]
    low: float
    high: float
    sd: float | None


@dataclass(frozen=True)
class Order(Generic[P]):
    """A value that is written to make the device do something."""

    point: P
    value: Raw


@dataclass(frozen=True)
class State(Generic[P]):
    """Where the device says how it stands; values are its words, as `word` spells them."""

    read: P
    values: Mapping[str, Standing]


@dataclass(frozen=True)
class Alarm(Generic[P]):
    """Active while its point reads `when`."""

    read: P
    text: str
    when: str


@dataclass(frozen=True)
class Memory(Generic[P]):
    """Points in which the device keeps its job; either `text`, or key, written and started."""

    text: P | None
    key: P | None
    written: P | None
    started: P | None
    settled: P | None
    run: P | None
    before: P | None


@dataclass(frozen=True)
class SetpointMap(Generic[P, C]):
    """Everything a set-point adapter knows of its device."""

    connection: C
    settings: Mapping[str, Setpoint[P]]
    metrics: Mapping[str, Metric[P]]
    state: State[P] | None
    hold: HoldEntry | None
    start: tuple[Order[P], ...]
    abort: tuple[Order[P], ...]
    alarms: tuple[Alarm[P], ...]
    memory: Memory[P] | None
    timing: TimingEntry
    needs_approval: str


def word(value: object) -> str:
    """A state, as the keys of a table spell it: 3 and 3.0 are "3", texts in small letters."""
    try:
        return f"{float(str(value)):g}"
    except ValueError:
        return str(value).strip().strip('"').casefold()
