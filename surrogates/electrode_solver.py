"""Any computed instrument as the solver that samples for a surrogate come from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from instruments.base import Card, Job
from instruments.clock import SimulatedClock
from instruments.computed import ComputedInstrument
from instruments.computing import Task
from instruments.registry import open_instrument
from surrogates.electrode_relations import FORMULAS

_START = datetime(2000, 1, 1, tzinfo=UTC)  # of jobs that no clock ever runs


class InstrumentSolver:
    """Asks an instrument what it would compute, without submitting anything to it."""

    def __init__(self, kind: str, options: Mapping[str, Any]) -> None:
        """Raises ValueError for an option, or an instrument that computes nothing."""
        device = open_instrument(kind, dict(options), SimulatedClock())
        if not isinstance(device, ComputedInstrument):
            raise ValueError(f"{kind}: is no computed instrument")
        self._device = device

    @property
    def card(self) -> Card:
        return self._device.describe()

    @property
    def units(self) -> dict[str, str]:
        """Metric -> unit, of those a surrogate can learn."""
        return {name: unit for name, unit in self.card.metrics.items() if name in FORMULAS}

    def refusal(self, setting: Mapping[str, float]) -> str:
        """See `electrode_samples.Solver`."""
        return "; ".join(f"{p.setting} {p.reason}" for p in self._device.check(_job(setting)))

    def task(self, setting: Mapping[str, float]) -> Task:
        """See `electrode_samples.Solver`."""
        return self._device.task(_job(setting))


def _job(setting: Mapping[str, float]) -> Job:
    return Job("sample", dict(setting), (0, 0, 0), _START)
