"""Instruments by hand: one measurement, or what an instrument says of itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.commands.console import (
    AsJson,
    BadInput,
    Failed,
    Options,
    Sets,
    as_bad_input,
    emit,
    emit_json,
    page,
    pairs,
    table,
)

if TYPE_CHECKING:
    from instruments.base import Card, Clock, Instrument, Job, Progress, Result

Kind = Annotated[str, typer.Argument(metavar="INSTRUMENT", help="For example cycler.simulated.")]


def measure(
    instrument: Kind,
    sets: Sets = None,
    options: Options = None,
    seed: Annotated[int, typer.Option(help="Of a simulated measurement.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure one setting once, and wait for the result."""
    from instruments.base import InstrumentError, Job, JobState

    began = _cpu_seconds()
    given = pairs(sets)
    try:
        with _opened(instrument, pairs(options, "--option")) as (device, clock):
            parameters = _in_units(device, given)
            job = Job(_key(), parameters, (seed, 1, 1), clock.now())
            _accept(device, job)
            progress, result = _wait(device, clock, job)
    except InstrumentError as error:
        raise Failed(f"{instrument}: {error}") from error
    told = {
        "instrument": instrument,
        "parameters": parameters,
        "state": str(progress.state),
        "scalars": {
            name: {"value": _finite(one.value), "unit": one.unit, "sd": one.sd}
            for name, one in result.scalars.items()
        },
        "reason": result.reason,
        "cpu_seconds": _cpu_seconds() - began,
        "hours": progress.hours,
    }
    _tell(told, as_json)
    if progress.state is not JobState.FINISHED:
        raise Failed(f"{instrument}: the measurement {progress.state}: {result.reason}")


def _cpu_seconds() -> float:
    """Of this process and of the simulations it has waited for."""
    return sum(os.times()[:4])


def _tell(told: Mapping[str, Any], as_json: bool) -> None:
    from loop.summary import number, unit_of

    if as_json:
        emit_json(told)
        return
    rows = [
        (name, number(one["value"]), number(one["sd"]), unit_of(one["unit"]).strip())
        for name, one in told["scalars"].items()
    ]
    page(table("", ("metric", ">value", ">sd", "unit"), rows))
    emit(f"{told['state']} after {number(told['hours'])} h on the instrument")


def describe(instrument: Kind, options: Options = None, as_json: AsJson = False) -> None:
    """Show what an instrument takes and measures."""
    from dataclasses import asdict, fields

    with _opened(instrument, pairs(options, "--option")) as (device, _):
        card = device.describe()
    if as_json:
        plain = {field.name: getattr(card, field.name) for field in fields(card)}
        settings = [asdict(setting) for setting in card.settings]
        emit_json({**plain, "settings": settings, "metrics": dict(card.metrics)})
        return
    rows = [
        (one.name, one.unit, _limit(one.low), _limit(one.high),
         ", ".join(map(str, one.options)), "optional" if one.optional else "")
        for one in card.settings
    ]  # fmt: skip
    page(
        f"{card.kind}: {_nature(card)}",
        "",
        table("Settings", ("name", "unit", ">low", ">high", "options", ""), rows),
        table("Metrics", ("name", "unit"), list(card.metrics.items())),
    )


def _nature(card: Card) -> str:
    return ", ".join(
        (
            f"{card.channels} channel{'s' if card.channels != 1 else ''}",
            "simulated" if card.simulated else "real",
            "repeatable" if card.repeatable else "not repeatable",
            "abortable" if card.abortable else "not abortable",
            "per-cycle series" if card.series else "scalars only",
            *(("takes any setting",) if card.open_settings else ()),
        )
    )


def _limit(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _finite(value: float) -> float | None:
    """JSON has no NaN: null."""
    return value if abs(value) < float("inf") else None


def _key() -> str:
    from uuid import uuid4

    return f"measure/{uuid4()}"


@contextmanager
def _opened(kind: str, given: Mapping[str, Any]) -> Iterator[tuple[Instrument, Clock]]:
    """The instrument and its clock. Raises BadInput for an unknown kind or a bad option."""
    from campaigns.problems import unknown
    from instruments import registry
    from instruments.clock import RealClock, SimulatedClock

    options = options_of(given)
    if kind not in registry.known():
        raise BadInput(f"{kind}: {unknown('instrument', kind, registry.known())}")
    clock = SimulatedClock() if registry.target(kind).simulated else RealClock()
    with as_bad_input():
        device = registry.open_instrument(kind, options, clock, files_of(options))
    try:
        yield device, clock
    finally:
        device.close()


def options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options by dotted path as nested tables, on one channel unless they say otherwise."""
    options: dict[str, Any] = {"channels": 1}
    for path, value in given.items():
        _place(options, path.split("."), value)
    return options


def _place(options: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        options = options.setdefault(name, {})
        if not isinstance(options, dict):
            raise BadInput(f"--option {'.'.join(path)}: {name} has a value already")
    options[path[-1]] = value


def files_of(options: Mapping[str, Any]) -> dict[str, bytes]:
    """Content of every file that an option `file` names."""
    found: dict[str, bytes] = {}
    for name, value in options.items():
        if isinstance(value, dict):
            found |= files_of(value)
        elif name == "file" and isinstance(value, str):
            try:
                found[value] = Path(value).read_bytes()
            except OSError as error:
                raise BadInput(f"--option file: {value}: {error.strerror}") from error
    return found


def _in_units(device: Instrument, given: Mapping[str, Any]) -> dict[str, Any]:
    """Texts like "0.2 mm" become numbers in the instrument's unit. Raises BadInput."""
    from instruments.quantity import in_units
    from instruments.units import UnitError

    try:
        return in_units(device.describe(), given)
    except UnitError as error:
        raise BadInput(f"--set {error}") from error


def _accept(device: Instrument, job: Job) -> None:
    from campaigns.problems import CampaignError

    problems = device.check(job)
    if problems:
        raise CampaignError(f"--set {one.setting}: {one.reason}" for one in problems)


def _wait(device: Instrument, clock: Clock, job: Job) -> tuple[Progress, Result]:
    from datetime import timedelta

    from instruments.base import JobState

    device.submit(job)
    progress = device.poll(job.key)
    while progress.state is JobState.RUNNING:
        clock.wait_until(progress.ask_at or clock.now() + timedelta(seconds=1))
        progress = device.poll(job.key)
    return progress, device.fetch(job.key)
