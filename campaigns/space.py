"""What a campaign may vary: parameters, rules between them, and their coding into the unit cube."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from campaigns.composition import Simplex, Sum
from campaigns.constraint import LinearConstraint
from campaigns.expression import Expression, Kind
from campaigns.parameter import Choice, Continuous, Integer, Parameter, is_number
from campaigns.problems import CampaignError, unknown
from campaigns.records import Setting, Value
from campaigns.rules import Derived, name_mistakes, rule_mistakes, sum_mistakes

__all__ = ["Choice", "Continuous", "Derived", "Integer", "Parameter", "Space", "Sum"]

Columns: TypeAlias = Mapping[str, NDArray[Any]]

LISTABLE = 1_000_000  # combinations of choices up to which a space counts as finite
MOST_DRAWS = 1 << 19  # before a space without a feasible setting is given up
ROUNDING = 1e-3  # relative: how far a derived value written by hand may be rounded


@dataclass(frozen=True)
class Space:
    """The feasible settings of a campaign.

    A setting maps the names of the free parameters to values; complete settings hold the derived
    values too. `rows`, in the order of `parameters`, restricts the space to listed candidates.
    Raises CampaignError, naming every mistake, where the rules do not fit the parameters.
    """

    parameters: tuple[Parameter, ...]
    derived: tuple[Derived, ...] = ()
    constraints: tuple[str, ...] = ()  # linear inequalities
    sums: tuple[Sum, ...] = ()
    exclude: tuple[str, ...] = ()  # comparisons; a setting for which one holds is infeasible
    rows: tuple[tuple[Value, ...], ...] | None = None

    def __post_init__(self) -> None:
        rules = rule_mistakes(self._kinds, self.derived, self.exclude, self.constraints)
        names = name_mistakes(self.parameters, self.derived)
        mistakes = [*names, *rules, *sum_mistakes(self.parameters, self.sums)]
        if mistakes:
            raise CampaignError(mistakes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def dimension(self) -> int:
        """Number of columns of the unit-cube coding."""
        return sum(parameter.columns for parameter in self.parameters)

    @cached_property
    def linear(self) -> tuple[LinearConstraint, ...]:
        """`constraints` as coefficients and bounds."""
        numeric = [p.name for p in self.parameters if p.kind == "number"]
        return tuple(LinearConstraint.of(text, numeric) for text in self.constraints)

    @cached_property
    def finite(self) -> bool:
        """Whether the feasible settings can be listed: rows of a file, or choices throughout with
        at most a million combinations."""
        if self.rows is not None:
            return True
        if not all(isinstance(parameter, Choice) for parameter in self.parameters):
            return False
        return math.prod(len(p.options) for p in self._choices) <= LISTABLE

    @cached_property
    def candidates(self) -> tuple[Setting, ...]:
        """All feasible settings, derived values included, in the order of the file, or of the
        product of the choices with the first parameter slowest. ValueError unless `finite`."""
        if not self.finite:
            raise ValueError("the feasible settings of this space cannot be listed")
        columns, n = self._all_columns()
        columns = self._with_derived(columns, n)
        rows = _settings(columns, self._verdict(columns, n))
        return tuple(MappingProxyType(self._typed(row)) for row in rows)

    def encode(self, settings: Sequence[Setting]) -> NDArray[np.float64]:
        """Unit-cube coding (n, dimension) of n settings: numbers by their scale over their range,
        ordered choices by one column, others one-hot. KeyError where a parameter or a choice is
        unknown."""
        if not settings:
            return np.empty((0, self.dimension))
        return np.hstack([p.encode([s[p.name] for s in settings]) for p in self.parameters])

    def decode(self, x: NDArray[np.float64]) -> list[Setting]:
        """The settings nearest to the rows of `x` (n, dimension), completed. They keep bounds and
        options; other rules may be broken, except that listed candidates come back feasible."""
        x = np.asarray(x, dtype=np.float64).reshape(-1, self.dimension)
        if self.rows is not None:
            return [dict(self.candidates[i]) for i in self._nearest(x)]
        edges = np.cumsum([0, *(p.columns for p in self.parameters)])
        values = [
            p.decode(x[:, a:b]) for p, a, b in zip(self.parameters, edges, edges[1:], strict=False)
        ]
        rows = (dict(zip(self.names, row, strict=True)) for row in zip(*values, strict=True))
        return [self.complete(row) for row in rows]

    def complete(self, setting: Setting) -> Setting:
        """The setting with its derived values, which may be infinite or NaN where it is not
        feasible; values take the type they are stored in. KeyError where one is missing or no
        option."""
        values: dict[str, Value] = {p.name: p.canonical(setting[p.name]) for p in self.parameters}
        for derived in self.derived:
            values[derived.name] = self._formulas[derived.name].value(values)
        return values

    def problems(self, setting: Setting) -> list[str]:
        """Why the setting is not feasible, one line a reason; [] when it is."""
        known = [*self.names, *(derived.name for derived in self.derived)]
        found = [f"{n}: {unknown('parameter', n, known)}" for n in setting if n not in known]
        for p in self.parameters:
            if p.name not in setting:
                found.append(f"{p.name}: missing")
            elif problem := p.problem(setting[p.name]):
                found.append(f"{p.name}: {problem}")
        return found or self._broken(self.complete(setting), setting)

    def feasible(self, setting: Setting) -> bool:
        """Whether the setting breaks no rule."""
        return not self.problems(setting)

    def key(self, setting: Setting) -> tuple[Value, ...]:
        """The values of the free parameters, in order: equal for equal settings."""
        return tuple(setting[name] for name in self.names)

    def sample(self, n: int, rng: np.random.Generator) -> list[Setting]:
        """`n` complete feasible settings, drawn independently and uniformly: over the candidates,
        or over the feasible part of the box (uniformly on a parameter's scale). Parameters with a
        fixed sum are drawn on that plane. ValueError where nothing feasible is found."""
        if self.finite:
            if not self.candidates:
                raise ValueError("no candidate is feasible")
            chosen = rng.integers(len(self.candidates), size=n)
            return [dict(self.candidates[i]) for i in chosen.tolist()]
        found: list[Setting] = []
        drawn, size = 0, max(64, 2 * n)
        while len(found) < n:
            if drawn >= MOST_DRAWS and len(found) * MOST_DRAWS < drawn:
                raise ValueError(f"no feasible setting in {drawn} draws")
            columns = self._with_derived(self._drawn(size, rng), size)
            rows = _settings(columns, self._verdict(columns, size))
            found.extend(self._typed(row) for row in rows)
            drawn += size
            size = min(4 * size, 1 << 16)
        return found[:n]

    def landed(self, x: NDArray[np.float64]) -> list[Setting]:
        """`decode`, with the sums repaired where there are any; other rules may be broken."""
        settings = self.decode(x)
        return [self.repair(setting) for setting in settings] if self.sums else settings

    def repair(self, setting: Setting) -> Setting:
        """The nearest complete setting (Euclidean, in the parameters' units) in which the `sums`
        hold; only real-valued parameters are moved, within their bounds. Where they cannot make
        up the total the setting stays as it is."""
        values = {p.name: p.canonical(setting[p.name]) for p in self.parameters}
        for total in self.sums:
            moving = self._moving(total)
            rest = sum(float(values[name]) for name in total.of if name not in moving)
            try:
                simplex = self._simplex(moving, total.equals - rest)
            except ValueError:
                continue
            point = np.array([float(values[name]) for name in moving])
            values.update(zip(moving, simplex.project(point).tolist(), strict=True))
        return self.complete(values)

    def emptiness(self) -> str | None:
        """Why nothing is feasible, naming the rules that are broken most; None if something is."""
        rng = np.random.default_rng(0)
        try:
            if self.candidates if self.finite else self.sample(1, rng):
                return None
            columns, n = self._all_columns()
        except ValueError:
            n = 1 << 12
            try:
                columns = self._drawn(n, rng)
            except ValueError as error:
                return str(error)
        columns = self._with_derived(columns, n)
        with np.errstate(all="ignore"):
            counts = [(rule, int(n - ok.sum())) for rule, ok in self._verdicts(columns, n)]
        told = ", ".join(f"{rule} rules out {count}" for rule, count in counts if count)
        return f"no setting is feasible: of {n} looked at, {told}"

    # -- rules, over columns of many settings at once --

    @cached_property
    def _choices(self) -> tuple[Choice, ...]:
        return tuple(p for p in self.parameters if isinstance(p, Choice))

    @cached_property
    def _kinds(self) -> dict[str, Kind]:
        return {parameter.name: parameter.kind for parameter in self.parameters}

    @cached_property
    def _formulas(self) -> dict[str, Expression]:
        kinds, formulas = dict(self._kinds), {}
        for derived in self.derived:
            formulas[derived.name] = Expression.of(derived.expression, kinds, "number")
            kinds[derived.name] = "number"
        return formulas

    @cached_property
    def _exclusions(self) -> tuple[Expression, ...]:
        kinds: dict[str, Kind] = {**self._kinds, **{d.name: "number" for d in self.derived}}
        return tuple(Expression.of(text, kinds, "truth") for text in self.exclude)

    @cached_property
    def _listed(self) -> frozenset[tuple[Value, ...]]:
        return frozenset(self.rows or ())

    @cached_property
    def _grid(self) -> NDArray[np.float64]:
        return self.encode(self.candidates)

    def _nearest(self, x: NDArray[np.float64]) -> list[int]:
        places: list[int] = []
        step = max(1, 10_000_000 // max(1, len(self._grid)))  # bounds the memory of the distances
        squares = (self._grid**2).sum(axis=1)
        for start in range(0, len(x), step):
            distances = squares - 2.0 * x[start : start + step] @ self._grid.T
            places.extend(distances.argmin(axis=1).tolist())
        return places

    def _typed(self, row: dict[str, Value]) -> Setting:
        for parameter in self.parameters:
            row[parameter.name] = parameter.canonical(row[parameter.name])
        return row

    def _all_columns(self) -> tuple[Columns, int]:
        if self.rows is not None:
            table = list(zip(*self.rows, strict=True)) or [()] * len(self.parameters)
            return dict(zip(self.names, map(_column, table), strict=True)), len(self.rows)
        options = [_column(choice.options) for choice in self._choices]
        n = math.prod(len(column) for column in options)
        places = np.unravel_index(np.arange(n), [len(column) for column in options])
        return {
            name: column[place]
            for name, column, place in zip(self.names, options, places, strict=True)
        }, n

    def _with_derived(self, columns: Columns, n: int) -> dict[str, NDArray[Any]]:
        complete = dict(columns)
        for derived in self.derived:
            complete[derived.name] = self._formulas[derived.name].column(complete, n)
        return complete

    def _verdicts(self, columns: Columns, n: int) -> Iterable[tuple[str, NDArray[np.bool_]]]:
        """Each rule with whether it is kept (n,), over columns that hold the derived values."""
        for derived in self.derived:
            yield f"derived.{derived.name}", derived.within(columns[derived.name])
        for i, exclusion in enumerate(self._exclusions):
            yield f"exclude[{i}]", ~exclusion.column(columns, n)
        for i, constraint in enumerate(self.linear):
            yield f"constraints[{i}]", constraint.met(columns)
        for i, total in enumerate(self.sums):
            added = sum(columns[name] for name in total.of)
            yield f"sums[{i}]", np.abs(added - total.equals) <= total.tolerance

    def _verdict(self, columns: Columns, n: int) -> NDArray[np.bool_]:
        kept = np.ones(n, dtype=bool)
        with np.errstate(all="ignore"):  # sums of huge values overflow to infinity: not kept
            for _, ok in self._verdicts(columns, n):
                kept &= ok
        for p in self.parameters:  # a value solved for from a sum may lie outside its bounds
            if isinstance(p, Continuous) and self.sums:
                kept &= (columns[p.name] >= p.low) & (columns[p.name] <= p.high)
        return kept

    def _broken(self, complete: Setting, given: Setting) -> list[str]:
        found = []
        for derived in self.derived:
            value, name = float(complete[derived.name]), derived.name
            told = given.get(name, value)
            if not derived.within(value):
                found.append(f"{name}: {value:g} is outside {derived.low:g} to {derived.high:g}")
            elif not is_number(told) or abs(float(told) - value) > ROUNDING * abs(value):
                found.append(f"{name}: is {value:g} by its expression, not {told!r}")
        for exclusion in self._exclusions:
            if exclusion.value(complete):
                found.append(f"excluded by '{exclusion.text}'")
        for constraint in self.linear:
            if not constraint.met(complete):
                found.append(f"breaks the constraint '{constraint.text}'")
        for total in self.sums:
            added = sum(float(complete[name]) for name in total.of)
            if not abs(added - total.equals) <= total.tolerance:
                found.append(f"{' + '.join(total.of)} is {added:.12g}, not {total.equals:g}")
        if self.rows is not None and self.key(complete) not in self._listed:
            found.append("is none of the listed candidates")
        return found

    # -- drawing --

    def _drawn(self, n: int, rng: np.random.Generator) -> Columns:
        columns = {p.name: _uniform(p, n, rng) for p in self.parameters}
        for total in self.sums:
            moving = self._moving(total)
            fixed = [name for name in total.of if name not in moving]
            if not fixed:
                points = self._simplex(moving, total.equals).draw(n, rng)
                columns.update(zip(moving, points.T, strict=True))
            elif moving:
                others = sum(columns[name] for name in total.of if name != moving[-1])
                columns[moving[-1]] = np.asarray(total.equals - others)
        return columns

    def _moving(self, total: Sum) -> list[str]:
        real = {p.name for p in self.parameters if isinstance(p, Continuous)}
        return [name for name in total.of if name in real]

    def _simplex(self, names: Sequence[str], total: float) -> Simplex:
        ranges = {p.name: (p.low, p.high) for p in self.parameters if isinstance(p, Continuous)}
        low, high = zip(*(ranges[name] for name in names), strict=True) if names else ((), ())
        return Simplex(low, high, total)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # no caches


def _uniform(p: Parameter, n: int, rng: np.random.Generator) -> NDArray[Any]:
    if isinstance(p, Choice):
        return _column(p.options)[rng.integers(len(p.options), size=n)]
    if isinstance(p, Integer) and p.scale == "linear":
        return rng.integers(p.low, p.high, size=n, endpoint=True).astype(np.float64)
    return np.asarray(p.decode(rng.random((n, 1))), dtype=np.float64)


def _column(values: Sequence[Value]) -> NDArray[Any]:
    if values and isinstance(values[0], str):
        return np.array(values, dtype=object)
    if values and isinstance(values[0], bool):
        return np.array(values, dtype=bool)
    return np.array(values, dtype=np.float64)


def _settings(columns: Columns, kept: NDArray[np.bool_]) -> Iterable[dict[str, Value]]:
    lists = [column[kept].tolist() for column in columns.values()]
    return (dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True))
