"""Prediction intervals that cover by construction: the jackknife+ of Barber et al. (2021)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def check_level(level: float) -> float:
    """``level`` as a float; raises ValueError unless it lies between 0 and 1, both excluded."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level!r}, it must lie between 0 and 1 (0.9 for 90 %)")
    return float(level)


def jackknife_plus(
    center: FloatArray, left_out: FloatArray, residuals: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends of the interval, ``n_points`` each.

    * ``center``: ``n_points``, predictions of the model fitted on all ``n`` training points
    * ``left_out``: ``n x n_points``, predictions of the model fitted without training point i
    * ``residuals``: ``n``, absolute error of that model at point i

    For points exchangeable with the training points, coverage is at least ``2 level - 1`` whatever
    the model, and close to ``level`` for a stable one (Barber, Candes, Ramdas, Tibshirani, Annals
    of Statistics 49, 486, 2021, eq. 1.4 and theorem 1). CV+ is the same formula with each point's
    fold model in ``left_out``.

    ``n`` points support levels up to ``n / (n + 1)``. Beyond, the order statistic would be
    infinite; the widest finite interval is then stretched by the ratio of Student t quantiles
    with ``n - 1`` degrees of freedom. The interval always contains ``center``.
    """
    level = check_level(level)
    n = len(residuals)
    if n < 2 or left_out.shape != (n, len(center)):
        raise ValueError(f"left_out has shape {left_out.shape}, expected ({n}, {len(center)})")
    # 1e-9 keeps a product such as 0.9 * 10 from being pushed over a whole number by rounding.
    rank = math.ceil(level * (n + 1) - 1e-9)
    stretch = 1.0 if rank <= n else _tail_ratio(level, n)
    k = min(rank, n) - 1
    below = np.sort(left_out - residuals[:, None], axis=0)[n - 1 - k]
    above = np.sort(left_out + residuals[:, None], axis=0)[k]
    lower = center - stretch * np.maximum(center - below, 0.0)
    upper = center + stretch * np.maximum(above - center, 0.0)
    return lower, upper


def _tail_ratio(level: float, n: int) -> float:
    """Student t quantile at ``level`` over that at the highest level ``n`` points support."""
    from scipy.special import stdtrit

    highest = n / (n + 1)
    wanted, supported = (float(stdtrit(n - 1, 0.5 + 0.5 * p)) for p in (level, highest))
    return max(wanted / supported, 1.0)


def predictive_sd(center: FloatArray, left_out: FloatArray, residuals: FloatArray) -> FloatArray:
    """Standard deviation that belongs to the jackknife+ interval, ``n_points``.

    The jackknife+ takes quantiles of the sample ``left_out_i +- residual_i``; this is the root
    mean square distance of the same sample from ``center``. It grows where the left-out models
    disagree. Arguments as in `jackknife_plus`.
    """
    total = np.zeros_like(center)
    for prediction, residual in zip(left_out, residuals, strict=True):
        total += (prediction - center) ** 2 + residual * residual
    return np.asarray(np.sqrt(total / len(residuals)))


def probability_above(left_out: FloatArray, residuals: FloatArray, threshold: float) -> FloatArray:
    """Probability that a point lies above ``threshold``, ``n_points``.

    The share of the jackknife+ sample ``left_out_i +- residual_i`` above it, with one more value
    half above: so never 0 or 1. It is the predictive distribution whose quantiles are the ends of
    the intervals (Vovk et al., Machine Learning 108, 445, 2019). Arguments as in `jackknife_plus`.
    """
    above = (left_out - residuals[:, None] > threshold).sum(axis=0)
    above += (left_out + residuals[:, None] > threshold).sum(axis=0)
    return np.asarray((above + 0.5) / (2 * len(residuals) + 1.0))
