"""What a campaign starts from: settings to run first, earlier results, earlier campaigns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from campaigns.listing import MOST_TOLD, Listing, number
from campaigns.objective import Objective, OutcomeConstraint
from campaigns.problems import CampaignError, unknown
from campaigns.records import Observation, Setting
from campaigns.schema import StartTable
from campaigns.space import Space
from campaigns.target import Aim

SEM = "_sem"  # column `cycle_life_sem` holds the standard error of column `cycle_life`


@dataclass(frozen=True)
class Measured:
    """A setting measured before the campaign, with what was observed."""

    setting: Setting
    outcomes: Mapping[str, Observation]


@dataclass(frozen=True)
class StartSpec:
    """`settings` are run first; `measured`, the rows of the file `results`, and `campaigns` are
    only learnt from."""

    settings: tuple[Setting, ...] = ()
    results: str | None = None
    campaigns: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()


def build_start(
    table: StartTable,
    files: Mapping[str, bytes],
    space: Space,
    wanted: Sequence[Objective | OutcomeConstraint] | None,
) -> StartSpec:
    """The start that `table` describes. `wanted` tells which outcomes the results may hold; None
    leaves them unread, where that is not known. Raises CampaignError with all mistakes."""
    mistakes = [
        f"start.settings[{i}]: {problem}"
        for i, setting in enumerate(table.settings)
        for problem in space.problems(setting)
    ]
    measured: tuple[Measured, ...] = ()
    if table.results is not None and wanted is not None:
        try:
            measured = _results(table.results, files, space, _units(wanted), _aims(wanted))
        except CampaignError as error:
            mistakes += error.within("start.results: ").problems
    if mistakes or (table.results is not None and wanted is not None and not measured):
        raise CampaignError(mistakes)
    settings = tuple(space.complete(setting) for setting in table.settings)
    return StartSpec(settings, table.results, tuple(table.campaigns), measured)


def _units(wanted: Sequence[Objective | OutcomeConstraint]) -> dict[str, str]:
    """What may be given, with its unit: the values of a target, not the discrepancy from it."""
    units: dict[str, str] = {}
    for one in wanted:
        if isinstance(one, Objective) and one.curve is not None:
            units |= {aim.metric: aim.unit for aim in one.curve.aims}  # "": the instrument's
        else:
            units[one.metric] = one.unit
    return units


def _aims(wanted: Sequence[Objective | OutcomeConstraint]) -> dict[str, Aim]:
    curves = [one.curve for one in wanted if isinstance(one, Objective) and one.curve is not None]
    return {aim.metric: aim for curve in curves for aim in curve.aims}


def _results(
    name: str,
    files: Mapping[str, bytes],
    space: Space,
    units: Mapping[str, str],
    aims: Mapping[str, Aim],
) -> tuple[Measured, ...]:
    if name not in files:
        raise CampaignError(())  # whoever gathers the files tells that one is missing
    listing = Listing.read(name, files[name])
    known = [*space.names, *(d.name for d in space.derived)]
    known += [metric + ending for metric in units for ending in ("", SEM)]
    mistakes = [
        f"{name}: '{column}': {unknown('column', column, known)}"
        for column in listing.header
        if column not in known
    ]
    mistakes += [
        f"{name}: the column '{n}' is missing" for n in space.names if n not in listing.header
    ]
    if not any(metric in listing.header for metric in units):
        mistakes.append(f"{name}: no column holds an outcome; one of {', '.join(units)} is needed")
    if mistakes:
        raise CampaignError(mistakes)
    given = [n for n in known if n in listing.header and n not in units and not n.endswith(SEM)]
    columns = [listing.values(n) for n in given]
    settings = [dict(zip(given, row, strict=True)) for row in zip(*columns, strict=True)]
    return tuple(_checked(listing, settings, space, units, aims))


def _checked(
    listing: Listing,
    settings: Sequence[Setting],
    space: Space,
    units: Mapping[str, str],
    aims: Mapping[str, Aim],
) -> Iterable[Measured]:
    mistakes: list[str] = []
    found: list[Measured] = []
    for line, row, setting in zip(listing.lines, listing.rows, settings, strict=True):
        problems = space.problems(setting)
        cells = dict(zip(listing.header, row, strict=True))
        outcomes = {}
        for metric, unit in units.items():
            if cells.get(metric):
                try:
                    outcomes[metric] = _observation(metric, unit, cells)
                    if metric in aims:
                        aims[metric].residual(outcomes[metric].mean)
                except ValueError as error:
                    problems.append(str(error))
        if not outcomes and not problems:
            problems.append("no outcome is given")
        mistakes += [f"{listing.name}: line {line}: {problem}" for problem in problems]
        if not problems:
            found.append(Measured(space.complete(setting), outcomes))
    if mistakes:
        raise CampaignError(mistakes[:MOST_TOLD])
    return found


def _observation(metric: str, unit: str, cells: Mapping[str, str]) -> Observation:
    mean, sem = number(cells[metric]), cells.get(metric + SEM) or None
    if mean is None:
        raise ValueError(f"column '{metric}': '{cells[metric]}' is no finite number")
    error = None if sem is None else number(sem)
    if sem is not None and (error is None or error < 0):
        raise ValueError(f"column '{metric + SEM}': '{sem}' is no number >= 0")
    return Observation(metric, float(mean), None if error is None else float(error), unit)
