"""A measured curve to be reproduced: what each value counts, and how far a result is from it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from campaigns.listing import MOST_TOLD, Listing, number
from campaigns.problems import CampaignError, listed, unknown
from campaigns.schema import TargetTable

Amount: TypeAlias = float | str  # a number, or "N %" of the value it belongs to

COLUMNS = ("metric", "value", "unit", "sd")
PERCENT = re.compile(r"\s*([0-9.eE+-]+)\s*%\s*")


@dataclass(frozen=True, slots=True)
class Aim:
    """One measured value and how a result is compared with it.

    The residual is (y - value) / scale, or ln(y / value) / scale where `log`; `sd` is the standard
    deviation of the measurement, in `unit` ("" takes the instrument's).
    """

    metric: str
    value: float
    unit: str = ""
    sd: float = 0.0
    weight: float = 1.0
    scale: float = 1.0
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and (self.value > 0 or not self.log)):
            raise ValueError(f"'{self.metric}': {self.value:g} has no logarithm")
        if not self.scale > 0:
            raise ValueError(f"'{self.metric}': the scale {self.scale:g} must be above 0")
        if not (self.sd >= 0 and self.weight >= 0):
            raise ValueError(f"'{self.metric}': sd and weight must be 0 or more")

    def residual(self, y: float) -> float:
        """Distance of `y` from the value, signed. ValueError where a logarithm needs y > 0."""
        if not self.log:
            return (y - self.value) / self.scale
        if y <= 0:
            raise ValueError(f"{self.metric}: {y:g} has no logarithm")
        return math.log(y / self.value) / self.scale

    def spread(self, y: float, sd: float) -> float:
        """Standard deviation of the residual for a result `y` with standard deviation `sd`."""
        return sd / self.scale / (abs(y) if self.log else 1.0)


@dataclass(frozen=True, slots=True)
class Target:
    """The values of a target file; the discrepancy is sqrt(sum of weight * residual^2)."""

    file: str
    aims: tuple[Aim, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The measured quantities, in the order of the file."""
        return tuple(aim.metric for aim in self.aims)

    def discrepancy(self, values: Mapping[str, float]) -> float:
        """How far results are from the target, >= 0. KeyError where one is missing, ValueError
        where one has no logarithm."""
        return math.sqrt(self._squares(values))

    def spread(self, values: Mapping[str, float], sds: Mapping[str, float]) -> float:
        """Standard deviation of the discrepancy to first order in those of the results; at the
        target itself, where that vanishes, the discrepancy that the results' noise alone makes."""
        spreads = [aim.spread(values[aim.metric], sds[aim.metric]) for aim in self.aims]
        total = self._squares(values)
        noise = sum(a.weight * s**2 for a, s in zip(self.aims, spreads, strict=True))
        if total <= noise:
            return math.sqrt(noise)
        slopes = (a.weight * a.residual(values[a.metric]) for a in self.aims)
        parts = sum((k * s) ** 2 for k, s in zip(slopes, spreads, strict=True))
        return math.sqrt(parts / total)

    def _squares(self, values: Mapping[str, float]) -> float:
        return math.fsum(a.weight * a.residual(values[a.metric]) ** 2 for a in self.aims)


def build_target(table: TargetTable, files: Mapping[str, bytes]) -> Target:
    """The target that a table of the campaign file describes. Raises CampaignError."""
    if table.file not in files:
        raise CampaignError(())  # whoever gathers the files tells that one is missing
    rows = _rows(Listing.read(table.file, files[table.file]))
    mistakes = list(_unmatched(table, [row["metric"] for row in rows]))
    aims = []
    for row in rows:
        try:
            aims.append(_aim(row, table, rows))
        except ValueError as error:
            mistakes.append(f"{table.file}: {error}")
    if mistakes:
        raise CampaignError(mistakes)
    if not any(aim.weight > 0 for aim in aims):
        raise CampaignError([f"{table.file}: every value has the weight 0"])
    return Target(table.file, tuple(aims))


def _rows(listing: Listing) -> list[dict[str, Any]]:
    """The lines of the file: metric, value and what else is given."""
    name = listing.name
    mistakes = [
        f"{name}: '{column}': {unknown('column', column, COLUMNS)}"
        for column in listing.header
        if column not in COLUMNS
    ]
    mistakes += [
        f"{name}: the column '{needed}' is missing"
        for needed in COLUMNS[:2]
        if needed not in listing.header
    ]
    if mistakes:
        raise CampaignError(mistakes)
    rows: list[dict[str, Any]] = []
    for line, cells in zip(listing.lines, listing.rows, strict=True):
        row: dict[str, Any] = dict(zip(listing.header, cells, strict=True))
        mistakes += [f"{name}: line {line}: {told}" for told in _read(row, rows)]
        rows.append(row)
    if mistakes:
        raise CampaignError(mistakes[:MOST_TOLD])
    return rows


def _read(row: dict[str, Any], above: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Turn the numbers of a line into numbers; what is wrong with them."""
    if not row["metric"]:
        yield "column 'metric' is empty"
    if any(row["metric"] == other["metric"] for other in above):
        yield f"'{row['metric']}' stands there twice"
    for column in ("value", "sd"):
        text = row.get(column, "")
        found = number(text) if text else None
        if found is None and (text or column == "value"):
            yield f"column '{column}': '{text}' is no finite number"
        row[column] = None if found is None else float(found)


def _aim(row: Mapping[str, Any], table: TargetTable, rows: Sequence[Mapping[str, Any]]) -> Aim:
    metric, value = row["metric"], row["value"]
    log = any(fnmatchcase(metric, name) for name in table.log)
    pattern, weight = _chosen(table.weights, metric, 1.0)
    if pattern and not isinstance(weight, str):  # values named together share the weight
        weight = weight / sum(fnmatchcase(other["metric"], pattern) for other in rows)
    sd = _chosen(table.sd, metric, row["sd"] or 0.0)[1]
    if not isinstance(table.sd, dict) and row["sd"] is not None:
        sd = row["sd"]  # the file's own word counts more than one number for all
    return Aim(
        metric=metric,
        value=value,
        unit=row.get("unit", ""),
        sd=_amount(sd, value, metric),
        weight=float(weight),
        # a logarithm has no unit: there "N %" is the ratio itself
        scale=_amount(_chosen(table.scales, metric, 1.0)[1], 1.0 if log else value, metric),
        log=log,
    )


def _chosen(given: Amount | Mapping[str, Amount], metric: str, default: float) -> tuple[str, Any]:
    """What is given for a metric, by its name or else by a pattern with *, and that pattern."""
    if not isinstance(given, Mapping):
        return "", given
    if metric in given:
        return "", given[metric]
    for pattern, value in given.items():
        if fnmatchcase(metric, pattern):
            return pattern, value
    return "", default


def _amount(given: Amount, value: float, metric: str) -> float:
    if not isinstance(given, str):
        return float(given)
    found = PERCENT.fullmatch(given)
    share = None if found is None else number(found[1])
    if share is None:
        raise ValueError(f"'{metric}': '{given}' is not allowed; a number or \"N %\" is needed")
    return float(share) / 100.0 * abs(value)


def _unmatched(table: TargetTable, metrics: Iterable[str]) -> Iterator[str]:
    """Names of the table that no value of the file has."""
    there = list(metrics)
    for key in ("weights", "scales", "sd", "log"):
        given = getattr(table, key)
        for name in given if isinstance(given, dict | list) else ():
            if not any(fnmatchcase(metric, name) for metric in there):
                what = f"none of the values in {table.file} ({listed(there)})"
                yield f"{key}: '{name}' is {what}; take it out of objectives.target.{key}"
