"""Early stops of a campaign: where tests were looked at, what was decided, what that spared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from loop.correcting import Correction
from loop.events import Decided, Event
from loop.state import CampaignState

STOP = "stop"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint: how many tests were looked at there, and how many were stopped; channel-hours
    spared by that up to the last checkpoint, and up to the predicted ends."""

    at_cycle: int
    looked: int
    stopped: int
    saves_hours: float
    saves_hours_to_end: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """One decision that weighed going on against a fresh test."""

    trial: int
    at_cycle: int
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stops:
    """What a campaign that weighs its stops decided; `weighed` in the order of the journal."""

    checkpoints: tuple[Checkpoint, ...]
    weighed: tuple[Weighed, ...]

    @classmethod
    def of(cls, events: Iterable[Event]) -> Stops | None:
        """None where nothing was weighed: tests end at one cycle, or not early at all."""
        found = [e.body for e in events if isinstance(e.body, Decided)]
        told = [body for body in found if "saves_hours" in body.weighed]
        if not told:
            return None
        cycles = sorted({int(body.weighed["at_cycle"]) for body in told})
        return cls(
            tuple(_checkpoint(cycle, told) for cycle in cycles),
            tuple(
                Weighed(body.trial, int(body.weighed["at_cycle"]), body.action, body.reason)
                for body in told
            ),
        )

    @property
    def stopped(self) -> int:
        return sum(one.stopped for one in self.checkpoints)

    @property
    def saves_hours(self) -> float:
        return math.fsum(one.saves_hours for one in self.checkpoints)

    @property
    def saves_hours_to_end(self) -> float:
        return math.fsum(one.saves_hours_to_end for one in self.checkpoints)

    @property
    def line(self) -> str:
        """`24 tests stopped early: 10 at cycle 20, 14 at 25; spared …`."""
        places = [f"{one.stopped} at {one.at_cycle}" for one in self.checkpoints if one.stopped]
        last = self.checkpoints[-1].at_cycle
        where = f": {', '.join(places)} cycles" if places else ""
        return (
            f"{self.stopped} tests early{where}; spared {self.saves_hours:,.0f} channel-hours up "
            f"to cycle {last} and {self.saves_hours_to_end:,.0f} up to their predicted ends"
        )

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "tests": self.stopped,
            "at_cycle": {str(one.at_cycle): one.stopped for one in self.checkpoints},
            "saves_hours": self.saves_hours,
            "saves_hours_to_end": self.saves_hours_to_end,
        }


@dataclass(frozen=True, slots=True)
class Bias:
    """What measured cells have shown of predictions at one checkpoint, in shares of the life."""

    at_cycle: int
    cells: int
    shift: float
    sd: float


def biases(state: CampaignState) -> tuple[Bias, ...]:
    """The bias at every checkpoint where a predicted cell was measured; none where predictions
    stand as they are made."""
    if state.bias_sd == 0.0:
        return ()
    metric = state.campaign.objectives[0].metric
    correction = Correction(state.history, metric, state.bias_sd)
    cells: Counter[int] = Counter()
    for trial in state.history.trials.values():
        if trial.number in correction.measured:
            cells.update(list(trial.predictions))
    return tuple(
        Bias(at, cells[at], math.expm1(correction.bias(at).shift), correction.bias(at).sd)
        for at in sorted(cells)
    )


def _checkpoint(cycle: int, told: list[Decided]) -> Checkpoint:
    here = [body for body in told if body.weighed["at_cycle"] == cycle]
    stops = [body for body in here if body.action == STOP]
    return Checkpoint(
        cycle,
        len(here),
        len(stops),
        math.fsum(body.weighed["saves_hours"] for body in stops),
        math.fsum(body.weighed["saves_hours_to_end"] for body in stops),
    )
