"""One design discharged: whatever it is, an answer comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from campaigns.records import FailureKind
from instruments.computing import Payload
from instruments.p2d.availability import demand_pybamm
from instruments.p2d.design import Design, Unphysical
from instruments.p2d.metrics import CURVE_POINTS, curve, scalars
from instruments.p2d.model import Discharge, End, Kind, Numerics, Tolerance, Unsolved, solve
from instruments.p2d.parameter_set import parameter_set

TARGET: Final = "instruments.p2d.evaluation:evaluate"
VERSION: Final = 1  # of the model: whatever changes a number changes it
MESH_POINTS: Final = 20
RTOL: Final = 1e-4  # keeps the energy to 1e-3 and mostly to 1e-4: docs/p2d.md
# What the solver cannot do at one tolerance it can often do at another, finer or coarser.
_LADDER: Final = (Tolerance(3e-5, 1e-7), Tolerance(1e-6, 1e-8), Tolerance(1e-3, 1e-5))


def evaluate(payload: Payload) -> Payload:
    """Discharge the cell that `payload` describes:

    {"parameter_set": "Chen2020", "model": "dfn", "mesh_points": 20, "rtol": 1e-4,
     "compiled": False, "least_utilisation": 0.0, "curve_points": 101,
     "settings": {name: number}}, all with defaults.

    Returns {"ok": True, "identity": text, "scalars": {metric: number}, "curve": {"voltage_v":
    [...], "capacity_mah_cm2": [...]}, "end": text, "tries": solves}, or
    {"ok": False, "kind": value of a FailureKind, "reason": one line}.
    Raises ValueError for a parameter set or a model that is not known, for a missing PyBaMM or C
    compiler; nothing for any settings.
    """
    numerics = _numerics(payload)
    try:
        design = Design.of(numerics.parameter_set, payload.get("settings", {}))
    except Unphysical as unphysical:
        return failed(FailureKind.OUT_OF_RANGE, str(unphysical))
    try:
        discharge, tries = _climbed(design, numerics)
    except Unsolved as unsolved:
        return failed(FailureKind.NOT_CONVERGED, f"the solver gave up: {unsolved}")
    if discharge.end is End.AT_ONCE:
        return failed(FailureKind.OUT_OF_RANGE, f"the voltage is {discharge.end}")
    numbers = scalars(design, discharge)
    least = payload.get("least_utilisation", 0.0)
    if numbers["utilisation"] < least:
        share = f"{numbers['utilisation']:.3g} of its capacity"
        return failed(
            FailureKind.OUT_OF_RANGE, f"the cell delivers {share}; at least {least:g} is asked for"
        )
    drawn = curve(design, discharge, payload.get("curve_points", CURVE_POINTS))
    return {
        "ok": True,
        "identity": identity(numerics),
        "scalars": dict(numbers),
        "curve": {
            "voltage_v": list(drawn.voltage_v),
            "capacity_mah_cm2": list(drawn.capacity_mah_cm2),
        },
        "end": discharge.end.value,
        "tries": tries,
    }


def failed(kind: FailureKind, reason: str) -> Payload:
    """An evaluation without numbers."""
    return {"ok": False, "kind": kind.value, "reason": reason}


def identity(numerics: Numerics) -> str:
    """What a number depends on beside the settings."""
    return (
        f"p2d {VERSION}, {numerics.parameter_set}, {numerics.kind}, {numerics.mesh_points} points,"
        f" rtol {numerics.tolerance.relative:g}{', compiled' if numerics.compiled else ''},"
        f" pybamm {demand_pybamm()}"
    )


def _numerics(payload: Payload) -> Numerics:
    """Raises ValueError."""
    relative = float(payload.get("rtol", RTOL))
    return Numerics(
        parameter_set(payload.get("parameter_set", "Chen2020")).name,
        Kind(payload.get("model", Kind.DFN.value)),
        int(payload.get("mesh_points", MESH_POINTS)),
        Tolerance(relative, relative / 100.0),
        bool(payload.get("compiled", False)),
    )


def _climbed(design: Design, numerics: Numerics) -> tuple[Discharge, int]:
    """The discharge and how many tolerances were tried. Raises Unsolved: what the first said."""
    first: Unsolved | None = None
    for tries, tolerance in enumerate((numerics.tolerance, *_LADDER), 1):
        try:
            return solve(design, replace(numerics, tolerance=tolerance)), tries
        except Unsolved as unsolved:
            first = first or unsolved
    raise first or Unsolved("no tolerance was tried")
