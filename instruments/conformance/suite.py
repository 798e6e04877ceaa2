"""The whole suite: every check in order, and the verdicts on one adapter."""

from __future__ import annotations

from collections.abc import Iterator

from instruments.base import Instrument
from instruments.conformance import describing, failing, limits, remembering, running, stopping
from instruments.conformance.bench import Bench
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
    """Run every check on an adapter, one after the other."""
    workbench = Workbench(adapter, bench)
    try:
        for check in CHECKS:
            yield workbench.verdict(check)
    finally:
        workbench.close()
