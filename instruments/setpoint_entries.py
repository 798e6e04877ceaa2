"""The tables of a device map as they stand in its file, each checked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

Table: TypeAlias = dict[str, Any]  # a point, which only the transport can read


class Standing(StrEnum):
    """What a state register or query can say of the device."""

    IDLE = "idle"
    RUNNING = "running"
    HELD = "held"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"


AT_WORK = frozenset({Standing.RUNNING, Standing.HELD})


@dataclass(frozen=True)
class SettingEntry:
    """One setting: where it is written and read back, its limits, how exact it has to be.

    low, high, tolerance and settle_tolerance are in `unit`; the points speak `device_unit`.
    """

    write: Table
    low: float
    high: float
    tolerance: float
    unit: str = "1"
    device_unit: str | None = None
    read_back: Table | None = None
    actual: Table | None = None
    settle_tolerance: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low: {self.low:g} is not allowed; it must be < high = {self.high:g}")
        _above_zero("tolerance", self.tolerance)
        if self.settle_tolerance is not None:
            _above_zero("settle_tolerance", self.settle_tolerance)
        if self.settle_tolerance is not None and self.actual is None:
            raise ValueError(
                "settle_tolerance: is given without actual, which says what to compare"
            )
        if self.actual is not None and self.settle_tolerance is None:
            raise ValueError("settle_tolerance: is missing; how near actual has to come")


@dataclass(frozen=True)
class MetricEntry:
    """One measured number; values beyond low and high are not believed."""

    read: Table
    unit: str = "1"
    device_unit: str | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low: {self.low:g} is not allowed; it must be < high = {self.high:g}")
        if self.sd is not None:
            _above_zero("sd", self.sd)


@dataclass(frozen=True)
class StateEntry:
    """Where the device says how it stands, and what its words mean."""

    read: Table
    values: dict[str, Standing]

    def __post_init__(self) -> None:
        for needed in (Standing.RUNNING, Standing.FINISHED):
            if needed not in self.values.values():
                raise ValueError(f'values: no value means "{needed}"; one has to')


@dataclass(frozen=True)
class HoldEntry:
    """A device that runs no programme: the job is to keep the settings for `seconds`.

    The time counts from when every `actual` has been near its setting for settle_s.
    """

    seconds: float
    settle_s: float = 0.0
    settle_limit_s: float = 3600.0

    def __post_init__(self) -> None:
        _above_zero("seconds", self.seconds)
        _above_zero("settle_limit_s", self.settle_limit_s)
        if not 0 <= self.settle_s < self.settle_limit_s:
            raise ValueError(
                f"settle_s: {self.settle_s:g} is not allowed; "
                f"it must be >= 0 and < settle_limit_s = {self.settle_limit_s:g}"
            )


@dataclass(frozen=True)
class AlarmEntry:
    """A point that says something is wrong while it reads `when`."""

    read: Table
    text: str
    when: float | str = 1.0


@dataclass(frozen=True)
class MemoryEntry:
    """Where the device keeps which job it has: single points, or one text that holds all."""

    text: Table | None = None
    key: Table | None = None
    written: Table | None = None
    started: Table | None = None
    settled: Table | None = None
    run: Table | None = None
    before: Table | None = None

    def __post_init__(self) -> None:
        alone = ("key", "written", "started", "settled", "before")
        given = [name for name in alone if getattr(self, name) is not None]
        if self.text is not None and given:
            raise ValueError(f"text: holds the whole memory; {given[0]} cannot be given beside it")
        if self.text is None:
            for name in ("key", "written", "started"):
                if getattr(self, name) is None:
                    raise ValueError(f"{name}: is missing; key, written and started are needed")
            if (self.run is None) != (self.before is None):
                raise ValueError("before: run and before are needed together, or neither")


@dataclass(frozen=True)
class TimingEntry:
    """How long things may take, in seconds.

    timeout_s:  one question to the device
    call_s:     all questions of one call together
    delivery_s: the longest that something sent can be under way
    poll_s:     between two looks at a running job
    begin_s:    from the start order until the device is seen at work
    abort_s:    from the abort order until the device is seen at rest
    readings, interval_s: how often a metric is read at the end, and the pause in between
    """

    timeout_s: float = 2.0
    call_s: float = 15.0
    delivery_s: float = 5.0
    poll_s: float = 5.0
    begin_s: float = 2.0
    abort_s: float = 5.0
    readings: int = 1
    interval_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("timeout_s", "call_s", "delivery_s", "poll_s", "begin_s", "abort_s"):
            _above_zero(name, getattr(self, name))
        if self.readings < 1:
            raise ValueError(f"readings: {self.readings} is not allowed; must be >= 1")
        if self.interval_s < 0:
            raise ValueError(f"interval_s: {self.interval_s:g} is not allowed; must be >= 0")
        longest = max(self.begin_s, self.abort_s, self.interval_s * (self.readings - 1))
        if longest >= self.call_s:
            raise ValueError(
                f"call_s: {self.call_s:g} is not allowed; it must be longer than begin_s, abort_s "
                f"and all readings with their pauses, here {longest:g}"
            )


@dataclass(frozen=True)
class MapFile:
    """The whole file."""

    connection: Table
    settings: dict[str, SettingEntry]
    metrics: dict[str, MetricEntry]
    state: StateEntry | None = None
    hold: HoldEntry | None = None
    start: tuple[Table, ...] = ()
    abort: tuple[Table, ...] = ()
    alarms: Mapping[str, AlarmEntry] = field(default_factory=dict)
    memory: MemoryEntry | None = None
    timing: TimingEntry = field(default_factory=TimingEntry)
    needs_approval: Literal["never", "first", "always", "outside-known-region"] = "first"

    def __post_init__(self) -> None:
        for name in ("settings", "metrics"):
            if not getattr(self, name):
                raise ValueError(f"{name}: is empty; one or more are needed")
        if (self.state is None) == (self.hold is None):
            what = "neither is" if self.state is None else "both are"
            raise ValueError(
                f"state: {what} given of [state] and [hold]; one of them says when a job is over"
            )
        if self.state is not None and not self.start:
            raise ValueError("start: is missing; a device with [state] needs one or more orders")


def _above_zero(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name}: {value:g} is not allowed; must be > 0")
