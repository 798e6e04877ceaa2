"""The hypervolume of a set of points: how much of the objective space they dominate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from loop.optimizers.gaussian_process import Array


def hypervolume(points: Array, reference: Array) -> float:
    """The volume dominated by the points (n x m, all to be maximised) above the reference (m,).

    Exact (Zitzler & Thiele 1998), by moocore: O(n log n) for two and three objectives, O(n²) for
    four, slower beyond. Points that are not above the reference in every objective contribute
    nothing; of no point the volume is 0. It is in the product of the objectives' units.
    Raises ValueError where a number is not finite or the shapes do not fit.
    """
    reference = np.asarray(reference, dtype=np.float64)
    points = np.asarray(points, dtype=np.float64)
    if reference.ndim != 1 or not reference.size:
        raise ValueError("reference: one number for each objective is needed")
    if not points.size:
        return 0.0
    if points.ndim != 2 or points.shape[1] != len(reference):
        raise ValueError(f"points: n x {len(reference)} are needed, not {points.shape}")
    if not (np.isfinite(points).all() and np.isfinite(reference).all()):
        raise ValueError("points and reference: must be finite")
    above = points[(points > reference).all(axis=1)]
    if not len(above):
        return 0.0
    from moocore import hypervolume as volume

    return float(volume(above, ref=reference, maximise=True))
