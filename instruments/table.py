"""A recorded table as an instrument: it answers from a CSV, so that any table is a test bench."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from campaigns.expression import Expression, ExpressionError
from campaigns.options import build
from campaigns.records import NOTHING, Setting
from instruments.base import (
    Busy,
    Card,
    Clock,
    Found,
    Job,
    JobState,
    Problem,
    Progress,
    Receipt,
    Refused,
    Result,
    Scalar,
    SettingCard,
    Status,
)
from instruments.guard import same_job

Column: TypeAlias = str | int  # a header, or the number of a column, from 1, in a file without one
STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
DIGITS = 9  # settings are equal when they agree to this many decimals


@validated(frozen=True, config=STRICT)
class MetricColumn:
    """Where a metric stands. `noise_sd` (a number, or the header of a column) is added as
    Gaussian noise and declared as the observation's standard deviation."""

    column: Column
    unit: str = "1"
    noise_sd: float | str = 0.0


@validated(frozen=True, config=STRICT)
class TableOptions:
    """Options of `[instrument] kind = "table"`."""

    file: str
    parameters: dict[str, Column]
    metrics: dict[str, MetricColumn]
    hours: float | str = 1.0
    missing: Literal["error", "nearest"] = "error"
    units: dict[str, str] = Field(default_factory=dict)
    header: bool = True
    channels: int = Field(default=1, ge=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: noise-free metrics, their noise, and how long the test takes."""

    metrics: Mapping[str, float]
    noise: Mapping[str, float]
    hours: float


@dataclass(frozen=True, slots=True)
class Test:
    """One accepted job and when it ends; aborted ones keep the moment."""

    job: Job
    row: Row
    ends: datetime
    aborted: datetime | None = None


Key: TypeAlias = tuple[float, ...]


class TableInstrument:
    """Looks settings up in a table; the job's seed draws where a setting has several lines."""

    simulated: ClassVar[bool] = True

    def __init__(self, options: TableOptions, rows: Mapping[Key, list[Row]], clock: Clock) -> None:
        self._options = options
        self._rows = rows
        self._clock = clock
        self._tests: dict[str, Test] = {}
        self._live: set[str] = set()  # a few more than run now: pruned when it matters
        columns = list(zip(*rows, strict=True))
        self._low = [min(column) for column in columns]
        self._span = [max(max(column) - min(column), 1e-12) for column in columns]

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: option or line of the file, what is wrong, what is allowed."""
        chosen = build(TableOptions, options, "instrument.options")
        return cls(chosen, read_rows(chosen, _content(chosen.file, files)), clock)

    def describe(self) -> Card:
        settings = tuple(
            SettingCard(name, self._options.units.get(name, "1"))
            for name in self._options.parameters
        )
        return Card(
            kind="table",
            settings=settings,
            metrics={name: metric.unit for name, metric in self._options.metrics.items()},
            channels=self._options.channels,
            series=False,
            repeatable=True,
            abortable=True,
            simulated=True,
            open_settings=True,  # derived parameters come along and are not looked at
        )

    def check(self, job: Job) -> list[Problem]:
        missing = [
            Problem(name, "is missing")
            for name in self._options.parameters
            if name not in job.parameters
        ]
        if missing or self._lookup(job.parameters) is not None:
            return missing
        key = ", ".join(f"{name} = {job.parameters[name]}" for name in self._options.parameters)
        return [Problem(self._options.file, f"has no line for {key}")]

    def submit(self, job: Job) -> Receipt:
        if job.key not in self._tests:
            rows = self._lookup(job.parameters)
            if rows is None:
                raise Refused(self.check(job)[0].reason)
            if len(self._running()) >= self._options.channels:
                raise Busy(f"all {self._options.channels} channels are taken")
            row = rows[0] if len(rows) == 1 else rows[int(_rng(job, 1).integers(len(rows)))]
            ends = job.started_at + timedelta(hours=row.hours)
            self._tests[job.key] = Test(job, row, ends)
            self._live.add(job.key)
        same_job(self._tests[job.key].job, job)
        return Receipt(job.key, job.key)

    def poll(self, key: str) -> Progress:
        test = self._tests[key]
        over = test.aborted or test.ends
        state = JobState.RUNNING
        if test.aborted is not None:
            state = JobState.ABORTED
        elif self._clock.now() >= test.ends:
            state = JobState.FINISHED
        running = state is JobState.RUNNING
        until = self._clock.now() if running else over
        hours = (until - test.job.started_at) / timedelta(hours=1)
        if state is JobState.FINISHED:
            hours = test.row.hours  # as the table says it, free of the clock's rounding
        return Progress(
            state, 0, over if running else None, hours, None if running else over, run_id=key
        )

    def fetch(self, key: str, since: int = 0) -> Result:
        state = self.poll(key).state
        if state is not JobState.FINISHED:
            return Result(state)
        return Result(state, scalars=self._scalars(self._tests[key]))

    def abort(self, key: str, reason: str) -> Status:
        test = self._tests[key]
        if test.aborted is None and self._clock.now() < test.ends:
            self._tests[key] = Test(test.job, test.row, test.ends, self._clock.now())
        return Status(self.poll(key).state, safe=True)

    def find(self, key: str, since: datetime | None = None) -> Found:
        if key not in self._tests:
            return Found.NEVER
        return Found.RUNNING if key in self._running() else Found.FINISHED

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """Noise-free values; the mean over the lines where a setting stands in several."""
        found: list[Mapping[str, float]] = []
        for setting in settings:
            rows = self._lookup(setting)
            if rows is None:
                return None
            found.append(
                {
                    name: math.fsum(row.metrics[name] for row in rows) / len(rows)
                    for name in self._options.metrics
                }
            )
        return found

    def close(self) -> None:
        """Nothing is held."""

    def _running(self) -> set[str]:
        now = self._clock.now()
        tests = ((key, self._tests[key]) for key in self._live)
        self._live = {key for key, t in tests if t.aborted is None and now < t.ends}
        return self._live

    def _scalars(self, test: Test) -> dict[str, Scalar]:
        rng = _rng(test.job, 0)
        found = {}
        for name, metric in self._options.metrics.items():
            sd = test.row.noise[name]
            value = test.row.metrics[name] + (sd * float(rng.standard_normal()) if sd else 0.0)
            found[name] = Scalar(value, metric.unit, sd)
        return found

    def _lookup(self, setting: Setting) -> list[Row] | None:
        values = [setting.get(name) for name in self._options.parameters]
        if any(value is None or isinstance(value, str | bool) for value in values):
            return None
        point = tuple(float(value) for value in values if value is not None)
        rows = self._rows.get(_rounded(point))
        if rows is None and self._options.missing == "nearest":
            rows = self._rows[min(self._rows, key=lambda key: self._distance(key, point))]
        return rows

    def _distance(self, key: Key, point: Key) -> float:
        """Squared distance in the unit cube of the table's own ranges."""
        return math.fsum(
            ((a - b) / span) ** 2 for a, b, span in zip(key, point, self._span, strict=True)
        )


def _rng(job: Job, stream: int) -> Any:
    import numpy as np

    return np.random.default_rng([*job.seed, stream])


def _rounded(point: Key) -> Key:
    return tuple(round(value, DIGITS) for value in point)


def _content(name: str, files: Mapping[str, bytes]) -> str:
    if name not in files:
        raise ValueError(f"instrument.options.file: there is no file {name!r}")
    try:
        return files[name].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: is not UTF-8 text (byte {error.start})") from error


def read_rows(options: TableOptions, text: str) -> dict[Key, list[Row]]:
    """Every line of the table by its setting. Raises ValueError naming the line and the column."""
    source = csv.reader(text.splitlines())
    try:
        lines = [(source.line_num, line) for line in source if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise ValueError(f"{options.file}: line {source.line_num}: {error}") from error
    if len(lines) <= options.header:
        raise ValueError(f"{options.file}: has no lines of data")
    names = [cell.strip() for cell in lines[0][1]] if options.header else []
    reader = _Lines(options, names)
    rows: dict[Key, list[Row]] = {}
    for number, line in lines[int(options.header) :]:
        key, row = reader.read(line, number)
        rows.setdefault(key, []).append(row)
    return rows


class _Lines:
    """Reads the lines of one table: columns found once, hours compiled once."""

    def __init__(self, options: TableOptions, names: Sequence[str]) -> None:
        self._options = options
        self._names = names
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if twice:
            raise ValueError(f"{options.file}: the column {twice[0]!r} stands there twice")
        self._keys = [self._find(c, f"parameters.{p}") for p, c in options.parameters.items()]
        self._metrics = {
            name: self._find(metric.column, f"metrics.{name}.column")
            for name, metric in options.metrics.items()
        }
        self._noise = {
            name: self._number_or_column(metric.noise_sd, f"metrics.{name}.noise_sd")
            for name, metric in options.metrics.items()
        }
        self._hours = self._formula(options.hours)

    def read(self, line: Sequence[str], number: int) -> tuple[Key, Row]:
        if self._names and len(line) > len(self._names):
            raise ValueError(
                f"{self._options.file}: line {number}: {len(line)} values, but "
                f"{len(self._names)} columns"
            )
        key = tuple(self._cell(line, index, number) for index in self._keys)
        metrics = {n: self._cell(line, index, number) for n, index in self._metrics.items()}
        noise = {
            n: source if isinstance(source, float) else self._cell(line, source, number)
            for n, source in self._noise.items()
        }
        if any(sd < 0 for sd in noise.values()):
            raise ValueError(f"{self._options.file}: line {number}: noise_sd is negative")
        hours = self._hours_of(line, number, metrics)
        if not (math.isfinite(hours) and hours >= 0):
            raise ValueError(f"{self._options.file}: line {number}: hours = {hours:g}")
        return _rounded(key), Row(metrics, noise, hours)

    def _hours_of(self, line: Sequence[str], number: int, metrics: Mapping[str, float]) -> float:
        if isinstance(self._hours, float):
            return self._hours
        if isinstance(self._hours, int):
            return self._cell(line, self._hours, number)
        return float(self._hours.value(metrics))

    def _find(self, column: Column, where: str) -> int:
        """The index of a column. Raises ValueError naming the headers there are."""
        if isinstance(column, int):
            if column < 1:
                raise ValueError(f"instrument.options.{where}: columns are counted from 1")
            return column - 1
        if column in self._names:
            return self._names.index(column)
        there = ", ".join(self._names) or "none: give column numbers, from 1"
        raise ValueError(
            f"instrument.options.{where}: {self._options.file} has no column {column!r}; "
            f"its columns: {there}"
        )

    def _number_or_column(self, value: float | str, where: str) -> float | int:
        return self._find(value, where) if isinstance(value, str) else float(value)

    def _formula(self, hours: float | str) -> float | int | Expression:
        if not isinstance(hours, str):
            return float(hours)
        if hours in self._names:
            return self._names.index(hours)
        try:
            return Expression.of(hours, dict.fromkeys(self._options.metrics, "number"), "number")
        except ExpressionError as error:
            raise ValueError(f"instrument.options.hours: {error}") from error

    def _cell(self, line: Sequence[str], index: int, number: int) -> float:
        where = f"{self._options.file}: line {number}, column {index + 1}"
        if index >= len(line):
            raise ValueError(f"{where}: is missing; the line has {len(line)} columns")
        try:
            value = float(line[index])
        except ValueError as error:
            raise ValueError(f"{where}: {line[index]!r} is not a number") from error
        if not math.isfinite(value):
            raise ValueError(f"{where}: {line[index]!r} is not finite")
        return value
