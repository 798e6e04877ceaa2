"""From a point a particle wants to be at to a setting that may be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from campaigns.records import Setting
from loop.optimizers.candidates import MOST_DRAWS, Answer, listing
from loop.optimizers.gaussian_process import Array

if TYPE_CHECKING:
    from campaigns.space import Space

HALVINGS = 10  # of a step that breaks a rule: to a thousandth of it
LEAST_NUDGE = 1e-9  # of the unit cube: the first try off a setting that is used up
GROWTH = 4.0  # of the next tries
NUDGES = 16  # until they span the cube
TRIES = 4  # for each size
BLOCK = 64  # random settings drawn at once


@dataclass(frozen=True)
class Landing:
    """Finds settings for particles; what it finds may be taken into the answer."""

    space: Space
    answer: Answer
    rng: np.random.Generator

    def at(self, start: Array, target: Array) -> tuple[Setting, bool] | None:
        """A setting for a particle that goes from `start`, where it is feasible, to `target`.

        True beside it where it is the target itself, as the space codes it; False where the step
        had to be changed. None where no setting may be asked for any more.
        """
        setting = self._settled(target)
        feasible = self.space.feasible(setting)
        if feasible and self.answer.allows(setting):
            return setting, not self.space.sums
        if self.space.finite:
            found = self._nearest(target)
        else:
            point = target if feasible else self._shortened(start, target)
            found = None if point is None else self._beside(point)
            found = found or self.anywhere()
        return None if found is None else (found, False)

    def anywhere(self) -> Setting | None:
        """A random setting that may be asked for; where draws fail, the first of a countable
        space. None where there is none."""
        for _ in range(MOST_DRAWS // BLOCK):
            for setting in self.space.sample(BLOCK, self.rng):
                if self.answer.allows(setting):
                    return setting
        return next((s for s in listing(self.space) if self.answer.allows(s)), None)

    def _settled(self, point: Array) -> Setting:
        return self.space.landed(point[None, :])[0]

    def _nearest(self, target: Array) -> Setting | None:
        candidates = self.space.candidates
        distance = ((self.space.encode(candidates) - target) ** 2).sum(axis=1)
        order = np.argsort(distance, kind="stable").tolist()
        return next((candidates[i] for i in order if self.answer.allows(candidates[i])), None)

    def _shortened(self, start: Array, target: Array) -> Array | None:
        """The last feasible point on the way, by bisection; None where there is none."""
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2.0
            if self.space.feasible(self._settled(start + middle * (target - start))):
                low = middle
            else:
                high = middle
        return start + low * (target - start) if low else None

    def _beside(self, point: Array) -> Setting | None:
        """The point itself if it may be asked for, else a setting as near to it as can be."""
        size = 0.0
        for nudge in range(NUDGES + 1):
            for _ in range(TRIES if nudge else 1):
                off = self.rng.uniform(-size, size, len(point)) if nudge else 0.0
                setting = self._settled(np.clip(point + off, 0.0, 1.0))
                if self.answer.allows(setting) and self.space.feasible(setting):
                    return setting
            size = LEAST_NUDGE * GROWTH**nudge
        return None
