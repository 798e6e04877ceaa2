"""Instruments by name: a table of lazy targets, and the entry points of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from campaigns.records import NOTHING
from instruments.base import Clock, Instrument

TARGETS: Mapping[str, str] = {
    "table": "instruments.table:TableInstrument",
    "cycler.simulated": "instruments.cycler.simulated:SimulatedCycler",
    "cgmd": "instruments.cgmd.instrument:SlurrySimulation",
    "p2d": "instruments.p2d.instrument:P2dModel",
    "p2d.surrogate": "surrogates.electrode_instrument:ElectrodeSurrogate",
    "coater.simulated": "instruments.coater.simulated:SimulatedCoater",
    "coater.opcua": "instruments.coater.opcua:OpcUaCoater",
    "robot": "instruments.robot:Robot",
    "modbus": "instruments.modbus:ModbusInstrument",
    "scpi": "instruments.scpi:ScpiInstrument",
    "bluesky": "instruments.bluesky_device:BlueskyInstrument",
}
GROUP = "leyden.instruments"


def known() -> tuple[str, ...]:
    """Every kind that can be opened here, ours first."""
    return (*TARGETS, *sorted({e.name for e in entry_points(group=GROUP)} - set(TARGETS)))


def target(kind: str) -> type[Instrument]:
    """The class behind a kind. Raises KeyError for a kind that is not known."""
    if kind in TARGETS:
        module, _, name = TARGETS[kind].partition(":")
        found: type[Instrument] = getattr(import_module(module), name)
        return found
    for entry in entry_points(group=GROUP, name=kind):
        loaded: type[Instrument] = entry.load()
        return loaded
    raise KeyError(kind)


def open_instrument(
    kind: str,
    options: Mapping[str, Any],
    clock: Clock,
    files: Mapping[str, bytes] = NOTHING,
) -> Instrument:
    """Open an instrument. Raises KeyError for the kind, ValueError for an option."""
    return target(kind).open(options, clock, files)
