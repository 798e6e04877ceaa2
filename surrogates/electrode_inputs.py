"""What a model is shown of a design: beside the settings, what their physics is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogates.electrode_box import Box

FloatArray = NDArray[np.float64]
Values: TypeAlias = Mapping[str, FloatArray]

LEAST_POROSITY = 1e-3  # a design without pores is shown as one with hardly any
STEPS = (0.3, 0.5, 0.65, 0.8, 0.92)  # of the box's designs, where a limit may begin to act
_DRAWN = 1024  # designs that these are counted among
# A graphite electrode needs about 1.5 um for each um of pure positive material, and its pores
# (a quarter of it, exponent 1.5) lead an eighth of what free electrolyte would.
_NEGATIVE_PATH = 12.0
_BRUGGEMAN = 1.5


@dataclass(frozen=True)
class Inputs:
    """Columns made of the settings that a box has; groups that it does not vary are left out.

    * every setting from -1 to 1 over its range, and its logarithm
    * of each electrode: log porosity, alone and times the Bruggeman exponent (the log of the
      electrolyte's transport efficiency)
    * log ratios of the current to what can carry it on: salt through the pores,
      C L eps_s (L / eps^b + path through the negative electrode) / c_e, and lithium through the
      particles, C R^2 of either electrode (the groups of Doyle, Fuller and Newman 1993)
    * the same ratios as soft steps at several places: utilisation falls off a cliff where a limit
      begins to act, and a step to start from spares a model most of finding it
    """

    box: Box

    def __call__(self, designs: FloatArray) -> FloatArray:
        """Inputs (n, p) of designs (n, d)."""
        designs = np.asarray(designs, dtype=np.float64)
        values = dict(zip(self.box.names, designs.T, strict=True))
        columns = [2.0 * u - 1.0 for u in self.box.encode(designs).T]
        columns += [_log(values[a.name]) for a in self.box.axes if a.low > 0 and not a.log]
        for side in ("positive", "negative"):
            columns += _pores(values, side)
        for ratio, steps in zip(limits(values), self._steps, strict=True):
            columns.append(ratio)
            columns += [0.5 + 0.5 * np.tanh(0.5 * (ratio - step)) for step in steps]
        return np.stack(columns, axis=1)

    @cached_property
    def _steps(self) -> list[list[float]]:
        """Where each ratio has its steps: quantiles over the box."""
        drawn = self.box.designs(_DRAWN, 0, stream=3)
        values = dict(zip(self.box.names, drawn.T, strict=True))
        return [np.quantile(ratio, STEPS).tolist() for ratio in limits(values)]


def limits(values: Values) -> list[FloatArray]:
    """Log ratios (n,) of the current to what salt and lithium can carry, as far as settings tell:
    what a box does not vary is a constant and left out."""
    rate = _log(values["c_rate"]) if "c_rate" in values else 0.0
    found = []
    if "positive_thickness" in values:
        active = values.get("positive_active_fraction", np.array(1.0))
        charge = values["positive_thickness"] * active
        ratio = rate + _log(charge) + _log(_path(values, charge))
        found.append(ratio - _log(values.get("electrolyte_concentration", np.array(1.0))))
    for side in ("positive", "negative"):
        if f"{side}_particle_radius" in values:
            found.append(rate + 2.0 * _log(values[f"{side}_particle_radius"]))
    return [np.asarray(ratio, dtype=np.float64) for ratio in found]


def _path(values: Values, charge: FloatArray) -> FloatArray:
    """Length of the ions' way through both electrodes, as if through free electrolyte (n,)."""
    positive = values["positive_thickness"] / np.exp(_efficiency(values, "positive"))
    if "negative_thickness" in values:
        behind = values["negative_thickness"] / np.exp(_efficiency(values, "negative", 0.25))
        return np.asarray(positive + behind)
    return np.asarray(positive + _NEGATIVE_PATH * values.get("np_ratio", np.array(1.1)) * charge)


def _pores(values: Values, side: str) -> list[FloatArray]:
    """Log porosity and log efficiency of an electrode, where the box varies its pores."""
    pores = _porosity(values, side)
    if pores is None:
        return []
    columns = [_log(pores)]
    return [*columns, _efficiency(values, side)] if f"{side}_bruggeman" in values else columns


def _efficiency(values: Values, side: str, usual: float = 0.3) -> FloatArray:
    """Log of porosity to the power of the Bruggeman exponent, with usual values where the box
    varies only one of them."""
    pores = _porosity(values, side)
    exponent = values.get(f"{side}_bruggeman", np.array(_BRUGGEMAN))
    return np.asarray(exponent * _log(np.array(usual) if pores is None else pores))


def _porosity(values: Values, side: str) -> FloatArray | None:
    """Porosity of an electrode, where the box tells it."""
    solids = (f"{side}_active_fraction", f"{side}_inactive_fraction")
    if f"{side}_porosity" in values:
        pores = values[f"{side}_porosity"]
    elif all(name in values for name in solids):
        pores = 1.0 - values[solids[0]] - values[solids[1]]
    else:
        return None
    return np.maximum(pores, LEAST_POROSITY)


def _log(values: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(values, 1e-300)))
