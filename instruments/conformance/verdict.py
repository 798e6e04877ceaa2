"""What came of a check: passed, failed, not tested, or not applicable, with one line of reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The four ends of a check; only `FAILED` speaks against the adapter."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TESTED = "not tested"  # the bench lacks what the check needs
    NOT_APPLICABLE = "not applicable"  # the card promises nothing of the kind


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check; demand is the check's own sentence."""

    check: str
    outcome: Outcome
    reason: str
    demand: str


class CheckFailed(Exception):
    """The adapter did not do what the check demands."""


class NotApplicable(Exception):
    """The card promises nothing of what the check looks at."""


def demand(kept: bool, otherwise: str) -> None:
    """Raises CheckFailed saying `otherwise` where a demand is not kept."""
    if not kept:
        raise CheckFailed(otherwise)
