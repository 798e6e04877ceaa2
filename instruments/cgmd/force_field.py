"""The force field: a soft attraction (LJ) plus granular contacts (Hertz, dashpot, friction).

Units throughout: um, ms, kPa; so forces are kPa um2, viscosities Pa s, masses kPa um ms2 (1 ug).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Ratios of the published slurry model (see formulation.py), kept fixed: the data do not tell them.
TANGENTIAL_STIFFNESS: Final = 1.378  # Kt / Kn
TANGENTIAL_DAMPING: Final = 0.959  # gamma_t / gamma_n
ACTIVE_EXPANSION: Final = 1.02  # contact diameter of an active particle / its diameter
CUTOFF_SIGMA: Final = 1.5  # reach of the LJ force in units of sigma

# Where active material takes part in a contact (`per_type`): factors on kn and cn, and what is
# added to mu. Chosen so that viscosity rises with solid content at every rate while the density
# of the reference stays within 3 % of that with uniform contacts (benchmarks/cgmd.py).
MIXED: Final = (1.0, 3.0, 0.3)
ACTIVE: Final = (5.0, 10.0, 0.5)


class Contacts(StrEnum):
    """Whether active particles touch as the soft matrix beads do, or harder."""

    PER_TYPE = "per_type"
    UNIFORM = "uniform"


@dataclass(frozen=True, slots=True)
class Contact:
    """One granular contact law: stiffness in kPa, damping in Pa s, friction coefficient."""

    kn: float
    cn: float
    mu: float


@dataclass(frozen=True, slots=True)
class ForceField:
    """Parameters that calibration may vary; the defaults are the reference.

    kn:         normal stiffness of a matrix contact, kPa
    cn:         normal damping of a matrix contact, Pa s
    mu:         friction coefficient of a matrix contact
    e_am, e_cb: LJ depth of active and matrix particles for their diameter, kPa um2
    s:          LJ sigma / diameter
    Raises ValueError for a value that is not positive (mu may be 0).
    """

    kn: float = 1.0
    cn: float = 0.8
    mu: float = 0.015
    e_am: float = 0.2
    e_cb: float = 0.1
    s: float = 0.82
    contacts: Contacts = Contacts.PER_TYPE

    def __post_init__(self) -> None:
        for name in ("kn", "cn", "e_am", "e_cb", "s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name}: {value!r} is not allowed; a positive number is")
        if not (math.isfinite(self.mu) and self.mu >= 0.0):
            raise ValueError(f"mu: {self.mu!r} is not allowed; 0 or more is")

    @property
    def matrix(self) -> Contact:
        """Bead on bead."""
        return Contact(self.kn, self.cn, self.mu)

    @property
    def mixed(self) -> Contact:
        """Active particle on bead."""
        return self._harder(*MIXED)

    @property
    def active(self) -> Contact:
        """Active particle on active particle."""
        return self._harder(*ACTIVE)

    def _harder(self, stiffness: float, damping: float, friction: float) -> Contact:
        if self.contacts is Contacts.UNIFORM:
            return self.matrix
        return Contact(self.kn * stiffness, self.cn * damping, self.mu + friction)
