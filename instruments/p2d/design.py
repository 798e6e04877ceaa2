"""One cell design: settings completed from a parameter set, and what makes it unphysical."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from campaigns.records import Setting
from instruments.base import Problem
from instruments.p2d.card import SETTINGS, beyond_limits
from instruments.p2d.parameter_set import Electrode, ParameterSet, parameter_set

MOST_FILLED: Final = 0.995  # of the negative particles at the start; plating is not in the model
_SUM_TOLERANCE: Final = 1e-6
_THICKNESS: Final = next(one for one in SETTINGS if one.name == "negative_thickness")


class Unphysical(Exception):
    """Settings that are no cell; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{one.setting} {one.reason}" for one in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Coating:
    """One electrode as designed; the three fractions sum to 1."""

    material: Electrode
    thickness_um: float
    porosity: float
    active_fraction: float
    particle_radius_um: float
    bruggeman: float

    @property
    def inactive_fraction(self) -> float:
        return max(0.0, 1.0 - self.porosity - self.active_fraction)

    @property
    def capacity_mah_cm2(self) -> float:
        """Between the parameter set's stoichiometry limits."""
        return self.material.capacity_mah_cm2(self.thickness_um, self.active_fraction)


@dataclass(frozen=True, slots=True)
class Design:
    """A complete cell, charged, and the rate at which it is discharged."""

    parameter_set: ParameterSet
    positive: Coating
    negative: Coating
    separator_um: float
    separator_porosity: float
    separator_bruggeman: float
    electrolyte_mol_m3: float
    c_rate_per_h: float

    @classmethod
    def of(cls, name: str, settings: Setting) -> Self:
        """The design of some settings; the others are the parameter set's.

        Raises Unphysical, ValueError for a parameter set that is not supported.
        """
        cell = parameter_set(name)
        problems = beyond_limits(settings)
        if problems:
            raise Unphysical(problems)
        return cls._completed(cell, {key: float(value) for key, value in settings.items()})

    @classmethod
    def _completed(cls, cell: ParameterSet, given: Mapping[str, float]) -> Self:
        problems: list[Problem] = []
        positive = _coating("positive", cell.positive, given, problems)
        negative = _coating("negative", cell.negative, given, problems)
        if {"np_ratio", "negative_thickness"} <= given.keys():
            problems.append(Problem("np_ratio", "and negative_thickness exclude each other"))
        if problems:
            raise Unphysical(problems)
        if "np_ratio" in given:
            negative = _balanced(positive, negative, given["np_ratio"])
        design = cls(
            cell,
            positive,
            negative,
            given.get("separator_thickness", cell.separator_um),
            given.get("separator_porosity", cell.separator_porosity),
            given.get("separator_bruggeman", cell.separator_bruggeman),
            given.get("electrolyte_concentration", cell.electrolyte_mol_m3),
            given.get("c_rate", 1.0),
        )
        if unfit := design._unfit():
            raise Unphysical(unfit)
        return design

    @property
    def capacity_mah_cm2(self) -> float:
        """Theoretical areal capacity: that of the positive electrode, which limits the cell."""
        return self.positive.capacity_mah_cm2

    @property
    def np_ratio(self) -> float:
        """Capacity of the negative electrode over that of the positive one."""
        return self.negative.capacity_mah_cm2 / self.positive.capacity_mah_cm2

    @property
    def current_a_m2(self) -> float:
        return self.c_rate_per_h * self.capacity_mah_cm2 * 10.0

    @property
    def negative_stoichiometry(self) -> float:
        """At the start: the negative electrode got exactly what the positive one gave."""
        full, empty = self.negative.material.charged, self.negative.material.discharged
        return empty + (full - empty) / self.np_ratio

    @property
    def longest_s(self) -> float:
        """The discharge ends before: by then one electrode could take or give no more lithium."""
        positive = self.parameter_set.positive
        negative = self.parameter_set.negative
        taken = (1.0 - positive.charged) / abs(positive.discharged - positive.charged)
        swing = abs(negative.charged - negative.discharged)
        given = self.negative_stoichiometry * self.np_ratio / swing
        return 1.02 * min(taken, given) * 3600.0 / self.c_rate_per_h

    def _unfit(self) -> list[Problem]:
        """What only the cell as a whole can tell."""
        if not _THICKNESS.low <= self.negative.thickness_um <= _THICKNESS.high:  # type: ignore[operator]
            reason = f"asks for a negative electrode {self.negative.thickness_um:.4g} um thick"
            allowed = f"{_THICKNESS.low:g} to {_THICKNESS.high:g} um are allowed"
            return [Problem("np_ratio", f"{reason}; {allowed}")]
        if self.negative_stoichiometry > MOST_FILLED:
            reason = (
                f"of {self.np_ratio:.4g}: the negative electrode would be overfilled (to "
                f"{self.negative_stoichiometry:.3f}; at most {MOST_FILLED} is allowed)"
            )
            return [Problem("np_ratio", reason)]
        return []


def problems(name: str, settings: Setting) -> list[Problem]:
    """Why settings are no cell of that parameter set; [] means they are one."""
    try:
        Design.of(name, settings)
    except Unphysical as unphysical:
        return unphysical.problems
    return []


def _balanced(positive: Coating, negative: Coating, np_ratio: float) -> Coating:
    """The negative coating as thick as the ratio of capacities asks for."""
    per_um = negative.capacity_mah_cm2 / negative.thickness_um
    thickness = np_ratio * positive.capacity_mah_cm2 / per_um
    return Coating(
        negative.material,
        thickness,
        negative.porosity,
        negative.active_fraction,
        negative.particle_radius_um,
        negative.bruggeman,
    )


def _coating(
    side: str, material: Electrode, given: Mapping[str, float], problems: list[Problem]
) -> Coating:
    porosity, active = _fractions(side, material, given, problems)
    return Coating(
        material,
        given.get(f"{side}_thickness", material.thickness_um),
        porosity,
        active,
        given.get(f"{side}_particle_radius", material.particle_radius_um),
        given.get(f"{side}_bruggeman", material.bruggeman),
    )


def _fractions(
    side: str, material: Electrode, given: Mapping[str, float], problems: list[Problem]
) -> tuple[float, float]:
    """Porosity and active fraction. Two given make the third; beside one, the ratio of the other
    two stays that of the parameter set."""
    names = [f"{side}_porosity", f"{side}_active_fraction", f"{side}_inactive_fraction"]
    usual = [material.porosity, material.active_fraction, material.inactive_fraction]
    told = [given.get(name) for name in names]
    total = sum(value for value in told if value is not None)
    left = [share for share, value in zip(usual, told, strict=True) if value is None]
    if not left and abs(total - 1.0) > _SUM_TOLERANCE:
        reason = f"and the other two fractions sum to {total:.6g}; they must sum to 1"
        problems.append(Problem(names[0], reason))
    parts = [1.0] if len(left) == 1 else [share / sum(left) for share in left]
    rest = iter([part * (1.0 - total) for part in parts])
    porosity, active, inactive = (next(rest) if value is None else value for value in told)
    for name, value in ((names[0], porosity), (names[1], active)):
        if not 0.0 < value < 1.0:
            problems.append(Problem(name, f"becomes {value:.4g}; above 0 and below 1 is allowed"))
    if inactive < -_SUM_TOLERANCE:
        problems.append(Problem(names[2], f"becomes {inactive:.4g}; at least 0 is allowed"))
    return porosity, active
