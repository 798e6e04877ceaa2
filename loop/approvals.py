"""Which trials a person must approve before they run, and what exactly is approved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from campaigns.campaign import Campaign
from campaigns.records import Setting, Trial, TrialState
from loop.history import History

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEASURED = (TrialState.COMPLETED, TrialState.PREDICTED)
TOLERANCE = 1e-6  # of a hull, in the unit cube: rounding must not make the known unknown


def payload(campaign: Campaign, setting: Setting, fidelity: str = "") -> str:
    """SHA-256 of all that would be run: the setting, and the instruments with their options."""
    said = {
        "parameters": dict(setting),
        "steps": [
            {
                "name": step.name,
                "kind": step.instrument.kind,
                "options": step.instrument.options,
                "inputs": dict(step.inputs),
            }
            for step in campaign.way(fidelity)
        ],
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def needed(campaign: Campaign, policies: Sequence[str], history: History, setting: Setting) -> str:
    """Why a person must approve a setting, knowing `history`; "" where nobody has to.

    policies: one an instrument that the trial passes; the strictest counts.
    """
    if "always" in policies:
        return "every job is approved"
    if "first" in policies and not proven(history):
        return "no job of this campaign has been completed yet"
    if "outside-known-region" in policies:
        return _outside(campaign, history, setting)
    return ""


def proven(history: History) -> bool:
    """Whether a job of the campaign's instrument has been completed."""
    return bool(_measured(history))


def _measured(history: History) -> list[Trial]:
    known = [*history.training.values(), *history.trials.values()]
    own = (trial for trial in known if not trial.fidelity)
    return [trial for trial in own if trial.state in MEASURED and not trial.excluded]


def _outside(campaign: Campaign, history: History, setting: Setting) -> str:
    """Whether a setting lies outside the convex hull of what has been measured."""
    space = campaign.space
    known = [trial.parameters for trial in _measured(history)]
    for parameter in space.parameters:
        if parameter.kind == "number":
            continue
        value = setting[parameter.name]
        if all(one[parameter.name] != value for one in known):
            return f"{parameter.name} = {value} has never been run"
    numeric = [i for i, one in enumerate(_columns(campaign)) if one]
    if not known:
        return "nothing has been measured yet"
    point = space.encode([setting])[0][numeric]
    if not within(space.encode(known)[:, numeric], point):
        return "the setting lies outside the region of the settings measured so far"
    return ""


def _columns(campaign: Campaign) -> list[bool]:
    """For every column of the unit cube whether it belongs to a number."""
    return [p.kind == "number" for p in campaign.space.parameters for _ in range(p.columns)]


def within(points: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    """Whether `point` (d,) lies in the convex hull of `points` (n, d), up to `TOLERANCE`.

    A linear programme: weights >= 0 with sum 1 that make the point, with the least deviation in
    any coordinate.
    """
    import numpy as np
    from scipy.optimize import linprog

    n, d = points.shape
    cost = np.zeros(n + 1)
    cost[n] = 1.0
    band = np.full((d, 1), -1.0)
    upper = np.block([[points.T, band], [-points.T, band]])
    total = np.append(np.ones(n), 0.0)[None, :]
    solved = linprog(
        cost,
        A_ub=upper,
        b_ub=np.concatenate([point, -point]),
        A_eq=total,
        b_eq=[1.0],
        bounds=[(0, None)] * (n + 1),
        method="highs",
    )
    return bool(solved.success and solved.fun <= TOLERANCE)
