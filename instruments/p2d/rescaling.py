"""Geometry as inputs of a model that was built once: the exact rescaling to a fixed mesh.

On X = x Lref / L and rho = r Rref / R the equations of Doyle, Fuller and Newman (1993) keep their
form. With lam = L / Lref and mu = Rref / R they are those of an electrode of thickness Lref and
radius Rref with

    active fraction     eps_s' = lam eps_s
    porosity            eps'   = lam eps              (pore volume per area is kept)
    electrolyte         B'     = eps^b / lam          so tau_e' = eps' / B' = lam^2 eps^(1-b)
    solid               B_s'   = (1-eps)^b_s / lam    so tau_s' = (1-eps') / B_s'
    particles           D_s'   = mu^2 D_s,  j0' = mu j0

B is what multiplies the bulk property (transport efficiency), tau PyBaMM's tortuosity factor,
B = fraction / tau. The fraction that conducts electrons is 1 - porosity, not the active one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from instruments.p2d.design import Coating, Design

MESH_UM: Final = 100.0  # thickness that both electrodes have on the mesh
# Where eps' = 1 both sides of tau_s' = (1-eps') / B_s' vanish, though B_s' does not: stay off.
_OFF: Final = 1e-7

POROSITY: Final = "{Side} electrode porosity"
ACTIVE: Final = "{Side} electrode active material volume fraction"
ELECTROLYTE_TORTUOSITY: Final = "{Side} electrode tortuosity factor (electrolyte)"
SOLID_TORTUOSITY: Final = "{Side} electrode tortuosity factor (electrode)"
DIFFUSION_SCALE: Final = "{Side} particle diffusivity scale"
EXCHANGE_SCALE: Final = "{Side} exchange-current density scale"
INITIAL: Final = "Initial concentration in {side} electrode [mol.m-3]"
SEPARATOR_POROSITY: Final = "Separator porosity"
SEPARATOR_TORTUOSITY: Final = "Separator tortuosity factor (electrolyte)"
ELECTROLYTE: Final = "Initial concentration in electrolyte [mol.m-3]"
CURRENT: Final = "Current function [A]"


def inputs_of(design: Design) -> Mapping[str, float]:
    """The values of all inputs of a built model (model.py); the electrode area is 1 m2."""
    stretch = design.separator_um / design.parameter_set.separator_um
    positive, negative = design.positive.material, design.negative.material
    return {
        **_electrode("positive", design.positive),
        **_electrode("negative", design.negative),
        INITIAL.format(side="positive"): positive.charged * positive.greatest_mol_m3,
        INITIAL.format(side="negative"): design.negative_stoichiometry * negative.greatest_mol_m3,
        SEPARATOR_POROSITY: design.separator_porosity * stretch,
        SEPARATOR_TORTUOSITY: (
            design.separator_porosity ** (1.0 - design.separator_bruggeman) * stretch**2
        ),
        ELECTROLYTE: design.electrolyte_mol_m3,
        CURRENT: design.current_a_m2,
    }


def _electrode(side: str, coating: Coating) -> Mapping[str, float]:
    material, porosity = coating.material, coating.porosity
    stretch = coating.thickness_um / MESH_UM
    shrink = material.particle_radius_um / coating.particle_radius_um
    pores = porosity * stretch
    if abs(pores - 1.0) < _OFF:
        pores = 1.0 - _OFF
    values = {
        POROSITY: pores,
        ACTIVE: coating.active_fraction * stretch,
        ELECTROLYTE_TORTUOSITY: porosity ** (1.0 - coating.bruggeman) * stretch**2,
        SOLID_TORTUOSITY: (1.0 - pores) * stretch / (1.0 - porosity) ** material.solid_bruggeman,
        DIFFUSION_SCALE: shrink**2,
        EXCHANGE_SCALE: shrink,
    }
    return {name.format(Side=side.capitalize()): value for name, value in values.items()}
