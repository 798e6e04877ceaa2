"""Campaign files and cycling protocols: check one; publish the schema of campaign files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from loop.commands.console import AsJson, BadInput, Sets, emit, emit_json, pairs


def check(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A campaign file or shipped name, or a cycling protocol (.json)."
        ),
    ],
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Check a campaign file, or a cycling protocol, and tell all its mistakes at once."""
    from campaigns.problems import CampaignError
    from loop import launch

    if file.endswith(".json"):
        _check_protocol(file, as_json)
        return
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


def _check_protocol(file: str, as_json: bool) -> None:
    """Every step against the protocol's own safety block. Raises BadInput, a line a violation."""
    from instruments.cycler.protocol_safety import problems

    lines = [f"{file}: {one.setting}: {one.reason}" for one in problems(_protocol(file))]
    if as_json:
        emit_json({"protocol": file, "ok": not lines, "problems": lines})
    if lines:
        raise BadInput("\n".join(lines))
    if not as_json:
        emit("ok")


def _protocol(file: str) -> dict[str, Any]:
    try:
        read = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise BadInput(f"{file}: is no cycling protocol; a table with safety and method is needed")
    return read


def _verdict(campaign: Any) -> str:
    from campaigns.steps import in_words

    space = campaign.space
    size = f"{len(space.names)} parameters"
    if space.finite:
        size = f"{len(space.candidates)} candidates"
    goals = ", ".join(f"{goal.goal} {goal.metric}" for goal in campaign.objectives)
    return (
        f"{campaign.name} is sound: {size}, {goals}, by {campaign.optimizer.kind} "
        f"on {in_words(campaign.instruments)}"
    )


def schema() -> None:
    """Print the JSON Schema of campaign files, for editors."""
    from campaigns.campaign import schema as made

    emit(json.dumps(made(), indent=2, ensure_ascii=False))
