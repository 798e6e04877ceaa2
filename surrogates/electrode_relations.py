"""What follows exactly from an electrode design, and how the metrics are made of the rest."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.electrode_box import Box

FloatArray = NDArray[np.float64]

# Theoretical capacity (mAh/cm2), mass (g/m2) and volume (L/m2) of the stack, rate (1/h).
FACTORS = ("capacity", "mass", "volume", "rate")
# What is learnt: utilisation u, mean voltage V, and their product; "one" is nothing to learn.
LEARNT = ("utilisation", "voltage", "energy")

_GEOMETRY = re.compile(r".*(thickness|ratio|fraction|porosity|concentration)|c_rate")
_DEGREE = 3  # thickness x active fraction x N/P ratio: the mass of the negative electrode
_EXACT = 1e-6  # relative


@dataclass(frozen=True, slots=True)
class Formula:
    """A metric: `coefficient` times powers of the factors times something learnt."""

    coefficient: float
    powers: Mapping[str, int]
    learnt: str

    def factor(self, factors: Mapping[str, FloatArray]) -> FloatArray:
        """What the learnt part is multiplied with, (n,)."""
        found = np.full(len(factors["mass"]), self.coefficient)
        for name, power in self.powers.items():
            found = found * factors[name] ** power
        return np.asarray(found)


# 1 mAh/cm2 is 10 Ah/m2.
FORMULAS: Mapping[str, Formula] = {
    "specific_energy_wh_kg": Formula(1e4, {"capacity": 1, "mass": -1}, "energy"),
    "specific_power_w_kg": Formula(1e4, {"capacity": 1, "rate": 1, "mass": -1}, "voltage"),
    "areal_capacity_mah_cm2": Formula(1.0, {"capacity": 1}, "utilisation"),
    "utilisation": Formula(1.0, {}, "utilisation"),
    "mean_voltage_v": Formula(1.0, {}, "voltage"),
    "discharge_seconds": Formula(3600.0, {"rate": -1}, "utilisation"),
    "stack_mass_g_m2": Formula(1.0, {"mass": 1}, "one"),
    "energy_density_wh_l": Formula(10.0, {"capacity": 1, "volume": -1}, "energy"),
}


def factors_of(metrics: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The factors (n,) behind measured metrics; volume only where an energy density is told."""
    u, v = metrics["utilisation"], metrics["mean_voltage_v"]
    found = {
        "capacity": metrics["areal_capacity_mah_cm2"] / u,
        "mass": metrics["stack_mass_g_m2"],
        "rate": 3600.0 * u / metrics["discharge_seconds"],
    }
    if "energy_density_wh_l" in metrics:
        found["volume"] = 10.0 * found["capacity"] * u * v / metrics["energy_density_wh_l"]
    return {name: found[name] for name in FACTORS if name in found}


def learnt_of(performance: FloatArray) -> dict[str, FloatArray]:
    """What formulas multiply with, from utilisation and mean voltage (n, 2)."""
    u, v = performance[:, 0], performance[:, 1]
    return {"utilisation": u, "voltage": v, "energy": u * v, "one": np.ones(len(u))}


def needed(metrics: tuple[str, ...]) -> list[str]:
    """The factors that metrics are made of, in their order."""
    used = {factor for name in metrics for factor in FORMULAS[name].powers} | {"mass"}
    return [name for name in FACTORS if name in used]


def composed(
    names: tuple[str, ...], factors: Mapping[str, FloatArray], learnt: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """The metrics (n,) by name."""
    return {name: FORMULAS[name].factor(factors) * learnt[FORMULAS[name].learnt] for name in names}


@dataclass(frozen=True, eq=False)
class Relation:
    """A factor as a polynomial of the settings over their upper limits: products of at most three
    of them, `terms` by columns, with their coefficients."""

    terms: tuple[tuple[int, ...], ...]
    coefficients: FloatArray

    def __call__(self, scaled: FloatArray) -> FloatArray:
        """The factor (n,) of settings (n, d) over their upper limits."""
        total = np.zeros(len(scaled))
        for columns, coefficient in zip(self.terms, self.coefficients.tolist(), strict=True):
            term = np.full(len(scaled), coefficient)
            for column in columns:
                term *= scaled[:, column]
            total += term
        return total

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"terms": [list(t) for t in self.terms], "values": self.coefficients.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Relation:
        """Inverse of `state`."""
        terms = tuple(tuple(int(c) for c in term) for term in state["terms"])
        return cls(terms, np.array(state["values"], dtype=np.float64))


def scaled(box: Box, designs: FloatArray) -> FloatArray:
    """Settings over the upper ends of their ranges, for relations."""
    return np.asarray(designs / np.array([axis.high or 1.0 for axis in box.axes]))


def exact(box: Box, designs: FloatArray, values: FloatArray) -> Relation | None:
    """The polynomial that a factor is of the settings, found from designs (n, d) and its values
    (n,); None where it is none to 1e-6, or the designs are too few to tell.

    Theoretical capacity is proportional to thickness and active fraction, mass adds up from volume
    fractions and thicknesses: with as many settings such products can be told apart from anything
    learnt by their rounding errors alone.
    """
    columns = [i for i, name in enumerate(box.names) if _GEOMETRY.fullmatch(name)]
    terms = [t for k in range(_DEGREE + 1) for t in itertools.combinations(columns, k)]
    if len(values) < 2 * len(terms) or not len(values):
        return None
    settings = scaled(box, designs)
    products = np.stack([settings[:, list(t)].prod(axis=1) for t in terms], axis=1)
    relative = products / values[:, None]
    found = np.linalg.lstsq(relative, np.ones(len(values)), rcond=None)[0]
    kept = np.abs(found * products.mean(axis=0)) > _EXACT * 1e-3 * values.mean()
    if not kept.any():
        return None
    refitted = np.asarray(np.linalg.lstsq(relative[:, kept], np.ones(len(values)), rcond=None)[0])
    if np.abs(relative[:, kept] @ refitted - 1.0).max() > _EXACT:
        return None
    found_terms = tuple(t for t, k in zip(terms, kept, strict=True) if k)
    return Relation(found_terms, refitted.astype(np.float64))
