"""What a simulation must satisfy before its numbers count: each refusal names number and limit."""

from __future__ import annotations

import math
from typing import Final

from campaigns.records import FailureKind
from instruments.cgmd.force_field import ACTIVE_EXPANSION
from instruments.cgmd.formulation import Contents

PRESSURE_TOLERANCE: Final = 0.03
DENSITIES_G_CM3: Final = (1.0, 3.5)
PACKINGS: Final = (0.6, 1.3)


class Invalid(Exception):
    """A simulation that gave no usable numbers: the kind of failure and one line of reason."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def least_edge_um(contents: Contents) -> float:
    """Edge below which one particle could touch another and its periodic image at once."""
    present = [d for d, n in zip(contents.diameters_um, contents.counts, strict=True) if n]
    return 2.0 * max(ACTIVE_EXPANSION * max(present), contents.bead_diameter_um)


def settled(contents: Contents, volume_um3: float, pressure_error: float) -> None:
    """Is the box at rest under its pressure a plausible slurry? Raises Invalid."""
    if not (math.isfinite(volume_um3) and math.isfinite(pressure_error)):
        raise Invalid(FailureKind.NOT_CONVERGED, "volume or pressure is not a finite number")
    if abs(pressure_error) >= PRESSURE_TOLERANCE:
        raise Invalid(
            FailureKind.NOT_CONVERGED,
            f"pressure is off by {100 * pressure_error:+.3g} % after settling; "
            f"less than {100 * PRESSURE_TOLERANCE:g} % is needed",
        )
    _within("density", contents.mass_pg / volume_um3, DENSITIES_G_CM3, " g/cm3")
    _within("packing fraction", contents.volume_um3 / volume_um3, PACKINGS, "")
    edge, least = volume_um3 ** (1.0 / 3.0), least_edge_um(contents)
    if edge <= least:
        raise Invalid(
            FailureKind.OUT_OF_RANGE,
            f"box edge {edge:.3g} um is not above {least:.3g} um, twice the largest contact",
        )


def sheared(
    rate_per_s: float, viscosity: float, sem: float, deviation: float, tolerance: float
) -> None:
    """Is the flow at one rate a plausible one? Raises Invalid."""
    at = f"at {rate_per_s:g} 1/s"
    if not (math.isfinite(viscosity) and math.isfinite(sem) and math.isfinite(deviation)):
        raise Invalid(FailureKind.NOT_CONVERGED, f"viscosity {at} is not a finite number")
    if viscosity <= 0.0:
        raise Invalid(
            FailureKind.OUT_OF_RANGE, f"viscosity {viscosity:.3g} Pa*s {at}; above 0 is needed"
        )
    if deviation > tolerance:
        raise Invalid(
            FailureKind.NOT_CONVERGED,
            f"velocity profile {at} deviates by {deviation:.3g} of its span from a straight "
            f"line; at most {tolerance:g} is allowed",
        )


def conserved(before: int, now: int) -> None:
    """Raises Invalid where particles got lost."""
    if now != before:
        raise Invalid(FailureKind.NOT_CONVERGED, f"particles got lost: {before} before, {now} now")


def _within(what: str, value: float, limits: tuple[float, float], unit: str) -> None:
    low, high = limits
    if not low <= value <= high:
        raise Invalid(
            FailureKind.OUT_OF_RANGE, f"{what} {value:.3g}{unit} is not within {low:g} to {high:g}"
        )
