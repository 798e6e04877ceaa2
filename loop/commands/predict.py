"""Early prediction of cycle life from recorded cells: fit a model, ask it, judge it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.commands.console import (
    DEFAULT_STORE,
    AsJson,
    BadInput,
    StoreUrl,
    as_bad_input,
    emit,
    emit_json,
    note,
)
from loop.commands.predict_cells import Usable, read, read_predictor, repairs_told, splits_of
from loop.commands.predict_pages import (
    predictions_csv,
    predictions_object,
    tell_card,
    tell_evaluation,
    tell_fit,
    tell_predictions,
)
from loop.commands.writing import ending, written

if TYPE_CHECKING:
    from surrogates.cycle_life import Cell, CycleLifeModel
    from surrogates.predictor_file import Predictor

# above it, a campaign had better not stop cells on this model's word
STOP_NO_CELLS_LOG_SD = 0.25

app = typer.Typer(
    help="Fit, apply and judge early predictors of cycle life.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Data = Annotated[
    Path, typer.Option("--data", metavar="FOLDER", help="Recorded cells, as the docs lay out.")
]
Splits = Annotated[
    str | None, typer.Option("--splits", metavar="NAME,…", help="Which cells of the folder.")
]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="What predict fit wrote.")]
Level = Annotated[
    float | None, typer.Option("--level", help="Of the intervals; the model's own by default.")
]


@app.command()
def fit(
    data: Data,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.json", help="The fitted model.")
    ],
    splits: Splits = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Kind of model.")
    ] = None,
    at_cycle: Annotated[int, typer.Option("--at-cycle", help="Cycles it looks at.")] = 100,
    level: Annotated[float, typer.Option("--level", help="Of its intervals.")] = 0.9,
    as_json: AsJson = False,
) -> None:
    """Fit a model to recorded cells; its card is written beside it."""
    ending(output, ("json",))
    with as_bad_input():
        made = _model(model, at_cycle, level)
    cells = read(data, splits_of(splits))
    repairs_told(cells)
    predictor = _fitted(made, cells, f"{data.resolve().name}{f': {splits}' if splits else ''}")
    from surrogates.predictor_file import to_bytes

    card = output.with_suffix(".card.md")
    written(card, predictor.card.to_markdown().encode())
    written(output, to_bytes(predictor))
    if predictor.model.cross_validated_log_sd > STOP_NO_CELLS_LOG_SD:
        note(
            f"warning: its error is {predictor.model.cross_validated_log_sd:.2f} in the natural "
            f"log of life; above {STOP_NO_CELLS_LOG_SD} do not stop cells on its word"
        )
    tell_fit(predictor, output, card, as_json)


@app.command()
def show(model: ModelFile, as_json: AsJson = False) -> None:
    """Show the card of a model: its data, range, errors."""
    tell_card(read_predictor(model), model, as_json)


@app.command()
def apply(
    model: ModelFile,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Recorded cells.")
    ] = None,
    splits: Splits = None,
    campaign: Annotated[
        str | None,
        typer.Option("--campaign", metavar="ID", help="The trials of a campaign, instead."),
    ] = None,
    store: StoreUrl = DEFAULT_STORE,
    level: Level = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.csv", help="Predictions.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the life of recorded cells; a cell that cannot be is named, the others are."""
    if output is not None:
        ending(output, ("csv",))
    predictor = read_predictor(model)
    usable = _usable(predictor.model, data, splits, campaign, store)
    for name, reason in usable.refused:
        note(f"warning: not predicted: {reason if name in reason else f'{name}: {reason}'}")
    if not usable.cells:
        where = campaign or data
        raise BadInput(f"none of the {len(usable.refused)} cells in {where} can be predicted")
    repairs_told(usable.cells)
    with as_bad_input():
        found = predictor.model.predict(usable.cells, level)
    if output is not None:
        written(output, predictions_csv(predictor, found, usable.cells))
    if as_json:
        emit_json(predictions_object(predictor, model, found, usable))
    else:
        tell_predictions(predictor, found, usable)
        if output is not None:
            emit(f"wrote {output}")


@app.command()
def evaluate(
    data: Data,
    model_file: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="What predict fit wrote; else models are fitted."),
    ] = None,
    splits: Annotated[
        str | None,
        typer.Option(
            "--splits",
            metavar="TRAIN:TEST",
            help="Fit on the first, score on the second; one side alone is cross-validated.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", metavar="NAME", help="Repeatable.")
    ] = None,
    at_cycle: Annotated[
        list[int] | None, typer.Option("--at-cycle", metavar="N", help="Repeatable.")
    ] = None,
    longer_than: Annotated[
        float, typer.Option("--longer-than", metavar="CYCLES", help="Long life, for the calls.")
    ] = 550.0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.html", help="A page of figures.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge models on cells that they have not seen, with every figure on one page."""
    from loop.commands.predict_evaluate import evaluated, evaluated_file

    if output is not None:
        ending(output, ("html",))
    if not longer_than > 0:
        raise BadInput(f"--longer-than {longer_than:g}: a positive number of cycles is needed")
    if model_file is not None:
        if model or at_cycle:
            raise BadInput(f"{model_file} is fitted already: --model and --at-cycle do not apply")
        found = evaluated_file(model_file, read_predictor(model_file), data, splits, longer_than)
    else:
        found = evaluated(data, splits, model or [_default()], at_cycle, longer_than)
    if output is not None:
        from loop.reporting.predictor_page import html

        written(output, html(found).encode())
    tell_evaluation(found, output, as_json)


def _usable(
    model: CycleLifeModel, data: Path | None, splits: str | None, campaign: str | None, store: str
) -> Usable:
    """The cells of the folder or of the campaign, whichever it is. Raises BadInput."""
    if (data is None) == (campaign is None):
        raise BadInput("either --data FOLDER or --campaign ID is needed")
    if data is not None:
        return Usable.of_folder(model, data, splits_of(splits))
    if splits is not None:
        raise BadInput(f"--splits {splits}: a campaign has none")
    assert campaign is not None
    return Usable.of_campaign(model, campaign, store)


def _model(name: str | None, at_cycle: int, level: float) -> CycleLifeModel:
    """Raises ValueError."""
    from surrogates.cycle_life import CycleLifeModel

    return CycleLifeModel(at_cycle, name or _default(), level)


def _default() -> str:
    """The kind that a model has if none is named."""
    from inspect import signature

    from surrogates.cycle_life import CycleLifeModel

    return str(signature(CycleLifeModel).parameters["model"].default)


def _fitted(model: CycleLifeModel, cells: list[Cell], source: str) -> Predictor:
    from dataclasses import replace

    from loop.threads import single_threaded
    from surrogates.model_card import carded, cross_validated
    from surrogates.predictor_file import Predictor

    with single_threaded(), as_bad_input():
        model.fit(cells)
        card = carded([model], cells, source)
        scores = cross_validated(model, cells)
    (fit,) = card.fits
    return Predictor(model, replace(card, fits=(replace(fit, scores=scores),)))
