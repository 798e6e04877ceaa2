"""The whole suite: every check in order, and the verdicts on one adapter."""

from __future__ import annotations

from collections.abc import Iterator

from instruments.base import Instrument
from instruments.conformance import describing, failing, limits, remembering, running, stopping
from instruments.conformance.bench import Bench
from instruments.conformance.target import TargetError
from instruments.conformance.verdict import Verdict
from instruments.conformance.workbench import Check, Workbench

CHECKS: tuple[Check, ...] = (
    *describing.CHECKS,
    *limits.CHECKS,
    *running.CHECKS,
    *stopping.CHECKS,
    *remembering.CHECKS,
    *failing.CHECKS,
)


def verdicts(adapter: type[Instrument], bench: Bench) -> Iterator[Verdict]:
    """Run every check on an adapter, one after the other.

    Raises TargetError, before the first check, where the adapter refuses the bench's options.
    """
    workbench = Workbench(adapter, bench)
    try:
        refusal = workbench.refusal()
        if refusal:
            raise TargetError(refusal)
        for check in CHECKS:
            yield workbench.verdict(check)
    finally:
        workbench.close()
