"""What a campaign wants: objectives to be reached and bounds on outcomes to be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from campaigns.target import Target

Goal: TypeAlias = Literal["maximize", "minimize", "target"]


@dataclass(frozen=True)
class Objective:
    """One metric and what is wanted of it; `target` is given exactly where the goal is one.

    With a `Target` of several values the metric is the discrepancy from it: not measured itself,
    computed from the measured values, to be made small.
    """

    metric: str
    goal: Goal = "maximize"
    unit: str = "1"
    target: float | Target | None = None

    def __post_init__(self) -> None:
        if self.goal not in ("maximize", "minimize", "target"):
            raise ValueError(f"goal: maximize, minimize or target, not {self.goal!r}")
        if (self.goal == "target") != (self.target is not None):
            raise ValueError("target: is given if and only if the goal is target")

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is: times the metric, or its distance from the
        target, it is to be maximised."""
        return 1 if self.goal == "maximize" else -1

    @property
    def curve(self) -> Target | None:
        """The target of several values, where there is one."""
        return self.target if isinstance(self.target, Target) else None

    @property
    def point(self) -> float | None:
        """The single value aimed at, where there is one."""
        return None if isinstance(self.target, Target) else self.target


@dataclass(frozen=True)
class OutcomeConstraint:
    """A metric must stay at or above `at_least`, at or below `at_most`, or between both."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "1"

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError("at_least or at_most is needed")
        if None not in (self.at_least, self.at_most) and self.at_least > self.at_most:  # type: ignore[operator]
            raise ValueError(f"at_least {self.at_least} is above at_most {self.at_most}")

    def met(self, value: float) -> bool:
        """Whether `value`, in `unit`, keeps the bounds."""
        low = self.at_least is None or value >= self.at_least
        return low and (self.at_most is None or value <= self.at_most)
