"""The work of `leyden predict evaluate`: which cells teach, which judge, and all the fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loop.commands.console import BadInput, as_bad_input, note
from loop.commands.meter import meter
from loop.commands.predict_cells import read, repairs_told, splits_of

if TYPE_CHECKING:
    from surrogates.cycle_life import Cell
    from surrogates.life_evaluation import Evaluation, Pairs, Tested
    from surrogates.predictor_file import Predictor


def evaluated(
    data: Path,
    splits: str | None,
    models: Sequence[str],
    at_cycle: Sequence[int] | None,
    longer_than: float,
) -> Evaluation:
    """Fit every model at every horizon and score it. Raises BadInput."""
    from surrogates.life_evaluation import CROSS_VALIDATED, HELD_OUT, Evaluation, examined

    _distinct("--model", models)
    _distinct("--at-cycle", at_cycle or ())
    train, test, names = _sides(data, splits)
    with as_bad_input():
        _known(models, at_cycle or ())
        horizons = _horizons([*train, *(test or ())], at_cycle)
        results = []
        with meter("evaluate", "fits") as tell:
            for model in models:
                for horizon in horizons:
                    pairs = _pairs(model, horizon, train, test)
                    found = examined(pairs, longer_than)
                    results.append(_explained(found, pairs) if horizon == horizons[-1] else found)
                    if tell is not None:
                        tell(len(results), len(models) * len(horizons))
    method = CROSS_VALIDATED if test is None else HELD_OUT
    return Evaluation(method, names[0], names[1], tuple(results))


def evaluated_file(
    path: Path, predictor: Predictor, data: Path, splits: str | None, longer_than: float
) -> Evaluation:
    """Score a fitted model on cells it was not trained on. Raises BadInput."""
    from surrogates.life_evaluation import HELD_OUT, Evaluation, examined, fitted_before
    from surrogates.model_card import fingerprint

    cells = read(data, splits_of(splits))
    repairs_told(cells)
    seen = set(predictor.card.data.fingerprints.values())
    _unseen([cell.id for cell in cells if fingerprint(cell) in seen], len(cells), str(path))
    with as_bad_input():
        pairs = fitted_before(predictor.model, cells)
        found = _explained(examined(pairs, longer_than), pairs)
    return Evaluation(HELD_OUT, predictor.card.data.source, _name(data, splits), (found,))


def _sides(data: Path, splits: str | None) -> tuple[list[Cell], list[Cell] | None, tuple[str, str]]:
    """Training cells, test cells (None: cross-validation), and what both are called."""
    if splits is None or ":" not in splits:
        cells = read(data, splits_of(splits))
        repairs_told(cells)
        return cells, None, (_name(data, splits),) * 2
    first, _, second = splits.partition(":")
    if not first.strip() or not second.strip() or ":" in second:
        raise BadInput(f"--splits {splits}: TRAIN:TEST, names on both sides of a colon")
    names = splits_of(first), splits_of(second)
    assert names[0] is not None
    assert names[1] is not None
    if both := sorted(set(names[0]) & set(names[1])):
        raise BadInput(
            f"--splits {splits}: {both[0]} stands on both sides; a model is not judged on cells "
            f"it learnt from; --splits {first} alone cross-validates"
        )
    train, test = read(data, names[0]), read(data, names[1])
    repairs_told([*train, *test])
    _no_twins(train, test, splits)
    return train, test, (_name(data, first), _name(data, second))


def _no_twins(train: Sequence[Cell], test: Sequence[Cell], splits: str) -> None:
    from surrogates.model_card import fingerprint

    seen = {fingerprint(cell) for cell in train}
    twins = [cell.id for cell in test if fingerprint(cell) in seen]
    _unseen(twins, len(test), f"--splits {splits}: the first side")


def _unseen(twins: Sequence[str], n: int, where: str) -> None:
    if twins:
        shown = ", ".join(twins[:3]) + (", …" if len(twins) > 3 else "")
        raise BadInput(
            f"{where}: {len(twins)} of the {n} cells to be judged on were trained on ({shown}); "
            "name others"
        )


def _pairs(model: str, at_cycle: int, train: list[Cell], test: list[Cell] | None) -> Pairs:
    from loop.threads import single_threaded
    from surrogates.life_evaluation import cross_fitted, fitted_on

    with single_threaded():
        if test is None:
            return cross_fitted(model, at_cycle, train)
        return fitted_on(model, at_cycle, train, test)


def _explained(found: Tested, pairs: Pairs) -> Tested:
    """With the importance of features, where there are cells enough to shuffle."""
    from surrogates.life_evaluation import explained

    if min(len(cells) for _, cells in pairs) < 2:
        note("warning: one cell alone tells nothing of the importance of features")
        return found
    return explained(found, pairs)


def _known(models: Sequence[str], horizons: Sequence[int]) -> None:
    """Before anything is fitted. Raises ValueError."""
    from surrogates.cycle_life import CycleLifeModel

    for model in models:
        CycleLifeModel(model=model)
    for horizon in horizons:
        CycleLifeModel(horizon)


def _horizons(cells: Sequence[Cell], asked: Sequence[int] | None) -> list[int]:
    """Ascending; by default those that every cell reaches. Raises ValueError."""
    from surrogates.life_evaluation import HORIZONS, reached

    last = reached(cells)
    wanted = sorted(asked or HORIZONS)
    if wanted[-1] <= last:
        return wanted
    short = min(cells, key=lambda cell: int(cell.cycles[-1]))
    why = f"the curves of {short.id} end at cycle {last}"
    if asked:
        raise ValueError(f"--at-cycle {wanted[-1]}: {why}")
    kept = [one for one in wanted if one <= last] or [last]
    note(f"warning: judged at {', '.join(map(str, kept))} cycles: {why}")
    return kept


def _distinct(option: str, given: Sequence[object]) -> None:
    for one in given:
        if list(given).count(one) > 1:
            raise BadInput(f"{option} {one}: is given twice")


def _name(data: Path, splits: str | None) -> str:
    name = data.resolve().name
    return name if splits is None else f"{name}: {splits}"
