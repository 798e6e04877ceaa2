"""Which stopper a campaign asks for."""

from __future__ import annotations

from campaigns.campaign import Campaign
from loop.early import ADAPTIVE
from loop.stopping import FixedHorizon, Stopper
from loop.stopping_adaptive import PerChannelHour


def stopper_of(campaign: Campaign) -> Stopper:
    """The rule by which running trials of the campaign are ended early."""
    spec = campaign.early_prediction
    adaptive = spec is not None and spec.at_cycle == ADAPTIVE
    return PerChannelHour() if adaptive else FixedHorizon()
