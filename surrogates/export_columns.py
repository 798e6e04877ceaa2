"""Which column of a cycler export holds which quantity, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from campaigns.problems import listed, nearest, unknown
from instruments.units import UnitError, converter

FloatArray = NDArray[np.float64]

CLOCK = "hh:mm:ss"  # the unit of times that are written as text
# How cyclers write units that pint does not know, or knows as something else.
_SPELLINGS = {"ohm": "ohm", "mohm": "mohm", "mo": "mohm", "sec": "s", "ºc": "degC", "c": "degC"}


@dataclass(frozen=True, slots=True)
class Quantity:
    """What can be read: its unit here, and its Battery Data Format columns.

    ``labels`` are the human ones without the unit (`Voltage` of `Voltage / V`), ``names`` the
    machine-readable ones with their units; both in order of preference.
    """

    unit: str
    labels: tuple[str, ...]
    names: Mapping[str, str]


# Battery Data Format 0.1 (battery-data-alliance/battery-data-format).
QUANTITIES: Mapping[str, Quantity] = {
    "cycle": Quantity("1", ("Cycle Count",), {"cycle_count": "1"}),
    "voltage": Quantity("V", ("Voltage",), {"voltage_volt": "V"}),
    "capacity": Quantity("Ah", ("Discharging Capacity",), {"discharging_capacity_ah": "Ah"}),
    "current": Quantity("A", ("Current",), {"current_ampere": "A"}),
    "time": Quantity("s", ("Test Time",), {"test_time_second": "s"}),
    "temperature": Quantity(
        "K",
        ("Surface Temperature T1", "Ambient Temperature"),
        {"temperature_t1_celsius": "degC", "ambient_temperature_celsius": "degC"},
    ),
    "resistance": Quantity("ohm", ("Internal Resistance",), {"internal_resistance_ohm": "ohm"}),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: its name there, its place, and the unit that its numbers are in."""

    name: str
    place: int
    unit: str


def check_mapping(columns: Mapping[str, str] | None, units: Mapping[str, str]) -> None:
    """Raises ValueError for a quantity that there is none of."""
    for what, mapping in (("columns", columns or {}), ("units", units)):
        for quantity in mapping:
            if quantity not in QUANTITIES:
                raise ValueError(f"{what}.{quantity}: {unknown('quantity', quantity, QUANTITIES)}")


def wanted(columns: Mapping[str, str] | None, header: Sequence[str]) -> dict[str, str]:
    """The name of each quantity's column: as mapped, else the BDF columns that `header` has."""
    if columns is not None:
        return dict(columns)
    found = {}
    for quantity, known in QUANTITIES.items():
        bases = {re.sub(r"\s*/[^/]*$", "", name).casefold(): name for name in reversed(header)}
        candidates = [*(bases.get(label.casefold()) for label in known.labels)]
        candidates += [name if name in header else None for name in known.names]
        name = next((one for one in candidates if one is not None), None)
        if name is not None:
            found[quantity] = name
    return found


def enough(names: Mapping[str, str]) -> bool:
    """True if a cell can be made of these quantities."""
    counted = "capacity" in names or {"current", "time"} <= set(names)
    return counted and {"cycle", "voltage"} <= set(names)


def resolve(
    header: Sequence[str], columns: Mapping[str, str] | None, units: Mapping[str, str]
) -> dict[str, Column]:
    """The column of each quantity that is there.

    ``columns`` maps quantities to column names; None stands for the Battery Data Format. ``units``
    holds units by quantity; else they are read from the column's name (`Voltage (mV)`,
    `Current / A`). Cycle and voltage are needed, and capacity, or current and time.
    Raises ValueError: what is missing, which columns there are, a unit that does not fit.
    """
    names = wanted(columns, header)
    for quantity, name in names.items():
        if name not in header:
            guess = nearest(name, header)
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise ValueError(f"there is no column {name!r} ({quantity}); {_there(header)}{hint}")
    for quantity in ("cycle", "voltage"):
        if quantity not in names:
            raise ValueError(_unmapped(quantity, header))
    if not enough(names):
        raise ValueError(_unmapped("capacity", header) + ", or current and time in its place")
    return {
        quantity: Column(name, header.index(name), _unit(quantity, name, units))
        for quantity, name in names.items()
    }


def _unmapped(quantity: str, header: Sequence[str]) -> str:
    label = f"{QUANTITIES[quantity].labels[0]} / {QUANTITIES[quantity].unit}"
    return (
        f"no column for {quantity}: {label!r} (Battery Data Format) is not there; "
        f"{_there(header)}; map {quantity} to one of them in columns"
    )


def _there(header: Sequence[str]) -> str:
    return f"there are: {listed([repr(name) for name in header], limit=30)}"


def _unit(quantity: str, name: str, units: Mapping[str, str]) -> str:
    """The unit of a column, able to be converted. Raises ValueError."""
    known = QUANTITIES[quantity]
    if quantity == "cycle":
        return "1"
    given = units.get(quantity) or known.names.get(name) or _suffix(name)
    if not given:
        raise ValueError(
            f"the unit of column {name!r} is not known; give it: units.{quantity} = "
            f'"{known.unit}", for instance'
        )
    if quantity == "time" and given == CLOCK:
        return CLOCK
    unit = _spelt(given, quantity)
    try:
        converter(unit, known.unit)
    except UnitError as error:
        raise ValueError(
            f"column {name!r} ({quantity}): {error}; give its unit in units.{quantity}"
        ) from error
    return unit


def _suffix(name: str) -> str:
    """`V` of `Voltage / V`, `Voltage (V)`, `U[V]`; "" where there is none."""
    match = re.search(r"(?:/\s*([^/()\[\]]+)|\(([^()]+)\)|\[([^\[\]]+)\])\s*$", name.strip())
    return next((group.strip() for group in match.groups() if group), "") if match else ""


def _spelt(unit: str, quantity: str) -> str:
    spelling = _SPELLINGS.get(unit.casefold())
    if spelling is None or (spelling == "degC" and quantity != "temperature"):
        return unit
    return spelling


def converted(values: FloatArray, unit: str, quantity: str) -> FloatArray:
    """Numbers of a column in the unit used here (V, Ah, A, s, K, ohm)."""
    target = QUANTITIES[quantity].unit
    if unit == target:
        return values
    convert = converter(unit, target)  # affine: two points tell all of it
    zero = convert(0.0)
    scaled = values * (convert(1.0) - zero) if zero else values * convert(1.0)
    return scaled + zero if zero else scaled
