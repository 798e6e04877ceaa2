"""Inertial masses: no part of the slurry, but what makes a time step of given length stable."""

from __future__ import annotations

import math
from typing import Final

from instruments.cgmd.force_field import ForceField
from instruments.cgmd.formulation import Contents

# m = scale * max(60 Kn (dt/0.2)^2, 125 cn dt/0.4) kept a uniform slurry stable down to a scale of
# about 0.04 (K, c in kPa and Pa s, dt in ms): the stiffness and the damping of a caged particle.
STIFFNESS_MASS: Final = 60.0 / 0.2**2
DAMPING_MASS: Final = 125.0 / 0.4
# LJ curvature at its minimum is 57 eps / sigma^2; a Hertz contact of stiffness Kn yields about
# 2.4 um Kn at the overlaps seen.
_LJ_AS_HERTZ: Final = 57.0 / 2.4


def inertial_masses(
    force: ForceField, contents: Contents, dt_ms: float, scale: float
) -> tuple[float, float]:
    """Masses of an active particle and of a bead in kPa um ms2.

    A particle's contacts with the harder kind count half: only part of its contacts are such.
    """
    matrix, mixed, active = force.matrix, force.mixed, force.active
    lj_matrix, lj_mixed, lj_active = lj_stiffness(force, contents)
    of_active = _mass(
        max(mixed.kn, active.kn / 2, lj_mixed, lj_active / 2),
        max(mixed.cn, active.cn / 2),
        dt_ms,
    )
    of_bead = _mass(
        max(matrix.kn, mixed.kn / 2, lj_matrix, lj_mixed / 2),
        max(matrix.cn, mixed.cn / 2),
        dt_ms,
    )
    return scale * of_active, scale * of_bead


def lj_stiffness(force: ForceField, contents: Contents) -> tuple[float, float, float]:
    """Stiffness of an LJ contact (bead-bead, mixed, active-active) as that of a Hertz one, kPa."""
    count = sum(contents.counts)
    active = math.fsum(
        n * d for n, d in zip(contents.counts, contents.diameters_um, strict=True)
    ) / max(count, 1)
    bead = contents.bead_diameter_um
    deep, shallow = force.e_am * active, force.e_cb * bead
    return (
        _LJ_AS_HERTZ * shallow / (force.s * bead) ** 2,
        _LJ_AS_HERTZ * math.sqrt(deep * shallow) / (force.s * (active + bead) / 2) ** 2,
        _LJ_AS_HERTZ * deep / (force.s * active) ** 2,
    )


def _mass(stiffness: float, damping: float, dt_ms: float) -> float:
    return max(STIFFNESS_MASS * stiffness * dt_ms**2, DAMPING_MASS * damping * dt_ms)
