"""Whether a campaign may still start trials, and why not."""

from __future__ import annotations

import math
from datetime import datetime

from loop.state import CampaignState

FRUITLESS = 20  # trials in a row without an outcome before a campaign gives up
ROUNDING = 1e-9  # costs are summed up: ten tenths are one
STANDING = 1000  # calls of the optimiser at one instant before a campaign gives up


def spent(state: CampaignState, now: datetime, wall_minutes: float) -> str:
    """The first limit reached, in words; "" while new trials may be started."""
    budget = state.campaign.budget
    if budget.trials is not None and state.asked >= budget.trials:
        return f"budget.trials = {budget.trials:g} reached"
    if budget.cost is not None and state.outlay > budget.cost - 1.0 + ROUNDING:
        return f"budget.cost = {budget.cost:g} reached"
    if budget.rounds is not None and state.rounds >= budget.rounds:
        return f"budget.rounds = {budget.rounds:g} reached"
    if budget.instrument_hours is not None and hours(state, now) >= budget.instrument_hours:
        return f"budget.instrument_hours = {budget.instrument_hours:g} reached"
    if overdue(state, now):
        return f"budget.lab_days = {budget.lab_days:g} reached"
    if budget.wall_minutes is not None and wall_minutes >= budget.wall_minutes:
        return f"budget.wall_minutes = {budget.wall_minutes:g} reached"
    if budget.stall is not None and state.stall.since >= budget.stall:
        return f"budget.stall: no better value in {budget.stall:g} trials"
    return ""


def room(state: CampaignState) -> int:
    """How many trials may be asked for in one go: free channels, within budget.trials and, even if
    each were one of the instrument, budget.cost."""
    n, budget = state.room, state.campaign.budget
    if budget.trials is not None:
        n = min(n, int(budget.trials) - state.asked)
    if budget.cost is not None:
        n = min(n, math.floor(budget.cost - state.outlay + ROUNDING))
    return max(0, n)


def hours(state: CampaignState, now: datetime) -> float:
    """Instrument-hours used by ended attempts, and so far by running ones."""
    running = sum(
        (state.seconds(now) - attempt.since) / 3600.0
        for number, attempt in state.attempts.items()
        if number in state.history.trials
    )
    return state.cost.instrument_hours + max(0.0, running)


def overdue(state: CampaignState, now: datetime) -> bool:
    """True once the campaign has lasted budget.lab_days: what still runs is stopped then."""
    deadline = deadline_of(state)
    return deadline is not None and now >= deadline


def hopeless(state: CampaignState) -> str:
    """Why going on would only burn trials; "" while there is hope."""
    channels = sum(step.instrument.channels for step in state.campaign.instruments)
    limit = max(FRUITLESS, 3 * channels)
    if state.fruitless >= limit:
        return f"the last {state.fruitless} trials all ended without an outcome"
    if state.standing >= STANDING:
        return f"{state.standing} proposals without campaign time passing; give budget.trials"
    return ""


def deadline_of(state: CampaignState) -> datetime | None:
    """The moment budget.lab_days ends, once the first trial has started."""
    days = state.campaign.budget.lab_days
    if days is None or state.cost.first_start is None:
        return None
    return state.moment(state.cost.first_start + days * 86400.0)
