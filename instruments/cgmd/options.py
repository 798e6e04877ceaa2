"""Options of the slurry simulation, as a campaign file gives them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from instruments.cgmd.force_field import Contacts, ForceField
from instruments.cgmd.formulation import PUBLISHED_SIZES, Densities, Formulation, SizeClass
from instruments.cgmd.gates import least_edge_um
from instruments.cgmd.model import Model
from instruments.cgmd.numerics import FIDELITIES, Fidelity, Numerics


@dataclass(frozen=True)
class CgmdOptions:
    """Options of ``[instrument] kind = "cgmd"``.

    channels:      simulations side by side on the campaign's clock
    fidelity:      fast | mid | full: cost against noise
    contacts:      per_type (active particles touch harder) | uniform
    rates:         shear rates in 1/s, ascending; empty: those of the fidelity
    particles:     active particles in the box; 0: as many as the fidelity has
    pressure_kpa:  pressure under which the density is measured
    particle_size_distribution: diameters and relative numbers of the active material
    densities:     true densities in g/cm3
    timeout_s:     wall time after which an evaluation is given up (a hung machine)
    memory_gib:    address space that one evaluation may take

    Raises ValueError (option first) for a value out of range and for a box that is too small.
    """

    channels: int = 1
    fidelity: Fidelity = Fidelity.MID
    contacts: Contacts = Contacts.PER_TYPE
    rates: tuple[float, ...] = ()
    particles: int = 0
    pressure_kpa: float = 0.1
    particle_size_distribution: tuple[SizeClass, ...] = PUBLISHED_SIZES
    densities: Densities = field(default_factory=Densities)
    timeout_s: float = 1800.0
    memory_gib: float = 4.0

    def __post_init__(self) -> None:
        _within("channels", self.channels, 1, 100_000)
        _within("particles", self.particles, 0, 1000)
        _within("pressure_kpa", self.pressure_kpa, 1e-9, 1e3)
        _within("timeout_s", self.timeout_s, 1.0, 1e6)
        _within("memory_gib", self.memory_gib, 1.0, 1024.0)
        edge, least = start_edge_um(self.model), least_edge_um(self.model.contents)
        if edge <= least:
            raise ValueError(
                f"particles: {self.numerics.particles} give a box of about {edge:.3g} um; "
                f"more than {least:.3g} um, twice the largest contact, are needed"
            )

    @property
    def numerics(self) -> Numerics:
        """Those of the fidelity, with what other options change in them."""
        usual = FIDELITIES[self.fidelity]
        particles = self.particles or usual.particles
        noise = math.sqrt(usual.particles / particles)
        return replace(
            usual,
            particles=particles,
            rates_per_s=tuple(sorted(set(self.rates))) or usual.rates_per_s,
            pressure_kpa=self.pressure_kpa,
            density_sd=usual.density_sd * noise,
            viscosity_sd=usual.viscosity_sd * noise,
        )

    @property
    def model(self) -> Model:
        """The reference slurry under these options."""
        return Model(
            Formulation(densities=self.densities),
            ForceField(contacts=self.contacts),
            self.particle_size_distribution,
            self.numerics,
        )


def start_edge_um(model: Model) -> float:
    """Edge of the box in um at a packing fraction of 1, about that under pressure."""
    return math.cbrt(model.contents.volume_um3)


def _within(option: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{option}: {value!r} is not allowed; {low:g} to {high:g} is")
