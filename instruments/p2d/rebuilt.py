"""The reference that rescaling is judged by: a PyBaMM model built for one design alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from instruments.p2d.availability import load_pybamm
from instruments.p2d.design import Coating, Design
from instruments.p2d.model import (
    CLASSES,
    OPTIONS,
    VOLTAGE,
    Discharge,
    End,
    Numerics,
    Unsolved,
    drawn_at,
)


def solve_rebuilt(design: Design, numerics: Numerics) -> Discharge:
    """Discharge a design in a model whose geometry is set as numbers, untouched otherwise.

    Same points, same initial concentrations, same cut-off; nothing is rescaled or smoothed, and
    nothing is kept. Raises Unsolved.
    """
    pybamm = load_pybamm()
    points = numerics.mesh_points
    simulation = pybamm.Simulation(
        getattr(pybamm.lithium_ion, CLASSES[numerics.kind])(dict(OPTIONS[numerics.kind])),
        parameter_values=_values(pybamm, design),
        solver=pybamm.IDAKLUSolver(
            rtol=numerics.tolerance.relative,
            atol=numerics.tolerance.absolute,
            on_extrapolation="ignore",
            options={"silence_sundials_errors": True},
        ),
        var_pts=dict.fromkeys(("x_n", "x_s", "x_p", "r_n", "r_p"), points),
    )
    try:
        solution = simulation.solve([0.0, design.longest_s])
    except pybamm.SolverError as error:
        raise Unsolved(" ".join(str(error).split())) from error
    over = str(solution.termination).startswith("event")
    time = drawn_at(np.asarray(solution.t), numerics.kind)
    return Discharge(
        time,
        np.asarray(solution[VOLTAGE](time)),
        End.CUT_OFF if over else End.TIME,
    )


def _values(pybamm: Any, design: Design) -> Any:
    cell = design.parameter_set
    values = pybamm.ParameterValues(cell.name)
    negative, positive = cell.negative, cell.positive
    filled = design.negative_stoichiometry * negative.greatest_mol_m3
    changes: dict[str, float] = {
        **_electrode("Positive", design.positive),
        **_electrode("Negative", design.negative),
        "Initial concentration in negative electrode [mol.m-3]": filled,
        "Initial concentration in positive electrode [mol.m-3]": (
            positive.charged * positive.greatest_mol_m3
        ),
        "Separator thickness [m]": design.separator_um * 1e-6,
        "Separator porosity": design.separator_porosity,
        "Separator Bruggeman coefficient (electrolyte)": design.separator_bruggeman,
        "Initial concentration in electrolyte [mol.m-3]": design.electrolyte_mol_m3,
        "Electrode height [m]": 1.0,
        "Electrode width [m]": 1.0,
        "Number of electrodes connected in parallel to make a cell": 1.0,
        "Current function [A]": design.current_a_m2,
        "Lower voltage cut-off [V]": cell.lower_v,
        "Upper voltage cut-off [V]": 100.0,
    }
    values.update(changes)
    return values


def _electrode(side: str, coating: Coating) -> dict[str, float]:
    return {
        f"{side} electrode thickness [m]": coating.thickness_um * 1e-6,
        f"{side} electrode porosity": coating.porosity,
        f"{side} electrode active material volume fraction": coating.active_fraction,
        f"{side} particle radius [m]": coating.particle_radius_um * 1e-6,
        f"{side} electrode Bruggeman coefficient (electrolyte)": coating.bruggeman,
    }
