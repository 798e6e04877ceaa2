"""The process window: which recipes leave no usable coating, and why in plain words."""

from __future__ import annotations

from typing import Final

from campaigns.records import FailureKind
from instruments.coater.electrode import Electrode
from instruments.coater.faults import Ruin

PASTE: Final = 0.92  # of the densest packing: what is thicker does not come out of the mixer
THINNEST_PA_S: Final = 0.05
THICKEST_PA_S: Final = 20.0  # thicker slurry tears under the bar
MOST_SOLVENT_LEFT: Final = 0.02
LEAST_ADHESION: Final = 0.25


def defect(electrode: Electrode) -> Ruin | None:
    """The first thing that goes wrong with a coating of this kind; None within the window."""
    found = _mixed(electrode) or _coated(electrode) or _dried(electrode) or _pressed(electrode)
    return None if found is None else Ruin(FailureKind.OUT_OF_RANGE, *found)


def _mixed(made: Electrode) -> tuple[str, str] | None:
    if made.slurry.crowding <= PASTE:
        return None
    solids = made.recipe.solid_content_percent
    share = 100.0 * made.slurry.crowding
    reason = f"the slurry is a paste: {solids:g} % of solids fill {share:.0f} % of what can flow"
    return "mixing", reason


def _coated(made: Electrode) -> tuple[str, str] | None:
    viscosity = made.viscosity_pa_s
    if viscosity < THINNEST_PA_S:
        return "coating", f"the film runs: {viscosity:.2g} Pa s under the bar"
    if viscosity > THICKEST_PA_S:
        return "coating", f"the film has streaks: {viscosity:.2g} Pa s under the bar"
    return None


def _dried(made: Electrode) -> tuple[str, str] | None:
    at = f"{made.wet_um:.0f} um wet at {made.recipe.dryer_c:g} degC"
    if made.wet_um > made.film.cracks_above_um:
        return "drying", f"the film cracks: {at}"
    if made.film.solvent_left > MOST_SOLVENT_LEFT:
        left = 100.0 * made.film.solvent_left
        speed = made.recipe.line_speed_m_per_min
        return "drying", f"the film stays wet: {at} and {speed:g} m/min, {left:.0f} % of NMP left"
    return None


def _pressed(made: Electrode) -> tuple[str, str] | None:
    if made.transport.adhesion >= LEAST_ADHESION:
        return None
    binder, dryer = made.recipe.binder_percent, made.recipe.dryer_c
    return "calendering", f"the film comes off: {binder:g} % of binder dried at {dryer:g} degC"
