"""From the [space] table of a campaign file to a Space, with every mistake told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from campaigns.composition import Sum
from campaigns.expression import Kind
from campaigns.findings import path
from campaigns.listing import MOST_TOLD, Listing
from campaigns.parameter import Choice, Continuous, Integer, Parameter
from campaigns.problems import CampaignError, unknown
from campaigns.records import Value
from campaigns.rules import Derived, rule_mistakes
from campaigns.schema import CandidatesTable, ParameterTable, SpaceTable
from campaigns.space import Space


def build_space(table: SpaceTable, files: Mapping[str, bytes], broken: Iterable[str] = ()) -> Space:
    """The space that `table` describes. Raises CampaignError with all mistakes, each starting
    with its key (`space.parameters.cc1: …`), and always where parameters or derived values are
    `broken` and thus left out of the table."""
    mistakes: list[str] = []
    if (table.parameters is None) == (table.candidates is None):
        raise CampaignError(["space: either parameters or candidates is needed"])
    parameters: list[Parameter] = []
    rows: tuple[tuple[Value, ...], ...] | None = None
    guessed: dict[str, Kind] = {}  # what broken parameters would have held
    try:
        if table.candidates is not None:
            parameters, rows = _listed(table.candidates, files)
        else:
            guessed = {name: _guess(p) for name, p in (table.parameters or {}).items()}
            parameters = _parameters(table.parameters or {}, mistakes)
    except CampaignError as error:
        mistakes += error.problems
        guessed = dict.fromkeys((table.candidates and table.candidates.columns) or (), "number")
    lost: dict[str, Kind] = dict.fromkeys(broken, "number")
    derived = list(_derived(table, mistakes))
    sums = list(_sums(table, mistakes))
    rules = (tuple(derived), tuple(table.constraints), tuple(sums), tuple(table.exclude))
    if not mistakes and not lost:
        return _built(parameters, rules, rows)
    if guessed or lost:
        mistakes += _later({**guessed, **lost}, rules)
    raise CampaignError(mistakes)


_Rules: TypeAlias = tuple[tuple[Derived, ...], tuple[str, ...], tuple[Sum, ...], tuple[str, ...]]


def _built(
    parameters: Iterable[Parameter], rules: _Rules, rows: tuple[tuple[Value, ...], ...] | None
) -> Space:
    derived, constraints, sums, exclude = rules
    try:
        space = Space(tuple(parameters), derived, constraints, sums, exclude, rows)
    except CampaignError as error:
        raise error.within("space.") from None
    empty = space.emptiness()
    if empty:
        raise CampaignError([f"space: {empty}"])
    return space


def _later(kinds: Mapping[str, Kind], rules: _Rules) -> Iterable[str]:
    """Mistakes in the formulas, found although some parameters are broken."""
    derived, constraints, _, exclude = rules
    found = rule_mistakes(kinds, derived, exclude, constraints)
    return [f"space.{mistake}" for mistake in found]


def _guess(table: ParameterTable) -> Kind:
    first = (table.choices or [0.0])[0]
    if isinstance(first, bool):
        return "truth"
    return "text" if isinstance(first, str) else "number"


def _parameters(tables: Mapping[str, ParameterTable], mistakes: list[str]) -> list[Parameter]:
    found = []
    if not tables:
        mistakes.append("space.parameters: at least one parameter is needed")
    for name, table in tables.items():
        try:
            found.append(_parameter(name, table))
        except ValueError as error:
            mistakes.append(f"{path(['space', 'parameters', name])}: {error}")
    return found


def _parameter(name: str, table: ParameterTable) -> Parameter:
    if not name.strip():
        raise ValueError("the name is empty")
    given = table.model_fields_set - {"unit"}
    ranged = {"low", "high", "scale", "integer"}
    if table.choices is not None:
        if given & ranged:
            raise ValueError(f"{min(given & ranged)}: does not go together with choices")
        return Choice(name, _uniform(table.choices), table.unit, table.ordered)
    if "ordered" in given:
        raise ValueError("ordered: belongs to choices")
    if table.low is None or table.high is None:
        raise ValueError("either choices, or low and high are needed")
    if table.integer:
        if not (table.low.is_integer() and table.high.is_integer()):
            raise ValueError(f"low and high must be whole numbers, not {table.low}, {table.high}")
        return Integer(name, int(table.low), int(table.high), table.unit, table.scale)
    return Continuous(name, table.low, table.high, table.unit, table.scale)


def _uniform(options: Iterable[Value]) -> tuple[Value, ...]:
    """Whole and real numbers mixed become real ones."""
    found = tuple(options)
    if any(isinstance(option, float) for option in found):
        return tuple(float(o) if type(o) is int else o for o in found)
    return found


def _derived(table: SpaceTable, mistakes: list[str]) -> Iterable[Derived]:
    for name, one in table.derived.items():
        low = -math.inf if one.low is None else one.low
        high = math.inf if one.high is None else one.high
        try:
            yield Derived(name, one.expression, low, high, one.unit)
        except ValueError as error:
            mistakes.append(f"{path(['space', 'derived', name])}: {error}")


def _sums(table: SpaceTable, mistakes: list[str]) -> Iterable[Sum]:
    for i, one in enumerate(table.sums):
        try:
            yield Sum(tuple(one.of), one.equals)
        except ValueError as error:
            mistakes.append(f"space.sums[{i}]: {error}")


def _listed(
    table: CandidatesTable, files: Mapping[str, bytes]
) -> tuple[list[Parameter], tuple[tuple[Value, ...], ...]]:
    if table.file not in files:
        raise CampaignError(())  # whoever gathers the files tells that one is missing
    try:
        listing = Listing.read(table.file, files[table.file])
    except CampaignError as error:
        raise error.within("space.candidates: ") from None
    names = table.columns or list(listing.header)
    mistakes = [
        f"space.candidates.units.{name}: {unknown('column', name, names)}"
        for name in table.units
        if name not in names
    ]
    if len(set(names)) < len(names):
        mistakes.append("space.candidates.columns: a column is named twice")
    columns = []
    for name in names:
        try:
            columns.append(_uniform(listing.values(name)))
        except CampaignError as error:
            mistakes += error.within("space.candidates: ").problems
    if mistakes:
        raise CampaignError(dict.fromkeys(mistakes))
    rows = tuple(zip(*columns, strict=True))
    _refuse_repeats(listing, rows)
    return [
        Choice(name, _options(column), table.units.get(name, "1"))
        for name, column in zip(names, columns, strict=True)
    ], rows


def _options(column: tuple[Value, ...]) -> tuple[Value, ...]:
    different = dict.fromkeys(column)
    if any(isinstance(value, str) for value in column):
        return tuple(different)
    return tuple(sorted(different))


def _refuse_repeats(listing: Listing, rows: tuple[tuple[Value, ...], ...]) -> None:
    first: dict[tuple[Value, ...], int] = {}
    mistakes = []
    for line, row in zip(listing.lines, rows, strict=True):
        if row in first:
            mistakes.append(
                f"space.candidates: {listing.name}: line {line}: the same as line {first[row]}"
            )
        first.setdefault(row, line)
    if mistakes:
        raise CampaignError(mistakes[:MOST_TOLD])
