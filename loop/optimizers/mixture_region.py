"""Settings a design may be made of: corners and middles of the feasible space, and others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from campaigns.space import Choice
from loop.optimizers.candidates import listing

if TYPE_CHECKING:
    from campaigns.parameter import Parameter
    from campaigns.records import Setting, Value
    from campaigns.space import Space

Array: TypeAlias = NDArray[np.float64]
Part: TypeAlias = Mapping[str, "Value"]  # values of some of the parameters
Item = TypeVar("Item")

LISTED = 4096  # settings of a countable space that are looked at; beyond, so many drawn ones
COMBINED = 2000  # combinations of what the blocks of parameters have to offer
SPREAD = 500  # settings drawn uniformly beside them
SAMPLED = 2048  # settings that stand for the whole feasible space
DIRECTIONS = 16  # a parameter, in which corners are looked for
PAIRS = 400  # middles of two corners at most
LEVELS = (0.0, 0.5, 1.0)  # of a parameter without rules: a parabola needs three


def sampled(space: Space, rng: np.random.Generator) -> list[Setting]:
    """Settings that stand for the whole feasible space: all of a countable one or a draw of them,
    else uniform ones. Raises ValueError where nothing feasible is found."""
    known = list(space.candidates) if space.finite else list(listing(space))
    if known:
        return known if len(known) <= LISTED else _some(known, LISTED, rng)
    return space.sample(SAMPLED, rng)


def candidates(space: Space, sample: Sequence[Setting], rng: np.random.Generator) -> list[Setting]:
    """Different feasible settings to make a design of, complete with derived values.

    Those of `sample` where the space can be counted. Else corners of the space, middles between
    them and all combinations of these between parameters that no rule ties together, with some of
    the sample for what lies between.
    """
    if space.finite or next(listing(space), None) is not None:
        return list(sample)
    found = [*_combined(space, sample, rng), *sample[:SPREAD]]
    return list({space.key(one): one for one in found}.values())


def _some(items: Sequence[Item], n: int, rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in np.sort(rng.choice(len(items), n, replace=False)).tolist()]


def _combined(space: Space, sample: Sequence[Setting], rng: np.random.Generator) -> list[Setting]:
    """Feasible combinations of the corners, edges and middles of every block of parameters."""
    offers = [_offer(space, names, sample, rng) for names in _blocks(space)]
    if math.prod(len(offer) for offer in offers) <= COMBINED:
        chosen: Any = itertools.product(*offers)
    else:
        places = [rng.integers(len(offer), size=COMBINED) for offer in offers]
        chosen = (
            [offer[i] for offer, i in zip(offers, row, strict=True)]
            for row in zip(*places, strict=True)
        )
    found = []
    for parts in chosen:
        setting = space.repair({name: value for part in parts for name, value in part.items()})
        if space.feasible(setting):
            found.append(setting)
    return found


def _blocks(space: Space) -> list[list[str]]:
    """Parameters that sums and linear constraints tie to each other, others each alone."""
    blocks = [{name} for name in space.names]
    ties = [set(total.of) for total in space.sums]
    ties += [{name for name, _ in one.coefficients} for one in space.linear]
    for tie in ties:
        joined = set().union(*(block for block in blocks if block & tie))
        blocks = [block for block in blocks if not block & tie] + [joined]
    return [sorted(block, key=space.names.index) for block in blocks]


def _offer(
    space: Space, names: Sequence[str], sample: Sequence[Setting], rng: np.random.Generator
) -> list[Part]:
    """Values of a block worth combining with those of the others."""
    parameters = [p for p in space.parameters if p.name in names]
    if len(parameters) == 1:
        return [{names[0]: value} for value in _levels(parameters[0])]
    corners = _corners(space, parameters, rng)
    pairs = list(itertools.combinations(range(len(corners)), 2))
    if len(pairs) > PAIRS:
        pairs = _some(pairs, PAIRS, rng)
    middle = corners.mean(axis=0)
    points = np.concatenate(
        [corners, *(0.5 * (corners[[i]] + corners[[j]]) for i, j in pairs),
         0.5 * (corners + middle), middle[None, :]]
    )  # fmt: skip
    inner = [{name: one[name] for name in names} for one in sample[: 2 * DIRECTIONS]]
    outer = [dict(zip(names, row, strict=True)) for row in _typed(points, parameters)]
    return [*outer, *inner]


def _levels(parameter: Parameter) -> list[Value]:
    if isinstance(parameter, Choice):
        return list(parameter.options)
    return list(dict.fromkeys(parameter.decode(np.array(LEVELS)[:, None])))


def _corners(space: Space, parameters: Sequence[Parameter], rng: np.random.Generator) -> Array:
    """Extreme points (v x k) of what bounds, sums and linear constraints leave to a block, each the
    optimum of a linear programme in some direction."""
    from scipy.optimize import linprog

    names = [p.name for p in parameters]
    bounds = [_range(p) for p in parameters]
    wide = np.array([high - low for low, high in bounds])
    at_most = [one for one in space.linear if {n for n, _ in one.coefficients} <= set(names)]
    equal = [total for total in space.sums if set(total.of) <= set(names)]
    rules: dict[str, Any] = {"bounds": bounds}
    if at_most:
        rules["A_ub"] = [[dict(one.coefficients).get(name, 0.0) for name in names]
                         for one in at_most]  # fmt: skip
        rules["b_ub"] = [one.bound for one in at_most]
    if equal:
        rules["A_eq"] = [[float(name in total.of) for name in names] for total in equal]
        rules["b_eq"] = [total.equals for total in equal]
    k = len(names)
    directions = [*np.eye(k), *-np.eye(k), *rng.standard_normal((DIRECTIONS * k, k))]
    found = [linprog(direction / wide, method="highs-ds", **rules) for direction in directions]
    points = np.array([one.x for one in found if one.status == 0]).reshape(-1, k)
    if not len(points):
        raise ValueError(f"nothing feasible was found for {', '.join(names)}")
    _, first = np.unique(np.round(points / wide, 9), axis=0, return_index=True)
    return np.asarray(points[np.sort(first)])


def _range(parameter: Parameter) -> tuple[float, float]:
    if isinstance(parameter, Choice):
        options = [float(option) for option in parameter.options]
        return min(options), max(options)
    return float(parameter.low), float(parameter.high)


def _typed(points: Array, parameters: Sequence[Parameter]) -> list[tuple[Value, ...]]:
    """Rows of numbers (n x k) as the nearest values the parameters can take."""
    columns: list[list[Any]] = []
    for column, parameter in zip(points.T, parameters, strict=True):
        if isinstance(parameter, Choice):
            options = np.array([float(option) for option in parameter.options])
            places = np.abs(column[:, None] - options).argmin(axis=1)
            columns.append([parameter.options[i] for i in places.tolist()])
        else:
            low, high = _range(parameter)
            whole = type(parameter.low) is int and isinstance(parameter.canonical(low), int)
            values = np.clip(np.rint(column) if whole else column, low, high).tolist()
            columns.append([parameter.canonical(value) for value in values])
    return list(zip(*columns, strict=True))
