"""Options of the simulated coating line, as a campaign file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from instruments.bounds import within
from instruments.coater.faults import FaultKind, FaultPlan
from instruments.forced_faults import forced


@dataclass(frozen=True)
class FaultShares:
    """How often each fault strikes a coating: probabilities, which add up to 1 at most."""

    agglomerates: float = 0.0
    streaks: float = 0.0
    cracks: float = 0.0
    delamination: float = 0.0
    web_break: float = 0.0

    def __post_init__(self) -> None:
        self.plan()

    def plan(
        self, forced: Mapping[int, tuple[FaultKind, int | None]] = MappingProxyType({})
    ) -> FaultPlan:
        """These shares, and trials that are struck for certain."""
        shares = {kind: float(getattr(self, kind.value)) for kind in FaultKind}
        return FaultPlan(shares, forced)


@dataclass(frozen=True)
class CoaterOptions:
    """Options of ``[instrument] kind = "coater.simulated"``.

    channels:        lines side by side
    c_rate_per_h:    rate at which the capacity is measured; 1 = full in one hour, nominally
    batch, noise:    factors on the spread between batches, and on that between coatings and places
    jobs_per_batch:  coatings, by trial number, that are made from one batch of slurry
    positions:       places across the web that are measured
    wear_um_per_job: by how much each coating widens the gap
    reset_every:     coatings after which the bar is set anew; 0 = never
    faults:          probability of each fault
    force_faults:    trial number -> fault, or "fault:N" to strike its attempt N alone

    Raises ValueError (option first) for a value out of range.
    """

    channels: int = 1
    c_rate_per_h: float = 1.0
    batch: float = 1.0
    noise: float = 1.0
    jobs_per_batch: int = 4
    positions: int = 5
    wear_um_per_job: float = 0.05
    reset_every: int = 40
    faults: FaultShares = FaultShares()
    force_faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        within("channels", self.channels, 1, 100_000)
        within("c_rate_per_h", self.c_rate_per_h, 0.01, 5.0)
        within("batch", self.batch, 0.0, 3.0)
        within("noise", self.noise, 0.0, 3.0)
        within("jobs_per_batch", self.jobs_per_batch, 1, 10_000)
        within("positions", self.positions, 2, 100)
        within("wear_um_per_job", self.wear_um_per_job, 0.0, 1.0)
        within("reset_every", self.reset_every, 0, 10_000)
        forced(self.force_faults, FaultKind)

    @property
    def fault_plan(self) -> FaultPlan:
        """The faults as drawn from a job's seed."""
        return self.faults.plan(forced(self.force_faults, FaultKind))
