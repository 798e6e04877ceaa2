"""What persons rule of trials: approve, modify, reject, and say what became of a lost one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.commands.amendments import Number, app, numbers
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
    page,
    pairs,
    reading,
    table,
    writing,
)

if TYPE_CHECKING:
    from loop.ruled import Answer
    from loop.store.store import Store

__all__ = ["app"]

Who = Annotated[
    str, typer.Option("--who", help="Who rules; else the user of this process.", metavar="NAME")
]


@app.command()
def waiting(
    campaign_id: CampaignId, store: StoreUrl = DEFAULT_STORE, as_json: AsJson = False
) -> None:
    """Show the trials that wait for a person: to be approved, or to be resolved."""
    from loop.restoring import restore
    from loop.waiting import awaiting, lost

    with reading(store) as opened:
        state = restore(opened, campaign_id)
    asked, gone = awaiting(state), lost(state)
    if as_json:
        emit_json({"campaign": campaign_id, "awaiting_approval": asked, "lost": gone})
        return
    if not asked and not gone:
        emit(f"{campaign_id}: nothing waits for a person")
    if asked:
        rows = [
            (str(one["trial"]), _setting(one), one["payload"][:12], one["reason"]) for one in asked
        ]
        page(table("To be approved", (">trial", "setting", "payload", "why"), rows))
    if gone:
        rows = [(str(one["trial"]), one["key"], _setting(one), one["reason"]) for one in gone]
        page(table("Lost", (">trial", "key", "setting", "why"), rows))


def _setting(one: dict[str, Any]) -> str:
    """The setting, with what was proposed where a person changed it."""
    proposed = one.get("proposed") or one["parameters"]
    told = []
    for name, value in one["parameters"].items():
        now = f"{value:.6g}" if isinstance(value, float) else str(value)
        was = proposed[name]
        before = f"{was:.6g}" if isinstance(was, float) else str(was)
        told.append(f"{name}={now}" + (f" (proposed {before})" if was != value else ""))
    return ", ".join(told)


@app.command()
def approve(
    campaign_id: CampaignId,
    trials: Annotated[
        list[int] | None, typer.Argument(metavar="TRIAL...", help="Numbers of the trials.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait now.")] = False,
    payload: Annotated[
        str, typer.Option(help="Only if this is what would run, as `trial waiting` shows it.")
    ] = "",
    reason: Reason = "",
    who: Who = "",
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Let trials run that wait for approval."""
    from loop import amend

    if bool(trials) == everything:
        raise BadInput("trial approve: either name the trials, or give --all")
    if payload and (everything or len(trials or ()) != 1):
        raise BadInput("--payload: belongs to one trial")
    with writing(store) as opened, as_bad_input():
        wanted = trials or _all(opened, campaign_id)
        name = who or amend.person()
        for number in wanted:
            answer = amend.approve(opened, campaign_id, number, name, reason, payload)
            if not as_json:
                emit(f"{campaign_id}: {answer.line}")
    if as_json:
        emit_json({"campaign": campaign_id, "trials": wanted})
    elif not wanted:
        emit(f"{campaign_id}: nothing waits for approval")


def _all(opened: Store, campaign_id: str) -> list[int]:
    from loop.restoring import restore

    return sorted(restore(opened, campaign_id).awaiting)


@app.command()
def modify(
    campaign_id: CampaignId,
    trial: Number,
    sets: Sets = None,
    approved: Annotated[bool, typer.Option("--approve", help="And let it run.")] = False,
    reason: Reason = "",
    who: Who = "",
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Change a trial's setting before it runs; an approval given before is void."""
    from loop import amend

    changes = pairs(sets)
    if not changes:
        raise BadInput("trial modify: give at least one --set NAME=VALUE")
    with writing(store) as opened, as_bad_input():
        name = who or amend.person()
        answer = amend.modify(opened, campaign_id, trial, changes, name, reason, approved)
    _tell(campaign_id, answer, as_json)


@app.command()
def reject(
    campaign_id: CampaignId,
    trial: Number,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the journal.")],
    who: Who = "",
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Refuse a trial before it runs; its setting is not asked for again."""
    _rule(
        store,
        campaign_id,
        as_json,
        lambda opened, amend: amend.reject(
            opened, campaign_id, trial, who or amend.person(), reason
        ),
    )


@app.command()
def resolve(
    campaign_id: CampaignId,
    trial: Number,
    not_run: Annotated[bool, typer.Option("--not-run", help="It never ran: run it.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Ask the instrument once more.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="It ran, and is spoilt.")] = False,
    result: Annotated[
        list[str] | None,
        typer.Option("--result", metavar="METRIC=VALUE", help="What it measured; repeatable."),
    ] = None,
    reason: Reason = "",
    who: Who = "",
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Say what became of a lost trial: exactly one of the four."""
    verdict = _verdict(not_run=not_run, adopt=adopt, failed=failed, measured=bool(result))
    results = numbers(result or [])
    _rule(
        store,
        campaign_id,
        as_json,
        lambda opened, amend: amend.resolve(
            opened, campaign_id, trial, verdict, who or amend.person(), reason, results
        ),
    )


def _verdict(**given: bool) -> str:
    chosen = [name for name, is_given in given.items() if is_given]
    if len(chosen) != 1:
        raise BadInput(
            "trial resolve: exactly one of --not-run, --adopt, --failed and --result METRIC=VALUE "
            "is needed"
        )
    return chosen[0]


def _rule(store: str, campaign_id: str, as_json: bool, ask: Callable[[Store, Any], Answer]) -> None:
    from loop import amend

    with writing(store) as opened, as_bad_input():
        answer = ask(opened, amend)
    _tell(campaign_id, answer, as_json)


def _tell(campaign_id: str, answer: Answer, as_json: bool) -> None:
    if as_json:
        emit_json({"campaign": campaign_id, "trial": answer.trial, "answer": answer.line})
    else:
        emit(f"{campaign_id}: {answer.line}")
