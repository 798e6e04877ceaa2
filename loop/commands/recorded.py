"""Loading campaigns that were recorded elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.commands.console import (
    DEFAULT_STORE,
    AsJson,
    BadInput,
    StoreUrl,
    as_bad_input,
    command_line,
    emit,
    emit_json,
    note,
    pairs,
    writing,
)

app = typer.Typer(
    help="Load a campaign that was recorded elsewhere.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def recorded() -> None:
    """Load a campaign that was recorded elsewhere."""


@app.command()
def attia2020(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="With batch/ and pred/.")],
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """The closed-loop fast-charging campaign of Attia et al., Nature 578, 397 (2020)."""
    from loop import importing

    with writing(store, create=True) as opened, as_bad_input():
        campaign_id = importing.attia2020(opened, folder)
    _told(store, campaign_id, as_json)


@app.command()
def csv(
    results: Annotated[Path, typer.Argument(metavar="RESULTS.csv", help="A row a trial.")],
    campaign: Annotated[
        Path, typer.Option("--campaign", metavar="FILE", help="What the columns mean.")
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="What a column is called there; repeatable."),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=UNIT", help="Unit of a column, else as its head says."),
    ] = None,
    derive: Annotated[
        bool,
        typer.Option("--derive", help="The file's own optimiser asked for these trials: audit it."),
    ] = False,
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Settings and results in a CSV, described by a campaign file."""
    from loop.exchange.from_csv import import_csv
    from loop.exchange.results_table import Naming

    naming = Naming(_texts(column, "--column"), _texts(unit, "--unit"))
    with writing(store, create=True) as opened, as_bad_input():
        campaign_id, recorded = import_csv(opened, results, campaign, naming, derived=derive)
    if recorded.unread:
        note(f"leyden: not read: {', '.join(recorded.unread)}")
    _told(store, campaign_id, as_json)


@app.command()
def crate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="As `export --crate` wrote it.")],
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A printed head; finds a cut-off journal.")
    ] = None,
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """A campaign of ours from an RO-Crate, as it was: same id, same journal, same data."""
    from loop.exchange.crate_reading import import_crate

    with writing(store, create=True) as opened, as_bad_input():
        campaign_id = import_crate(opened, folder, head)
    _told(store, campaign_id, as_json)


@app.command()
def optuna(
    file: Annotated[Path, typer.Argument(metavar="STUDY.db", help="Optuna's SQLite storage.")],
    study: Annotated[str | None, typer.Option(help="Which, where there are several.")] = None,
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """A study of Optuna, from its SQLite file."""
    from loop.exchange.optuna_study import import_optuna

    with writing(store, create=True) as opened, as_bad_input():
        campaign_id, left_out = import_optuna(opened, file, study)
    if left_out:
        note(f"leyden: left out: {left_out} trials without a complete setting")
    _told(store, campaign_id, as_json)


@app.command()
def ax(
    file: Annotated[Path, typer.Argument(metavar="SNAPSHOT.json", help="Of an Ax 1.x Client.")],
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """An experiment of Ax, from the JSON snapshot of its client."""
    from loop.exchange.ax_snapshot import import_ax

    with writing(store, create=True) as opened, as_bad_input():
        campaign_id = import_ax(opened, file)
    _told(store, campaign_id, as_json)


@app.command()
def baybe(
    file: Annotated[Path, typer.Argument(metavar="CAMPAIGN.json", help="Of Campaign.to_json.")],
    measurements: Annotated[
        Path, typer.Option(metavar="FILE.csv", help="Of Campaign.measurements.to_csv.")
    ],
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """A campaign of BayBE: space and objective from its JSON, measurements from a CSV."""
    from loop.exchange.baybe_campaign import import_baybe

    with writing(store, create=True) as opened, as_bad_input():
        campaign_id, recorded = import_baybe(opened, file, measurements)
    if recorded.unread:
        note(f"leyden: not read: {', '.join(recorded.unread)}")
    _told(store, campaign_id, as_json)


def _texts(given: list[str] | None, option: str) -> dict[str, str]:
    """`NAME=TEXT` arguments; what looks like a number is a text all the same."""
    found = {}
    for name, value in pairs(given, option).items():
        if not value and value != 0:
            raise BadInput(f"{option} {name}=: nothing stands behind the =")
        found[name] = str(value)
    return found


def _told(store: str, campaign_id: str, as_json: bool) -> None:
    if as_json:
        emit_json({"campaign": campaign_id})
        return
    emit(f"campaign {campaign_id}")
    emit(f"verify   {command_line(store, 'replay', campaign_id, '--verify')}")
