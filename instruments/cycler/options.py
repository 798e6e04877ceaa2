"""Options of the simulated cycler, as a campaign file gives them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from instruments.bounds import within
from instruments.cycler.faults import FaultKind, FaultPlan
from instruments.forced_faults import forced

_LONGEST = 20_000
_ZERO_C_IN_K = 273.15


@dataclass(frozen=True)
class FaultShares:
    """How often each fault strikes a job: probabilities, which add up to 1 at most."""

    early_death: float = 0.0
    channel_hang: float = 0.0
    data_gap: float = 0.0
    nan: float = 0.0

    def __post_init__(self) -> None:
        FaultPlan(self.early_death, self.channel_hang, self.data_gap, self.nan)


@dataclass(frozen=True)
class CyclerOptions:
    """Options of ``[instrument] kind = "cycler.simulated"``.

    channels:        cells cycled side by side
    hours_per_cycle: campaign time that one cycle takes
    ambient_c:       temperature of the chamber; 30 is what the model was calibrated at
    spread, noise:   factors on the cell-to-cell spread and on the measurement noise; 0 = none
    curves_to:       last cycle with a Q(V) curve (a later checkpoint moves it)
    max_cycles:      the test of a cell that lives longer is ended there
    faults:          probability of each fault
    force_faults:    trial number -> fault, or "fault:N" to strike its attempt N alone

    Raises ValueError (option first) for a value out of range.
    """

    channels: int = 8
    hours_per_cycle: float = 0.96
    ambient_c: float = 30.0
    spread: float = 1.0
    noise: float = 1.0
    curves_to: int = 100
    max_cycles: int = 3000
    faults: FaultShares = FaultShares()
    force_faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        within("channels", self.channels, 1, 100_000)
        within("hours_per_cycle", self.hours_per_cycle, 1e-3, 1e3)
        within("ambient_c", self.ambient_c, 10.0, 50.0)
        within("spread", self.spread, 0.0, 3.0)
        within("noise", self.noise, 0.0, 3.0)
        within("curves_to", self.curves_to, 0, _LONGEST)
        within("max_cycles", self.max_cycles, 1, _LONGEST)
        forced(self.force_faults, FaultKind)

    @property
    def ambient_k(self) -> float:
        """Chamber temperature in kelvin."""
        return self.ambient_c + _ZERO_C_IN_K

    @property
    def fault_plan(self) -> FaultPlan:
        """The faults as drawn from a job's seed."""
        shares = self.faults
        struck = forced(self.force_faults, FaultKind)
        return FaultPlan(
            shares.early_death, shares.channel_hang, shares.data_gap, shares.nan, struck
        )
