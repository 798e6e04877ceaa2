"""How a model of cycle life learns: once on all training cells, and without each for its errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.cells import Cell
from surrogates.censoring import Completion
from surrogates.features import SUMMARY, Window, feature_table
from surrogates.fitted_life import FittedLife, VoltageGrid
from surrogates.folds import folds_by_order
from surrogates.life_kinds import KINDS, ModelKind

FloatArray = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lives:
    """Log10 lives of ``n`` training cells, some of them only bounds, and how to complete those.

    ``evidence`` (``n x 10``) are the summary features from which bounds are completed, whatever
    the model; None where every life is known.
    """

    ids: tuple[str, ...]
    log10: FloatArray
    censored: Flags
    evidence: FloatArray | None
    completion: Completion | None

    @classmethod
    def of(cls, cells: Sequence[Cell], at_cycle: int) -> Lives:
        """The lives of cells that all have one, or a bound."""
        y = np.array([math.log10(cell.cycle_life) for cell in cells if cell.cycle_life])
        censored = np.array([cell.censored for cell in cells])
        evidence, completion = None, None
        if censored.any():
            window = Window(at_cycle, KINDS["elastic_net"].n_averaged)
            evidence = feature_table(cells, SUMMARY, window)
            completion = Completion.choose(evidence, y, censored)
        return cls(tuple(cell.id for cell in cells), y, censored, evidence, completion)

    def completed(self, kept: Flags, start: FloatArray | None = None) -> FloatArray:
        """Log10 lives of the kept cells; bounds completed from the kept cells alone.

        ``start`` (``n``) are values near the answer, which saves rounds.
        """
        if self.evidence is None or self.completion is None:
            return self.log10[kept]
        near = None if start is None else start[kept]
        return self.completion.complete(
            self.evidence[kept], self.log10[kept], self.censored[kept], near
        )

    def known(self) -> NDArray[np.int64]:
        """Indices of the cells whose life is no bound."""
        return np.flatnonzero(~self.censored)


def learn(
    lives: Lives, x: FloatArray, kind: ModelKind, features: tuple[str, ...], grid: VoltageGrid
) -> FittedLife:
    """Everything a fitted model knows, from ``x`` (``n x n_features``) and the lives.

    Settings such as penalties are chosen once, on all cells. Only cells of known life are left
    out in turn and have residuals.
    """
    everything = np.ones(len(x), dtype=bool)
    y = lives.completed(everything)
    learner = kind.choose(x, y)
    known = lives.known()
    exact = lives.log10[known]
    fold = np.arange(len(known))
    if kind.folds is not None:
        fold = folds_by_order(exact, kind.folds)
    left_out = []
    for f in range(int(fold.max()) + 1):
        kept = everything.copy()
        kept[known[fold == f]] = False
        left_out.append(learner(x[kept], lives.completed(kept, y)))
    models = type(left_out[0]).stack(left_out)
    unseen = models.predict(x[known])[fold, np.arange(len(known))]
    return FittedLife(
        training_ids=tuple(lives.ids[k] for k in known),
        censored_ids=tuple(lives.ids[k] for k in np.flatnonzero(lives.censored)),
        features=features,
        grid=grid,
        settings=learner.settings,
        full=learner(x, y),
        left_out=models,
        fold=fold,
        residuals=np.abs(exact - unseen),
    )
