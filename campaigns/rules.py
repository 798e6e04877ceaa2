"""Rules between parameters: derived values, and what is wrong with rules before they are used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from campaigns.composition import Sum
from campaigns.constraint import LinearConstraint
from campaigns.expression import Expression, ExpressionError, Kind
from campaigns.parameter import SLACK, Choice, Parameter
from campaigns.problems import unknown

LARGEST = 1.7e308  # a derived value beyond is infinite


@dataclass(frozen=True)
class Derived:
    """A value that follows from the parameters, with the bounds it must keep (inclusive)."""

    name: str
    expression: str
    low: float = -math.inf
    high: float = math.inf
    unit: str = "1"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, but low = {self.low}, high = {self.high}")

    @cached_property
    def _limits(self) -> tuple[float, float]:
        low = self.low - SLACK * abs(self.low) if math.isfinite(self.low) else -LARGEST
        high = self.high + SLACK * abs(self.high) if math.isfinite(self.high) else LARGEST
        return low, high

    def within(self, values: Any) -> Any:
        """Whether values (number or array) are finite and within the bounds; rounding is
        forgiven."""
        low, high = self._limits
        return (values >= low) & (values <= high)  # neither holds for a NaN


def name_mistakes(parameters: Iterable[Parameter], derived: Iterable[Derived]) -> Iterable[str]:
    """What is wrong with the names."""
    names = [parameter.name for parameter in parameters]
    if not names:
        yield "parameters: at least one is needed"
    seen = set(names)
    if len(seen) < len(names):
        yield "parameters: a name is used twice"
    for one in derived:
        if one.name in seen:
            yield f"derived.{one.name}: there is a parameter or derived value of this name"
        seen.add(one.name)


def rule_mistakes(
    kinds: Mapping[str, Kind],
    derived: Iterable[Derived],
    exclude: Iterable[str],
    constraints: Iterable[str],
) -> Iterable[str]:
    """What is wrong with formulas over parameters that hold `kinds`."""
    known = dict(kinds)
    for one in derived:
        where = f"derived.{one.name}.expression"
        yield from _formula_mistakes(where, one.expression, known, "number")
        known[one.name] = "number"
    for i, text in enumerate(exclude):
        yield from _formula_mistakes(f"exclude[{i}]", text, known, "truth")
    numeric = [name for name, kind in kinds.items() if kind == "number"]
    for i, text in enumerate(constraints):
        try:
            LinearConstraint.of(text, numeric)
        except ExpressionError as error:
            yield f"constraints[{i}]: {error}"


def _formula_mistakes(
    where: str, text: str, kinds: Mapping[str, Kind], wanted: Kind
) -> Iterable[str]:
    try:
        Expression.of(text, kinds, wanted)
    except ExpressionError as error:
        yield f"{where}: {error}"


def sum_mistakes(parameters: Iterable[Parameter], sums: Iterable[Sum]) -> Iterable[str]:
    """What is wrong with sums over the parameters."""
    ranges = {}
    for p in parameters:
        if isinstance(p, Choice):
            if p.kind == "number":
                ranges[p.name] = (min(map(float, p.options)), max(map(float, p.options)))
        else:
            ranges[p.name] = (p.low, p.high)
    used: set[str] = set()
    for i, total in enumerate(sums):
        strangers = [name for name in total.of if name not in ranges]
        for name in strangers:
            yield f"sums[{i}].of: '{name}': {unknown('numeric parameter', name, ranges)}"
        for name in total.of:
            if name in used:
                yield f"sums[{i}].of: '{name}' is already part of another sum"
        used.update(total.of)
        if not strangers:
            low = sum(ranges[name][0] for name in total.of)
            high = sum(ranges[name][1] for name in total.of)
            if not low - total.tolerance <= total.equals <= high + total.tolerance:
                yield (
                    f"sums[{i}].equals: {total.equals:g} cannot be reached; "
                    f"the bounds allow {low:g} to {high:g}"
                )
