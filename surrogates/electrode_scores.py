"""How good an electrode surrogate is, on designs that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.electrode import LEVEL, LIKELY, ElectrodeModel
from surrogates.electrode_curves import rms_mv
from surrogates.electrode_measured import Measured

FloatArray = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Foretold:
    """What was foretold of unseen designs: of all n the probability that they are valid, of the m
    that are truly valid the metrics, the curves (m, v) and the coverage of the intervals."""

    probability: FloatArray
    mean: Mapping[str, FloatArray]
    curves: FloatArray
    coverage: Mapping[str, float]


def scores(solved: Measured, told: Foretold) -> dict[str, Any]:
    """Plain numbers: of the validity, of every metric, and of the curves.

    R2 is the share of the variance explained, over the truly valid designs; log R2 that of the
    logarithm. The balanced accuracy (mean of the shares found among valid and invalid designs) is
    None where there are no designs of one sort.
    """
    good = solved.at(solved.valid)
    rms, middling = rms_mv(good.curves, told.curves)
    return {
        "designs": len(solved),
        "valid": int(solved.valid.sum()),
        "validity": _validity(solved.valid, told.probability >= LIKELY),
        "metrics": {
            name: _metric(good.metrics[name], mean) | {"coverage": told.coverage[name]}
            for name, mean in told.mean.items()
        },
        "level": LEVEL,
        "curve": {"rms_mv": rms, "median_rms_mv": middling},
    }


def scored(model: ElectrodeModel, designs: FloatArray, solved: Measured) -> dict[str, Any]:
    """The scores of a surrogate on designs (n, d) that were not its own.

    Raises ValueError where none of them is valid.
    """
    valid = solved.valid
    if not valid.any():
        raise ValueError(f"none of {len(solved)} designs is valid: there is nothing to score")
    probability, _ = model.means(designs)
    good, truth = model.predict(designs[valid]), solved.at(valid).metrics
    coverage = {}
    for name in model.metrics:
        slack = 1e-6 * np.abs(truth[name])  # of what follows exactly, but for rounding
        inside = (truth[name] >= good.lower[name] - slack) & (
            truth[name] <= good.upper[name] + slack
        )
        coverage[name] = float(inside.mean())
    return scores(
        solved, Foretold(probability, good.mean, model.curves(designs[valid]), coverage)
    ) | {"out_of_range": float(good.out_of_range.mean())}


def explained(true: FloatArray, predicted: FloatArray) -> float:
    """R2: 1 - sum of squared errors / sum of squared deviations; 1 where nothing varies and
    nothing is wrong."""
    wrong = float(((true - predicted) ** 2).sum())
    deviations = float(((true - true.mean()) ** 2).sum())
    if deviations <= 0:
        return 1.0 if wrong <= 1e-12 * float((true**2).sum()) else 0.0
    return 1.0 - wrong / deviations


def _metric(true: FloatArray, mean: FloatArray) -> dict[str, float]:
    positive = (true > 0) & (mean > 0)
    return {
        "r2": explained(true, mean),
        "log_r2": explained(np.log(true[positive]), np.log(mean[positive])),
        "mae": float(np.abs(true - mean).mean()),
        "median_relative_error": float(np.median(np.abs(true - mean) / np.abs(true))),
        "worst_relative_error": float((np.abs(true - mean) / np.abs(true)).max()),
    }


def _validity(true: Bools, foretold: Bools) -> dict[str, float | None]:
    shares = [
        float((foretold[true == one] == one).mean()) for one in (True, False) if (true == one).any()
    ]
    return {
        "accuracy": float((true == foretold).mean()),
        "balanced_accuracy": sum(shares) / 2 if len(shares) == 2 else None,
        "valid_found": shares[0] if true.any() else None,
        "invalid_found": shares[-1] if (~true).any() else None,
    }
