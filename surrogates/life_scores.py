"""How good predicted lives are: errors, what intervals cover, and calls of long against short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.cycle_life import Cell, CycleLifeModel

FloatArray = NDArray[np.float64]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
BAND = 0.95  # of the binomial band in which a measured coverage lies if the level is true
FOLDS = 5  # as many as the elastic net chooses its penalties by


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model said of cells whose lives are known; arrays have one value a cell.

    ``life`` and ``mean`` are cycles, ``intervals`` holds lower and upper ends (cycles) by level.
    """

    ids: tuple[str, ...]
    life: FloatArray
    mean: FloatArray
    extrapolates: NDArray[np.bool_]
    intervals: Mapping[float, tuple[FloatArray, FloatArray]]

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, kept: NDArray[np.bool_]) -> Answers:
        """Those of the cells that are kept (``n_cells``, bool)."""
        return Answers(
            ids=tuple(name for name, keep in zip(self.ids, kept, strict=True) if keep),
            life=self.life[kept],
            mean=self.mean[kept],
            extrapolates=self.extrapolates[kept],
            intervals={level: (a[kept], b[kept]) for level, (a, b) in self.intervals.items()},
        )


@dataclass(frozen=True)
class Coverage:
    """Of intervals at ``level``: the share of lives inside, the band in which that share lies with
    probability ``BAND`` if the level is true (binomial), and the median of their full width as a
    share of the predicted life."""

    level: float
    covered: float
    band_low: float
    band_high: float
    median_width: float


@dataclass(frozen=True)
class Scores:
    """Errors over ``cells``: in cycles, or (``mape``, ``median_error``) as shares of the true life.

    ``bias_cycles`` is the mean of predicted minus true.
    """

    cells: int
    rmse_cycles: float
    bias_cycles: float
    mape: float
    median_error: float
    coverage: tuple[Coverage, ...]

    def at(self, level: float) -> Coverage:
        """The coverage at the nearest level that was asked."""
        return min(self.coverage, key=lambda one: abs(one.level - level))


@dataclass(frozen=True)
class Calls:
    """Cells called longer than ``cycles`` where their predicted life is; shares and counts."""

    cycles: float
    cells: int
    longer: int  # in truth
    wrongly_longer: int
    wrongly_shorter: int
    error_rate: float


def known(cells: Sequence[Cell]) -> list[Cell]:
    """The cells whose life is known exactly: the only ones an error can be measured on."""
    return [cell for cell in cells if cell.cycle_life is not None and not cell.censored]


def answered(
    model: CycleLifeModel, cells: Sequence[Cell], levels: Sequence[float] = LEVELS
) -> Answers:
    """Predictions of cells with known lives at several levels. Raises ValueError as `predict`."""
    told = [model.predict(cells, level) for level in levels]
    return Answers(
        ids=tuple(cell.id for cell in cells),
        life=np.array([cell.cycle_life for cell in cells], dtype=np.float64),
        mean=told[0].mean,
        extrapolates=told[0].extrapolates,
        intervals={one.level: (one.lower, one.upper) for one in told},
    )


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers of several models as one, in order."""
    levels = list(parts[0].intervals)
    return Answers(
        ids=tuple(name for part in parts for name in part.ids),
        life=np.concatenate([part.life for part in parts]),
        mean=np.concatenate([part.mean for part in parts]),
        extrapolates=np.concatenate([part.extrapolates for part in parts]),
        intervals={
            level: (
                np.concatenate([part.intervals[level][0] for part in parts]),
                np.concatenate([part.intervals[level][1] for part in parts]),
            )
            for level in levels
        },
    )


def folds(cells: Sequence[Cell]) -> list[tuple[list[Cell], list[Cell]]]:
    """Training and held-out cells, five times: a fold holds every fifth cell in order of life.

    No random number is used; the folds do not depend on the order of the cells.
    """
    ordered = sorted(known(cells), key=lambda cell: (cell.cycle_life or 0.0, cell.id))
    made = []
    for k in range(FOLDS):
        held = ordered[k::FOLDS]
        rest = [cell for i, cell in enumerate(ordered) if i % FOLDS != k]
        made.append((rest, held))
    return made


def scored(answers: Answers) -> Scores | None:
    """Errors and coverage; None for no cell."""
    if not len(answers):
        return None
    error = answers.mean - answers.life
    share = np.abs(error) / answers.life
    return Scores(
        cells=len(answers),
        rmse_cycles=float(np.sqrt(np.mean(error**2))),
        bias_cycles=float(np.mean(error)),
        mape=float(np.mean(share)),
        median_error=float(np.median(share)),
        coverage=tuple(
            _coverage(answers, level, *ends) for level, ends in answers.intervals.items()
        ),
    )


def _coverage(answers: Answers, level: float, lower: FloatArray, upper: FloatArray) -> Coverage:
    from scipy.stats import binom

    n = len(answers)
    inside = (lower <= answers.life) & (answers.life <= upper)
    low, high = binom.interval(BAND, n, level)
    return Coverage(
        level=level,
        covered=float(inside.mean()),
        band_low=float(low) / n,
        band_high=float(high) / n,
        median_width=float(np.median((upper - lower) / answers.mean)),
    )


def called(answers: Answers, cycles: float) -> Calls:
    """Long against short life at a threshold, as Severson et al. (2019) classify at 550 cycles."""
    longer, said = answers.life > cycles, answers.mean > cycles
    return Calls(
        cycles=cycles,
        cells=len(answers),
        longer=int(longer.sum()),
        wrongly_longer=int((said & ~longer).sum()),
        wrongly_shorter=int((~said & longer).sum()),
        error_rate=float((said != longer).mean()),
    )
