"""A device that follows the bluesky protocols (ophyd, ophyd-async) as an instrument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from campaigns.options import build
from campaigns.records import NOTHING, FailureKind, Setting
from instruments.background_loop import BackgroundLoop
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
    Unreachable,
)
from instruments.bluesky_options import BlueskyOptions, demand_bluesky
from instruments.guard import outside, same_job

if TYPE_CHECKING:
    from instruments.bluesky_verbs import Verbs

POLLING_S = 1.0
SETTLING_S = 1.0  # for which an abort waits until everything stands still


@dataclass
class Run:
    """One job in this process: the coroutine that sets, triggers and reads."""

    job: Job
    began_at: datetime
    work: Future[Mapping[str, float]] | None = None
    state: JobState = JobState.RUNNING
    over_at: datetime | None = None
    values: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    reason: str = ""


class BlueskyInstrument:
    """Sets the movable parts, waits, triggers and reads: one job at a time, in real time.

    Such a device remembers no jobs. What was begun by another process is therefore `unknown` to
    `find`, and its trial is lost until a person rules: nothing is ever run twice.
    """

    simulated: ClassVar[bool] = False

    def __init__(
        self, options: BlueskyOptions, clock: Clock, loop: BackgroundLoop, verbs: Verbs, card: Card
    ) -> None:
        self._options = options
        self._clock = clock
        self._loop = loop
        self._verbs = verbs
        self._card = card
        self._runs: dict[str, Run] = {}
        self._lost: set[str] = set()

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Connects to the device. Raises ValueError (option, what is wrong), Unreachable."""
        demand_bluesky()
        chosen = build(BlueskyOptions, options, "instrument.options")
        loop = BackgroundLoop()
        try:
            verbs, card = loop.ask(_connected(chosen), 2 * chosen.answer_s)
        except Exception as error:
            loop.close()
            if isinstance(error, ValueError):
                raise ValueError(f"instrument.options.{error}") from error
            raise Unreachable(f"{chosen.device}: {type(error).__name__}: {error}") from error
        return cls(chosen, clock, loop, verbs, card)

    def describe(self) -> Card:
        return self._card

    def check(self, job: Job) -> list[Problem]:
        problems = outside(self._card, job.parameters)
        if problems:
            return problems
        objections = self._ask(self._verbs.objections(job.parameters))
        return [Problem(name, reason) for name, reason in objections.items()]

    def submit(self, job: Job) -> Receipt:
        if job.key not in self._runs:
            problems = self.check(job)
            if problems:
                raise Refused("; ".join(f"{p.setting} {p.reason}" for p in problems))
            if any(self._looked(run).state is JobState.RUNNING for run in self._runs.values()):
                raise Busy("the device is at work")
            run = Run(job, self._clock.now())
            self._runs[job.key] = run
            run.work = self._loop.begin(_measured(self._verbs, job.parameters, self._options))
        same_job(self._runs[job.key].job, job)
        return Receipt(job.key, job.key)

    def poll(self, key: str) -> Progress:
        if key not in self._runs and key in self._lost:
            return Progress(JobState.LOST, 0, None, 0.0, self._clock.now(), run_id=key)
        run = self._looked(self._runs[key])
        until = run.over_at or self._clock.now()
        hours = max((until - run.began_at) / timedelta(hours=1), 0.0)
        ask_at = self._clock.now() + timedelta(seconds=POLLING_S)
        running = run.state is JobState.RUNNING
        return Progress(run.state, 0, ask_at if running else None, hours, run.over_at, run_id=key)

    def fetch(self, key: str, since: int = 0) -> Result:
        state = self.poll(key).state
        if state is JobState.LOST:
            return Result(state, reason="the device does not remember jobs")
        run = self._runs[key]
        if state is JobState.FAILED:
            return Result(state, failure=FailureKind.CHANNEL_FAULT, reason=run.reason)
        units = self._card.metrics
        return Result(state, {name: Scalar(v, units[name]) for name, v in run.values.items()})

    def abort(self, key: str, reason: str) -> Status:
        """Cancels the next steps, stops every part, and reads back that nothing moves."""
        state = self.poll(key).state
        if state is JobState.LOST:
            return Status(state, safe=False)
        run = self._runs[key]
        if state is JobState.RUNNING:
            if run.work is not None:
                run.work.cancel()
            self._ask(self._verbs.stop())
            deadline = self._clock.now() + timedelta(seconds=SETTLING_S)
            while not self._ask(self._verbs.still()):
                if self._clock.now() > deadline:
                    return Status(JobState.RUNNING, safe=False)
            run.state, run.over_at = JobState.ABORTED, self._clock.now()
        return Status(run.state, safe=True)

    def find(self, key: str, since: datetime | None = None) -> Found:
        if key not in self._runs:
            self._lost.add(key)
            return Found.UNKNOWN
        running = self._looked(self._runs[key]).state is JobState.RUNNING
        return Found.RUNNING if running else Found.FINISHED

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """None: a device measures, it does not know."""
        return None

    def close(self) -> None:
        """Let go of the device; what was set goes on, and nobody reads it."""
        self._loop.close()

    def _looked(self, run: Run) -> Run:
        """The run, brought up to what its coroutine has come to."""
        work = run.work
        if run.state is not JobState.RUNNING or work is None or not work.done():
            return run
        if work.cancelled():  # by an abort that is not read back yet
            return run
        run.over_at, error = self._clock.now(), work.exception()
        if error is None:
            run.state, run.values = JobState.FINISHED, work.result()
        else:
            run.state, run.reason = JobState.FAILED, " ".join(str(error).split())
        return run

    def _ask(self, question: Any) -> Any:
        """Raises Unreachable where the device fails to answer, in whatever way."""
        try:
            return self._loop.ask(question, self._options.answer_s)
        except Unreachable:
            raise
        except Exception as error:  # foreign code: to the caller it has not answered
            raise Unreachable(f"{type(error).__name__}: {error}") from error


async def _connected(options: BlueskyOptions) -> tuple[Verbs, Card]:
    """Make the device inside its loop, connect it where it wants to be, and ask what it is."""
    from instruments.bluesky_verbs import Verbs, told

    device = options.made()
    connect = getattr(device, "connect", None)
    if callable(connect):
        await told(connect())
    movers = {name: options.part(device, name) for name in options.settings}
    verbs = Verbs(device, movers, options.metrics)
    return verbs, _card(options, verbs, *(await verbs.units()))


def _card(
    options: BlueskyOptions, verbs: Verbs, units: Mapping[str, str], measured: Mapping[str, str]
) -> Card:
    own = verbs.limits()
    settings = []
    for name in options.settings:
        bounds = [limits[name] for limits in (own, options.limits) if name in limits]
        low = max((low for low, _ in bounds), default=None)
        high = min((high for _, high in bounds), default=None)
        unit = options.units.get(name) or units[name] or "1"
        settings.append(SettingCard(name, unit, low, high))
    return Card(
        kind="bluesky",
        settings=tuple(settings),
        metrics={one: options.units.get(one) or unit or "1" for one, unit in measured.items()},
        channels=options.channels,
        series=False,
        repeatable=False,
        abortable=verbs.stoppable,
        simulated=False,
        on_lease_loss="continue",
        needs_approval="first",
        retry_s=5.0,
        patience_s=4 * options.answer_s + SETTLING_S,
    )


async def _measured(verbs: Verbs, setting: Setting, options: BlueskyOptions) -> Mapping[str, float]:
    """The numbers; whatever goes wrong, the parts are stopped before it is told."""
    import asyncio

    try:
        return await asyncio.wait_for(verbs.measure(setting), options.longest_s)
    except asyncio.CancelledError:
        raise  # the abort that cancels it stops the parts itself
    except TimeoutError as error:
        await verbs.stop()
        raise TimeoutError(f"the job has not ended after {options.longest_s:g} s") from error
    except Exception:
        await verbs.stop()
        raise
