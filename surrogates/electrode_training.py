"""From solved designs to an electrode surrogate: cross-fitted, scored and calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from campaigns.problems import unknown
from surrogates.electrode import LEVEL, LIKELY, ElectrodeModel, bounded
from surrogates.electrode_box import Box
from surrogates.electrode_curves import CurveShape, decomposed, drawn
from surrogates.electrode_fit import FOLDS, KINDS, Ensemble, Logistic, cross_fitted
from surrogates.electrode_inputs import Inputs
from surrogates.electrode_intervals import Intervals, fit_sizes, gain
from surrogates.electrode_measured import Measured
from surrogates.electrode_relations import (
    FORMULAS,
    LEARNT,
    Relation,
    composed,
    exact,
    factors_of,
    learnt_of,
    needed,
    scaled,
)
from surrogates.electrode_scores import Foretold, explained, scores

FloatArray = NDArray[np.float64]
Factors = Mapping[str, FloatArray]

FEWEST_VALID = 40
# Log utilisation over the limit: beyond these a design is clearly valid or not, and how clearly
# teaches nothing.
MARGIN = (-2.0, 1.0)
COLLAPSED = 0.1  # R2 of unseen designs, below which a model has learnt nothing
_NEW = 1024  # designs that only the models are asked for
_REACH = 1.5  # times the longest way from a training design to its nearest neighbour


def train(
    box: Box,
    designs: FloatArray,
    solved: Measured,
    kind: str = "neural_network",
    seed: int = 0,
    units: Mapping[str, str] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> ElectrodeModel:
    """A surrogate of what was `solved` for designs (n, d). The same arguments give the same bits.

    Raises ValueError for an unknown kind, too few valid designs, or a model that learnt nothing.
    """
    if kind not in KINDS:
        raise ValueError(f"model {kind}: {unknown('model', kind, KINDS)}")
    valid = np.flatnonzero(solved.valid)
    if len(valid) < FEWEST_VALID:
        raise ValueError(
            f"{len(valid)} of {len(solved)} designs are valid (utilisation of at least "
            f"{solved.limit:g}); {FEWEST_VALID} are needed: take more samples or another box"
        )
    return _Training(box, designs, solved, kind, seed).model(
        dict(units or dict.fromkeys(solved.metrics, "1")), dict(provenance or {})
    )


class _Training:
    """What the parts of a surrogate are fitted on."""

    def __init__(
        self, box: Box, designs: FloatArray, solved: Measured, kind: str, seed: int
    ) -> None:
        self.box, self.designs, self.solved = box, designs, solved
        self.name, self.kind, self.seed = kind, KINDS[kind], seed
        self.x = Inputs(box)(designs)
        self.folds = np.arange(len(designs)) % FOLDS
        self.valid = np.flatnonzero(solved.valid)
        self.good = solved.at(self.valid)
        self.metrics = tuple(solved.metrics)
        self.needed = needed(self.metrics)
        self.factors: Factors = factors_of(self.good.metrics)

    def model(self, units: Mapping[str, str], provenance: Mapping[str, Any]) -> ElectrodeModel:
        relations = self._relations()
        performance, foretold = self._performance(relations)
        margin, chance, probability = self._validity()
        shape, curves = self._curves()
        learnt, factors = learnt_of(bounded(foretold)), self._known(relations, foretold)
        truth = learnt_of(self._targets())
        errors = _columns(truth) - _columns(learnt)
        x, folds = self.x[self.valid], self.folds[self.valid]
        sizes, expected = fit_sizes(x, errors, folds, self.seed)
        mean = composed(self.metrics, factors, learnt)
        scale = composed(self.metrics, factors, expected)
        conformity = np.stack([self._conformity(name, mean, scale) for name in self.metrics])
        relative = dict(zip(LEARNT, (errors / _columns(expected)).T, strict=True))
        gains = self._gains(performance, margin, chance, sizes, relative)
        averaged = conformity * np.array([[gains[FORMULAS[n].learnt]] for n in self.metrics])
        places = self.box.encode(self.designs[self.valid]).astype(np.float32)
        told = Foretold(probability, mean, curves, self._covered(conformity))
        return ElectrodeModel(
            box=self.box,
            kind=self.name,
            units={name: units.get(name, "1") for name in self.metrics},
            relations=relations,
            performance=performance,
            margin=margin,
            chance=chance,
            shape=shape,
            intervals=Intervals(sizes, np.sort(averaged, axis=1)),
            places=places,
            reach=_REACH * _loneliest(places),
            scores=scores(self.solved, told),
            provenance=provenance,
        )

    def _relations(self) -> dict[str, Relation]:
        """The factors that follow exactly from the settings."""
        designs = self.designs[self.valid]
        found = {name: exact(self.box, designs, self.factors[name]) for name in self.needed}
        return {name: relation for name, relation in found.items() if relation is not None}

    def _targets(self) -> FloatArray:
        told = self.good.metrics
        return np.stack([told["utilisation"], told["mean_voltage_v"]], axis=1)

    def _performance(self, relations: Mapping[str, Relation]) -> tuple[Ensemble, FloatArray]:
        """Models of utilisation, mean voltage and the factors that are no relation."""
        learnt = [np.log(self.factors[n]) for n in self.needed if n not in relations]
        targets = np.column_stack([self._targets(), *learnt])
        folds = self.folds[self.valid]
        found, unseen = cross_fitted(self.kind, self.x[self.valid], targets, folds, self.seed)
        for column, name in enumerate(("utilisation", "mean voltage")):
            r2 = explained(targets[:, column], unseen[:, column])
            if r2 < COLLAPSED:
                raise ValueError(
                    f"the {self.name.replace('_', ' ')} learnt nothing of the {name} (R2 {r2:.3f} "
                    "on unseen designs): take more samples or another model"
                )
        return found, unseen

    def _known(self, relations: Mapping[str, Relation], foretold: FloatArray) -> Factors:
        """The factors of the valid designs as the surrogate will tell them."""
        settings = scaled(self.box, self.designs[self.valid])
        learnt = iter(foretold[:, 2:].T)
        return {
            name: relations[name](settings) if name in relations else np.exp(next(learnt))
            for name in self.needed
        }

    def _validity(self) -> tuple[Ensemble, Logistic, FloatArray]:
        """A model of the distance from the limit, which teaches more than yes and no do."""
        u = np.maximum(self.solved.utilisation, 1e-9)
        margin = np.clip(np.log(u / max(self.solved.limit, 1e-9)), *MARGIN)
        found, unseen = cross_fitted(self.kind, self.x, margin[:, None], self.folds, self.seed)
        chance = Logistic.fit(unseen[:, 0], self.solved.valid)
        return found, chance, chance(unseen[:, 0])

    def _curves(self) -> tuple[CurveShape, FloatArray]:
        mean, components, weights = decomposed(self.good.curves)
        found, unseen = cross_fitted(
            self.kind, self.x[self.valid], weights, self.folds[self.valid], self.seed
        )
        return CurveShape(mean, components, found), drawn(mean, components, unseen)

    def _conformity(self, name: str, mean: Factors, scale: Factors) -> FloatArray:
        """Errors of a metric over their expected size (n,); rounding errors of what follows
        exactly count as none."""
        wrong = np.abs(self.good.metrics[name] - mean[name])
        if FORMULAS[name].learnt == "one":
            wrong = np.where(wrong > 1e-6 * np.abs(mean[name]), wrong, 0.0)
        return np.asarray(wrong / scale[name])

    def _gains(
        self,
        performance: Ensemble,
        margin: Ensemble,
        chance: Logistic,
        sizes: Ensemble,
        relative: Mapping[str, FloatArray],
    ) -> dict[str, float]:
        """By how much averaging the folds' models makes errors smaller, told by new designs that
        are likely to be valid."""
        x = Inputs(self.box)(self.box.designs(_NEW, self.seed, stream=1))
        x = x[chance(margin.predict(x)[:, 0]) >= LIKELY]
        each = [learnt_of(bounded(member.predict(x))) for member in performance.members]
        expected = Intervals(sizes, np.empty((0, 0))).spread(x)
        found = {
            name: gain(np.stack([one[name] for one in each]), expected[name], relative[name])
            for name in LEARNT
        }
        return {**found, "one": 1.0}

    def _covered(self, conformity: FloatArray) -> dict[str, float]:
        """Share of designs inside intervals made from the other folds' scores alone."""
        folds = self.folds[self.valid]
        inside = np.zeros(conformity.shape, dtype=bool)
        for fold in range(FOLDS):
            own = folds == fold
            others = np.sort(conformity[:, ~own], axis=1)
            rank = min(int(np.ceil(LEVEL * (others.shape[1] + 1) - 1e-9)), others.shape[1])
            inside[:, own] = conformity[:, own] <= others[:, rank - 1 : rank]
        return dict(zip(self.metrics, inside.mean(axis=1).tolist(), strict=True))


def _columns(named: Mapping[str, FloatArray]) -> FloatArray:
    """What is learnt as columns (n, 3)."""
    return np.stack([named[name] for name in LEARNT], axis=1)


def _loneliest(places: NDArray[np.float32]) -> float:
    """The longest way from a place to its nearest neighbour."""
    longest = 0.0
    for i, place in enumerate(places):
        squared = ((places - place) ** 2).sum(axis=1)
        squared[i] = np.inf
        longest = max(longest, float(np.sqrt(squared.min())))
    return longest
