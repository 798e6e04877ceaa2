"""Models of cycle life against cells they were not fitted to: what `predict evaluate` finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from surrogates.cycle_life import FEWEST_TRAINING_CELLS, Cell, CycleLifeModel
from surrogates.feature_importance import Importance, importance
from surrogates.life_scores import (
    FOLDS,
    LEVELS,
    Answers,
    Calls,
    Scores,
    answered,
    called,
    folds,
    joined,
    known,
    scored,
)

HELD_OUT, CROSS_VALIDATED = "held out", "five-fold cross-validation"
HORIZONS = (20, 30, 50, 75, 100)
# As many as leave enough to fit when a fold is held out.
FEWEST_TO_FOLD = -(-FEWEST_TRAINING_CELLS * FOLDS // (FOLDS - 1))
LONGER_THAN = 550.0  # cycles; the threshold of Severson et al. (2019)

Pairs = tuple[tuple[CycleLifeModel, list[Cell]], ...]  # models, each with its held-out cells


@dataclass(frozen=True, eq=False)
class Tested:
    """One model at one horizon. ``within`` scores the cells that no guard flagged as unlike the
    training cells, ``flagged`` counts the others; either score is None for no cell."""

    model: str
    at_cycle: int
    answers: Answers
    scores: Scores
    within: Scores | None
    flagged: int
    calls: Calls
    importance: tuple[Importance, ...] = ()

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model": self.model,
            "at_cycle": self.at_cycle,
            "all": asdict(self.scores),
            "flagged": self.flagged,
            "without_flagged": None if self.within is None else asdict(self.within),
            "longer_than": asdict(self.calls),
            "importance": [asdict(one) for one in self.importance],
            "predictions": self._rows(),
        }

    def _rows(self) -> list[dict[str, Any]]:
        answers = self.answers
        level = min(answers.intervals, key=lambda one: abs(one - 0.9))
        lower, upper = answers.intervals[level]
        return [
            {
                "cell": answers.ids[i],
                "cycle_life": float(answers.life[i]),
                "predicted": float(answers.mean[i]),
                "lower": float(lower[i]),
                "upper": float(upper[i]),
                "level": level,
                "extrapolates": bool(answers.extrapolates[i]),
            }
            for i in range(len(answers))
        ]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Several models at several horizons on the same cells.

    ``method`` is `HELD_OUT` or `CROSS_VALIDATED`; ``trained`` and ``tested`` say on which cells.
    """

    method: str
    trained: str
    tested: str
    results: tuple[Tested, ...]

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "method": self.method,
            "trained_on": self.trained,
            "judged_on": self.tested,
            "results": [one.state() for one in self.results],
        }

    @property
    def models(self) -> tuple[str, ...]:
        """In the order asked."""
        return tuple(dict.fromkeys(one.model for one in self.results))

    def last(self, model: str) -> Tested:
        """The model at its longest horizon."""
        return max((r for r in self.results if r.model == model), key=lambda r: r.at_cycle)


def fitted_on(model: str, at_cycle: int, train: Sequence[Cell], test: Sequence[Cell]) -> Pairs:
    """A model fitted to one set of cells, with the other as held out. Raises ValueError."""
    return ((CycleLifeModel(at_cycle=at_cycle, model=model).fit(train), _measured(test)),)


def cross_fitted(model: str, at_cycle: int, cells: Sequence[Cell]) -> Pairs:
    """Five models, each fitted without a fifth of the cells. Raises ValueError for too few."""
    if len(known(cells)) < FEWEST_TO_FOLD:
        raise ValueError(
            f"{len(known(cells))} of {len(cells)} cells have a known life, at least "
            f"{FEWEST_TO_FOLD} are needed to cross-validate"
        )
    return tuple(
        (CycleLifeModel(at_cycle=at_cycle, model=model).fit(rest), held)
        for rest, held in folds(_measured(cells))
    )


def fitted_before(model: CycleLifeModel, test: Sequence[Cell]) -> Pairs:
    """A model that is there already. Raises ValueError where no cell has a known life."""
    return ((model, _measured(test)),)


def examined(pairs: Pairs, longer_than: float = LONGER_THAN) -> Tested:
    """Score models that differ in their training cells alone, each on the cells it was not given.

    Raises ValueError as `CycleLifeModel.predict`.
    """
    answers = joined([answered(model, cells, LEVELS) for model, cells in pairs])
    scores = scored(answers)
    assert scores is not None
    return Tested(
        model=pairs[0][0].model,
        at_cycle=pairs[0][0].at_cycle,
        answers=answers,
        scores=scores,
        within=scored(answers.where(~answers.extrapolates)),
        flagged=int(answers.extrapolates.sum()),
        calls=called(answers, longer_than),
    )


def explained(found: Tested, pairs: Pairs) -> Tested:
    """The same with the importance of the features. Raises ValueError for a single cell."""
    models, cells = zip(*pairs, strict=True)
    return replace(found, importance=importance(models, cells))


def reached(cells: Sequence[Cell]) -> int:
    """The last cycle up to which all cells have curves."""
    return min(int(cell.cycles[-1]) for cell in cells)


def _measured(cells: Sequence[Cell]) -> list[Cell]:
    found = known(cells)
    if not found:
        raise ValueError(f"none of the {len(cells)} cells has a known life to compare with")
    return found
