"""Repeats of winners: when enough of them have been repeated, and which of those is best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from campaigns.campaign import Campaign
from campaigns.records import Estimate, Outcome, Purpose, Recommendation
from loop.history import History, Key
from loop.state import goodness

if TYPE_CHECKING:
    from campaigns.records import Trial

# Every repeat teaches the model, whose best point moves a little; without an end the next winner
# would always be one that has not been repeated yet.
MOST_WINNERS = 5


def winners(history: History) -> dict[Key, list[Trial]]:
    """The settings that were repeated as winners, in order, with their repeats."""
    found: dict[Key, list[Trial]] = {}
    for trial in history.trials.values():
        if trial.purpose is Purpose.CONFIRM:
            found.setdefault(history.key(trial.parameters), []).append(trial)
    return found


def best_repeated(campaign: Campaign, history: History) -> Recommendation | None:
    """Once `MOST_WINNERS` settings were repeated, the one with the best mean over its repeats.

    None before that, while repeats are under way, for several objectives, and where no repeat gave
    an outcome. The interval is Student's, from the scatter of the repeats; a single repeat has that
    of its own standard error.
    """
    if campaign.recommend.confirm == 0:
        return None
    repeated = winners(history)
    if len(repeated) < MOST_WINNERS or len(campaign.objectives) != 1:
        return None
    if any(not trial.state.terminal for trials in repeated.values() for trial in trials):
        return None
    objective = campaign.objectives[0]
    told: dict[Key, list[Outcome]] = {}
    for trial, outcome in history.outcomes(objective.metric):
        if trial.purpose is Purpose.CONFIRM:
            told.setdefault(history.key(trial.parameters), []).append(outcome)
    means = {key: math.fsum(one.mean for one in found) / len(found) for key, found in told.items()}
    if not means:
        return None
    best = max(means, key=lambda key: goodness(objective, means[key]))
    half = _half_width(told[best], campaign.recommend.level)
    estimate = Estimate(
        means[best], means[best] - half, means[best] + half, campaign.recommend.level,
        objective.unit,
    )  # fmt: skip
    last = repeated[best][-1]
    return Recommendation(dict(last.parameters), {objective.metric: estimate}, trial=last.number)


def _half_width(found: list[Outcome], level: float) -> float:
    from scipy.stats import norm, t

    n = len(found)
    if n == 1:
        return float(norm.ppf(0.5 + level / 2.0)) * (found[0].sem or 0.0)
    mean = math.fsum(one.mean for one in found) / n
    spread = math.fsum((one.mean - mean) ** 2 for one in found) / (n - 1)
    return float(t.ppf(0.5 + level / 2.0, n - 1)) * math.sqrt(spread / n)
