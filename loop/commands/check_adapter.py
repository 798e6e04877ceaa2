"""`leyden check-adapter mypkg:MyCoater`: the conformance suite without pytest."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.commands.console import (
    AsJson,
    BadInput,
    Options,
    emit,
    emit_json,
    note,
    page,
    pairs,
    table,
)

if TYPE_CHECKING:
    from instruments.conformance.verdict import Verdict

Adapter = Annotated[
    str, typer.Argument(metavar="MODULE:CLASS", help="For example mypkg.coater:MyCoater.")
]


def check_adapter(adapter: Adapter, options: Options = None, as_json: AsJson = False) -> int:
    """Check an instrument adapter against the contract, on the bench it brings along."""
    from instruments.conformance.suite import CHECKS, verdicts
    from instruments.conformance.target import TargetError, adapter_of, bench_of
    from instruments.conformance.verdict import Outcome

    found = []
    try:
        cls = adapter_of(adapter, Path.cwd())
        bench = bench_of(cls, pairs(options, "--option"))
        for verdict in verdicts(cls, bench):
            found.append(verdict)
            note(f"{len(found):3}/{len(CHECKS)} {verdict.check}: {verdict.outcome}")
    except TargetError as error:
        raise BadInput(str(error)) from error
    counts = Counter(verdict.outcome for verdict in found)
    if as_json:
        emit_json(
            {
                "adapter": adapter,
                "checks": [asdict(verdict) for verdict in found],
                **{outcome.replace(" ", "_"): counts[outcome] for outcome in Outcome},
            }
        )
    else:
        _tell(adapter, found)
    return 1 if counts[Outcome.FAILED] else 0


def _tell(adapter: str, found: list[Verdict]) -> None:
    from instruments.conformance.verdict import Outcome

    rows = [(verdict.check, verdict.outcome.value, verdict.reason) for verdict in found]
    page(table(adapter, ("check", "outcome", "reason"), rows))
    for verdict in found:
        if verdict.outcome is Outcome.FAILED:
            emit(f"{verdict.check}: {verdict.demand}")
    counts = Counter(verdict.outcome for verdict in found)
    emit(", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome))
