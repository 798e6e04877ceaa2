"""Everything the numbers of one evaluation depend on, as JSON and as a text that names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from instruments.cgmd import force_field
from instruments.cgmd.force_field import Contacts, ForceField
from instruments.cgmd.formulation import (
    PUBLISHED_SIZES,
    Contents,
    Densities,
    Formulation,
    SizeClass,
    fill,
)
from instruments.cgmd.numerics import FIDELITIES, Fidelity, Numerics

VERSION: Final = 1  # one more whenever the same payload gives other numbers
FORCE_FIELD: Final = ("kn", "cn", "mu", "e_am", "e_cb", "s")
FORMULATION: Final = ("active_material", "solid_content", "carbon_binder_ratio")


@dataclass(frozen=True, slots=True)
class Model:
    """A slurry and how it is simulated. Raises ValueError without any particle size."""

    formulation: Formulation = field(default_factory=Formulation)
    force: ForceField = field(default_factory=ForceField)
    sizes: tuple[SizeClass, ...] = PUBLISHED_SIZES
    numerics: Numerics = FIDELITIES[Fidelity.MID]

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ValueError("particle_size_distribution: at least one size is needed")

    @property
    def contents(self) -> Contents:
        """What is in the box."""
        numerics = self.numerics
        return fill(self.formulation, self.sizes, numerics.particles, numerics.bead_um)

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """The same with the settings of one job (those named in FORCE_FIELD and FORMULATION)."""
        force = {name: float(settings[name]) for name in FORCE_FIELD if name in settings}
        recipe = {name: float(settings[name]) for name in FORMULATION if name in settings}
        known = {name: getattr(self.force, name) for name in FORCE_FIELD}
        recipes = {name: getattr(self.formulation, name) for name in FORMULATION}
        return type(self)(
            Formulation(**(recipes | recipe), densities=self.formulation.densities),
            ForceField(**(known | force), contacts=self.force.contacts),
            self.sizes,
            self.numerics,
        )

    def payload(self) -> dict[str, Any]:
        """As JSON: plain dictionaries, lists, texts and numbers."""
        return {
            "settings": {
                **{name: getattr(self.force, name) for name in FORCE_FIELD},
                **{name: getattr(self.formulation, name) for name in FORMULATION},
            },
            "contacts": self.force.contacts.value,
            "densities": asdict(self.formulation.densities),
            "sizes": [[size.diameter_um, size.number] for size in self.sizes],
            "numerics": {**asdict(self.numerics), "rates_per_s": list(self.numerics.rates_per_s)},
        }

    @classmethod
    def of_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The model that `payload` was made from."""
        numerics = dict(payload["numerics"])
        numerics["rates_per_s"] = tuple(numerics["rates_per_s"])
        sizes: Sequence[Sequence[float]] = payload["sizes"]
        return cls(
            Formulation(densities=Densities(**payload["densities"])),
            ForceField(contacts=Contacts(payload["contacts"])),
            tuple(SizeClass(diameter, number) for diameter, number in sizes),
            Numerics(**numerics),
        ).with_settings(payload["settings"])

    def identity(self, lammps: str) -> str:
        """One line naming all that the numbers depend on besides the settings and the seed."""
        n, known = self.numerics, self.formulation.densities
        densities = (known.active, known.carbon, known.binder, known.solvent)
        sizes = ",".join(f"{size.diameter_um:g}:{size.number:g}" for size in self.sizes)
        harder = (
            ""
            if self.force.contacts is Contacts.UNIFORM
            else (f"({_listed(force_field.MIXED)};{_listed(force_field.ACTIVE)})")
        )
        return (
            f"cgmd/{VERSION} {self.force.contacts.value}{harder} particles={n.particles} "
            f"d_cb={n.bead_um:g}um msc={n.mass_scale:g} spu={n.steps_per_strain} "
            f"strain={n.discarded:g}+{n.averaged:g} npt={n.settling_steps} "
            f"P={n.pressure_kpa:g}kPa rates={_listed(n.rates_per_s)} psd={sizes} "
            f"rho={_listed(densities)} lammps={lammps}"
        )


def _listed(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)
