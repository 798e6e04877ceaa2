"""Pareto fronts: which trade-offs no other one dominates, and the one in the middle of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from loop.optimizers.gaussian_process import Array


def non_dominated(utility: Array) -> NDArray[np.bool_]:
    """Which rows (n x objectives, all to be maximised) no other row dominates; equals both stay."""
    if not len(utility):
        return np.zeros(0, dtype=np.bool_)
    from moocore import is_nondominated

    return np.asarray(is_nondominated(utility, maximise=True, keep_weakly=True), dtype=np.bool_)


def knee(utility: Array) -> int:
    """The row nearest to the best of every column, columns scaled by their range."""
    return int(((1.0 - scaled(utility)) ** 2).sum(axis=1).argmin())


def scaled(utility: Array) -> Array:
    """Every column (n x objectives) from 0 at its worst to 1 at its best; a constant one is 0."""
    low, high = utility.min(axis=0), utility.max(axis=0)
    found: Array = (utility - low) / np.where(high > low, high - low, 1.0)
    return found
