"""Campaign files: check one, publish their schema."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from loop.commands.console import AsJson, Sets, emit, emit_json, pairs


def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A campaign file or shipped name.")],
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Check a campaign file and tell all its mistakes at once."""
    from campaigns.problems import CampaignError
    from loop import launch

    try:
        campaign = launch.read(file, pairs(sets))
    except CampaignError as error:
        if as_json:
            emit_json({"campaign": file, "ok": False, "problems": list(error.problems)})
        raise
    if as_json:
        told = {"campaign": campaign.name, "ok": True, "problems": [], "digest": campaign.digest}
        emit_json(told)
    else:
        emit(_verdict(campaign))


def _verdict(campaign: Any) -> str:
    space = campaign.space
    size = f"{len(space.names)} parameters"
    if space.finite:
        size = f"{len(space.candidates)} candidates"
    goals = ", ".join(f"{goal.goal} {goal.metric}" for goal in campaign.objectives)
    return (
        f"{campaign.name} is sound: {size}, {goals}, by {campaign.optimizer.kind} "
        f"on {campaign.instrument.kind} ({campaign.instrument.channels} channels)"
    )


def schema() -> None:
    """Print the JSON Schema of campaign files, for editors."""
    from campaigns.campaign import schema as made

    emit(json.dumps(made(), indent=2, ensure_ascii=False))
