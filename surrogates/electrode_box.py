"""The box of designs that an electrode surrogate is made for: names, units, ranges, coding."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from campaigns.space import Space
    from instruments.base import Card

FloatArray = NDArray[np.float64]

BLOCK = 64  # points drawn at once; a power of two keeps the balance of the sequence
_STREAM = 0xE1EC  # keeps these draws apart from other uses of the same seed


@dataclass(frozen=True, slots=True)
class Axis:
    """One setting and its range; on a log scale, equal ratios are equally far apart."""

    name: str
    unit: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.name}: {self.low!r} to {self.high!r} is no range")
        if self.log and self.low <= 0:
            raise ValueError(f"{self.name}: a log scale needs low above 0, not {self.low!r}")


@dataclass(frozen=True)
class Box:
    """Axes in a fixed order; designs are arrays (n, d) in the axes' units."""

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        if not self.axes:
            raise ValueError("a box needs at least one setting")
        if len(set(self.names)) < len(self.axes):
            raise ValueError(f"a setting stands twice in {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    def axis(self, name: str) -> int:
        """The column of a setting. Raises ValueError naming those there are."""
        if name not in self.names:
            raise ValueError(f"{name}: no setting of the box; it has {', '.join(self.names)}")
        return self.names.index(name)

    def encode(self, designs: FloatArray) -> FloatArray:
        """Places in the unit cube (n, d); beyond 0 to 1 outside the box, NaN where there is none
        (a value that is not positive on a log scale)."""
        designs = np.asarray(designs, dtype=np.float64).reshape(-1, len(self.axes))
        columns = []
        for axis, values in zip(self.axes, designs.T, strict=True):
            if axis.log:
                positive = np.where(values > 0, values, np.nan)
                columns.append(np.log(positive / axis.low) / math.log(axis.high / axis.low))
            else:
                columns.append((values - axis.low) / (axis.high - axis.low))
        return np.stack(columns, axis=1)

    def decode(self, places: FloatArray) -> FloatArray:
        """Designs (n, d) at places of the unit cube; never beyond the range by rounding."""
        columns = []
        for axis, u in zip(self.axes, np.asarray(places).T, strict=True):
            value = (
                axis.low * (axis.high / axis.low) ** u
                if axis.log
                else axis.low + (axis.high - axis.low) * u
            )
            columns.append(np.clip(value, axis.low, axis.high))
        return np.stack(columns, axis=1)

    def inside(self, designs: FloatArray) -> NDArray[np.bool_]:
        """Which designs lie within every range (n,)."""
        low = np.array([axis.low for axis in self.axes])
        high = np.array([axis.high for axis in self.axes])
        return np.asarray(((designs >= low) & (designs <= high)).all(axis=1))

    def middle(self) -> FloatArray:
        """The design in the middle of every range, (1, d); geometric on log scales."""
        return self.decode(np.full((1, len(self.axes)), 0.5))

    def designs(self, count: int, seed: int, stream: int = 0) -> FloatArray:
        """The first `count` designs of a scrambled Sobol sequence (Owen 1998), (count, d).

        The sequence follows from `seed` and `stream`; a longer one begins with a shorter one.
        """
        from scipy.stats.qmc import Sobol

        rng = np.random.default_rng([seed, _STREAM, stream])
        sequence = Sobol(len(self.axes), scramble=True, rng=rng)
        blocks = [sequence.random(BLOCK) for _ in range(-(-count // BLOCK))]
        return self.decode(np.concatenate([np.empty((0, len(self.axes))), *blocks])[:count])

    def within(self, card: Card) -> None:
        """Raises ValueError where a setting is unknown to an instrument or beyond its limits."""
        known = {setting.name: setting for setting in card.settings}
        for axis in self.axes:
            if axis.name not in known:
                raise ValueError(
                    f"{axis.name}: {card.kind} knows no such setting; it takes {', '.join(known)}"
                )
            limit = known[axis.name]
            low = -math.inf if limit.low is None else limit.low
            high = math.inf if limit.high is None else limit.high
            if axis.low < low or axis.high > high:
                raise ValueError(
                    f"{axis.name}: {axis.low:g} to {axis.high:g} {axis.unit} leaves the limits of "
                    f"{card.kind}, {low:g} to {high:g}"
                )

    def state(self) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [asdict(axis) for axis in self.axes]

    @classmethod
    def from_state(cls, state: Iterable[Mapping[str, Any]]) -> Box:
        """Inverse of `state`; raises ValueError where it does not fit."""
        try:
            return cls(tuple(Axis(**axis) for axis in state))
        except TypeError as error:
            raise ValueError(f"a box is a list of axes: {error}") from error


# What a cell designer may reach for; beside 11 % of it no cell works at all.
WIDE = Box(
    (
        Axis("positive_thickness", "um", 20.0, 200.0),
        Axis("np_ratio", "1", 0.9, 1.3),
        Axis("positive_active_fraction", "1", 0.30, 0.75),
        Axis("positive_inactive_fraction", "1", 0.02, 0.35),
        Axis("positive_bruggeman", "1", 1.2, 3.0),
        Axis("positive_particle_radius", "um", 0.5, 15.0, log=True),
        Axis("negative_particle_radius", "um", 1.0, 20.0, log=True),
        Axis("electrolyte_concentration", "mol/m**3", 400.0, 2500.0),
        Axis("c_rate", "1/h", 0.1, 8.0, log=True),
    )
)


def of_space(space: Space, card: Card) -> Box:
    """The box around a campaign's search space, in the instrument's units.

    Raises ValueError for a parameter that is not continuous or has another kind of unit.
    """
    from campaigns.space import Continuous
    from instruments.units import UnitError, converter

    units = {setting.name: setting.unit for setting in card.settings}
    axes = []
    for parameter in space.parameters:
        if not isinstance(parameter, Continuous):
            raise ValueError(f"{parameter.name}: a surrogate takes continuous parameters only")
        unit = units.get(parameter.name, parameter.unit)
        try:
            convert = converter(parameter.unit, unit)
        except UnitError as error:
            raise ValueError(f"{parameter.name}: {error}") from error
        low, high = convert(parameter.low), convert(parameter.high)
        axes.append(Axis(parameter.name, unit, low, high, parameter.scale == "log"))
    return Box(tuple(axes))


def of_toml(text: str, card: Card) -> Box:
    """The box in a `[space.parameters]` table, as campaigns write it.

    Raises ValueError; CampaignError with every mistake of the table.
    """
    from campaigns.options import build
    from campaigns.schema import SpaceTable
    from campaigns.space_table import build_space

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from error
    parameters = tables.get("space", {})
    if not isinstance(parameters, dict) or "parameters" not in parameters:
        raise ValueError("has no table [space.parameters]")
    table = build(SpaceTable, {"parameters": parameters["parameters"]}, "space")
    return of_space(build_space(table, {}), card)
