"""Design maps after Wu et al. (2018): a metric over two settings, and where designs fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from campaigns.problems import unknown
from surrogates.electrode import ElectrodeModel
from surrogates.electrode_sensitivity import VALIDITY

FloatArray = NDArray[np.float64]

POINTS = 121  # along each side


@dataclass(frozen=True, eq=False)
class DesignMap:
    """A metric over two settings, the others held.

    x, y: (n,), in the box's units; values, probability: (n, n), a row for each y.
    """

    model: ElectrodeModel
    x_name: str
    y_name: str
    metric: str
    held: Mapping[str, float]
    x: FloatArray
    y: FloatArray
    values: FloatArray
    probability: FloatArray

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where designs are likely to work (n, n)."""
        return np.asarray(self.probability >= 0.5)

    def best(self) -> tuple[float, float, float] | None:
        """x, y and value of the highest valid point; None where no point is valid."""
        if not self.valid.any():
            return None
        row, column = np.unravel_index(
            np.where(self.valid, self.values, -np.inf).argmax(), self.values.shape
        )
        return float(self.x[column]), float(self.y[row]), float(self.values[row, column])


def design_map(
    model: ElectrodeModel,
    x: str,
    y: str,
    metric: str,
    held: Mapping[str, float],
    points: int = POINTS,
) -> DesignMap:
    """The map of a metric over settings x and y; others that are not `held` stand in the middle of
    their ranges (geometric on log scales).

    Raises ValueError for an unknown or doubled name, or a value beyond the box.
    """
    box = model.box
    columns = [("--x", x), ("--y", y), *(("--set", name) for name in held)]
    for option, name in columns:
        if name not in box.names:
            raise ValueError(f"{option} {name}: {unknown('setting', name, box.names)}")
    if x == y:
        raise ValueError(f"--y {y}: another setting than --x is needed")
    if metric not in (*model.metrics, VALIDITY):
        raise ValueError(
            f"--metric {metric}: {unknown('metric', metric, (*model.metrics, VALIDITY))}"
        )
    fixed = dict(zip(box.names, box.middle()[0].tolist(), strict=True)) | dict(held)
    for name, value in held.items():
        axis = box.axes[box.axis(name)]
        if name in (x, y):
            raise ValueError(f"--set {name}: it is an axis of the map")
        if not axis.low <= value <= axis.high:
            raise ValueError(
                f"--set {name}={value:g}: {axis.low:g} to {axis.high:g} {axis.unit} is what the "
                "surrogate was made for"
            )
    return _asked(model, x, y, metric, fixed, points)


def _asked(
    model: ElectrodeModel, x: str, y: str, metric: str, fixed: Mapping[str, float], points: int
) -> DesignMap:
    box = model.box
    across, up = (_along(model, name, points) for name in (x, y))
    grid = np.tile([fixed[name] for name in box.names], (points * points, 1))
    grid[:, box.axis(x)] = np.tile(across, points)
    grid[:, box.axis(y)] = np.repeat(up, points)
    probability, mean = model.means(grid)
    values = probability if metric == VALIDITY else mean[metric]
    held = {name: value for name, value in fixed.items() if name not in (x, y)}
    shape = (points, points)
    return DesignMap(
        model, x, y, metric, held, across, up, values.reshape(shape), probability.reshape(shape)
    )


def _along(model: ElectrodeModel, name: str, points: int) -> FloatArray:
    """Places along an axis, evenly on its scale."""
    axis = model.box.axes[model.box.axis(name)]
    if axis.log:
        return np.geomspace(axis.low, axis.high, points)
    return np.linspace(axis.low, axis.high, points)
