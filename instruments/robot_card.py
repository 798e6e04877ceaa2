"""The card of a robot: like that of another kind of instrument, or written in a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.options import build
from campaigns.problems import CampaignError, unknown
from instruments import registry
from instruments.base import Card, Clock, SettingCard
from instruments.clock import SimulatedClock
from instruments.units import UnitError, converter

APPROVALS = ("never", "first", "always", "outside-known-region")


@dataclass(frozen=True, slots=True)
class CardFile:
    """Where a card is written."""

    file: str


@dataclass(frozen=True, slots=True)
class Limits:
    """One setting of a card file: a number with unit and limits, or one of some options."""

    unit: str = "1"
    low: float | None = None
    high: float | None = None
    options: tuple[str | float, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class WrittenCard:
    """A card file: `[settings.NAME]` with unit, low, high; `[metrics]` with NAME = "unit"."""

    settings: Mapping[str, Limits]
    metrics: Mapping[str, str]
    series: bool = False
    needs_approval: str = "never"
    title: str = field(default="")

    def __post_init__(self) -> None:
        if not self.settings:
            raise ValueError("settings: there are none; one or more are needed")
        if not self.metrics:
            raise ValueError("metrics: there are none; one or more are needed")
        if self.needs_approval not in APPROVALS:
            raise ValueError(
                f"needs_approval: {self.needs_approval!r} is not allowed; {', '.join(APPROVALS)}"
            )
        for name, one in self.settings.items():
            if one.low is not None and one.high is not None and not one.low < one.high:
                raise ValueError(f"settings.{name}: low must be below high")


def card_in(place: CardFile, files: Mapping[str, bytes]) -> Card:
    """The card in a file. Raises CampaignError naming the file, the key and what is allowed."""
    where = "instrument.options.card"
    if place.file not in files:
        raise CampaignError([f"{where}.file: {place.file}: there is no such file"])
    try:
        table = tomllib.loads(files[place.file].decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CampaignError([f"{where}.file: {place.file}: {error}"]) from error
    written = build(WrittenCard, table, place.file)
    _units(place.file, written)
    settings = tuple(
        SettingCard(name, one.unit, one.low, one.high, one.options, one.optional)
        for name, one in written.settings.items()
    )
    return _card(settings, written.metrics, written.series, written.needs_approval)


def card_like(
    kind: str, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes]
) -> Card:
    """The card of another kind of instrument. Raises CampaignError."""
    where = "instrument.options.like"
    kinds = [name for name in registry.known() if name != "robot"]
    if kind not in kinds:
        raise CampaignError([f"{where}: {kind!r}: {unknown('instrument', kind, kinds)}"])
    if registry.target(kind).simulated:
        clock = SimulatedClock()
    try:
        other = registry.open_instrument(kind, {"channels": 1, **options}, clock, files)
    except ValueError as error:
        raise CampaignError([f"{where}: {line}" for line in str(error).splitlines()]) from error
    try:
        return other.describe()
    finally:
        other.close()


def _card(
    settings: tuple[SettingCard, ...], metrics: Mapping[str, str], series: bool, approval: str
) -> Card:
    return Card(
        kind="robot",
        settings=settings,
        metrics=dict(metrics),
        channels=1,
        series=series,
        repeatable=False,
        abortable=True,
        simulated=False,
        needs_approval=approval,
    )


def _units(file: str, written: WrittenCard) -> None:
    units = [(f"settings.{name}.unit", one.unit) for name, one in written.settings.items()]
    units += [(f"metrics.{name}", unit) for name, unit in written.metrics.items()]
    problems = []
    for where, unit in units:
        try:
            converter(unit, unit if unit in ("1", "") else f"1*{unit}")
        except UnitError as error:
            problems.append(f"{file}.{where}: {error}")
    if problems:
        raise CampaignError(problems)
