"""One job on the simulated cycler: its cell, its fault, how and when it ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from campaigns.records import FailureKind
from instruments.base import Job, JobState, Series
from instruments.cycler.cathode import Cathode
from instruments.cycler.cell import CellParameters, Spread
from instruments.cycler.charging import ChargeProtocol
from instruments.cycler.cohort import NO_LEAK_CYCLE, Specimen
from instruments.cycler.discharge import voltage_grid_v
from instruments.cycler.faults import Fault, FaultKind
from instruments.cycler.life import CellLife
from instruments.cycler.noise import Noise, Stream, stream
from instruments.cycler.options import CyclerOptions

SETTINGS: Final = ("cc1", "cc2", "cc3", "cc4")

# The first cycle of a cell is its formation check; recorded curves begin with the second.
FIRST_CURVE_CYCLE: Final = 2
HANG_NOTICED_H: Final = 12.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a test ends of itself: after which cycle, with what, and how much later it is noticed."""

    cycle: int
    state: JobState
    failure: FailureKind | None = None
    reason: str = ""
    noticed_h: float = 0.0
    at_least: int | None = None


@dataclass(slots=True, eq=False)
class CellTest:
    """A job in its channel. Everything but `aborted_at` follows from the job and the options."""

    job: Job
    options: CyclerOptions
    protocol: ChargeProtocol
    fault: Fault | None
    life: CellLife
    aborted_at: datetime | None = None

    @classmethod
    def of(cls, job: Job, options: CyclerOptions, cell: CellParameters) -> "CellTest":
        """Put a fresh cell, drawn from the job's seed, under the job's protocol."""
        seed = tuple(number % 2**64 for number in job.seed)  # seeds may not be negative
        _, trial, attempt = job.seed
        fault = options.fault_plan.draw(stream(seed, Stream.FAULT), trial, attempt)
        factors = Spread().scaled(options.spread).draw(stream(seed, Stream.CELL))
        factors = Cathode.of(job.parameters).applied(factors)
        protocol = ChargeProtocol.four_step([float(job.parameters[name]) for name in SETTINGS])
        leaks = fault is not None and fault.kind is FaultKind.EARLY_DEATH
        specimen = Specimen(
            protocol,
            factors,
            options.ambient_k,
            float(fault.cycle) if fault and leaks else NO_LEAK_CYCLE,
            fault.leak_ah if fault else 0.0,
        )
        life = CellLife(specimen, seed, Noise().scaled(options.noise), cell)
        return cls(job, options, protocol, fault, life)

    def moment(self, cycle: int, later_h: float = 0.0) -> datetime:
        """Campaign time at which a cycle is complete."""
        hours = self.options.hours_per_cycle * cycle + later_h
        return self.job.started_at + timedelta(hours=hours)

    def cycle_at(self, now: datetime) -> int:
        """Cycles a living cell has completed by then."""
        hours = (now - self.job.started_at) / timedelta(hours=1)
        cycle = max(0, round(hours / self.options.hours_per_cycle))
        return cycle if self.moment(cycle) <= now else max(0, cycle - 1)

    def ending(self) -> Ending | None:
        """How the test ends, None as long as its cell has not been simulated that far."""
        life, last = self.life.cycle_life, self.options.max_cycles
        hang = (
            self.fault.cycle if self.fault and self.fault.kind is FaultKind.CHANNEL_HANG else None
        )
        if life is not None and life <= min(last, hang or last):
            return self._death(life)
        if hang is not None and hang <= min(last, self.life.cycles):
            reason = f"the channel gave no more data after cycle {hang}"
            fault = FailureKind.CHANNEL_FAULT
            return Ending(hang, JobState.FAILED, fault, reason, HANG_NOTICED_H, at_least=hang)
        if self.life.cycles < last:
            return None
        reason = f"the cell still lives after max_cycles = {last}"
        return Ending(last, JobState.FAILED, FailureKind.OUT_OF_RANGE, reason, at_least=last)

    def _death(self, life: int) -> Ending:
        fault = self.fault
        if fault and fault.kind is FaultKind.EARLY_DEATH and life > fault.cycle:
            reason = f"internal short from cycle {fault.cycle} on, dead at cycle {life}"
            kind = FailureKind.EARLY_DEATH
            return Ending(life, JobState.FAILED, kind, reason, at_least=fault.cycle)
        if fault and fault.spoils(np.array([life]))[0]:
            reason = f"the end of life lies in cycles {fault.cycle} to {life}, which hold no data"
            kind = FailureKind.DATA_GAP
            return Ending(life, JobState.FAILED, kind, reason, at_least=fault.cycle - 1)
        return Ending(life, JobState.FINISHED)

    def goal(self, cycle: int) -> int:
        """The cycle to simulate to, and to be asked at, once ``cycle`` cycles are complete.

        That is the next checkpoint. Most tests are stopped at their last one, so the whole life is
        the goal only of a test that is seen to run on: one cycle later.
        """
        ahead = [one for one in self.job.checkpoints if one > cycle]
        end = self.options.max_cycles
        return min(ahead[0] if ahead else cycle + 1 if cycle in self.job.checkpoints else end, end)

    @property
    def last_curve(self) -> int:
        """The last cycle of which curves are kept."""
        return max(self.options.curves_to, *self.job.checkpoints, 0)

    def series(self, since: int, until: int) -> Series:
        """Measured data of the cycles after ``since`` up to ``until``, spoiled by the fault."""
        cycles = np.arange(since + 1, until + 1, dtype=np.int64)
        with_curve = cycles[(cycles >= FIRST_CURVE_CYCLE) & (cycles <= self.last_curve)]
        gap = self.fault if self.fault and self.fault.kind is FaultKind.DATA_GAP else None
        if gap is not None:
            cycles, with_curve = cycles[~gap.spoils(cycles)], with_curve[~gap.spoils(with_curve)]
        rows = cycles - 1
        summary = {
            "capacity_ah": self.life.capacity_ah[rows],
            "resistance_ohm": self.life.resistance_ohm[rows],
            "charge_temperature_k": self.life.temperature_k[rows],
            "charge_time_h": np.full(len(rows), self.protocol.charge_time_h),
        }
        curves = self._curves(with_curve)
        if self.fault and self.fault.kind is FaultKind.NAN:
            summary["capacity_ah"][self.fault.spoils(cycles)] = np.nan
            curves[self.fault.spoils(with_curve)] = np.nan
        return Series(cycles, summary, voltage_grid_v(), curves, with_curve)

    def _curves(self, cycles: NDArray[np.int64]) -> NDArray[np.float32]:
        if not len(cycles):
            return np.empty((0, len(voltage_grid_v())), dtype=np.float32)
        first, last = int(cycles[0]), int(cycles[-1])
        return self.life.curves(first, last)[cycles - first]


def live(tests: Sequence[CellTest], now: datetime) -> list[CellTest]:
    """Tests that are not known to be over."""
    return [test for test in tests if not _known_over(test, now)]


def _known_over(test: CellTest, now: datetime) -> bool:
    if test.aborted_at is not None:
        return True
    ending = test.ending()
    return ending is not None and test.moment(ending.cycle, ending.noticed_h) <= now
