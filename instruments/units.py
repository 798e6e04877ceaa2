"""Conversion between the campaign's units and the instrument's, in one place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint


# what pint raises for texts that are no units at all, such as "g cm-3" or "g/0"
UNREADABLE = (
    TypeError, AssertionError, ZeroDivisionError, AttributeError, ValueError, SyntaxError, KeyError,
)  # fmt: skip


class UnitError(ValueError):
    """A unit is not known, or two units measure different things."""


@cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


def converter(source: str, target: str) -> Callable[[float], float]:
    """A function from numbers in `source` to numbers in `target`. Raises UnitError."""
    if source == target:
        return _same
    import pint

    registry = _registry()
    try:
        wanted = registry.Unit(_spelt(target))
        given = registry.Unit(_spelt(source))
        registry.Quantity(1.0, given).to(wanted)
    except pint.UndefinedUnitError as error:
        raise UnitError(f"{', '.join(error.unit_names)!r} is not a unit") from error
    except pint.DimensionalityError as error:
        raise UnitError(f"{source!r} cannot be converted to {target!r}") from error
    except UNREADABLE as error:
        wrong = next((one for one in (target, source) if not _readable(registry, one)), source)
        raise UnitError(f"{wrong!r} is not a unit; write it like g/cm^3 or Pa*s") from error
    return lambda value: float(registry.Quantity(value, given).to(wanted).magnitude)


def known(unit: str) -> bool:
    """Whether numbers of this unit can be converted to others; "1" is the unit of plain ones."""
    return _readable(_registry(), unit)


def _readable(registry: pint.UnitRegistry[float], unit: str) -> bool:
    try:
        registry.Unit(_spelt(unit))
    except (*UNREADABLE, ValueError):
        return False
    return True


def scale(source: str, target: str) -> Callable[[float], float]:
    """Like `converter`, for differences (a standard deviation has no zero point)."""
    if source == target:
        return _same
    convert = converter(source, target)
    zero, one = convert(0.0), convert(1.0)
    return lambda value: value * (one - zero)


def _spelt(unit: str) -> str:
    return "dimensionless" if unit in ("1", "") else unit


def _same(value: float) -> float:
    return value
