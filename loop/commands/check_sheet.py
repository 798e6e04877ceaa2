"""What the check of a recommendation found, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loop.checking import Check, checks
from loop.commands.console import table
from loop.summary import number, unit_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from loop.state import CampaignState

MOST = 12  # settings listed; those that agree may be left out


def check_sheet(state: CampaignState) -> list[RenderableType]:
    """The recommended setting believed and measured, then what differs, and how many agree."""
    found, spec = checks(state), state.campaign.recommend.check
    if not found or spec is None:
        return []
    shown = [found[0], *(check for check in found[1:] if not check.agrees)][:MOST]
    rows = [row for check in shown for row in _rows(check, first=check is found[0])]
    columns = ("setting", "objective", ">believed", ">measured", "unit", ">difference", "")
    share = f"{sum(check.agrees for check in found)} of {len(found)} settings"
    line = f"{share} agree within {100 * spec.tolerance:g} % of the value believed"
    return [table(f"Checked on {spec.kind}", columns, rows), line, ""]


def _rows(check: Check, *, first: bool) -> list[tuple[str, ...]]:
    name = "recommended" if first else f"front, trial {check.trial}"
    rows: list[tuple[str, ...]] = [
        (
            name,
            one.metric,
            number(one.predicted),
            number(one.measured),
            unit_of(one.unit).strip(),
            f"{one.difference:+.2%}",
            "agrees" if one.agrees else "DIFFERS",
        )
        for one in check.comparisons
    ]
    for constraint in check.broken:
        rows.append((name, constraint.metric, "", "", "", "", "BREAKS ITS BOUND"))
    return rows or [(name, check.reason or "not measured", "", "", "", "", "NOT MEASURED")]
