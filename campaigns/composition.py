"""Parameters that add up to a fixed total: drawing such settings, and moving others there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

TOLERANCE = 1e-9  # of the total (at least 1): how exactly a sum must hold
_SLACK = 1e-12  # of a range: what rounding may put outside the box
_PILOT = 512  # draws that tell which way of drawing wastes least
_BATCHES = 400
_BATCH = 2048


@dataclass(frozen=True)
class Sum:
    """The parameters `of` must add up to `equals`."""

    of: tuple[str, ...]
    equals: float

    def __post_init__(self) -> None:
        if len(self.of) < 2 or len(set(self.of)) < len(self.of):
            raise ValueError("a sum needs two or more different parameters")

    @property
    def tolerance(self) -> float:
        """Largest deviation that still counts as equal."""
        return TOLERANCE * max(1.0, abs(self.equals))


@dataclass(frozen=True)
class Simplex:
    """The part of the box [low, high] (k,) in which the coordinates add up to `total`."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    total: float

    def __post_init__(self) -> None:
        slack = TOLERANCE * max(1.0, abs(self.total))
        if not sum(self.low) - slack <= self.total <= sum(self.high) + slack:
            raise ValueError(
                f"cannot add up to {self.total:g}: the bounds allow "
                f"{sum(self.low):g} to {sum(self.high):g}"
            )

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """`n` uniform points (n, k), each adding up to the total, by exact rejection.

        The narrow coordinates are drawn from their ranges, the others share what is left by a flat
        Dirichlet; the volume these could fill decides whether the draw is kept. How many count as
        narrow, and whether to measure from the lower or the upper bounds, is a matter of waste
        only, and found once by a pilot. ValueError where nothing is found.
        """
        found: list[Floats] = []
        have = 0
        for _ in range(_BATCHES):
            points = self._proposed(self._way, max(_BATCH, n), rng)
            found.append(points)
            have += len(points)
            if have >= n:
                return np.concatenate(found)[:n]
        raise ValueError(f"no points found that add up to {self.total:g} within the bounds")

    def project(self, point: Floats) -> Floats:
        """The nearest point (k,) of the set, Euclidean: clip(point - t, low, high), with t
        solved for."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        # the sum falls with t, piecewise linearly, with corners where a coordinate meets a bound
        corners = np.sort(np.concatenate([point - low, point - high]))
        sums = np.clip(point - corners[:, None], low, high).sum(axis=1)
        t = float(np.interp(-self.total, -sums, corners))
        moved = np.clip(point - t, low, high)
        for i in np.argsort(low - high):  # rounding goes to the coordinate with most room
            moved[i] = np.clip(moved[i] + self.total - moved.sum(), low[i], high[i])
        return np.asarray(moved, dtype=np.float64)

    @cached_property
    def _way(self) -> tuple[bool, int]:
        """From the upper bounds?, and how many coordinates count as narrow."""
        rng = np.random.default_rng(0)
        ways = list(itertools.product((False, True), range(len(self.low))))
        kept = [len(self._proposed(way, _PILOT, rng)) for way in ways]
        return ways[int(np.argmax(kept))]

    def _proposed(self, way: tuple[bool, int], n: int, rng: np.random.Generator) -> Floats:
        """The draws that are kept of `n`, (at most n, k)."""
        from_above, narrow = way
        low, high = np.asarray(self.low), np.asarray(self.high)
        width = high - low
        order = np.argsort(width, kind="stable")
        total = max(high.sum() - self.total if from_above else self.total - low.sum(), 0.0)
        steps = np.empty((n, len(width)))  # distances from the bounds, adding up to `total`
        first, rest = order[:narrow], order[narrow:]
        steps[:, first] = rng.random((n, narrow)) * np.minimum(width[first], total)
        left = total - steps[:, first].sum(axis=1)
        steps[:, rest] = left[:, None] * rng.dirichlet(np.ones(len(rest)), n)
        share = np.maximum(left, 0.0) / total if total > 0 else np.ones(n)
        kept = rng.random(n) < share ** (len(rest) - 1)
        kept &= (left >= 0) & (steps <= width * (1 + _SLACK)).all(axis=1)
        points = high - steps[kept] if from_above else low + steps[kept]
        return np.asarray(np.clip(points, low, high), dtype=np.float64)
