"""Options of the simulated cycler, as a campaign file gives them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from instruments.cycler.faults import FaultKind, FaultPlan

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
        _within("channels", self.channels, 1, 100_000)
        _within("hours_per_cycle", self.hours_per_cycle, 1e-3, 1e3)
        _within("ambient_c", self.ambient_c, 10.0, 50.0)
        _within("spread", self.spread, 0.0, 3.0)
        _within("noise", self.noise, 0.0, 3.0)
        _within("curves_to", self.curves_to, 0, _LONGEST)
        _within("max_cycles", self.max_cycles, 1, _LONGEST)
        for trial, fault in self.force_faults.items():
            _forced(trial, fault)

    @property
    def ambient_k(self) -> float:
        """Chamber temperature in kelvin."""
        return self.ambient_c + _ZERO_C_IN_K

    @property
    def fault_plan(self) -> FaultPlan:
        """The faults as drawn from a job's seed."""
        shares = self.faults
        forced = dict(_forced(trial, fault) for trial, fault in self.force_faults.items())
        return FaultPlan(
            shares.early_death, shares.channel_hang, shares.data_gap, shares.nan, forced
        )


def _within(option: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{option}: {value!r} is not allowed; {low:g} to {high:g} is")


def _forced(trial: str, fault: str) -> tuple[int, tuple[FaultKind, int | None]]:
    """Trial number, fault and attempt of one entry of ``force_faults``."""
    kind, colon, attempt = fault.partition(":")
    kinds = [one.value for one in FaultKind]
    if not trial.isdecimal() or kind not in kinds or (colon and not attempt.isdecimal()):
        raise ValueError(
            f"force_faults: {trial} = {fault!r} is not allowed; a trial number = one of "
            f'{", ".join(kinds)}, with ":N" behind it for attempt N alone, is'
        )
    return int(trial), (FaultKind(kind), int(attempt) if colon else None)
