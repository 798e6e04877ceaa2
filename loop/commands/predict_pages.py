"""What the commands of `leyden predict` print: cards, predictions, scores."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loop.commands.console import emit, emit_json, page, table

if TYPE_CHECKING:
    from loop.commands.predict_cells import Usable
    from surrogates.cycle_life import Cell, LifePrediction
    from surrogates.life_evaluation import Evaluation, Tested
    from surrogates.life_scores import Scores
    from surrogates.predictor_file import Predictor

TOP = 8  # features shown


def tell_fit(predictor: Predictor, path: Path, card: Path, as_json: bool) -> None:
    """What was fitted and how good it is."""
    if as_json:
        emit_json({**_object(predictor, path), "card_file": str(card)})
        return
    (fit,) = predictor.card.fits
    data = predictor.card.data
    emit(f"{path}: {fit.model} at {fit.at_cycle} cycles, fitted to {data.exact} cells")
    emit(
        f"cross-validated error {fit.log_sd:.3f} in the natural log of life "
        f"(about {fit.log_sd:.1%} of the life)"
    )
    if fit.scores is not None:
        emit(f"five-fold cross-validation: {_errors(fit.scores, fit.level)}")
    emit(f"card in {card}")


def tell_card(predictor: Predictor, path: Path, as_json: bool) -> None:
    """The card as Markdown, or as JSON."""
    if as_json:
        emit_json(_object(predictor, path))
    else:
        emit(predictor.card.to_markdown())


def _object(predictor: Predictor, path: Path) -> dict[str, Any]:
    model = predictor.model
    return {"file": str(path), "digest": model.digest, "card": predictor.card.state()}


def _errors(found: Scores, level: float) -> str:
    covered = found.at(level)
    return (
        f"RMSE {found.rmse_cycles:.1f} cycles, mean error {found.mape:.1%}, intervals of "
        f"{covered.level:.0%} cover {covered.covered:.0%}"
    )


# predictions ---------------------------------------------------------------------------------


def tell_predictions(predictor: Predictor, found: LifePrediction, usable: Usable) -> None:
    """A table with a line a cell."""
    seen = _trained_on(predictor, usable.cells)
    rows = [
        (found.ids[i], f"{found.mean[i]:.0f}", f"{found.lower[i]:.0f} to {found.upper[i]:.0f}",
         "" if (life := _recorded(cell)) is None else f"{life:.0f}",
         "trained on" if seen[i] else "extrapolates" if found.extrapolates[i] else "",
         str(len(cell.repairs) or ""))
        for i, cell in enumerate(usable.cells)
    ]  # fmt: skip
    heads = (
        "cell",
        ">life (cycles)",
        f">{found.level:.0%} interval",
        ">recorded",
        "flag",
        ">repairs",
    )
    page(table(f"Predicted from {found.at_cycle} cycles", heads, rows))
    flagged = int(found.extrapolates.sum())
    if flagged:
        emit(f"{flagged} of {len(found)} cells are unlike the training cells: take with caution")
    if any(seen):
        emit(f"{sum(seen)} of {len(found)} cells taught the model: their errors tell nothing of it")
    if usable.refused:
        emit(f"{len(usable.refused)} cells could not be predicted")


def predictions_object(
    predictor: Predictor, path: Path, found: LifePrediction, usable: Usable
) -> dict[str, Any]:
    """For `--json`."""
    return {
        "file": str(path),
        "digest": predictor.model.digest,
        "at_cycle": found.at_cycle,
        "level": found.level,
        "predictions": _rows(predictor, found, usable.cells),
        "refused": [{"cell": name, "reason": reason} for name, reason in usable.refused],
    }


def predictions_csv(predictor: Predictor, found: LifePrediction, cells: Sequence[Cell]) -> bytes:
    """The content of the file of predictions."""
    rows = _rows(predictor, found, cells)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        repairs = "; ".join(f"cycle {one['cycle']}: {one['reason']}" for one in row["repairs"])
        writer.writerow({**row, "repairs": repairs})
    return stream.getvalue().encode()


def _rows(
    predictor: Predictor, found: LifePrediction, cells: Sequence[Cell]
) -> list[dict[str, Any]]:
    seen = _trained_on(predictor, cells)
    return [_row(found, i, cell, seen[i]) for i, cell in enumerate(cells)]


def _trained_on(predictor: Predictor, cells: Sequence[Cell]) -> list[bool]:
    """Of each cell, whether its data taught the model."""
    from surrogates.model_card import fingerprint

    known = set(predictor.card.data.fingerprints.values())
    return [fingerprint(cell) in known for cell in cells]


def _row(found: LifePrediction, i: int, cell: Cell, trained_on: bool) -> dict[str, Any]:
    return {
        "cell": found.ids[i],
        "cycle_life": _recorded(cell),
        "predicted": float(found.mean[i]),
        "lower": float(found.lower[i]),
        "upper": float(found.upper[i]),
        "level": found.level,
        "sem": float(found.sem[i]),
        "extrapolates": bool(found.extrapolates[i]),
        "trained_on": trained_on,
        "at_cycle": found.at_cycle,
        "repairs": [{"cycle": one.cycle, "reason": one.reason} for one in cell.repairs],
    }


def _recorded(cell: Cell) -> float | None:
    """The life the data give, where it is known exactly."""
    from surrogates.life_scores import known

    return cell.cycle_life if known([cell]) else None


# evaluation ----------------------------------------------------------------------------------


def tell_evaluation(found: Evaluation, output: Path | None, as_json: bool) -> None:
    """Scores of all models and horizons; then, of each model at its longest, the rest."""
    if as_json:
        told = found.state()
        emit_json({**told, "page": None if output is None else str(output)})
        return
    emit(f"trained on {found.trained}; judged on {found.tested} ({found.method})")
    page(table("", _HEADS, [_line(one) for one in found.results]))
    emit("extr.: cells flagged as unlike the training cells; RMSE less them beside it")
    for model in found.models:
        last = found.last(model)
        calls = last.calls
        emit(
            f"{model}: longer than {calls.cycles:g} cycles is told wrongly for "
            f"{calls.wrongly_longer + calls.wrongly_shorter} of {calls.cells} cells"
        )
        for level in last.scores.coverage:
            emit(
                f"  {level.level:.0%} intervals cover {level.covered:.0%}, median width "
                f"{level.median_width:.2f} of the life"
            )
        if last.importance:
            ranked = sorted(last.importance, key=lambda one: -one.mean)
            top = ", ".join(f"{one.name} {one.mean:.3f}" for one in ranked[:TOP])
            emit(f"  shuffling costs (error of log life): {top}")
    if output is not None:
        emit(f"wrote {output}")


_HEADS = (
    "model", ">cycles", ">cells", ">RMSE", ">bias", ">mean error", ">median", ">90% covers",
    ">width", ">extr.", ">RMSE less",
)  # fmt: skip


def _line(one: Tested) -> tuple[str, ...]:
    scores, level = one.scores, one.scores.at(0.9)
    return (
        one.model, str(one.at_cycle), str(scores.cells), f"{scores.rmse_cycles:.1f}",
        f"{scores.bias_cycles:+.1f}", f"{scores.mape:.1%}", f"{scores.median_error:.1%}",
        f"{level.covered:.0%}", f"{level.median_width:.2f}", str(one.flagged),
        "" if one.within is None else f"{one.within.rmse_cycles:.1f}",
    )  # fmt: skip
