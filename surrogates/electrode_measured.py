"""Solved designs as arrays: metrics, utilisation, whole discharge curves, and which are valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.electrode_relations import FORMULAS

FloatArray = NDArray[np.float64]
Bools = NDArray[np.bool_]

CURVE_POINTS = 41
STATES = np.linspace(0.0, 1.0, CURVE_POINTS)  # of discharge: delivered over all delivered charge


@dataclass(frozen=True, eq=False)
class Measured:
    """What a model answered for n designs.

    * ``metrics``: name -> (n,), NaN where a design was not solved
    * ``curves``: (n, 41), voltage at evenly spread shares of the delivered charge (V); NaN likewise
    * ``limit``: utilisation from which a design counts as valid
    """

    metrics: Mapping[str, FloatArray]
    curves: FloatArray
    limit: float

    def __len__(self) -> int:
        return len(self.curves)

    @property
    def utilisation(self) -> FloatArray:
        """Delivered over theoretical capacity (n,); 0 for designs that were not solved."""
        return np.nan_to_num(self.metrics["utilisation"])

    @property
    def valid(self) -> Bools:
        """Which designs work (n,)."""
        return np.asarray(self.utilisation >= self.limit)

    def at(self, rows: Bools | NDArray[np.intp]) -> Measured:
        """Some of the designs."""
        metrics = {name: values[rows] for name, values in self.metrics.items()}
        return Measured(metrics, self.curves[rows], self.limit)


def measured(answers: Sequence[Mapping[str, Any]], limit: float) -> Measured:
    """Answers of `instruments.p2d.evaluation` as arrays; only known metrics are kept.

    Raises ValueError where good answers lack metrics that everything else follows from.
    """
    good = [bool(answer["ok"]) for answer in answers]
    told = [answer["scalars"] for answer in answers if answer["ok"]]
    names = [name for name in FORMULAS if told and all(name in one for one in told)]
    missing = sorted(set(FORMULAS) - {"energy_density_wh_l"} - set(names))
    if told and missing:
        raise ValueError(f"the model tells no {', '.join(missing)}")
    metrics = {}
    for name in names or FORMULAS:
        values = np.full(len(answers), np.nan)
        values[good] = [one[name] for one in told]
        metrics[name] = values
    curves = np.full((len(answers), CURVE_POINTS), np.nan)
    for row, answer in enumerate(answers):
        if answer["ok"]:
            curve = answer["curve"]
            curves[row] = normalised(curve["voltage_v"], curve["capacity_mah_cm2"])
    return Measured(metrics, curves, limit)


def normalised(voltage: Sequence[float], capacity: Sequence[float]) -> FloatArray:
    """Voltages (41,) at evenly spread shares of the charge, from Q(V) on a grid of voltages.

    Above the voltage at which a discharge begins nothing is delivered yet: of the grid's points
    with no charge the lowest one counts.
    """
    order = np.argsort(-np.asarray(voltage, dtype=np.float64), kind="stable")
    v = np.asarray(voltage, dtype=np.float64)[order]
    q = np.maximum.accumulate(np.asarray(capacity, dtype=np.float64)[order])
    if not q[-1] > 0:
        return np.full(CURVE_POINTS, v[-1])
    begins = max(int(np.searchsorted(q, 0.0, side="right")) - 1, 0)
    return np.asarray(np.interp(STATES * q[-1], q[begins:], v[begins:]))
