"""The kinds of parameters a campaign varies, each with its own coding into the unit cube."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from campaigns.expression import Kind
from campaigns.problems import listed
from campaigns.records import Value

Scale: TypeAlias = Literal["linear", "log"]
Floats: TypeAlias = NDArray[np.float64]

LARGEST = 1e300  # a number beyond it is a slip
MOST_EXACT = 2**53  # whole numbers up to here are exact as floats
SLACK = 1e-9  # of a range: what rounding may add to a value at its bound


def is_number(value: Any) -> bool:
    """True for finite ints and floats; a bool is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    return bool(-LARGEST < value < LARGEST)  # false for NaN, and safe for integers of any length


@dataclass(frozen=True)
class Continuous:
    """A real number in [low, high], coded by one column in [0, 1] on its scale."""

    name: str
    low: float
    high: float
    unit: str = "1"
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.scale)

    @property
    def columns(self) -> int:
        """Number of unit-cube columns."""
        return 1

    @property
    def kind(self) -> Kind:
        """What the parameter holds, for expressions."""
        return "number"

    def encode(self, values: Sequence[Any]) -> Floats:
        """Unit-cube columns (n, 1) of n values."""
        return _scaled(np.asarray(values, dtype=np.float64), self.low, self.high, self.scale)

    def decode(self, x: Floats) -> list[Value]:
        """The values of unit-cube columns (n, 1), within the bounds."""
        return np.clip(_unscaled(x[:, 0], self), self.low, self.high).tolist()  # type: ignore[no-any-return]

    def canonical(self, value: Any) -> Value:
        """`value` in the type it is stored in."""
        return float(value)

    def problem(self, value: object) -> str | None:
        """Why `value` may not be taken, or None."""
        if not is_number(value):
            return f"{value!r} is no finite number"
        return _outside(float(value), self.low, self.high)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Integer:
    """A whole number in [low, high], coded by one column in [0, 1] on its scale."""

    name: str
    low: int
    high: int
    unit: str = "1"
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.scale)
        if self.low != int(self.low) or self.high != int(self.high):
            raise ValueError(f"low and high must be whole numbers, not {self.low}, {self.high}")
        if max(abs(self.low), abs(self.high)) > MOST_EXACT:
            raise ValueError(f"whole numbers beyond {MOST_EXACT} are not exact")

    @property
    def columns(self) -> int:
        """Number of unit-cube columns."""
        return 1

    @property
    def kind(self) -> Kind:
        """What the parameter holds, for expressions."""
        return "number"

    def encode(self, values: Sequence[Any]) -> Floats:
        """Unit-cube columns (n, 1) of n values."""
        return _scaled(np.asarray(values, dtype=np.float64), self.low, self.high, self.scale)

    def decode(self, x: Floats) -> list[Value]:
        """The nearest whole numbers of unit-cube columns (n, 1)."""
        values = np.clip(np.rint(_unscaled(x[:, 0], self)), self.low, self.high)
        return [int(value) for value in values.tolist()]

    def canonical(self, value: Any) -> Value:
        """`value` in the type it is stored in."""
        return int(value)

    def problem(self, value: object) -> str | None:
        """Why `value` may not be taken, or None."""
        if not is_number(value) or value != int(value):  # type: ignore[call-overload]
            return f"{value!r} is no whole number"
        return _outside(float(value), self.low, self.high)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Choice:
    """One of several options. Numbers, and texts said to be ordered, are coded by one column,
    other texts and truth values by one column an option (one-hot)."""

    name: str
    options: tuple[Value, ...]
    unit: str = "1"
    ordered: bool = False  # numbers always are, by their size; texts as they are listed

    def __post_init__(self) -> None:
        if not self.options:
            raise ValueError("no choices are given")
        kinds = {"number" if is_number(o) else type(o).__name__ for o in self.options}
        if len(kinds) > 1 or not kinds <= {"number", "str", "bool"}:
            raise ValueError("choices must be all finite numbers, all texts or all true/false")
        if len(set(self.options)) < len(self.options):
            twice = next(o for i, o in enumerate(self.options) if o in self.options[:i])
            raise ValueError(f"the choice {twice!r} is given twice")
        if kinds == {"number"}:
            object.__setattr__(self, "ordered", True)

    @property
    def columns(self) -> int:
        """Number of unit-cube columns."""
        return 1 if self.ordered else len(self.options)

    @property
    def kind(self) -> Kind:
        """What the parameter holds, for expressions."""
        if isinstance(self.options[0], bool):
            return "truth"
        return "text" if isinstance(self.options[0], str) else "number"

    @cached_property
    def _place(self) -> dict[Value, int]:
        return {option: i for i, option in enumerate(self.options)}

    @cached_property
    def _positions(self) -> Floats:
        """Where each ordered option stands in [0, 1]: by size, or by rank for texts."""
        marks = self.options if self.kind == "number" else range(len(self.options))
        values = np.asarray(marks, dtype=np.float64)
        span = float(values.max() - values.min())
        return np.asarray((values - values.min()) / (span or 1.0), dtype=np.float64)

    def encode(self, values: Sequence[Any]) -> Floats:
        """Unit-cube columns (n, columns) of n values; KeyError where one is no option."""
        places = np.fromiter((self._place[value] for value in values), np.intp, len(values))
        if self.ordered:
            return self._positions[places, None]
        return np.eye(len(self.options), dtype=np.float64)[places]

    def decode(self, x: Floats) -> list[Value]:
        """The nearest options of unit-cube columns (n, columns)."""
        places = (np.abs(x - self._positions) if self.ordered else -x).argmin(axis=1)
        return [self.options[place] for place in places.tolist()]

    def canonical(self, value: Any) -> Value:
        """The option equal to `value`, as it is written in the campaign; KeyError if none is."""
        return self.options[self._place[value]]

    def problem(self, value: object) -> str | None:
        """Why `value` may not be taken, or None."""
        # true == 1 in Python: a truth value is no option of a numeric choice, nor the reverse
        known = isinstance(value, (bool, int, float, str)) and value in self._place
        if known and isinstance(value, bool) == (self.kind == "truth"):
            return None
        return f"{value!r} is no option; allowed: {listed([str(o) for o in self.options])}"


Parameter: TypeAlias = Continuous | Integer | Choice


def _check_range(low: float, high: float, scale: str) -> None:
    if not (is_number(low) and is_number(high)):
        raise ValueError(f"low and high must be finite numbers, not {low!r}, {high!r}")
    if not low < high:
        raise ValueError(f"low must be below high, but low = {low} and high = {high}")
    if scale not in ("linear", "log"):
        raise ValueError(f"scale must be linear or log, not {scale!r}")
    if scale == "log" and low <= 0:
        raise ValueError(f"a log scale needs low > 0, but low = {low}")


def _outside(value: float, low: float, high: float) -> str | None:
    slack = SLACK * (high - low)
    if low - slack <= value <= high + slack:
        return None
    return f"{value:g} is outside {low:g} to {high:g}"


def _scaled(values: Floats, low: float, high: float, scale: str) -> Floats:
    if scale == "log":
        unit = np.log(values / low) / math.log(high / low)
    else:
        unit = (values - low) / (high - low)
    return np.clip(unit, 0.0, 1.0)[:, None]


def _unscaled(x: Floats, parameter: Continuous | Integer) -> Floats:
    low, high = float(parameter.low), float(parameter.high)
    if parameter.scale == "log":
        return low * np.exp(x * math.log(high / low))
    return low + x * (high - low)
