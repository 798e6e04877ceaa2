"""Opening the instruments that a campaign names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import cast

from campaigns.campaign import Campaign
from campaigns.problems import CampaignError
from campaigns.records import NOTHING
from campaigns.steps import Step
from instruments import registry as instruments
from instruments.base import Clock, Instrument
from instruments.board import Board, Hosted
from instruments.computing import Computed
from instruments.patience import Patient
from loop.state import CampaignState


def simulated(campaign: Campaign) -> bool:
    """Whether the campaign's clock may jump: only if every instrument's time may.

    Raises KeyError for an unknown kind.
    """
    kinds = [step.instrument.kind for step in campaign.instruments]
    return all(instruments.target(kind).simulated for kind in kinds)


def occupied(state: CampaignState) -> Mapping[str, int]:
    """How many attempts each step has under way."""
    return Counter(attempt.step for attempt in state.attempts.values())


def _called(campaign: Campaign, step: Step) -> str:
    """How messages name an instrument that is not `[instrument]`."""
    if not step.name:
        return ""
    if step in campaign.steps:
        return f"step {step.name}: "
    return f"fidelity {step.name}: " if step in campaign.fidelities else "recommend.check: "


@contextmanager
def opened(
    campaign: Campaign,
    clock: Clock,
    running: Mapping[str, int] = NOTHING,
    board: Board | None = None,
) -> Iterator[tuple[Instrument, ...]]:
    """All instruments of the campaign, in its order, open while the block lasts.

    running: attempts under way by step, for which there must be room whatever the campaign says.
    board: the work of robots, for instruments that hand their jobs to them.

    What is computed is computed where the campaign says. Workers are started, and clusters
    connected, with the first computation: to open an instrument costs nothing. Raises ValueError.
    """
    with ExitStack() as stack:
        yield tuple(
            _opened(campaign, step, clock, running.get(step.name, 0), board, stack)
            for step in campaign.instruments
        )


def _opened(
    campaign: Campaign,
    step: Step,
    clock: Clock,
    running: int,
    board: Board | None,
    stack: ExitStack,
) -> Instrument:
    spec = step.instrument
    options = {**spec.options, "channels": max(spec.channels, running)}
    try:
        instrument = instruments.open_instrument(spec.kind, options, clock, campaign.files)
    except CampaignError as error:
        raise error.within(_called(campaign, step)) from None
    except ValueError as error:
        raise ValueError(f"{_called(campaign, step)}{error}") from error
    if isinstance(instrument, Computed):
        from loop.execution import computer

        place = computer(campaign.execution)
        stack.callback(place.close)
        instrument.compute_with(place)
    if isinstance(instrument, Hosted) and board is not None:
        instrument.work_on(board)
    if not instrument.simulated:  # it is open already: all of the protocol but that
        instrument = cast("Instrument", Patient(instrument))
    stack.callback(instrument.close)
    return instrument
