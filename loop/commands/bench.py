"""Comparing optimisers on one campaign over many seeds."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from loop.commands.console import (
    AsJson,
    BadInput,
    Sets,
    as_bad_input,
    emit_json,
    page,
    pairs,
    table,
)
from loop.commands.meter import meter

if TYPE_CHECKING:
    from loop.benchmark import Bench


def bench(
    campaign: Annotated[
        str, typer.Argument(metavar="CAMPAIGN", help="A shipped name or the path of a file.")
    ],
    optimizer: Annotated[
        list[str] | None,
        typer.Option("--optimizer", help="Repeatable; the campaign's own by default."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each optimiser.")] = 10,
    workers: Annotated[int, typer.Option(help="Processes at a time.")] = 2,
    first_seed: Annotated[int, typer.Option(help="Seed of the first run.")] = 0,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=VALUE",
            help="Where hypervolumes of several objectives begin; repeatable.",
        ),
    ] = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Run a campaign with several optimisers over many seeds and compare what they find."""
    from loop import benchmark, launch

    for name, value in (("--seeds", seeds), ("--workers", workers)):
        if value < 1:
            raise BadInput(f"{name} {value}: at least 1 is needed")
    frozen = launch.read(campaign, pairs(sets))
    names = optimizer or [frozen.optimizer.kind]
    corner = _numbers(reference)
    with meter("bench", "runs") as progress, as_bad_input():
        found = benchmark.bench(frozen, names, seeds, workers, progress, first_seed, corner)
    if as_json:
        emit_json(found.as_dict())
    elif found.several:
        _tell_volumes(found)
    else:
        _tell(found)


def _numbers(given: list[str] | None) -> dict[str, float]:
    told = pairs(given, "--reference")
    for name, value in told.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise BadInput(f"--reference {name}={value}: a number is needed")
    return {name: float(value) for name, value in told.items()}


def _tell(found: Bench) -> None:
    from loop.summary import number

    rows = [
        (name, str(one.trials), *map(number, (one.true_value, one.sem, one.instrument_hours)))
        for name, one in found.rows()
    ]
    title = f"{found.campaign}: true value of the recommendation, mean over {found.seeds} seeds"
    columns = ("optimiser", ">trials", ">true value", ">± s.e.", ">instrument-hours")
    page(table(title, columns, rows))


def _tell_volumes(found: Bench) -> None:
    from loop.summary import number, unit_of

    rows = [
        (name, str(one.trials), *map(number, (volume, sem, one.instrument_hours)))
        for name in found.runs
        for one, volume, sem in found.growth(name)
    ]
    title = f"{found.campaign}: hypervolume, mean over {found.seeds} seeds"
    columns = ("optimiser", ">trials", ">hypervolume", ">± s.e.", ">instrument-hours")
    units = {one.metric: unit_of(one.unit) for one in found.objectives}
    corner = ", ".join(f"{m} {number(v)}{units[m]}" for m, v in found.reference.items())
    page(
        table(title, columns, rows),
        "It is what the true values of all settings measured by then dominate, above "
        f"{corner}." if corner else "No setting measured meets the outcome constraints.",
    )  # fmt: skip
