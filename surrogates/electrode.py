"""A surrogate of an electrode model: is a design valid, what does it deliver, how sure is that?

Wu et al. (2018, J. Power Sources 395, 128) learn validity and performance of designs by two neural
networks, Dawson-Elli et al. (2018, J. Electrochem. Soc. 165, A1) whole curves by trees. Here the
models learn only what physics does not tell: utilisation, mean voltage and the shape of the curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from campaigns.records import NOTHING
from surrogates.electrode_box import Box
from surrogates.electrode_curves import CurveShape
from surrogates.electrode_fit import Ensemble, Logistic
from surrogates.electrode_inputs import Inputs
from surrogates.electrode_intervals import Intervals
from surrogates.electrode_relations import (
    Relation,
    composed,
    learnt_of,
    needed,
    scaled,
)

FloatArray = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEVEL = 0.9
LIKELY = 0.5  # probability from which a design is taken to be valid
HIGHEST_UTILISATION = 1.05
_ROWS = 2048  # compared with all training designs at once


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is foretold of n designs; every array has one value a design.

    * ``probability``: that the design is valid; ``valid`` where it is at least one half
    * ``mean``, ``lower``, ``upper``, ``sd`` by metric: for a valid design; the interval holds the
      truth with probability ``level``, and ``sd`` is that of a Gaussian with the same interval
    * ``outside``: beyond the training box
    * ``far``: inside, but farther from every valid training design than these are from each other
    """

    probability: FloatArray
    mean: Mapping[str, FloatArray]
    lower: Mapping[str, FloatArray]
    upper: Mapping[str, FloatArray]
    sd: Mapping[str, FloatArray]
    outside: Bools
    far: Bools
    level: float

    @property
    def valid(self) -> Bools:
        """Which designs are likely to work (n,)."""
        return np.asarray(self.probability >= LIKELY)

    @property
    def out_of_range(self) -> Bools:
        """Which designs the surrogate was not made for (n,)."""
        return self.outside | self.far


@dataclass(frozen=True, eq=False)
class ElectrodeModel:
    """A fitted surrogate. Everything is plain arrays: see `electrode_file` for how it is kept.

    * ``kind``: name of the models; ``units``: metric -> unit
    * ``relations``: factors that follow exactly from the settings; the others are learnt, as logs,
      in the columns of ``performance`` behind utilisation and mean voltage
    * ``margin``: how far a design is from the limit of validity; ``chance`` makes it a probability
    * ``places``, ``reach``: unit-cube places of the valid training designs, and how far from the
      nearest of them a design may be
    * ``scores``, ``provenance``: what is known of its quality, and of its samples
    """

    box: Box
    kind: str
    units: Mapping[str, str]
    relations: Mapping[str, Relation]
    performance: Ensemble
    margin: Ensemble
    chance: Logistic
    shape: CurveShape
    intervals: Intervals
    places: NDArray[np.float32]
    reach: float
    scores: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    provenance: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what it foretells."""
        return tuple(self.units)

    @cached_property
    def inputs(self) -> Inputs:
        return Inputs(self.box)

    def means(self, designs: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Probability of validity (n,) and metrics (n,) by name of designs (n, d): the fast way."""
        probability, mean, _ = self._foretold(designs, self.inputs(designs))
        return probability, mean

    def _foretold(
        self, designs: FloatArray, x: FloatArray
    ) -> tuple[FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
        """Probability, metrics and factors of designs with their inputs."""
        performance = self.performance.predict(x)
        factors = self._factors(designs, performance)
        mean = composed(self.metrics, factors, learnt_of(bounded(performance)))
        return self.chance(self.margin.predict(x)[:, 0]), mean, factors

    def _factors(self, designs: FloatArray, performance: FloatArray) -> dict[str, FloatArray]:
        """The factors (n,) of designs (n, d), exact or learnt."""
        settings = scaled(self.box, designs)
        learnt = iter(performance[:, 2:].T)
        return {
            name: self.relations[name](settings) if name in self.relations else np.exp(next(learnt))
            for name in needed(self.metrics)
        }

    def predict(self, designs: FloatArray, level: float = LEVEL) -> Prediction:
        """All that can be said of designs (n, d) in the units of the box.

        Raises ValueError for a level outside 0 to 1.
        """
        stretch = dict(zip(self.metrics, self.intervals.stretch(level), strict=True))
        x = self.inputs(designs)
        probability, mean, factors = self._foretold(designs, x)
        sizes = composed(self.metrics, factors, self.intervals.spread(x))
        half = {name: stretch[name] * sizes[name] for name in self.metrics}
        gauss = NormalDist().inv_cdf(0.5 + level / 2)
        outside = ~self.box.inside(designs)
        return Prediction(
            probability=probability,
            mean=mean,
            lower={name: np.maximum(mean[name] - half[name], 0.0) for name in self.metrics},
            upper={name: mean[name] + half[name] for name in self.metrics},
            sd={name: half[name] / gauss for name in self.metrics},
            outside=outside,
            far=~outside & (self._distance(designs) > self.reach),
            level=level,
        )

    def curves(self, designs: FloatArray) -> FloatArray:
        """Voltages (n, 41) at evenly spread shares of the delivered charge (V)."""
        return self.shape.predict(self.inputs(designs))

    def _distance(self, designs: FloatArray) -> FloatArray:
        """To the nearest valid training design, in the unit cube (n,)."""
        return nearest(self.box.encode(designs).astype(np.float32), self.places)


def bounded(performance: FloatArray) -> FloatArray:
    """Utilisation and mean voltage (n, 2) held to what can be: not below 0."""
    found = performance[:, :2].copy()
    found[:, 0] = np.clip(found[:, 0], 0.0, HIGHEST_UTILISATION)
    found[:, 1] = np.maximum(found[:, 1], 0.0)
    return found


def nearest(places: NDArray[np.float32], known: NDArray[np.float32]) -> FloatArray:
    """Distance of places (n, d) to the nearest of the known ones (m, d)."""
    lengths = (known**2).sum(axis=1)
    found = [np.empty(0)]
    for start in range(0, len(places), _ROWS):
        block = places[start : start + _ROWS]
        squared = (lengths - 2.0 * (block @ known.T)).min(axis=1) + (block**2).sum(axis=1)
        found.append(np.sqrt(np.maximum(squared, 0.0)).astype(np.float64))
    return np.concatenate(found)
