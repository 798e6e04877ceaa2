"""Opening the instrument that a campaign names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from campaigns.campaign import Campaign
from instruments import registry as instruments
from instruments.base import Clock, Instrument
from instruments.computing import Computed


def simulated(campaign: Campaign) -> bool:
    """Whether the campaign's clock may jump. Raises KeyError for an unknown kind."""
    return bool(instruments.target(campaign.instrument.kind).simulated)


@contextmanager
def opened(campaign: Campaign, clock: Clock, running: int = 0) -> Iterator[Instrument]:
    """The campaign's instrument, open while the block lasts, with room for what runs already.

    What it computes is computed where the campaign says. Workers are started, and clusters
    connected, with the first computation: to open an instrument costs nothing.
    """
    spec = campaign.instrument
    options = {**spec.options, "channels": max(spec.channels, running)}
    with ExitStack() as stack:
        instrument = instruments.open_instrument(spec.kind, options, clock, campaign.files)
        if isinstance(instrument, Computed):
            from loop.execution import computer

            place = computer(campaign.execution)
            stack.callback(place.close)
            instrument.compute_with(place)
        stack.callback(instrument.close)
        yield instrument
