"""Tokens of robots: make one, list them, revoke one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

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
    page,
    reading,
    table,
    writing,
)

app = typer.Typer(
    help="Make, list and revoke the tokens by which robots are known.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Robot = Annotated[str, typer.Argument(metavar="NAME", help="The name of the robot.")]


@app.command()
def create(
    name: Robot,
    instrument: Annotated[
        str, typer.Option(metavar="NAME", help="The only instrument whose jobs it may take.")
    ],
    verbs: Annotated[
        list[str] | None, typer.Option(metavar="VERB", help="What it may do; work.")
    ] = None,
    days: Annotated[float | None, typer.Option(help="It ends after so many days.")] = None,
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Make a token; its secret is printed now and never again."""
    from loop.store.work_tokens import VERBS, tokens_of

    with writing(store, create=True) as opened, as_bad_input():
        secret = tokens_of(opened).create(name, instrument, tuple(verbs or VERBS), days)
    if as_json:
        emit_json({"name": name, "instrument": instrument, "token": secret})
    else:
        emit(secret)
        note(f"keep it in a file that only {name} can read; it is not shown again")


@app.command("list")
def list_tokens(store: StoreUrl = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show every token, without its secret."""
    from loop.store.work_tokens import tokens_of

    now = datetime.now(UTC)
    with reading(store) as opened:
        tokens = tokens_of(opened).list()
    if as_json:
        emit_json({"tokens": [{**asdict(one), "state": one.state(now)} for one in tokens]})
        return
    rows = [
        (one.name, one.instrument, ", ".join(one.verbs), one.state(now), one.created_at,
         one.expires_at or "never")
        for one in tokens
    ]  # fmt: skip
    page(table("", ("robot", "instrument", "verbs", "state", "created", "expires"), rows))


@app.command()
def revoke(name: Robot, store: StoreUrl = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """End the token of a robot at once."""
    from loop.store.work_tokens import tokens_of

    with writing(store) as opened:
        ended = tokens_of(opened).revoke(name)
    if not ended:
        raise BadInput(f"{name}: has no valid token; see leyden token list")
    if as_json:
        emit_json({"name": name, "revoked": ended})
    else:
        emit(f"{name}: its token is revoked")
