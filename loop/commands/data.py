"""Public data sets: fetch them, with their checksums, into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.commands.console import AsJson, BadInput, Failed, as_bad_input, emit, emit_json
from loop.commands.meter import meter

app = typer.Typer(help="Fetch public data sets.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def data() -> None:
    """Fetch public data sets."""


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="severson2019 or attia2020.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Named like the data by default."),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL|FOLDER", help="A copy to take the files from."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a data set from its public source; what is there and right is not fetched again."""
    from campaigns.problems import unknown
    from loop import public_data

    if name not in public_data.known():
        raise BadInput(f"{name}: {unknown('data set', name, public_data.known())}")
    folder = Path(name) if output is None else output
    try:
        with meter("fetch", "files") as tell, as_bad_input():
            done = public_data.fetch(name, folder, mirror, tell)
    except public_data.FetchFailed as error:
        raise Failed(f"{error}; files fetched before are kept") from error
    if as_json:
        emit_json(
            {
                "data": name, "folder": str(folder), "fetched": done.fetched, "kept": done.kept,
                "bytes": done.bytes,
            }
        )  # fmt: skip
        return
    size = f"{done.bytes / 1e6:.3g} MB"
    emit(f"{folder}: {done.fetched} files fetched ({size}), {done.kept} were there")
