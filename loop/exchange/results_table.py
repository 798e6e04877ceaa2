"""A CSV of settings and results, read for a campaign: columns by name, units, bounds and times."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from campaigns.campaign import Campaign, CampaignError
from campaigns.listing import MOST_TOLD, Listing, number
from campaigns.parameter import Choice, Continuous, Parameter
from campaigns.problems import listed, unknown
from campaigns.records import NOTHING, Bound, Failure, FailureKind, Observation, Value
from campaigns.start import SEM
from instruments.clock import EPOCH
from instruments.units import UnitError, converter, scale
from loop.discrepancy import measured
from loop.exchange.recording import Result, ended_as

ABOUT = ("batch", "author", "started", "ended", "hours", "failure", "failure_reason")
BOUNDS = {">": Bound.AT_LEAST, "<": Bound.AT_MOST}
CLOSE = 1e-9  # relative: a number that was converted or printed, and the option it stands for
_UNIT = re.compile(r"^(.*?)\s*(?:\(([^()]+)\)|\[([^\[\]]+)\]|\s/\s*([^/()\[\]]+))$")
Read = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Naming:
    """What the columns are called, where not by the campaign's own names, and their units."""

    columns: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    units: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The results of a table, when its time began, and the columns that say nothing here."""

    results: tuple[Result, ...]
    epoch: datetime
    unread: tuple[str, ...]


def read(campaign: Campaign, name: str, content: bytes, naming: Naming) -> Recorded:
    """The results in a CSV with a header line, each row a trial.

    A column is named like a parameter, a metric, a metric with `_sem` behind it (its standard
    error), or one of `batch`, `author`, `started`, `ended`, `hours`, `failure`, `failure_reason`;
    a unit may stand behind the name: `gap (mm)`, `gap [mm]`, `gap / mm`. A result `>400` or `<400`
    is a bound. Times are hours since the beginning, or ISO 8601.

    Raises CampaignError with all that is wrong: file, line, column.
    """
    listing = Listing.read(name, content)
    metrics = _metrics(campaign)
    columns = _columns(campaign, metrics, listing, naming)
    reader = _Reader(campaign, metrics, listing, columns)
    results, epoch = reader.results()
    used = {column.name for column in columns.values()}
    return Recorded(results, epoch, tuple(one for one in listing.header if one not in used))


@dataclass(frozen=True, slots=True)
class _Column:
    name: str  # as the file writes it
    place: int
    unit: str  # "" where the file says none


def _metrics(campaign: Campaign) -> dict[str, str]:
    """What may be measured, with the unit in which the campaign keeps it."""
    found: dict[str, str] = {}
    for objective in campaign.objectives:
        aims = () if objective.curve is None else objective.curve.aims
        found |= {aim.metric: aim.unit for aim in aims}
        if objective.curve is None:
            found[objective.metric] = objective.unit
    return found | {one.metric: one.unit for one in campaign.constraints}


def _columns(
    campaign: Campaign, metrics: Mapping[str, str], listing: Listing, naming: Naming
) -> dict[str, _Column]:
    """The column of everything that is there. Raises CampaignError."""
    space = campaign.space
    names = [*space.names, *metrics, *(metric + SEM for metric in metrics), *ABOUT]
    mistakes = [
        f"--{option} {one}: {unknown('name', one, names)}"
        for option, given in (("column", naming.columns), ("unit", naming.units))
        for one in given
        if one not in names
    ]
    mistakes += [
        f"--column {one}={column}: {unknown('column', column, listing.header)}"
        for one, column in naming.columns.items()
        if column not in listing.header
    ]
    found = {one: _found(one, listing, naming) for one in names}
    there = {one: column for one, column in found.items() if column is not None}
    mistakes += [
        f"{listing.name}: no column '{one}'; there are {listed(listing.header, limit=30)}"
        for one in space.names
        if one not in there and one not in naming.columns
    ]
    goals = [metric for objective in campaign.objectives for metric in measured(objective)]
    if not any(goal in there for goal in goals):
        mistakes.append(f"{listing.name}: no column holds {' or '.join(goals)}")
    if mistakes:
        raise CampaignError(mistakes)
    return there


def _found(name: str, listing: Listing, naming: Naming) -> _Column | None:
    """The column of a name: as it was mapped, else called so, with a unit behind it or without."""
    wanted = naming.columns.get(name, name)
    for place, head in enumerate(listing.header):
        match = _UNIT.match(head)
        base, unit = head, ""
        if match is not None:
            base, unit = match[1], next(filter(None, match.groups()[1:])).strip()
        if wanted in (head, base):
            return _Column(head, place, naming.units.get(name, unit))
    return None


class _Reader:
    """Reads the rows of one table; every mistake is noted with its line."""

    def __init__(
        self,
        campaign: Campaign,
        metrics: Mapping[str, str],
        listing: Listing,
        columns: Mapping[str, _Column],
    ) -> None:
        self._campaign, self._metrics = campaign, metrics
        self._listing, self._columns = listing, columns
        self._mistakes: list[str] = []
        parameters = campaign.space.parameters
        self._settings = {p.name: self._converter(p.name, p.unit, converter) for p in parameters}
        self._values = {m: self._converter(m, u, converter) for m, u in metrics.items()}
        self._errors = {m: self._converter(m + SEM, u, scale) for m, u in metrics.items()}
        self._dated: datetime | None = None

    def results(self) -> tuple[tuple[Result, ...], datetime]:
        """Every row as a result, and campaign time zero. Raises CampaignError."""
        if not self._mistakes:
            self._dated = self._beginning()
        found = []
        for line, row in zip(self._listing.lines, self._listing.rows, strict=True):
            try:
                found.append(self._result(row))
            except CampaignError as error:
                self._mistakes += [
                    f"{self._listing.name}: line {line}: {p}" for p in error.problems
                ]
            except ValueError as error:
                self._mistakes.append(f"{self._listing.name}: line {line}: {error}")
        if self._mistakes:
            raise CampaignError(self._mistakes[:MOST_TOLD])
        return tuple(found), self._dated or EPOCH

    def _converter(self, name: str, unit: str, make: Callable[[str, str], Read]) -> Read:
        column = self._columns.get(name)
        if column is None and name.endswith(SEM):
            column = self._columns.get(name.removesuffix(SEM))
        try:
            return make((column.unit if column else "") or unit, unit)
        except UnitError as error:
            where = column.name if column else name
            self._mistakes.append(f"{self._listing.name}: column '{where}': {error}")
            return float

    def _cell(self, row: Sequence[str], name: str) -> str:
        column = self._columns.get(name)
        return "" if column is None else row[column.place]

    def _result(self, row: Sequence[str]) -> Result:
        space = self._campaign.space
        given = {p.name: self._value(p, self._cell(row, p.name)) for p in space.parameters}
        problems = space.problems(given)
        if problems:
            raise CampaignError(problems)
        outcomes = {m: self._observation(m, row) for m in self._metrics if self._cell(row, m)}
        failure = self._failure(row)
        if failure is not None and outcomes:
            raise ValueError(f"failure is {failure.kind}, but a result is given, too")
        started, ended, hours = self._times(row)
        result = Result(space.complete(given), outcomes, failure=failure)
        return replace(
            result,
            batch=self._cell(row, "batch"),
            author=self._cell(row, "author"),
            started=started,
            ended=ended,
            hours=hours,
            state=ended_as(outcomes, failure),
        )

    def _value(self, parameter: Parameter, cell: str) -> Value:
        """The value of a parameter, in its unit; the option it stands for where there are some."""
        if parameter.kind == "text":
            return cell
        if parameter.kind == "truth":
            if cell.lower() not in ("true", "false"):
                raise ValueError(f"{parameter.name}: '{cell}' is neither true nor false")
            return cell.lower() == "true"
        value = number(cell)
        if value is None:
            raise ValueError(f"{parameter.name}: '{cell}' is no finite number")
        return nearest_option(parameter, self._settings[parameter.name](value))

    def _observation(self, metric: str, row: Sequence[str]) -> Observation:
        cell, error = self._cell(row, metric), self._cell(row, metric + SEM)
        bound = BOUNDS.get(cell[0], Bound.EXACT)
        mean = number(cell.lstrip("<>=≥≤ ") if bound is not Bound.EXACT else cell)
        if mean is None:
            raise ValueError(f"{metric}: '{cell}' is no finite number, nor a bound such as >400")
        sem = number(error) if error else None
        if error and (sem is None or sem < 0):
            raise ValueError(f"{metric + SEM}: '{error}' is no number >= 0")
        value = self._values[metric](mean)
        spread = None if sem is None else abs(self._errors[metric](sem))
        return Observation(metric, float(value), spread, self._metrics[metric], bound)

    def _failure(self, row: Sequence[str]) -> Failure | None:
        cell = self._cell(row, "failure")
        if not cell:
            return None
        if cell not in [str(kind) for kind in FailureKind]:
            raise ValueError(f"failure: {unknown('kind', cell, [str(k) for k in FailureKind])}")
        return Failure(FailureKind(cell), self._cell(row, "failure_reason") or "as recorded")

    # time ------------------------------------------------------------------------------------

    def _beginning(self) -> datetime | None:
        """The first of all dates; None where times are numbers or not given."""
        dates = []
        for row in self._listing.rows:
            try:
                hours = number(self._cell(row, "hours") or "0") or 0.0
                for name in ("started", "ended"):
                    cell = self._cell(row, name)
                    if cell and number(cell) is None:
                        back = 0.0 if name == "started" else hours * 3600.0
                        dates.append(_date(cell).timestamp() - back)
            except (ValueError, OverflowError, OSError):
                continue  # told with its line, when the row is read
        return datetime.fromtimestamp(min(dates), UTC) if dates else None

    def _times(self, row: Sequence[str]) -> tuple[float, float, float]:
        """Start and end in seconds of campaign time, and hours on a channel."""
        cell = self._cell(row, "hours")
        hours = number(cell) if cell else None
        if cell and (hours is None or hours < 0):
            raise ValueError(f"hours: '{cell}' is no number >= 0")
        started, ended = self._moment(row, "started"), self._moment(row, "ended")
        length = float(hours or 0.0) * 3600.0
        if ended is None:
            ended = (started or 0.0) + length
        if started is None:
            started = max(ended - length, 0.0)
        if ended < started:
            raise ValueError("ended is before started")
        return started, ended, (ended - started) / 3600.0 if hours is None else float(hours)

    def _moment(self, row: Sequence[str], name: str) -> float | None:
        cell = self._cell(row, name)
        if not cell:
            return None
        value = number(cell)
        if self._dated is None:
            if value is None or value < 0:
                raise ValueError(f"{name}: '{cell}' is no number of hours >= 0, nor a date")
            return float(value) * 3600.0
        if value is not None:
            raise ValueError(f"{name}: '{cell}' is a number, but other times are dates")
        return max(_date(cell).timestamp() - self._dated.timestamp(), 0.0)


def _date(cell: str) -> datetime:
    """ISO 8601; UTC where no zone is given. Raises ValueError."""
    try:
        found = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"'{cell}' is no date such as 2026-12-01T07:30:00Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def nearest_option(parameter: Parameter, value: Value) -> Value:
    """The option that a number stands for, where rounding set it beside it; else the number."""
    if isinstance(value, bool | str) or isinstance(parameter, Continuous):
        return value
    options = parameter.options if isinstance(parameter, Choice) else (round(value),)
    near = (one for one in options if not isinstance(one, str))
    return next((one for one in near if math.isclose(one, value, rel_tol=CLOSE)), value)
