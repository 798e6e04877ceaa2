"""The front for a terminal: one table where it fits, else objectives and settings apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loop.commands.console import table
from loop.reporting.front import Point, believed, recommended
from loop.summary import number, ordered, parameter_units, unit_of, value_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

    from campaigns.records import Estimate
    from loop.state import CampaignState

MOST = 20  # settings listed
MARK = "recommended"

Columns = Sequence[Sequence[str]]  # the head of each, then its cells


@dataclass(frozen=True, slots=True)
class FrontSheet:
    """The front, best of the first objective first, as wide as the console allows.

    One row a setting with its objectives and parameters; where that is too wide, two tables whose
    rows have the same numbers; where the parameters alone are too wide, one row a parameter.
    """

    title: str
    numbers: Sequence[str]
    objectives: Columns
    parameters: Columns
    marks: Sequence[str]

    @classmethod
    def of(cls, state: CampaignState) -> FrontSheet | None:
        """The front of the recommendation; None where there is none."""
        front = believed(state)
        if not front:
            return None
        kept = spread([recommended(state, setting) for setting, _ in front], MOST)
        rows = [front[i] for i in kept]
        return cls(
            title=_title(front, len(kept), state.campaign.objectives[0].metric),
            numbers=[str(i + 1) for i in kept],
            objectives=_objectives(state, rows),
            parameters=_parameters(state, rows),
            marks=[MARK if recommended(state, setting) else "" for setting, _ in rows],
        )

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """What rich prints."""
        numbers, marks = ["#", *self.numbers], ["", *self.marks]
        whole = _table(self.title, [numbers, *self.objectives, *self.parameters, marks])
        if _fits(whole, console, options):
            yield whole
            return
        yield from self._fitting(self.title, [*self.objectives, marks], console, options)
        yield from self._fitting("", self.parameters, console, options)

    def _fitting(
        self, title: str, columns: Columns, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The columns as a table; turned, and in several where that is too wide, too."""
        numbered = [["#", *self.numbers], *columns]
        upright = _table(title, numbered)
        if _fits(upright, console, options):
            yield upright
            return
        names, *rest = list(zip(*numbered, strict=True))
        while rest:
            count = len(rest)
            while count > 1 and not _fits(_turned(title, names, rest[:count]), console, options):
                count -= 1
            yield _turned(title, names, rest[:count])
            title, rest = "", rest[count:]


@dataclass(frozen=True, slots=True)
class Foldable:
    """A table that is printed as it is where it fits, else in the parts of a sheet."""

    wide: RenderableType
    folded: FrontSheet

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """What rich prints."""
        yield self.wide if _fits(self.wide, console, options) else self.folded


def spread(marked: Sequence[bool], most: int) -> list[int]:
    """Up to `most` places of a longer list: both ends, the marked ones, and others evenly."""
    n = len(marked)
    if n <= most:
        return list(range(n))
    found = {round(i * (n - 1) / (most - 1)) for i in range(most)}
    for place in (i for i, chosen in enumerate(marked) if chosen and i not in found):
        inner = [i for i in found if 0 < i < n - 1 and not marked[i]]
        found -= {min(inner, key=lambda i: abs(i - place))}
        found.add(place)
    return sorted(found)


def _title(front: Sequence[Point], shown: int, metric: str) -> str:
    level = f"{front[0][1][metric].level:.0%} intervals"
    if shown == len(front):
        return f"The front: {shown} setting{'s' * (shown != 1)}, {level}"
    return f"The front: {shown} of {len(front)} settings, {level}; export writes all to front.csv"


def _objectives(state: CampaignState, rows: Sequence[Point]) -> Columns:
    return [
        [f"{one.metric}{_bracketed(one.unit)}", *(_interval(told[one.metric]) for _, told in rows)]
        for one in state.campaign.objectives
    ]


def _parameters(state: CampaignState, rows: Sequence[Point]) -> Columns:
    units = parameter_units(state)
    return [
        [
            f"{name}{_bracketed(units.get(name, '1'))}",
            *(value_text(setting[name]) for setting, _ in rows),
        ]
        for name in ordered(state, rows[0][0])
    ]


def _bracketed(unit: str) -> str:
    return f" ({unit})" if unit_of(unit) else ""


def _interval(one: Estimate) -> str:
    return f"{number(one.mean)} [{number(one.lower)}, {number(one.upper)}]"


def _table(title: str, columns: Columns, first: str = ">") -> RenderableType:
    """A table of columns, all but the first and those without a head flush right."""
    heads = [f">{column[0]}" if column[0] else "" for column in columns[1:]]
    rows = zip(*(column[1:] for column in columns), strict=True)
    return table(title, [first + columns[0][0], *heads], rows)


def _turned(title: str, names: Sequence[str], columns: Columns) -> RenderableType:
    return _table(title, [names, *columns], first="")


def _fits(table: RenderableType, console: Console, options: ConsoleOptions) -> bool:
    from rich.measure import Measurement

    wide = options.update(width=10_000)
    return Measurement.get(console, wide, table).maximum <= options.max_width
