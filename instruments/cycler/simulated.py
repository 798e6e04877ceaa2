"""The simulated cycler: cells of the degradation model in channels, on the campaign's clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self

from campaigns.options import build
from campaigns.records import NOTHING, Setting
from instruments.base import (
    Busy,
    Card,
    Clock,
    Found,
    Job,
    JobState,
    Problem,
    Progress,
    Receipt,
    Refused,
    Result,
    Scalar,
    SettingCard,
    Status,
)
from instruments.cycler.cathode import CATHODE_SETTINGS, Cathode
from instruments.cycler.cell import AVERAGE_CELL, CellParameters
from instruments.cycler.celltest import SETTINGS, CellTest, Ending, live
from instruments.cycler.charging import ChargeProtocol
from instruments.cycler.life import extend
from instruments.cycler.options import CyclerOptions
from instruments.cycler.truth import average_lives
from instruments.guard import outside, same_job

METRIC: Final = "cycle_life"
LOWEST_RATE_PER_H: Final = 0.1
HIGHEST_RATE_PER_H: Final = 10.0

# Cells of one protocol differ: pooled over the 224 protocols their lives scatter by 102 cycles
# about the average cell's (benchmarks/cycler_calibration.py), in proportion to the spread. A life
# itself is counted in whole cycles.
LIFE_SD_CYCLES: Final = 102.0
COUNTING_SD_CYCLES: Final = 1.0


class SimulatedCycler:
    """Cycles simulated cells; lazily, and all channels together, which changes no bit of any."""

    simulated: ClassVar[bool] = True

    def __init__(self, options: CyclerOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._cell = CellParameters()
        self._tests: dict[str, CellTest] = {}
        self._live: dict[str, CellTest] = {}  # a few more than run now: pruned when it matters
        self._truths: dict[tuple[tuple[float, ...], Cathode], float] = {}

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: option, what is wrong, what is allowed."""
        return cls(build(CyclerOptions, options, "instrument.options"), clock)

    def describe(self) -> Card:
        limits = (LOWEST_RATE_PER_H, HIGHEST_RATE_PER_H)
        return Card(
            kind="cycler.simulated",
            settings=(
                *(SettingCard(name, "1/h", *limits) for name in SETTINGS),
                *CATHODE_SETTINGS,
            ),
            metrics={METRIC: "1"},
            channels=self._options.channels,
            series=True,
            repeatable=True,
            abortable=True,
            simulated=True,
        )

    def check(self, job: Job) -> list[Problem]:
        return outside(self.describe(), job.parameters)

    def submit(self, job: Job) -> Receipt:
        if job.key not in self._tests:
            problems = self.check(job)
            if problems:
                raise Refused("; ".join(f"{p.setting} {p.reason}" for p in problems))
            if len(self._running()) >= self._options.channels:
                raise Busy(f"all {self._options.channels} channels are taken")
            test = CellTest.of(job, self._options, self._cell)
            self._tests[job.key] = self._live[job.key] = test
        same_job(self._tests[job.key].job, job)
        return Receipt(job.key, job.key)

    def poll(self, key: str) -> Progress:
        test, now = self._tests[key], self._clock.now()
        if test.aborted_at is not None:
            cycle, over = self._cycle(test, test.aborted_at), test.aborted_at
            hours = (over - test.job.started_at) / timedelta(hours=1)
            return Progress(JobState.ABORTED, cycle, None, hours, over, run_id=key)
        ending = self._look_ahead(test, now)
        if ending is None:
            cycle = test.cycle_at(now)
            return Progress(
                JobState.RUNNING,
                cycle,
                test.moment(test.goal(cycle)),
                self._hours(test, now),
                run_id=key,
            )
        over = test.moment(ending.cycle, ending.noticed_h)
        hours = self._options.hours_per_cycle * ending.cycle + ending.noticed_h
        if over <= now:
            return Progress(ending.state, ending.cycle, None, hours, over, run_id=key)
        cycle = min(test.cycle_at(now), ending.cycle)
        due = test.goal(cycle)
        ask_at = test.moment(due) if due < ending.cycle else over
        return Progress(JobState.RUNNING, cycle, ask_at, self._hours(test, now), run_id=key)

    def fetch(self, key: str, since: int = 0) -> Result:
        progress, test = self.poll(key), self._tests[key]
        series = test.series(since, progress.cycle)
        if progress.state in (JobState.RUNNING, JobState.ABORTED):
            return Result(progress.state, series=series)
        ending = test.ending()
        if ending is None:
            raise RuntimeError(f"{key}: a test that is over has no ending")
        if ending.state is JobState.FINISHED:
            return Result(ending.state, {METRIC: self._life_of(ending.cycle)}, series)
        known = {} if not ending.at_least else {METRIC: self._life_of(ending.at_least)}
        return Result(ending.state, NOTHING, series, ending.failure, ending.reason, at_least=known)

    def abort(self, key: str, reason: str) -> Status:
        test = self._tests[key]
        if self.poll(key).state is JobState.RUNNING:
            test.aborted_at = self._clock.now()
        return Status(self.poll(key).state, safe=True)

    def find(self, key: str, since: datetime | None = None) -> Found:
        if key not in self._tests:
            return Found.NEVER
        running = self.poll(key).state is JobState.RUNNING
        return Found.RUNNING if running else Found.FINISHED

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """Life of the average cell without noise or faults, at most ``max_cycles``."""
        asked = [_asked(setting) for setting in settings]
        unknown = [one for one in dict.fromkeys(asked) if one not in self._truths]
        if unknown:
            lives = average_lives(
                [ChargeProtocol.four_step(rates) for rates, _ in unknown],
                self._cell,
                self._options.ambient_k,
                self._options.max_cycles,
                [cathode.applied(AVERAGE_CELL) for _, cathode in unknown],
            )
            self._truths.update(zip(unknown, lives.tolist(), strict=True))
        return [{METRIC: self._truths[one]} for one in asked]

    def close(self) -> None:
        """Nothing to let go of."""

    def _running(self) -> list[CellTest]:
        """Tests that hold a channel now; forgets those that are over."""
        now = self._clock.now()
        for test in self._live.values():
            if test.ending() is None and test.aborted_at is None:
                self._reach(test, test.cycle_at(now), now)
        self._live = {test.job.key: test for test in live(list(self._live.values()), now)}
        return list(self._live.values())

    def _look_ahead(self, test: CellTest, now: datetime) -> Ending | None:
        """Simulate to the next thing that can happen; its ending where that is now known."""
        if test.ending() is None:
            self._reach(test, test.goal(test.cycle_at(now)), now)
        return test.ending()

    def _reach(self, test: CellTest, cycle: int, now: datetime) -> None:
        """Simulate a test so far, and with it every other that will soon have to get there."""
        if test.life.cycles >= cycle:
            return
        others = [one for one in live(list(self._live.values()), now) if one is not test]
        goals = [one.goal(one.cycle_at(now)) for one in others]
        extend([test.life, *(one.life for one in others)], [cycle, *goals])

    def _cycle(self, test: CellTest, moment: datetime) -> int:
        ending = test.ending()
        cycle = test.cycle_at(moment)
        return cycle if ending is None else min(cycle, ending.cycle)

    def _hours(self, test: CellTest, now: datetime) -> float:
        return (now - test.job.started_at) / timedelta(hours=1)

    def _life_of(self, cycle: int) -> Scalar:
        spread = LIFE_SD_CYCLES * self._options.spread
        return Scalar(float(cycle), "1", (spread**2 + COUNTING_SD_CYCLES**2) ** 0.5)


def _asked(setting: Setting) -> tuple[tuple[float, ...], Cathode]:
    """The charging rates and the cathode of a setting."""
    return tuple(float(setting[name]) for name in SETTINGS), Cathode.of(setting)
