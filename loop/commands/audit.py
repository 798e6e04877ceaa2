"""Replaying a campaign: do the recorded decisions follow from the recorded data?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.commands.console import (
    DEFAULT_STORE,
    AsJson,
    BadInput,
    CampaignId,
    Failed,
    StoreUrl,
    as_bad_input,
    emit,
    emit_json,
    note,
    reading,
)
from loop.commands.meter import meter

if TYPE_CHECKING:
    from loop.replay import Verdict


def replay(
    campaign_id: CampaignId,
    verify: Annotated[
        bool, typer.Option("--verify", help="Derive every decision again and compare.")
    ] = False,
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A printed head; finds a cut-off journal.")
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="With --verify: fit early predictors again, too.")
    ] = False,
    optimizer: Annotated[
        list[str] | None,
        typer.Option("--optimizer", help="What if this one had chosen? Repeatable."),
    ] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="N,N", help="What if: so many channels.")
    ] = None,
    early: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="What if: tests end at a cycle, adaptive or none."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="What if: runs of each choice; 20.")] = None,
    first_seed: Annotated[int | None, typer.Option(help="What if: seed of the first; 0.")] = None,
    trials: Annotated[
        int | None, typer.Option(help="What if: tests a run; as many as recorded by default.")
    ] = None,
    unrecorded: Annotated[
        str | None,
        typer.Option(
            metavar="HOW", help="What if: settings not in the record: emulate (default), exclude."
        ),
    ] = None,
    assembly_hours: Annotated[
        float | None, typer.Option(help="What if: a channel is held so long before each test.")
    ] = None,
    test_hours: Annotated[
        float | None, typer.Option(help="What if: a test's hours where the record lacks them.")
    ] = None,
    faults: Annotated[
        bool | None,
        typer.Option("--faults/--no-faults", help="What if: tests are lost as often as recorded."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="What if: processes at a time; 2.")] = None,
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Derive a campaign's decisions again and compare them with the recorded ones, or run other
    choices on the world it recorded."""
    from loop import replay as audit
    from loop.commands.whatif import Asked, what_if
    from loop.refitting import Refits

    asked = Asked(
        optimizer, channels, early, seeds, first_seed, trials, unrecorded, assembly_hours,
        test_hours, faults, workers,
    )  # fmt: skip
    if not verify:
        if head is not None:
            raise BadInput("--head: belongs to --verify")
        if refit:
            raise BadInput("--refit: belongs to --verify")
        what_if(store, campaign_id, asked, as_json=as_json)
        return
    if asked.given:
        raise BadInput(f"--verify: goes without {', '.join(asked.given)}, which ask what if")
    if head is not None and not re.fullmatch("[0-9a-f]{64}", head):
        raise BadInput(f"--head {head}: 64 hexadecimal digits are needed, as a report prints them")
    with reading(store) as opened, meter("verifying", "events") as progress, as_bad_input():
        refits = Refits() if refit else None
        verdict = audit.verify(opened, campaign_id, head, progress, refits)
    if as_json:
        emit_json(_told(verdict))
    elif verdict.ok or verdict.proposals:  # of a store that was changed nothing was derived
        emit(_sentence(verdict))
    for difference in verdict.differences:
        note(f"leyden: other versions: {difference}")
    if verdict.first_divergence is not None:
        raise Failed(f"{campaign_id} diverges at {verdict.first_divergence}")
    if verdict.not_refitted:
        raise Failed(f"{campaign_id}: not fitted again: {'; '.join(verdict.not_refitted)}")


def _told(verdict: Verdict) -> dict[str, Any]:
    from dataclasses import asdict

    first = verdict.first_divergence
    return {
        "campaign": verdict.campaign,
        "proposals": verdict.proposals,
        "identical": verdict.identical,
        "first_divergence": None if first is None else asdict(first),
        "predictions": verdict.predictions,
        "recommendations": verdict.recommendations,
        "differences": list(verdict.differences),
        "models": verdict.models,
        "refitted": verdict.refitted,
        "not_refitted": list(verdict.not_refitted),
    }


def _sentence(verdict: Verdict) -> str:
    text = f"{verdict.campaign}: {verdict.identical} of {verdict.proposals} proposals identical"
    if verdict.predictions:
        text += f", {verdict.predictions} predictions"
    text += f", {verdict.recommendations} recommendations derived again"
    if verdict.refitted or verdict.not_refitted:
        text += f", {verdict.refitted} of {verdict.models} models fitted again"
    return text
