"""The cells that designs start from: numbers of PyBaMM's parameter sets, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

FARADAY_C_MOL: Final = 96485.33212


@dataclass(frozen=True, slots=True)
class Electrode:
    """One porous electrode of a parameter set.

    thickness_um, porosity, active_fraction, particle_radius_um: of the coating
    bruggeman:            exponent of the electrolyte's transport in the pores
    solid_bruggeman:      exponent of electronic conduction; acts on 1 - porosity
    greatest_mol_m3:      lithium concentration of the full particle
    charged, discharged:  stoichiometries at the upper and the lower voltage of the window
    active_density_g_cm3: crystal density of the active material (see docs/p2d.md)
    collector_um, collector_density_g_cm3: the foil that the coating is on
    """

    thickness_um: float
    porosity: float
    active_fraction: float
    particle_radius_um: float
    bruggeman: float
    solid_bruggeman: float
    greatest_mol_m3: float
    charged: float
    discharged: float
    active_density_g_cm3: float
    collector_um: float
    collector_density_g_cm3: float

    @property
    def inactive_fraction(self) -> float:
        """Binder and conductive additive: what is neither pore nor active material."""
        return max(0.0, 1.0 - self.porosity - self.active_fraction)

    def capacity_mah_cm2(self, thickness_um: float, active_fraction: float) -> float:
        """Areal capacity between the two stoichiometries; Faraday's law."""
        swing = abs(self.charged - self.discharged)
        coulombs_m2 = (
            FARADAY_C_MOL * self.greatest_mol_m3 * active_fraction * thickness_um * 1e-6 * swing
        )
        return coulombs_m2 / 36_000.0


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """A cell as PyBaMM ships it. The stoichiometries were solved for with PyBaMM's ElectrodeSOH
    (Mohtat et al. 2019) between the two voltages; a test compares every number with PyBaMM."""

    name: str
    chemistry: str
    positive: Electrode
    negative: Electrode
    separator_um: float
    separator_porosity: float
    separator_bruggeman: float
    electrolyte_mol_m3: float
    lower_v: float
    upper_v: float


# Crystal densities, g/cm3 (sources in docs/p2d.md).
_GRAPHITE: Final = 2.24
_NMC: Final = 4.75
_LCO: Final = 5.05
_CU, _AL = 8.96, 2.70

_SETS: Final = (
    ParameterSet(
        "Chen2020",
        "LG M50: NMC 811 against graphite with SiOx",
        Electrode(
            75.6, 0.335, 0.665, 5.22, 1.5, 0.0, 63104.0,
            0.2638452245913298, 0.853974674630047, _NMC, 16.0, 2.7,
        ),
        Electrode(
            85.2, 0.25, 0.75, 5.86, 1.5, 0.0, 33133.0,
            0.9106180466524094, 0.02634579027064577, _GRAPHITE, 12.0, 8.96,
        ),
        12.0, 0.47, 1.5, 1000.0, 2.5, 4.2,
    ),
    ParameterSet(
        "Marquis2019",
        "Kokam SLPB78205130H: LCO against graphite",
        Electrode(
            100.0, 0.3, 0.5, 10.0, 1.5, 1.5, 51217.9257309275,
            0.5125964131099127, 0.961024694977169, _LCO, 25.0, 2.707,
        ),
        Electrode(
            100.0, 0.3, 0.6, 10.0, 1.5, 1.5, 24983.2619938437,
            0.9493209874894212, 0.1832225211781177, _GRAPHITE, 25.0, 8.954,
        ),
        25.0, 1.0, 1.5, 1000.0, 3.105, 4.1,
    ),
    ParameterSet(
        "Ecker2015",
        "Kokam SLPB 75106100: NCO against graphite",
        Electrode(
            54.0, 0.296, 0.40832, 6.5, 1.5442267190786427, 0.0, 48580.0,
            0.23526010328230693, 0.9290808291589756, _NMC, 15.0, 2.702,
        ),
        Electrode(
            74.0, 0.329, 0.372403, 13.7, 1.6372789338386007, 0.0, 31920.0,
            0.8484233446212602, 0.0035503693634746686, _GRAPHITE, 14.0, 8.933,
        ),
        20.0, 0.508, 1.9804586773134945, 1000.0, 2.5, 4.2,
    ),
    ParameterSet(
        "OKane2022",
        "LG M50 with concentration-dependent diffusion: NMC 811 against graphite with SiOx",
        Electrode(
            75.6, 0.335, 0.665, 5.22, 1.5, 1.5, 63104.0,
            0.26621383001611676, 0.8513903557807264, _NMC, 16.0, 2.7,
        ),
        Electrode(
            85.2, 0.25, 0.75, 5.86, 1.5, 1.5, 33133.0,
            0.9070688388246743, 0.03021823124092551, _GRAPHITE, 12.0, 8.96,
        ),
        12.0, 0.47, 1.5, 1000.0, 2.5, 4.2,
    ),
    ParameterSet(
        "Mohtat2020",
        "UMBL pouch cell: NMC 532 against graphite",
        Electrode(
            67.0, 0.3, 0.445, 3.5, 1.5, 1.5, 35380.0,
            0.033523939427580515, 0.8909078724485295, _NMC, 25.0, 2.707,
        ),
        Electrode(
            62.0, 0.3, 0.61, 2.5, 1.5, 1.5, 28746.0,
            0.8333952417984325, 0.0014992395186557447, _GRAPHITE, 25.0, 8.954,
        ),
        12.0, 0.4, 1.5, 1000.0, 2.8, 4.2,
    ),
)  # fmt: skip
SETS: Final[Mapping[str, ParameterSet]] = MappingProxyType({one.name: one for one in _SETS})


def parameter_set(name: str) -> ParameterSet:
    """The set of that name. Raises ValueError (one line) for a set that is not supported."""
    if name not in SETS:
        raise ValueError(f"parameter_set: {name!r} is not supported; {', '.join(SETS)} are")
    return SETS[name]
