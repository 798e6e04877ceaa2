"""Opening the instrument that a campaign names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from campaigns.campaign import Campaign
from instruments import registry as instruments
from instruments.base import Clock, Instrument


def simulated(campaign: Campaign) -> bool:
    """Whether the campaign's clock may jump. Raises KeyError for an unknown kind."""
    return bool(instruments.target(campaign.instrument.kind).simulated)


@contextmanager
def opened(campaign: Campaign, clock: Clock, running: int = 0) -> Iterator[Instrument]:
    """The campaign's instrument, open while the block lasts, with room for what runs already."""
    spec = campaign.instrument
    options = {**spec.options, "channels": max(spec.channels, running)}
    instrument = instruments.open_instrument(spec.kind, options, clock, campaign.files)
    try:
        yield instrument
    finally:
        instrument.close()
