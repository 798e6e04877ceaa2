"""Loading campaigns that were recorded elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.commands.console import (
    DEFAULT_STORE,
    AsJson,
    StoreUrl,
    as_bad_input,
    command_line,
    emit,
    emit_json,
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
    if as_json:
        emit_json({"campaign": campaign_id})
    else:
        emit(f"campaign {campaign_id}")
        emit(f"verify   {command_line(store, 'replay', campaign_id, '--verify')}")
