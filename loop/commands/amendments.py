"""Trials by hand: add one, correct a value, exclude one."""

from __future__ import annotations

from typing import Annotated

import typer

from loop.commands.console import (
    DEFAULT_STORE,
    AsJson,
    BadInput,
    CampaignId,
    Reason,
    Sets,
    StoreUrl,
    as_bad_input,
    emit,
    emit_json,
    pairs,
    writing,
)

app = typer.Typer(
    help="Rule on trials: approve, change, resolve, add, correct; each ruling is an event.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Number = Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.")]


@app.command()
def add(
    campaign_id: CampaignId,
    sets: Sets = None,
    result: Annotated[
        list[str] | None,
        typer.Option("--result", metavar="METRIC=VALUE", help="Measured already; repeatable."),
    ] = None,
    reason: Reason = "",
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Add a trial: to be run on the next resume, or with its results already known."""
    from loop import amend

    results = None if not result else numbers(result)
    with writing(store) as opened, as_bad_input():
        number = amend.add(opened, campaign_id, pairs(sets), results, reason)
    _tell(campaign_id, number, f"{campaign_id}: trial {number} added", as_json)


@app.command(context_settings={"ignore_unknown_options": True})  # -5 is a value, no option
def correct(
    campaign_id: CampaignId,
    trial: Number,
    metric: Annotated[str, typer.Argument(metavar="METRIC")],
    value: Annotated[float, typer.Argument(metavar="VALUE")],
    sem: Annotated[float | None, typer.Option(help="Standard error of the value.")] = None,
    reason: Reason = "",
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Replace a recorded value; the old one stays in the journal."""
    from loop import amend

    with writing(store) as opened, as_bad_input():
        amend.correct(opened, campaign_id, trial, metric, value, sem, reason)
    _tell(campaign_id, trial, f"{campaign_id}: trial {trial}: {metric} is {value:g} now", as_json)


@app.command()
def exclude(
    campaign_id: CampaignId,
    trial: Number,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back in.")] = False,
    reason: Reason = "",
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Take a trial out of what the optimiser learns from."""
    from loop import amend

    with writing(store) as opened, as_bad_input():
        amend.exclude(opened, campaign_id, trial, reason, excluded=not undo)
    done = "back in" if undo else "excluded"
    _tell(campaign_id, trial, f"{campaign_id}: trial {trial} is {done}", as_json)


def numbers(given: list[str]) -> dict[str, float]:
    """`METRIC=VALUE` arguments as a mapping. Raises BadInput."""
    found = {}
    for metric, value in pairs(given, "--result").items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(f"--result {metric}: {value!r} is not a number")
        found[metric] = float(value)
    return found


def _tell(campaign_id: str, trial: int, line: str, as_json: bool) -> None:
    if as_json:
        emit_json({"campaign": campaign_id, "trial": trial})
    else:
        emit(line)
