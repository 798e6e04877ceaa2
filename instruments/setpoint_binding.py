"""Reading a device map: every point, unit, limit and clash is checked before anything is sent."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from itertools import combinations
from typing import Any, Generic

from campaigns.options import build
from campaigns.problems import CampaignError
from instruments.base import SettingCard
from instruments.setpoint_entries import (
    AlarmEntry,
    MapFile,
    MemoryEntry,
    MetricEntry,
    SettingEntry,
    Table,
)
from instruments.setpoint_line import P
from instruments.setpoint_map import (
    Alarm,
    C,
    Memory,
    Metric,
    Order,
    Setpoint,
    SetpointMap,
    State,
    word,
)
from instruments.units import UnitError, converter

_ROOT = "@"  # stands for the file in messages, until its name is put there
MARK_BITS = 32  # of a job's key; 64 hold its payload as well
TIME_BITS = 48  # milliseconds since 1970 until the year 10889


def read_map(name: str, content: bytes, point: type[P], connection: type[C]) -> SetpointMap[P, C]:
    """The map in a TOML file. Raises CampaignError: file, key, what is wrong, what is allowed."""
    try:
        tables = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CampaignError([f"{name}: is not a TOML file: {error}"]) from error
    try:
        file = build(MapFile, tables, _ROOT)
        binder = Binder(point)
        made = binder.bind(file, connection)
        if binder.mistakes or made is None:
            raise CampaignError(binder.mistakes)
    except CampaignError as error:
        raise CampaignError(
            f"{name}: {line.removeprefix(_ROOT).lstrip('.:').lstrip()}" for line in error.problems
        ) from error
    return made


class Binder(Generic[P]):
    """Turns the tables of a file into points and conversions, and collects what is wrong."""

    def __init__(self, point: type[P]) -> None:
        self._point = point
        self.mistakes: list[str] = []
        self._written: list[tuple[str, P]] = []  # every place that the adapter writes
        self._all: list[tuple[str, P]] = []

    def bind(self, file: MapFile, connection: type[C]) -> SetpointMap[P, C] | None:
        """None where something is wrong, which `mistakes` then say."""
        line = self._built(connection, file.connection, "connection")
        settings = {name: self._setting(name, one) for name, one in file.settings.items()}
        metrics = {name: self._metric(name, one) for name, one in file.metrics.items()}
        state = None
        if file.state is not None:
            read = self._reading(file.state.read, "state.read")
            values = {word(told): meant for told, meant in file.state.values.items()}
            state = None if read is None else State(read, values)
        orders = {
            kind: [self._order(table, f"{kind}[{i}]") for i, table in enumerate(tables)]
            for kind, tables in (("start", file.start), ("abort", file.abort))
        }
        if file.hold is not None:
            self._verifiable(orders["abort"])
        alarms = [self._alarm(name, one) for name, one in file.alarms.items()]
        memory = self._memory(file.memory, file.hold is not None) if file.memory else None
        self._find_clashes()
        if self.mistakes or line is None:
            return None
        return SetpointMap(
            line,
            {name: one for name, one in settings.items() if one},
            {name: one for name, one in metrics.items() if one},
            state,
            file.hold,
            tuple(one for one in orders["start"] if one),
            tuple(one for one in orders["abort"] if one),
            tuple(one for one in alarms if one),
            memory,
            file.timing,
            file.needs_approval,
        )

    def _setting(self, name: str, entry: SettingEntry) -> Setpoint[P] | None:
        where = f"settings.{name}"
        device_unit = entry.device_unit or entry.unit
        write = self._writing(entry.write, f"{where}.write")
        if entry.read_back is not None:
            read_back = self._reading(entry.read_back, f"{where}.read_back")
        else:
            read_back = write
            if write is not None and not write.readable:
                self._say(f"{where}.read_back", "is missing; write cannot be read back itself")
        actual = self._reading(entry.actual, f"{where}.actual") if entry.actual else None
        there = self._conversion(entry.unit, device_unit, f"{where}.device_unit")
        back = self._conversion(device_unit, entry.unit, f"{where}.device_unit")
        if write is None or read_back is None or there is None or back is None:
            return None
        for limit, value in (("low", entry.low), ("high", entry.high)):
            if not write.takes(there(value)):
                told = f"{value:g} {entry.unit} does not fit into what write can hold"
                self._say(f"{where}.{limit}", told)
        card = SettingCard(name, entry.unit, entry.low, entry.high)
        return Setpoint(
            card, write, read_back, actual, entry.tolerance, entry.settle_tolerance or 0.0,
            there, back,
        )  # fmt: skip

    def _metric(self, name: str, entry: MetricEntry) -> Metric[P] | None:
        where = f"metrics.{name}"
        read = self._reading(entry.read, f"{where}.read")
        device_unit = entry.device_unit or entry.unit
        convert = self._conversion(device_unit, entry.unit, f"{where}.device_unit")
        if read is None or convert is None:
            return None
        infinity = float("inf")
        low = -infinity if entry.low is None else entry.low
        high = infinity if entry.high is None else entry.high
        return Metric(read, entry.unit, convert, low, high, entry.sd)

    def _order(self, table: Table, where: str) -> Order[P] | None:
        value = table.get("value", 1)
        if not isinstance(value, int | float | str):
            self._say(f"{where}.value", f"{value!r} is not allowed; a number or a text is needed")
            return None
        place = {key: one for key, one in table.items() if key != "value"}
        point = self._writing(place, where)
        if point is None:
            return None
        if not isinstance(value, str) and not point.takes(float(value)):
            self._say(f"{where}.value", f"{value!r} cannot be written there")
        return Order(point, value)

    def _verifiable(self, orders: list[Order[P] | None]) -> None:
        """Without a state, a stop can only be believed where its orders can be read back."""
        for i, order in enumerate(orders):
            if order is not None and not order.point.readable:
                self._say(f"abort[{i}]", "cannot be read back, which a device with [hold] needs")

    def _alarm(self, name: str, entry: AlarmEntry) -> Alarm[P] | None:
        read = self._reading(entry.read, f"alarms.{name}.read")
        return None if read is None else Alarm(read, entry.text, word(entry.when))

    def _memory(self, entry: MemoryEntry, hold: bool) -> Memory[P]:
        names = ("text", "key", "written", "started", "settled", "run", "before")
        tables = {name: getattr(entry, name) for name in names}
        points: dict[str, P | None] = {}
        for name, table in tables.items():
            where = f"memory.{name}"
            points[name] = self._reading(table, where) if table else None
            point = points[name]
            if point is None or name == "run":
                continue
            self._written.append((where, point))
            if not point.writable:
                self._say(where, "cannot be written")
            elif name == "text" and not point.textual:
                self._say(where, "holds no text")
            elif name != "text" and not self._wide_enough(name, point):
                bits = MARK_BITS if name == "key" else TIME_BITS
                self._say(where, f"is too small; whole numbers of {bits} bits are needed")
        if hold and entry.text is None and entry.settled is None:
            self._say("memory.settled", "is missing; a device with [hold] needs it")
        return Memory(**points)

    def _wide_enough(self, name: str, point: P) -> bool:
        needed = {"key": MARK_BITS, "before": 16}.get(name, TIME_BITS)
        return point.textual or point.whole_bits >= needed

    # points ----------------------------------------------------------------------------------

    def _reading(self, table: Table, where: str) -> P | None:
        point = self._place(table, where)
        if point is not None and not point.readable:
            self._say(where, "cannot be read")
        return point

    def _writing(self, table: Table, where: str) -> P | None:
        point = self._place(table, where)
        if point is not None:
            self._written.append((where, point))
            if not point.writable:
                self._say(where, "cannot be written")
        return point

    def _place(self, table: Table, where: str) -> P | None:
        point: P | None = self._built(self._point, table, where)
        if point is not None:
            self._all.append((where, point))
        return point

    def _built(self, cls: type[Any], table: Table, where: str) -> Any:
        try:
            return build(cls, table, f"{_ROOT}.{where}")
        except CampaignError as error:
            self.mistakes += error.problems
        return None

    def _conversion(self, a: str, b: str, where: str) -> Callable[[float], float] | None:
        try:
            return converter(a, b)
        except UnitError as error:
            self._say(where, str(error))
        return None

    def _find_clashes(self) -> None:
        """Half-shared places, and places that two different things write."""
        for (one, a), (other, b) in combinations(self._all, 2):
            if a.overlaps(b):
                self._say(other, f"overlaps {one}")
        for (one, a), (other, b) in combinations(self._written, 2):
            if a.same_place(b) and not _one_control(one, other):
                self._say(other, f"writes the same place as {one}")

    def _say(self, where: str, what: str) -> None:
        self.mistakes.append(f"{_ROOT}.{where}: {what}")


def _one_control(one: str, other: str) -> bool:
    """Orders may share a control word, and an abort may set a setting to a safe value."""
    kinds = {one.split("[")[0].split(".")[0], other.split("[")[0].split(".")[0]}
    return kinds <= {"start", "abort"} or kinds == {"settings", "abort"}
