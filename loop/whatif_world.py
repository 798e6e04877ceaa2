"""The recorded world as an instrument: it answers from a campaign's record, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from campaigns.records import NOTHING, Bound, Failure, Outcome, Setting
from campaigns.space import Space
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
    Result,
    Scalar,
    Series,
    SettingCard,
    Status,
)
from instruments.guard import same_job
from loop.whatif_early import Horizon
from loop.whatif_emulator import Emulator
from loop.whatif_record import Place, Record, Test, place_of

STREAM = 11  # of the job's generator: apart from what instruments draw


@dataclass(frozen=True)
class World:
    """What every run of a comparison shares.

    emulators:      by metric; none where only recorded settings may be asked for
    look_up:        recorded settings answer with their own tests; else the emulators answer all
    assembly_hours: how long a channel is held before each test begins
    faults:         whether attempts are lost at the recorded rate
    horizon:        how tests are ended early; None: they end as their record says
    """

    record: Record
    emulators: Mapping[str, Emulator]
    look_up: bool = True
    assembly_hours: float = 0.0
    faults: bool = True
    horizon: Horizon | None = None

    def recorded(self, place: Place) -> bool:
        """Whether the world answers a setting with what was found there."""
        return self.look_up and place in self.record.tests


@dataclass(frozen=True)
class Answer:
    """How one job will end.

    test: the recorded test that it repeats; None where the lab loses it or an emulator answers.
    """

    job: Job
    ends: datetime
    hours: float
    outcomes: Mapping[str, Outcome]
    emulated: Mapping[str, Scalar]
    failure: Failure | None
    test: Test | None = None
    aborted: datetime | None = None

    def reaches(self, cycle: int, assembly: timedelta) -> datetime | None:
        """When a cycle of the test is over; None where the test ends before."""
        test = self.test
        if test is None or not test.cycles or test.hours is None:
            return None
        lasts = test.life or float(test.cycles)
        if cycle >= lasts:
            return None
        share = timedelta(hours=test.hours * cycle / lasts)
        return self.job.started_at + assembly + share


class RecordedWorld:
    """Tests end as recorded ones of the same setting did, drawn with the job's seed; a setting that
    is not in the record is answered by the emulators, with noise as the record has it."""

    simulated: ClassVar[bool] = True

    def __init__(self, world: World, space: Space, channels: int, clock: Clock) -> None:
        self._world = world
        self._record = world.record
        self._space = space
        self._channels = channels
        self._clock = clock
        self._answers: dict[str, Answer] = {}
        self._live: set[str] = set()
        self._per_value = world.record.hours_per_value()
        self._usual = world.record.usual_hours

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Opened from values: `world`, `space` and `channels` among the options."""
        return cls(options["world"], options["space"], options["channels"], clock)

    def describe(self) -> Card:
        return Card(
            kind="recorded",
            settings=tuple(SettingCard(p.name, p.unit) for p in self._space.parameters),
            metrics=dict(self._record.units),
            channels=self._channels,
            series=self._world.horizon is not None,
            repeatable=True,
            abortable=True,
            simulated=True,
            open_settings=True,  # derived parameters come along
        )

    def check(self, job: Job) -> list[Problem]:
        missing = [name for name in self._space.names if name not in job.parameters]
        return [Problem(name, "is missing") for name in missing]

    def submit(self, job: Job) -> Receipt:
        if job.key not in self._answers:
            if len(self._running()) >= self._channels:
                raise Busy(f"all {self._channels} channels are taken")
            self._answers[job.key] = self._answer(job)
            self._live.add(job.key)
        same_job(self._answers[job.key].job, job)
        return Receipt(job.key, job.key)

    def poll(self, key: str) -> Progress:
        answer = self._answers[key]
        now, over = self._clock.now(), answer.aborted or answer.ends
        if answer.aborted is None and now < answer.ends:
            held = (now - answer.job.started_at) / timedelta(hours=1)
            cycle, ask_at = self._reached(answer)
            return Progress(JobState.RUNNING, cycle, ask_at or over, held, None, run_id=key)
        hours, state = answer.hours, JobState.FINISHED
        if answer.aborted is not None:
            hours, state = (over - answer.job.started_at) / timedelta(hours=1), JobState.ABORTED
        elif answer.failure is not None:
            state = JobState.FAILED
        return Progress(state, 0, None, hours, over, run_id=key)

    def fetch(self, key: str, since: int = 0) -> Result:
        state, answer = self.poll(key).state, self._answers[key]
        if state is JobState.FAILED and answer.failure is not None:
            failure = answer.failure
            bounds = {
                metric: _scalar(one)
                for metric, one in answer.outcomes.items()
                if one.bound is Bound.AT_LEAST
            }
            return Result(state, failure=failure.kind, reason=failure.reason, at_least=bounds)
        if state is not JobState.FINISHED:
            return Result(state, series=self._series(answer, since))
        told = {m: _scalar(one) for m, one in answer.outcomes.items() if one.bound is Bound.EXACT}
        return Result(state, scalars=told or answer.emulated)

    def abort(self, key: str, reason: str) -> Status:
        answer = self._answers[key]
        if answer.aborted is None and self._clock.now() < answer.ends:
            self._answers[key] = replace(answer, aborted=self._clock.now())
        return Status(self.poll(key).state, safe=True)

    def find(self, key: str, since: datetime | None = None) -> Found:
        if key not in self._answers:
            return Found.NEVER
        return Found.RUNNING if key in self._running() else Found.FINISHED

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """Nobody knows it: a record has estimates, see `whatif_judge.Judge`."""
        return None

    def close(self) -> None:
        """Nothing is held."""

    def repeats(self, key: str) -> int:
        """The recorded trial that a job repeats; 0 where it repeats none."""
        test = self._answers[key].test
        return 0 if test is None else test.trial

    def _reached(self, answer: Answer) -> tuple[int, datetime | None]:
        """The latest checkpoint that a running test has passed, and when it passes the next."""
        now, cycle = self._clock.now(), 0
        assembly = timedelta(hours=self._world.assembly_hours)
        for checkpoint in answer.job.checkpoints:
            moment = answer.reaches(checkpoint, assembly)
            if moment is None:
                break
            if moment > now:
                return cycle, moment
            cycle = checkpoint
        return cycle, None

    def _series(self, answer: Answer, since: int) -> Series | None:
        """That a checkpoint was passed. The curves stay in the record: what they say is known."""
        import numpy as np

        cycle, _ = self._reached(answer)
        if answer.aborted is not None or cycle <= since:
            return None
        return Series(
            cycles=np.array([cycle], dtype=np.int64),
            summary={"capacity_ah": np.zeros(1)},
            voltage=np.zeros(0),
            curves=np.zeros((0, 0), dtype=np.float32),
            curve_cycles=np.zeros(0, dtype=np.int64),
        )

    def _running(self) -> set[str]:
        now = self._clock.now()
        ones = ((key, self._answers[key]) for key in self._live)
        self._live = {key for key, a in ones if a.aborted is None and now < a.ends}
        return self._live

    def _answer(self, job: Job) -> Answer:
        """Drawn from the job alone: whether the lab loses it, else which recorded test it repeats,
        else what the emulators say."""
        import numpy as np

        rng = np.random.default_rng([*job.seed, STREAM])
        world, record = self._world, self._record
        lost, choice = rng.random(), rng.random()
        place = place_of(self._space, job.parameters)
        if world.faults and lost < record.fault_rate:
            fault = record.faults[int(choice * len(record.faults))]
            failure = Failure(fault.kind, fault.reason)
            return self._ended(job, fault.hours, NOTHING, NOTHING, failure)
        if world.recorded(place):
            tests = record.tests[place]
            test = tests[int(choice * len(tests))]
            ended = self._ended(job, self._hours(test), test.outcomes, NOTHING, test.failure)
            return replace(ended, test=test)
        emulated = self._emulated(job.parameters, rng)
        return self._ended(job, self._emulated_hours(emulated), NOTHING, emulated, None)

    def _ended(
        self,
        job: Job,
        hours: float,
        outcomes: Mapping[str, Outcome],
        emulated: Mapping[str, Scalar],
        failure: Failure | None,
    ) -> Answer:
        held = hours + self._world.assembly_hours
        ends = job.started_at + timedelta(hours=held)
        return Answer(job, ends, held, outcomes, emulated, failure)

    def _hours(self, test: Test) -> float:
        return self._usual if test.hours is None else test.hours

    def _emulated(self, setting: Setting, rng: Any) -> dict[str, Scalar]:
        found = {}
        for metric, emulator in self._world.emulators.items():
            mean, _ = emulator.at(self._space, [setting])
            value = float(mean[0]) + emulator.scatter_sd * float(rng.standard_normal())
            found[metric] = Scalar(value, self._record.units[metric], emulator.stated_sem)
        return found

    def _emulated_hours(self, emulated: Mapping[str, Scalar]) -> float:
        """As long as its value says where recorded tests did, else as long as they usually did."""
        if self._per_value is None:
            return self._usual
        return max(0.0, self._per_value * emulated[self._record.objective.metric].value)


def _scalar(outcome: Outcome) -> Scalar:
    return Scalar(outcome.mean, outcome.unit, outcome.sem)
