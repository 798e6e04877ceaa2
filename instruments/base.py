"""What every instrument is and says: the card, the job, and the five answers it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from campaigns.records import NOTHING, FailureKind, Setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class InstrumentError(Exception):
    """An instrument could not do what it was asked.

    InstrumentError
     ├─ Refused       the job violates a limit; asking again is useless
     ├─ Busy          no free channel now
     └─ Unreachable   no answer; whether the job arrived is not known
         └─ Garbled   an answer that makes no sense, which tells as little as none
    """


class Refused(InstrumentError):
    """The job violates a limit of the instrument."""


class Busy(InstrumentError):
    """No channel is free now."""


class Unreachable(InstrumentError):
    """The instrument did not answer, or cannot tell yet; it is asked again later."""


class Garbled(Unreachable):
    """The instrument answered, but nothing that can be understood or believed."""


class Clock(Protocol):
    """Time as the campaign sees it (UTC); a simulated clock jumps instead of sleeping."""

    @property
    def simulated(self) -> bool: ...
    def now(self) -> datetime: ...
    def wait_until(self, moment: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class SettingCard:
    """One setting an instrument takes: its unit and limits (None = no limit), or its options."""

    name: str
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    options: tuple[str | float, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """What an instrument says of itself.

    settings:   what it takes; empty with `open_settings=True` when it takes any name
    metrics:    name -> unit of every scalar it measures
    channels:   how many jobs run side by side
    series:     True when it streams per-cycle data, so that early prediction is possible
    repeatable: the same job gives the same data, so that after a crash it is simply run again
    abortable:  a running job can be stopped
    simulated:  time is computed from the job alone; the campaign's clock may jump
    lease_s:    the device acts on a lost engine after this many seconds; None: it never notices
    on_lease_loss: what it does then ("hold", "continue", "stop"): a coater holds, a cycler keeps
                cycling
    needs_approval: which of its jobs a person approves unless the campaign says otherwise (never,
                first, always, outside-known-region)
    retry_s:    before it is asked again when it was busy or silent
    patience_s: a call that takes longer than this counts as silence
    """

    kind: str
    settings: tuple[SettingCard, ...]
    metrics: Mapping[str, str]
    channels: int
    series: bool
    repeatable: bool
    abortable: bool
    simulated: bool
    open_settings: bool = False
    lease_s: float | None = None
    on_lease_loss: str = "continue"
    needs_approval: str = "never"
    retry_s: float = 30.0
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt to measure one setting.

    key:         unique for ever; the instrument answers a second submit of it with the same receipt
    parameters:  settings by name, in the instrument's units
    seed:        (campaign seed, trial number, attempt): all a simulated job may draw from
    started_at:  campaign time at which the job takes its channel
    checkpoints: cycles after which partial results are wanted (early prediction), ascending; curves
                 are wanted for the cycles up to the last of them, summaries for the whole test
    sample:      what the job is done to, as it is labelled in the lab; the same in all steps of a
                 trial, "" where the instrument makes or needs none
    """

    key: str
    parameters: Setting
    seed: tuple[int, int, int]
    started_at: datetime
    checkpoints: tuple[int, ...] = ()
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a job is not acceptable."""

    setting: str
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The instrument has the job; `run_id` is the device's own name for it."""

    key: str
    run_id: str


class JobState(StrEnum):
    """How a job stands at the instrument; `LOST`: it can no longer tell."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"
    LOST = "lost"


class Found(StrEnum):
    """What an instrument remembers of a key after a crash."""

    NEVER = "never"
    RUNNING = "running"
    FINISHED = "finished"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is now, and when to look again.

    ask_at is the next moment anything can have changed: for a simulated instrument the exact time
    of the next checkpoint or of the end, for a real one a polling time; None once the job is over.
    hours is how long the channel has been held so far, over_at when it ended (None while it runs).
    note is what a person should know of it now: held at the machine, waiting for solvent.
    """

    state: JobState
    cycle: int
    ask_at: datetime | None
    hours: float
    over_at: datetime | None = None
    run_id: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One measured number; sd is None where the instrument does not know its noise.

    source: the identity of the numerical model that a simulated number depends on beside the
    setting (discretisation, fixed parameters, versions); "" for a measurement.
    """

    value: float
    unit: str
    sd: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Per-cycle data of one job from one cycle on.

    cycles:   int64, shape (n,), ascending
    summary:  name with unit suffix -> float64, shape (n,) (at least `capacity_ah`)
    voltage:  float64, shape (v,), the grid of the curves; empty where there are none
    curves:   float32, shape (n_curves, v), discharge capacity Q(V) in Ah
    curve_cycles: int64, shape (n_curves,), the cycles that the curves belong to
    """

    cycles: NDArray[np.int64]
    summary: Mapping[str, NDArray[np.float64]]
    voltage: NDArray[np.float64]
    curves: NDArray[np.float32]
    curve_cycles: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Result:
    """What a job has measured up to now.

    scalars are given once the job has finished (partial results carry the series only). A failed
    job names its `failure` and `reason`, and in `at_least` the scalars known to be exceeded: a cell
    that reached 300 cycles before its channel died lives at least 300 cycles.
    """

    state: JobState
    scalars: Mapping[str, Scalar] = field(default_factory=lambda: NOTHING)
    series: Series | None = None
    failure: FailureKind | None = None
    reason: str = ""
    at_least: Mapping[str, Scalar] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Status:
    """What the device says after an abort: safe means read back as stopped."""

    state: JobState
    safe: bool


class Instrument(Protocol):
    """Turns a setting into a measurement: real, simulated or recorded.

    Times are campaign times in UTC. A simulated instrument reads the clock, never the wall; it is
    asked `poll` and `fetch` at the moments it named in `ask_at`, computes lazily, and computes all
    its jobs together where that is cheaper; a job's data depend on the job alone. The class says
    whether it is `simulated` before it is opened, because that decides which clock it gets.
    """

    simulated: ClassVar[bool]

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Open with the campaign's options (`channels` among them).

        files holds the content of every file that an option names, by that name as written.
        Raises ValueError (one line: option, what is wrong, what is allowed).
        """

    def describe(self) -> Card: ...

    def check(self, job: Job) -> list[Problem]:
        """Limits and units, without touching the device; [] means acceptable."""

    def submit(self, job: Job) -> Receipt:
        """Start the job and return at once; the same key again changes nothing.

        Raises Refused, Busy or Unreachable.
        """

    def poll(self, key: str) -> Progress:
        """How far the job is; `LOST` where the device no longer knows a job it once had.

        Raises Unreachable, KeyError for a key never submitted to this instrument.
        """

    def fetch(self, key: str, since: int = 0) -> Result:
        """What the job has measured by now; series only from the first cycle after `since`."""

    def abort(self, key: str, reason: str) -> Status:
        """Bring the job to a safe state and read that back; twice is harmless."""

    def find(self, key: str, since: datetime | None = None) -> Found:
        """After a crash: did this job already run?

        since: when the intent to run it was stored. `NEVER` may be said only where the device's
        memory reaches back before that moment and nothing sent can still be under way to it;
        where that cannot be told it is `UNKNOWN`. Raises Unreachable, also while it is too early
        to tell.
        """

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """Noise-free metrics of the settings where the instrument knows them, else None."""

    def close(self) -> None:
        """Let go of the device; running jobs go on."""
