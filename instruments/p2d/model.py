"""PyBaMM's models, built once a process and solved for one design after the other."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from instruments.p2d import rescaling as names
from instruments.p2d.availability import load_pybamm
from instruments.p2d.compiler import demand_compiler
from instruments.p2d.design import Design
from instruments.p2d.parameter_set import ParameterSet, parameter_set

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOLTAGE: Final = "Voltage [V]"
_FAR_ABOVE_V: Final = 100.0  # a discharge has no upper cut-off
_FAR_BELOW_MOL_M3: Final = -1000.0
# Beside PyBaMM's own: Newton's method that has not converged in 10 steps does better with a shorter
# time step, and a solver that stands still gives up.
_SOLVER: Final[Mapping[str, float]] = MappingProxyType(
    {"max_nonlinear_iterations": 10, "num_steps_no_progress": 500, "t_no_progress": 0.02}
)


class Kind(StrEnum):
    """Which equations are solved, from costly to cheap."""

    DFN = "dfn"
    SPME = "spme"
    SPM = "spm"


CLASSES: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.DFN: "DFN", Kind.SPME: "SPMe", Kind.SPM: "SPM"}
)
# The composite form of the SPMe takes the conductivity at a mean over the length of the cell, which
# rescaling does not keep; the integrated form (Brosa Planella et al. 2021) takes it where it is.
OPTIONS: Final[Mapping[Kind, Mapping[str, str]]] = MappingProxyType(
    {Kind.DFN: {}, Kind.SPME: {"electrolyte conductivity": "integrated"}, Kind.SPM: {}}
)
# Points that the voltage is drawn at beside the solver's own steps: those follow the unknowns,
# which can be smooth where the voltage is not (a step of the SPM may last a third of a discharge).
EVEN_POINTS: Final[Mapping[Kind, int]] = MappingProxyType(
    {Kind.DFN: 51, Kind.SPME: 301, Kind.SPM: 301}
)


class Unsolved(Exception):
    """The solver did not reach an end of the discharge; the message says why in one line."""


class End(StrEnum):
    """Why a discharge was over."""

    CUT_OFF = "lower voltage cut-off"
    AT_ONCE = "below the lower voltage cut-off from the start"
    TIME = "time limit"


@dataclass(frozen=True, slots=True, eq=False)
class Discharge:
    """A discharge at constant current: seconds and volts, both float64 of shape (points,)."""

    time_s: NDArray[np.float64]
    voltage_v: NDArray[np.float64]
    end: End


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Of the time integration."""

    relative: float
    absolute: float


@dataclass(frozen=True, slots=True)
class Numerics:
    """What is built: equations, points in each of the five domains, tolerance, and whether the
    equations are compiled to machine code of this very processor (compiler.py)."""

    parameter_set: str
    kind: Kind
    mesh_points: int
    tolerance: Tolerance
    compiled: bool = False


def solve(design: Design, numerics: Numerics) -> Discharge:
    """Discharge a design. Raises Unsolved; ValueError where PyBaMM is missing."""
    pybamm, solver = load_pybamm(), _solver(numerics)
    model = _built(numerics.parameter_set, numerics.kind, numerics.mesh_points)
    inputs = dict(names.inputs_of(design))
    try:
        solution = solver.solve(model, [0.0, design.longest_s], inputs=inputs)
    except pybamm.SolverError as error:
        line = " ".join(str(error).split())
        if "non-positive at initial conditions" in line:
            return _nothing(design)
        raise Unsolved(_told(line)) from error
    time = drawn_at(np.asarray(solution.t), numerics.kind)
    voltage = np.asarray(solution[VOLTAGE](time))
    if not (np.isfinite(time).all() and np.isfinite(voltage).all()):
        raise Unsolved("the voltage is not a number")
    if time[-1] <= 0.0:
        return _nothing(design)
    over = str(solution.termination).startswith("event")
    return Discharge(time, voltage, End.CUT_OFF if over else End.TIME)


def _nothing(design: Design) -> Discharge:
    return Discharge(np.zeros(1), np.full(1, design.parameter_set.lower_v), End.AT_ONCE)


@functools.cache
def _built(name: str, kind: Kind, points: int) -> Any:
    """The model of a parameter set, discretised on the fixed mesh."""
    pybamm, cell = load_pybamm(), parameter_set(name)
    with _smooth_at_depletion(pybamm, kind):
        model = getattr(pybamm.lithium_ion, CLASSES[kind])(
            {**OPTIONS[kind], "transport efficiency": "tortuosity factor"}
        )
    values = pybamm.ParameterValues(cell.name)
    values.update(_changes(pybamm, cell, values), check_already_exists=False)
    simulation = pybamm.Simulation(
        model,
        parameter_values=values,
        var_pts=dict.fromkeys(("x_n", "x_s", "x_p", "r_n", "r_p"), points),
    )
    simulation.build()
    return simulation.built_model


@contextlib.contextmanager
def _smooth_at_depletion(pybamm: Any, kind: Kind) -> Iterator[None]:
    """DFN models made meanwhile let the exchange current pass smoothly through zero concentration.

    PyBaMM cuts the electrolyte concentration off at 0 in the exchange-current density. Where an
    electrode is depleted the concentration is 0 but for rounding, so the solution lies on that
    kink and Newton's method fails hundreds of times. The square roots are regularised to odd
    functions anyway; without the cut they draw the concentration back to 0 from below. The single
    particle models solve for no reaction in space: theirs stays cut off.
    """
    tolerances = pybamm.settings.tolerances
    usual = tolerances["j0__c_e"]
    if kind is Kind.DFN:
        tolerances["j0__c_e"] = _FAR_BELOW_MOL_M3
    try:
        yield
    finally:
        tolerances["j0__c_e"] = usual


@functools.cache
def _solver(numerics: Numerics) -> Any:
    """One for each model and tolerance: it keeps what it prepared for a model."""
    if numerics.compiled:
        demand_compiler()
    return load_pybamm().IDAKLUSolver(
        rtol=numerics.tolerance.relative,
        atol=numerics.tolerance.absolute,
        on_extrapolation="ignore",
        options={
            **_SOLVER,
            "compile": numerics.compiled,
            "silence_sundials_errors": True,  # else it writes to the process's standard error
        },
    )


def _told(line: str) -> str:
    """What the solver says, and where that is cryptic, what it means."""
    if "IDAGetDky" in line:
        return "no potentials are consistent with the current at the start"
    return line.removeprefix("input set 0: ")


def drawn_at(steps: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    """The solver's times, and even ones between the first and the last; shape (points,)."""
    return np.union1d(steps, np.linspace(steps[0], steps[-1], EVEN_POINTS[kind]))


def _changes(pybamm: Any, cell: ParameterSet, values: Any) -> Mapping[str, Any]:
    """What is laid over the parameter set: inputs, scaled functions, 1 m2 of electrode."""
    inputs = dict.fromkeys(
        (names.SEPARATOR_POROSITY, names.SEPARATOR_TORTUOSITY, names.ELECTROLYTE, names.CURRENT),
        "[input]",
    )
    scaled: dict[str, Any] = {}
    for side in ("positive", "negative"):
        told = {"Side": side.capitalize(), "side": side}
        for name in (
            names.POROSITY,
            names.ACTIVE,
            names.ELECTROLYTE_TORTUOSITY,
            names.SOLID_TORTUOSITY,
            names.INITIAL,
        ):
            inputs[name.format(**told)] = "[input]"
        for name, scale in (
            ("{Side} particle diffusivity [m2.s-1]", names.DIFFUSION_SCALE),
            ("{Side} electrode exchange-current density [A.m-2]", names.EXCHANGE_SCALE),
        ):
            of = name.format(**told)
            scaled[of] = _times(pybamm.InputParameter(scale.format(**told)), values[of])
        scaled[f"{told['Side']} electrode thickness [m]"] = names.MESH_UM * 1e-6
    return {
        **inputs,
        **scaled,
        "Separator thickness [m]": cell.separator_um * 1e-6,
        "Electrode height [m]": 1.0,
        "Electrode width [m]": 1.0,
        "Number of electrodes connected in parallel to make a cell": 1.0,
        "Lower voltage cut-off [V]": cell.lower_v,
        "Upper voltage cut-off [V]": _FAR_ABOVE_V,
    }


def _times(scale: Any, given: Any) -> Any:
    """A parameter, number or function, times an input."""
    if not callable(given):
        return scale * given

    def product(*arguments: Any) -> Any:
        return scale * given(*arguments)

    function: Callable[..., Any] = product
    return function
