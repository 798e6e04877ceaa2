"""The simulated coater as a machine: its states, its interlocks, its one job, its lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from campaigns.records import Setting, Value
from instruments.base import Card
from instruments.coater.server_memory import (
    ABORTED,
    COMPLETED,
    FAILED,
    STOPPED,
    Diary,
    JobMemory,
    JobRecord,
)
from instruments.coater.settings import METRICS, SETTINGS, Recipe, unsafe
from instruments.guard import outside

if TYPE_CHECKING:
    from instruments.coater.process import CoatingRun

PROGRAM: Final = "electrode-coating"
SEED: Final = "Seed"
Process = Callable[[Setting, tuple[int, int, int]], "CoatingRun"]

_GATE = Card("coater", SETTINGS, METRICS, 1, False, False, True, False)


class Phase(StrEnum):
    """States of a LADS functional unit."""

    STOPPED = "Stopped"
    RUNNING = "Running"
    STOPPING = "Stopping"
    ABORTING = "Aborting"
    ABORTED = "Aborted"
    CLEARING = "Clearing"


class Step(StrEnum):
    """States of a LADS running unit."""

    NONE = ""
    STARTING = "Starting"
    EXECUTE = "Execute"
    HELD = "Held"
    COMPLETE = "Complete"


class Denial(StrEnum):
    """Of what sort the reason is for which the machine does not do what it was told."""

    BUSY = "busy"
    STATE = "state"
    LIMITS = "limits"
    ARGUMENT = "argument"
    CONFLICT = "conflict"


class Denied(Exception):
    """The machine does not do what it was told."""

    def __init__(self, why: Denial, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass
class Interlocks:
    """The safety circuits: True is given. The network can only read them."""

    cover_closed: bool = True
    emergency_stop_released: bool = True

    def missing(self) -> list[str]:
        texts = {"the cover is open": self.cover_closed}
        texts["the emergency stop is pressed"] = self.emergency_stop_released
        return [text for text, given in texts.items() if not given]


class Machine:
    """One coater. `tick` lets time pass; everything else happens at the moment it is called.

    process:  what a setting and a seed give
    now:      the machine's clock
    speed:    process seconds in a second
    lease_s:  the engine's heartbeat must come at least so often, or the machine holds
    entropy:  for jobs that bring no seed
    """

    def __init__(
        self,
        process: Process,
        memory: JobMemory,
        diary: Diary,
        now: Callable[[], datetime],
        *,
        speed: float,
        lease_s: float,
        entropy: int,
    ) -> None:
        self.phase, self.step = Phase.STOPPED, Step.NONE
        self.memory = memory
        self.interlocks = Interlocks()
        self.message = ""
        self.lease_s = lease_s
        self.current: JobRecord | None = None
        self.done_s = 0.0  # process seconds of the current program
        self._run: CoatingRun | None = None
        self._process = process
        self._diary = diary
        self._now = now
        self._speed = speed
        self._rng = np.random.default_rng(entropy)
        self._boot = now()
        self._runs = 0
        self._beat_at = self._ticked_at = now()
        self._held_by_lease = False

    # reading ---------------------------------------------------------------------------------

    @property
    def stage(self) -> str:
        """The name of the stage under way: mixing, coating, drying, calendering."""
        if self._run is None or self.phase is not Phase.RUNNING:
            return ""
        passed = 0.0
        for stage in self._run.stages:
            passed += stage.seconds
            if self.done_s < passed:
                return str(stage.name)
        return str(self._run.stages[-1].name) if self._run.stages else ""

    @property
    def progress(self) -> float:
        """Share of the current program that is done, 0 to 1."""
        return 0.0 if self._run is None else min(1.0, self.done_s / self._run.seconds)

    @property
    def nominal_s(self) -> float:
        """Process seconds that the current program takes."""
        return 0.0 if self._run is None else self._run.seconds

    # what the network may ask ----------------------------------------------------------------

    def start(
        self,
        program: str,
        properties: Mapping[str, Value],
        job_id: str,
        task_id: str,
        samples: Sequence[str],
    ) -> str:
        """Begin a program; its run id, for the same job again the same. Raises Denied.

        The job is in the memory before anything moves: whatever happens then, it is known to have
        been begun.
        """
        known = self.memory.jobs.get(job_id)
        if known is not None:
            if dict(known.properties) != dict(properties) or known.samples != tuple(samples):
                raise Denied(Denial.CONFLICT, f"{job_id} was another job")
            return known.run_id
        self._admit(program, properties, job_id)
        parameters = {name: value for name, value in properties.items() if name != SEED}
        run = self._process(parameters, self._seed(properties))
        self._runs += 1
        run_id = f"{self._boot:%Y%m%d-%H%M%S-%f}-{self._runs}"
        job = JobRecord(job_id, run_id, task_id, tuple(samples), dict(properties), self._now())
        self.memory.put(job)
        self._diary.note("started", job)
        self.current, self._run, self.done_s = job, run, 0.0
        self.phase, self.step, self.message = Phase.RUNNING, Step.STARTING, ""
        self._ticked_at = self._beat_at = self._now()
        self._held_by_lease = False
        return run_id

    def _admit(self, program: str, properties: Mapping[str, Value], job_id: str) -> None:
        """Raises Denied for a job that this machine does not begin now, or ever."""
        if not job_id:
            raise Denied(Denial.ARGUMENT, "a SupervisoryJobId is needed")
        if program != PROGRAM:
            raise Denied(Denial.ARGUMENT, f"no program {program!r}; there is {PROGRAM}")
        parameters = {name: value for name, value in properties.items() if name != SEED}
        problems = outside(_GATE, parameters) or unsafe(Recipe.of(parameters))
        if problems:
            text = "; ".join(f"{problem.setting} {problem.reason}" for problem in problems)
            raise Denied(Denial.LIMITS, text)
        if self.phase is Phase.RUNNING:
            raise Denied(Denial.BUSY, "another program is running")
        if self.phase is not Phase.STOPPED:
            raise Denied(Denial.STATE, f"the machine is {self.phase}")
        if self.interlocks.missing():
            raise Denied(Denial.STATE, ", ".join(self.interlocks.missing()))

    def _seed(self, properties: Mapping[str, Value]) -> tuple[int, int, int]:
        """What the job draws from: its own seed where it brings one, else the machine's chance."""
        text = str(properties.get(SEED, ""))
        if not text:
            first, second, third = (int(part) for part in self._rng.integers(2**31, size=3))
            return first, second, third
        try:
            first, second, third = (int(part) for part in text.split(","))
        except ValueError as error:
            raise Denied(Denial.ARGUMENT, f"{SEED} {text!r} is not three integers") from error
        return first, second, third

    def abort(self) -> None:
        """To a safe state at once; the job is over."""
        if self.phase in (Phase.RUNNING, Phase.STOPPED, Phase.STOPPING):
            self._end(ABORTED, reason="aborted over the network")
            self.phase, self.step = Phase.ABORTING, Step.NONE

    def stop(self) -> None:
        """End the program in good order; the job is over without a measurement."""
        if self.phase is not Phase.RUNNING:
            raise Denied(Denial.STATE, f"the machine is {self.phase}")
        self._end(STOPPED, reason="stopped over the network")
        self.phase, self.step = Phase.STOPPING, Step.NONE

    def clear(self) -> None:
        """Leave Aborted."""
        if self.phase is not Phase.ABORTED:
            raise Denied(Denial.STATE, f"the machine is {self.phase}")
        if self.interlocks.missing():
            raise Denied(Denial.STATE, ", ".join(self.interlocks.missing()))
        self.phase = Phase.CLEARING

    def hold(self, reason: str = "held over the network") -> None:
        """Wait where the web can stand: nothing moves, the dryer idles."""
        if self.phase is not Phase.RUNNING or self.step not in (Step.STARTING, Step.EXECUTE):
            raise Denied(Denial.STATE, f"the machine is {self.phase}/{self.step}")
        self.step, self.message = Step.HELD, reason
        self._note("held")

    def unhold(self) -> None:
        """Go on with a held program."""
        if self.step is not Step.HELD:
            raise Denied(Denial.STATE, f"the machine is {self.phase}/{self.step}")
        if self.interlocks.missing():
            raise Denied(Denial.STATE, ", ".join(self.interlocks.missing()))
        self.step, self.message, self._held_by_lease = Step.EXECUTE, "", False
        self._note("resumed")

    def beat(self) -> None:
        """The engine lives; a machine that held for want of it goes on."""
        self._beat_at = self._now()
        if self._held_by_lease and self.step is Step.HELD and not self.interlocks.missing():
            self.unhold()

    # time ------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let the time since the last tick pass."""
        now = self._now()
        elapsed_s, self._ticked_at = (now - self._ticked_at).total_seconds(), now
        if not self.interlocks.emergency_stop_released and self.phase is Phase.RUNNING:
            self._end(ABORTED, reason="emergency stop")
            self.phase, self.step = Phase.ABORTING, Step.NONE
            return
        match self.phase:
            case Phase.RUNNING:
                self._go_on(now, elapsed_s)
            case Phase.ABORTING:
                self.phase = Phase.ABORTED
            case Phase.STOPPING | Phase.CLEARING:
                self.phase = Phase.STOPPED

    def _go_on(self, now: datetime, elapsed_s: float) -> None:
        if self.step is Step.COMPLETE:
            self.phase, self.step = Phase.STOPPED, Step.NONE
            return
        if self.step is Step.HELD:
            return
        self.step = Step.EXECUTE
        if self.interlocks.missing():
            self.hold(", ".join(self.interlocks.missing()))
        elif now - self._beat_at > timedelta(seconds=self.lease_s):
            self.hold(f"no heartbeat for {self.lease_s:g} s")
            self._held_by_lease = True
        else:
            self.done_s += elapsed_s * self._speed
            if self._run is not None and self.done_s >= self._run.seconds:
                self._complete(self._run)

    def _complete(self, run: CoatingRun) -> None:
        if run.failure is not None:
            self._end(FAILED, failure=str(run.failure.value), reason=run.reason)
        else:
            metrics = {
                name: (float(scalar.value), scalar.sd, scalar.unit)
                for name, scalar in run.scalars.items()
            }
            self._end(COMPLETED, metrics=metrics)
        self.step = Step.COMPLETE

    def _end(
        self,
        outcome: str,
        *,
        failure: str = "",
        reason: str = "",
        metrics: Mapping[str, tuple[float, float | None, str]] | None = None,
    ) -> None:
        """Write down how the current job ended, before the state says so."""
        if self.current is None or self.current.outcome or self.phase is not Phase.RUNNING:
            return
        self._note("ended")
        self.current = replace(
            self.current,
            stopped=self._now(),
            outcome=outcome,
            failure=failure,
            reason=reason,
            metrics=metrics or {},
        )
        self.memory.put(self.current)

    def _note(self, event: str) -> None:
        if self.current is not None:
            self._diary.note(event, self.current)
