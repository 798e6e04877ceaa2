"""Stopping a trial where a channel-hour is worth more on a fresh one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaigns.records import Prediction, Trial
from loop.stopping import Decision, Outlook, Stage, sparing

if TYPE_CHECKING:
    import numpy as np

    from campaigns.campaign import Campaign
    from loop.history import History

# A prediction worse than this says little of a life, however it is weighed: cells stopped on it
# would look alike, the poor ones better than they are. So would those of a model whose error is
# more than this share of what lives differ by (0.7: half of their variance explained).
MOST_LOG_SD = 0.25
MOST_SHARE = 0.7
# Even what seems hopeless is worth a little: predictions can be wrong. It also keeps a decision
# from resting on the far tail of a normal distribution.
LEAST_PROMISE = 0.05
# Standard deviation of the natural log of life among cells of one setting until the campaign's own
# outcomes tell: nine protocols of Attia et al. (2020) scattered by 0.09 to 0.19.
SPREAD_UNKNOWN = 0.12
SPREAD_WORTH_SETTINGS = 20.0  # so many settings weigh as much as that: few tell a scatter badly
FEWEST_SETTINGS = 5  # below that nobody knows yet what is good


@dataclass(frozen=True, slots=True)
class PerChannelHour:
    """Weigh what the next cycles of a trial tell against what they tell of a fresh one.

    What a test stopped at cycle c says of the mean life of its setting is worth
    i(c) = 1 / (v(c) + s^2), where v(c) is the variance of what the first c cycles say of the cell's
    life (`Stage.log_variance`) and s the scatter of cells of one setting. A fresh test earns
    i(c) / c a cycle at its best checkpoint. Going on earns (i(c') - i(c)) / (c' - c) for the best
    checkpoint c' still ahead, times the promise of the setting: the probability, doubled, that it
    is better than the best one known. So a poor setting is stopped as soon as it is known to be
    poor, and a contender is looked at until looking longer teaches less than another cell.
    """

    name: str = "per_channel_hour"

    def decide(
        self,
        campaign: Campaign,
        history: History,
        trial: Trial,
        prediction: Prediction,
        outlook: Outlook,
        rng: np.random.Generator,
    ) -> Decision:
        weighed, spared = sparing(campaign, trial, prediction, rng)
        here = next(s for s in outlook.stages if s.at_cycle == prediction.at_cycle)
        ahead = outlook.ahead(prediction.at_cycle)
        weighed |= _savings(prediction, outlook)
        if spared:
            return Decision(False, spared, weighed)
        most = min(MOST_LOG_SD, MOST_SHARE * here.life_log_sd) if ahead else MOST_LOG_SD
        if here.log_sd > most:
            reason = f"predictions at cycle {here.at_cycle} are off by {here.log_sd:.0%}"
            return Decision(False, reason, weighed)
        if not ahead:
            reason = f"cycle {prediction.at_cycle} is the last checkpoint"
            return Decision(True, reason, weighed)
        standing = Standing.of(campaign, history, trial, prediction)
        rates = _rates(outlook.stages, here, standing.spread)
        weighed |= {
            "promise": standing.promise,
            "best": standing.best,
            "spread": standing.spread,
            "going_on": rates[0],
            "fresh": rates[1],
            "next": rates[2],
        }
        return _verdict(standing.promise * rates[0], rates[1], rates[2], weighed)


@dataclass(frozen=True, slots=True)
class Standing:
    """How promising a trial's setting is.

    promise: 0 to 1, see `PerChannelHour`; best: the best mean outcome known, in the campaign's
    unit; spread: standard deviation of ln life among cells of one setting
    """

    promise: float
    best: float
    spread: float

    @classmethod
    def of(
        cls, campaign: Campaign, history: History, trial: Trial, prediction: Prediction
    ) -> Standing:
        """By a Gaussian process over the outcomes so far, this one included.

        Where the campaign wants several things at once, or a target met, life alone does not tell
        what is promising: everything is.
        """
        from loop.optimizers.standing import standing

        objective = campaign.objectives[0]
        plain = len(campaign.objectives) == 1 and objective.point is None
        found = standing(campaign, history, trial, prediction) if plain else None
        if found is None or found.settings < FEWEST_SETTINGS:
            return cls(1.0, prediction.mean, SPREAD_UNKNOWN)
        above = 0.5 * math.erfc(found.behind / math.sqrt(2.0))
        promise = max(LEAST_PROMISE, min(1.0, 2.0 * above))
        return cls(promise, found.best, _spread(found.spread, found.best, found.settings))


def _spread(seen: float, best: float, settings: int) -> float:
    """Scatter of ln life among cells of one setting: as seen, and as usual while little is seen."""
    if not best:
        return SPREAD_UNKNOWN
    seen_squares = settings * (seen / best) ** 2
    total = SPREAD_WORTH_SETTINGS * SPREAD_UNKNOWN**2 + seen_squares
    return math.sqrt(total / (SPREAD_WORTH_SETTINGS + settings))


def _savings(prediction: Prediction, outlook: Outlook) -> dict[str, Any]:
    """Channel-hours that a stop here spares: up to the last checkpoint, and up to the end."""
    at, hours = prediction.at_cycle, outlook.hours_per_cycle
    return {
        "at_cycle": at,
        "saves_hours": hours * (outlook.stages[-1].at_cycle - at),
        "saves_hours_to_end": hours * max(0.0, prediction.mean - at),
    }


def _worth(stage: Stage, spread: float) -> float:
    """What a test stopped there says of its setting: one over a variance of ln life."""
    return 1.0 / (stage.log_variance + spread * spread)


def _rates(stages: tuple[Stage, ...], here: Stage, spread: float) -> tuple[float, float, int]:
    """What a cycle earns on this test, and on a fresh one; the checkpoint to go on to."""
    now = _worth(here, spread)
    fresh = max(_worth(stage, spread) / stage.at_cycle for stage in stages)
    going_on, to = max(
        ((_worth(stage, spread) - now) / (stage.at_cycle - here.at_cycle), -stage.at_cycle)
        for stage in stages
        if stage.at_cycle > here.at_cycle
    )
    return going_on, fresh, -to


def _verdict(going_on: float, fresh: float, to: int, weighed: dict[str, Any]) -> Decision:
    at, promise = weighed["at_cycle"], weighed["promise"]
    said = f"{going_on:.2f} a cycle by going on to cycle {to}, {fresh:.2f} on a fresh cell"
    reason = f"promise {promise:.2f} at cycle {at}: {said}"
    return Decision(going_on <= fresh, reason, weighed)
