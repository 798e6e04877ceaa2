"""Maximise a score over the feasible settings of a space that cannot be listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from loop.optimizers.bo_data import Array, encoded
from loop.optimizers.bo_openings import Candidates
from loop.optimizers.bo_start import drawn

if TYPE_CHECKING:
    from campaigns.records import Setting, Value
    from campaigns.space import Space

CHILDREN = 24  # variations tried of one parent in one round
FIRST_STEP, SHRINK = 0.2, 0.35  # of the unit cube; four rounds end at steps of 0.9 %
PULLS = 12  # steps back from an infeasible optimum, each to 70 % of the way: 2 % in the end
START_CHOICE = 8  # the ascents start from settings far apart among so many times their number


@dataclass(frozen=True)
class Search:
    """One maximisation: where it may go, and how hard it tries.

    Attributes:
        candidates: what may be named.
        rng: where the draws come from.
        parents: settings refined in every round, and starts of the gradient ascent.
        rounds: rounds of variation, each with smaller steps than the one before.
        barred: options of which a setting must not have all; see `bo_options`.
    """

    candidates: Candidates
    rng: np.random.Generator
    parents: int
    rounds: int
    barred: Mapping[str, Value] = field(default_factory=dict)

    def best(
        self,
        pool: Sequence[Setting],
        score: Callable[[Array], Array],
        ascend: Callable[[Array], Array] | None = None,
    ) -> Setting | None:
        """The setting of highest score found, or None where nothing of the pool may be asked.

        pool: feasible settings.

        The pool is scored, its best settings climb along the gradient (`ascend`: starts to ends,
        k x d in the unit cube), and all that came of it is varied at random with shrinking steps.
        Every setting scored is one that can be asked: whole numbers, options, sums and all.
        """
        ranked = self._ranked(pool, score)
        if not ranked.settings:
            return None
        standing = ranked.first(self.parents)
        if ascend is not None:
            starts = _apart(ranked.first(self.parents * START_CHOICE).x, self.parents)
            ends = self._reached(starts, ascend(starts))
            standing = self._ranked([*standing.settings, *ends], score).first(self.parents)
        for depth in range(self.rounds):
            children = self.varied(standing.x, FIRST_STEP * SHRINK**depth)
            standing = self._ranked([*standing.settings, *children], score).first(self.parents)
        return standing.settings[0]

    def varied(self, x: Array, step: float) -> list[Setting]:
        """Usable settings near the k given ones (k x d): a few columns moved at a time.

        step: standard deviation of a move, in the unit cube. Whole numbers and options move by
        being drawn anew, so that they can leave a level wider than the step.
        """
        space = self.candidates.campaign.space
        d = x.shape[1]
        moved = np.repeat(x, CHILDREN, axis=0)
        touched = self.rng.random(moved.shape) < max(0.3, 1.0 / d)
        near = moved + step * self.rng.standard_normal(moved.shape)
        anew = np.where(self.rng.random(moved.shape) < 0.5, self.rng.random(moved.shape), near)
        shifted = np.where(continuous_columns(space), near, anew)
        return self.usable_at(np.clip(np.where(touched, shifted, moved), 0.0, 1.0))

    def usable_at(self, x: Array) -> list[Setting]:
        """The usable settings that unit-cube points (k x d) stand for."""
        return self.candidates.usable(self.candidates.campaign.space.landed(x))

    def _ranked(self, settings: Sequence[Setting], score: Callable[[Array], Array]) -> _Ranked:
        named = [one for one in self.candidates.open(settings) if not self._is_barred(one)]
        x = encoded(self.candidates.campaign, named)
        order = np.argsort(-score(x), kind="stable").tolist() if named else []
        return _Ranked([named[i] for i in order], x[order])

    def _is_barred(self, setting: Setting) -> bool:
        return bool(self.barred) and all(setting[n] == value for n, value in self.barred.items())

    def _reached(self, starts: Array, ends: Array) -> list[Setting]:
        """The settings at the ends, or as far towards them as can be gone from the starts."""
        found: list[Setting] = []
        for start, end in zip(starts, ends, strict=True):
            reach = 1.0
            for _ in range(PULLS):
                arrived = self.usable_at((start + reach * (end - start))[None, :])
                if arrived:
                    found += arrived
                    break
                reach *= 0.7
        return found


@dataclass(frozen=True)
class _Ranked:
    """Settings with their places in the unit cube, best first."""

    settings: list[Setting]
    x: Array

    def first(self, n: int) -> _Ranked:
        return _Ranked(self.settings[:n], self.x[:n])


def _apart(x: Array, n: int) -> Array:
    """The first of the rows, then n - 1 others, each the farthest from those before it."""
    chosen = [0]
    distance = ((x - x[0]) ** 2).sum(axis=1)
    while len(chosen) < min(n, len(x)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((x - x[chosen[-1]]) ** 2).sum(axis=1))
    return x[chosen]


def widened(search: Search, anchors: Sequence[Setting], size: int) -> list[Setting]:
    """A pool: `size` uniform feasible settings, the feasible anchors, and variations of these."""
    space = search.candidates.campaign.space
    pool = drawn(space, size, search.rng)
    anchors = [anchor for anchor in anchors if space.feasible(anchor)]
    if anchors:
        x = encoded(search.candidates.campaign, anchors)
        for step in (0.1, 0.02):
            pool += search.varied(x, step)
    return [*anchors, *pool]


def continuous_columns(space: Space) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which columns of the unit cube belong to continuous parameters, d."""
    from campaigns.parameter import Continuous

    flags = [isinstance(p, Continuous) for p in space.parameters for _ in range(p.columns)]
    return np.array(flags, dtype=bool)


def gradient_ascent(space: Space, function: Any, iterations: int) -> Callable[[Array], Array]:
    """Climb a BoTorch acquisition function in the continuous columns, the others held.

    L-BFGS-B in the box, or SLSQP where linear constraints or sums can be written in the unit
    cube. What cannot be written there (log scales, derived bounds, exclusions) is left to the
    caller, who takes no setting that is not feasible. Use inside `fenced` only.
    """
    import torch
    from botorch.generation.gen import gen_candidates_scipy

    free = continuous_columns(space)
    at_most, equal = _linear(space)

    def ascend(starts: Array) -> Array:
        if not free.any():
            return starts
        points = torch.from_numpy(starts.copy()).unsqueeze(1)
        held = {int(i): points[:, :, i] for i in np.flatnonzero(~free)}
        options: dict[str, Any] = {"maxiter": iterations}
        if at_most or equal:
            options["max_optimization_problem_aggregation_size"] = 1
        ends, _ = gen_candidates_scipy(
            points,
            function,
            lower_bounds=torch.zeros(len(free), dtype=torch.float64),
            upper_bounds=torch.ones(len(free), dtype=torch.float64),
            inequality_constraints=[(i, -a, -b) for i, a, b in at_most] or None,
            equality_constraints=equal or None,
            fixed_features=held or None,
            options=options,
        )
        reached: Array = ends.detach().squeeze(1).numpy()
        return np.clip(np.where(np.isfinite(reached), reached, starts), 0.0, 1.0)

    return ascend


def is_box(space: Space) -> bool:
    """True where bounds are all there is: there gradients alone find the way."""
    ruled = space.derived or space.constraints or space.sums or space.exclude or space.rows
    return not ruled and bool(continuous_columns(space).all())


def _linear(space: Space) -> tuple[list[Any], list[Any]]:
    """Constraints (<=) and sums (=) as (columns, coefficients, bound) on the unit cube."""
    import torch

    ranges = _linear_ranges(space)

    def coded(terms: Sequence[tuple[str, float]], bound: float) -> list[Any]:
        if any(name not in ranges for name, _ in terms):
            return []
        columns = torch.tensor([ranges[name][0] for name, _ in terms])
        factors = [c * (ranges[name][2] - ranges[name][1]) for name, c in terms]
        rest = bound - sum(c * ranges[name][1] for name, c in terms)
        return [(columns, torch.tensor(factors, dtype=torch.float64), rest)]

    at_most = [one for c in space.linear for one in coded(c.coefficients, c.bound)]
    equal = [one for s in space.sums for one in coded([(n, 1.0) for n in s.of], s.equals)]
    return at_most, equal


def _linear_ranges(space: Space) -> dict[str, tuple[int, float, float]]:
    """Column, low and high of every parameter whose coding is linear."""
    from campaigns.parameter import Choice

    ranges: dict[str, tuple[int, float, float]] = {}
    column = 0
    for parameter in space.parameters:
        if isinstance(parameter, Choice):
            if parameter.kind == "number":
                options = [float(option) for option in parameter.options]
                ranges[parameter.name] = (column, min(options), max(options))
        elif parameter.scale == "linear":
            ranges[parameter.name] = (column, float(parameter.low), float(parameter.high))
        column += parameter.columns
    return ranges
