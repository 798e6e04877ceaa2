"""The shared vocabulary: trials, observations, predictions, and what a failure is called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

Value: TypeAlias = float | int | str | bool
Setting: TypeAlias = Mapping[str, Value]

NOTHING: Mapping[str, Any] = MappingProxyType({})


class TrialState(StrEnum):
    """Where a trial stands; every change is one event of the journal."""

    PROPOSED = "proposed"
    AWAITING_APPROVAL = "awaiting_approval"
    SUBMITTING = "submitting"
    RUNNING = "running"
    COMPLETED = "completed"
    PREDICTED = "predicted"
    FAILED = "failed"
    STOPPED = "stopped"
    REFUSED = "refused"
    LOST = "lost"

    @property
    def terminal(self) -> bool:
        """True when nothing will happen to the trial of itself any more."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        TrialState.COMPLETED,
        TrialState.PREDICTED,
        TrialState.FAILED,
        TrialState.STOPPED,
        TrialState.REFUSED,
        TrialState.LOST,
    }
)


class Purpose(StrEnum):
    """Why a trial is run; all but `TRAINING` are in the optimiser's history."""

    SEARCH = "search"  # asked for by the optimiser
    START = "start"  # given by the campaign file or by a person
    TRAINING = "training"  # run to the end to train the early predictor
    CONFIRM = "confirm"  # a fresh repeat of the winner
    CHECK = "check"  # the recommendation, measured on another instrument: teaches nobody


class Bound(StrEnum):
    """What an observation says of the true value."""

    EXACT = "exact"
    AT_LEAST = "at_least"  # right-censored
    AT_MOST = "at_most"  # left-censored


class FailureKind(StrEnum):
    """Why an attempt gave no usable measurement."""

    ASSEMBLY = "assembly"
    EARLY_DEATH = "early_death"
    CHANNEL_FAULT = "channel_fault"
    DATA_GAP = "data_gap"
    OUT_OF_RANGE = "out_of_range"
    NOT_CONVERGED = "not_converged"
    ABORTED = "aborted"
    REJECTED = "rejected"  # by a person, before it was run


@dataclass(frozen=True, slots=True)
class Observation:
    """One metric of one trial as measured; `sem` is None where the noise is not known.

    `source` names the numerical model that a simulated value holds for, "" for a measurement.
    """

    metric: str
    mean: float
    sem: float | None
    unit: str
    bound: Bound = Bound.EXACT
    source: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise ValueError(f"{self.metric}: an observation must be finite, not {self.mean!r}")
        if self.sem is not None and not (math.isfinite(self.sem) and self.sem >= 0):
            raise ValueError(f"{self.metric}: sem must be finite and >= 0, not {self.sem!r}")


@dataclass(frozen=True, slots=True)
class Uncorrected:
    """What a model itself said, before what later cells have shown of its bias was taken off."""

    mean: float
    sem: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """An early stand-in for an observation, made after `at_cycle` cycles, with an interval.

    `raw` is what the model said where the bias seen so far has been removed, None where it stands.
    """

    metric: str
    mean: float
    sem: float
    unit: str
    lower: float
    upper: float
    level: float
    at_cycle: int
    model: str  # digest of the model artifact
    extrapolates: bool = False  # the cell lies outside the model's training range
    raw: Uncorrected | None = None

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.mean, self.sem, self.lower, self.upper)):
            raise ValueError(f"{self.metric}: a prediction must be finite")
        if self.sem < 0 or not self.lower <= self.upper:
            raise ValueError(f"{self.metric}: sem >= 0 and lower <= upper are needed")

    @property
    def bound(self) -> Bound:
        return Bound.EXACT

    @property
    def uncorrected(self) -> Uncorrected:
        """What the model itself said."""
        return self.raw or Uncorrected(self.mean, self.sem, self.lower, self.upper)


NOTHING_PREDICTED: Mapping[int, Prediction] = MappingProxyType({})

Outcome: TypeAlias = Observation | Prediction


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial failed, and whether its setting counts as infeasible from now on."""

    kind: FailureKind
    reason: str
    infeasible: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A setting an optimiser asks for; `meta` (JSON) is what the algorithm must remember of it.

    fidelity: which of the campaign's fidelities measures it; "" is the instrument itself
    """

    parameters: Setting
    author: str
    meta: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    fidelity: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting to be measured, with what is known of it now.

    `outcomes` holds the current outcome a metric: the measurement where there is one, else the
    latest prediction. `predictions` keeps the latest of each checkpoint, also once the cell has
    been measured. `excluded` trials are kept but taught to nobody.
    """

    number: int
    parameters: Setting
    author: str
    purpose: Purpose = Purpose.SEARCH
    batch: int = 0  # number of the proposal it came with, from 1
    meta: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    state: TrialState = TrialState.PROPOSED
    attempt: int = 0
    outcomes: Mapping[str, Outcome] = field(default_factory=lambda: NOTHING)
    failure: Failure | None = None
    excluded: bool = False
    proposed: Setting | None = None  # as it was asked for, where a person changed it
    fidelity: str = ""  # "": measured by the instrument itself
    predictions: Mapping[int, Prediction] = field(default_factory=lambda: NOTHING_PREDICTED)

    @property
    def pending(self) -> bool:
        """True while it is not over and not predicted: what it will teach is not known yet.

        A trial of several steps has observations of the first ones by then.
        """
        predicted = any(isinstance(one, Prediction) for one in self.outcomes.values())
        return not self.state.terminal and not predicted


@dataclass(frozen=True, slots=True)
class Estimate:
    """A model's belief about one metric, with the interval at `level`."""

    mean: float
    lower: float
    upper: float
    level: float
    unit: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The setting believed best now; `front` lists the trade-offs of several objectives."""

    parameters: Setting
    objectives: Mapping[str, Estimate]
    front: tuple[tuple[Setting, Mapping[str, Estimate]], ...] = ()
    trial: int | None = None  # a trial that measured this setting, if one did
