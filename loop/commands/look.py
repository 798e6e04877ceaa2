"""Looking at campaigns: list, show, report, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from loop.commands.console import (
    DEFAULT_STORE,
    AsJson,
    BadInput,
    CampaignId,
    StoreUrl,
    as_bad_input,
    command_line,
    emit,
    emit_json,
    page,
    reading,
    table,
)

if TYPE_CHECKING:
    from loop.store.store import CampaignRow


def list_campaigns(store: StoreUrl = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """List the campaigns of the store, and those that ship."""
    url, rows = _campaigns(store)
    if as_json:
        told = [
            {
                "id": row.id, "name": row.name, "status": row.status, "trials": row.trials,
                "seed": row.seed, "created_at": row.created_at, "origin": row.origin,
            }
            for row in rows
        ]  # fmt: skip
        emit_json({"store": url, "campaigns": told, "shipped": _shipped()})
        return
    if rows:
        cells = [
            (row.id, row.status, str(row.trials), str(row.seed), row.created_at[:16], row.origin)
            for row in rows
        ]
        columns = ("campaign", "status", ">trials", ">seed", "created (UTC)", "origin")
        page(table(f"Campaigns in {url}", columns, cells))
    else:
        emit(f"No campaign in {url} yet.")
    emit("Shipped, to be run by name: " + ", ".join(_shipped()))


def _shipped() -> list[str]:
    """Names of the campaigns that ship, read without the campaign language: it loads slowly."""
    from importlib import resources

    names = (item.name for item in resources.files("campaigns").joinpath("library").iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def _campaigns(url: str) -> tuple[str, list[CampaignRow]]:
    """The store's URL and its campaigns; none where there is no store yet."""
    from loop.store.errors import StoreMissing

    try:
        with reading(url) as store:
            return store.url, store.campaigns()
    except StoreMissing:
        return url, []


def show(campaign_id: CampaignId, store: StoreUrl = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show how a campaign stands: recommendation, best settings, failures, cost."""
    from campaigns.campaign import parse
    from loop.commands.sheet import whole
    from loop.model_cards import stored
    from loop.reporting import predictor_section
    from loop.reporting.stops import Stops
    from loop.reporting.tally import Tally
    from loop.state import CampaignState
    from loop.summary import remeasured_text, summary

    with reading(store) as opened:
        events = opened.events(campaign_id)
        state = CampaignState.of(parse(*opened.document(campaign_id)), events)
        (row,) = (row for row in opened.campaigns() if row.id == campaign_id)
        told = summary(campaign_id, state, opened.url, status=row.status)
        cards, stops = stored(opened, events), Stops.of(events)
    if stops is not None:
        told["stops"] = stops.told()
    if cards:
        told["predictor"] = predictor_section.told(*cards[-1])
    if as_json:
        emit_json(told)
    else:
        page(*whole(told, state, Tally.of(events), command_line(store, "resume", campaign_id)))
        if stops is not None:
            emit(f"stopped  {stops.line}")
        if cards:
            emit(f"predicts {predictor_section.line(cards[-1][1])}")
        fresh = remeasured_text(state)
        if fresh:
            emit(fresh)


def report(
    campaign_id: CampaignId,
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file.")],
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Write the campaign's report: one HTML file with everything in it."""
    from loop.report import write

    with reading(store) as opened:
        head = _written(output, lambda: write(opened, campaign_id, output))
    if as_json:
        emit_json({"campaign": campaign_id, "report": str(output), "head": head})
    else:
        emit(f"wrote {output}")


def export(
    campaign_id: CampaignId,
    output: Annotated[Path, typer.Option("-o", "--output", help="A folder; made if missing.")],
    form: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="Of the tables.")
    ] = "csv",
    curves: Annotated[bool, typer.Option("--curves", help="Every measured curve, too.")] = False,
    crate: Annotated[
        bool, typer.Option("--crate", help="Everything, as an RO-Crate that can be imported.")
    ] = False,
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Write the campaign as tables with a data dictionary, its file, and its models."""
    from loop.exchange.exporting import export_to

    if crate:
        _crate(campaign_id, output, store, as_json)
        return
    with reading(store) as opened, as_bad_input():
        head, rows = _written(
            output, lambda: export_to(opened, campaign_id, output, form, curves=curves)
        )
    if as_json:
        emit_json({"campaign": campaign_id, "folder": str(output), "rows": rows, "head": head})
    else:
        emit(f"wrote {', '.join(f'{name} ({n} rows)' for name, n in rows.items())} to {output}")


def _crate(campaign_id: str, output: Path, store: str, as_json: bool) -> None:
    from loop.exchange.crate import export_crate

    with reading(store) as opened, as_bad_input():
        head, files = _written(output, lambda: export_crate(opened, campaign_id, output))
    if as_json:
        emit_json({"campaign": campaign_id, "folder": str(output), "files": files, "head": head})
    else:
        emit(f"wrote a crate of {files} files to {output}")
        emit(f"head     {head}")


def _written(place: Path, write: Any) -> Any:
    """Do what writes to `place`; what the file system refuses is the caller's to put right."""
    try:
        return write()
    except OSError as error:
        raise BadInput(f"{place}: cannot be written ({error.strerror or error})") from error
