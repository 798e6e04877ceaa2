"""What a slurry is made of: composition, true densities, particle sizes; and what fills its box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Particle sizes of the NMC111 slurry published with Lombardo et al., Batteries & Supercaps (2020),
# doi 10.1002/batt.202000049: 159 particles of six diameters.
DIAMETERS_UM = (2.5, 3.5, 4.5, 5.86, 8.28, 10.35)
NUMBERS = (29, 36, 26, 23, 33, 12)
WIDEST_UM = 1000.0
MOST_OF_A_SIZE = 1e12


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise ValueError(f"{name}: {value!r} is not allowed; a positive number is")


@dataclass(frozen=True, slots=True)
class SizeClass:
    """Active particles of one diameter, and how many of them there are for all the others."""

    diameter_um: float
    number: float

    def __post_init__(self) -> None:
        _positive("diameter_um", self.diameter_um)
        _positive("number", self.number)
        for name, most in (("diameter_um", WIDEST_UM), ("number", MOST_OF_A_SIZE)):
            if getattr(self, name) > most:
                raise ValueError(f"{name}: {getattr(self, name):g} is above the limit {most:g}")


PUBLISHED_SIZES = tuple(SizeClass(d, float(n)) for d, n in zip(DIAMETERS_UM, NUMBERS, strict=True))


@dataclass(frozen=True, slots=True)
class Densities:
    """True densities in g/cm3 (NMC111, carbon black, PVdF, NMP)."""

    active: float = 4.65
    carbon: float = 1.8
    binder: float = 1.8
    solvent: float = 1.03

    def __post_init__(self) -> None:
        for name in ("active", "carbon", "binder", "solvent"):
            _positive(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Formulation:
    """A recipe by weight.

    active_material:     active material in the solids, percent by weight
    solid_content:       solids in the slurry, percent by weight
    carbon_binder_ratio: weight of carbon for that of binder
    Raises ValueError for what is no recipe.
    """

    active_material: float = 96.0
    solid_content: float = 71.0
    carbon_binder_ratio: float = 1.0
    densities: Densities = Densities()

    def __post_init__(self) -> None:
        for name in ("active_material", "solid_content"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 < value < 100.0):
                raise ValueError(f"{name}: {value!r} is not allowed; between 0 and 100 percent is")
        _positive("carbon_binder_ratio", self.carbon_binder_ratio)

    @property
    def weights(self) -> tuple[float, float, float, float]:
        """Shares by weight of active material, carbon, binder and solvent; they add up to 1."""
        solids, active = self.solid_content / 100.0, self.active_material / 100.0
        additives = solids * (1.0 - active)
        carbon = additives * self.carbon_binder_ratio / (1.0 + self.carbon_binder_ratio)
        return solids * active, carbon, additives - carbon, 1.0 - solids

    @property
    def active_volume(self) -> float:
        """Volume of the active material in cm3 per gram of slurry."""
        return self.weights[0] / self.densities.active

    @property
    def matrix_volume(self) -> float:
        """Volume of all that is not active material in cm3 per gram of slurry, ideally mixed."""
        known = self.densities
        _, carbon, binder, solvent = self.weights
        return carbon / known.carbon + binder / known.binder + solvent / known.solvent

    @property
    def ideal_density(self) -> float:
        """Density in g/cm3 if volumes just added up."""
        return 1.0 / (self.active_volume + self.matrix_volume)


@dataclass(frozen=True, slots=True)
class Contents:
    """What one simulation box holds.

    diameters_um:    of the size classes of active material
    counts:          active particles of each class
    beads:           of carbon, binder and solvent together
    bead_diameter_um: of each such bead
    mass_pg:         true mass of all (1 pg/um3 = 1 g/cm3)
    """

    diameters_um: tuple[float, ...]
    counts: tuple[int, ...]
    beads: int
    bead_diameter_um: float
    mass_pg: float

    @property
    def particles(self) -> int:
        return sum(self.counts) + self.beads

    @property
    def volume_um3(self) -> float:
        """Geometric volume of all particles."""
        active = sum(n * _sphere(d) for n, d in zip(self.counts, self.diameters_um, strict=True))
        return active + self.beads * _sphere(self.bead_diameter_um)


def fill(
    formulation: Formulation, sizes: Sequence[SizeClass], particles: int, bead_um: float
) -> Contents:
    """A box with so many active particles, and beads of about `bead_um` for everything else.

    The matrix volume follows from the volume of the very particles taken, and the bead diameter
    is adjusted (by less than 1 % from 20 beads on) so that a whole number of beads holds exactly
    that volume: the recipe does not depend on the size of the box.
    """
    counts = apportion([size.number for size in sizes], particles)
    active = sum(n * _sphere(size.diameter_um) for n, size in zip(counts, sizes, strict=True))
    matrix = active * formulation.matrix_volume / formulation.active_volume
    beads = max(1, round(matrix / _sphere(bead_um)))
    return Contents(
        diameters_um=tuple(size.diameter_um for size in sizes),
        counts=counts,
        beads=beads,
        bead_diameter_um=(6.0 * matrix / (math.pi * beads)) ** (1.0 / 3.0),
        mass_pg=(active + matrix) * formulation.ideal_density,
    )


def apportion(numbers: Sequence[float], total: int) -> tuple[int, ...]:
    """`total` divided in proportion to `numbers`, by largest remainder; ties go to the first."""
    shares = [number * total / math.fsum(numbers) for number in numbers]
    counts = [math.floor(share) for share in shares]
    order = sorted(range(len(shares)), key=lambda i: (counts[i] - shares[i], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return tuple(counts)


def _sphere(diameter_um: float) -> float:
    return math.pi / 6.0 * diameter_um**3
