"""Cells from campaigns in a store: their curves, and their lives where they are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from campaigns.records import Bound, Observation, Trial, TrialState
from instruments.base import Series
from loop.restoring import restore

if TYPE_CHECKING:
    from loop.store.store import Store
    from surrogates.cells import Cell

LIFE = "cycle_life"
# values a cycle that features are made of, by the names that cells and series share
SCALARS = ("resistance_ohm", "charge_temperature_k", "charge_time_h")


def stored_cells(
    store: Store,
    campaigns: Sequence[str] | None = None,
    metric: str = LIFE,
    until: int | None = None,
) -> list[Cell]:
    """The cells of campaigns (None: of all in the store), called `CAMPAIGN/TRIAL`.

    A trial measured to its end gives its life, one known to outlive a number of cycles a censored
    cell, and any other (stopped early, failed, running) a cell without a life. Trials without
    curves give none, nor do excluded ones or those whose curves are beyond repair. ``until`` is the
    last cycle that is read. Raises CampaignUnknown, StoreDamaged.
    """
    names = [row.id for row in store.campaigns()] if campaigns is None else campaigns
    cells: list[Cell] = []
    for name in names:
        history = restore(store, name).history
        trials = [*history.training.values(), *history.trials.values()]
        cells += cells_of(store, name, trials, metric, until, prefix=f"{name}/")
    return cells


def cells_of(
    store: Store,
    campaign: str,
    trials: Iterable[Trial],
    metric: str,
    until: int | None = None,
    prefix: str = "",
) -> Iterator[Cell]:
    """The cells of some trials of a campaign, by the rules of `stored_cells`."""
    for trial in trials:
        if trial.excluded:
            continue
        series = store.series(campaign, trial.number, trial.attempt, until=until)
        life, least = exact_life(trial, metric), _outlived(trial, metric)
        known, name = life if least is None else least, f"{prefix}{trial.number}"
        try:
            yield cell_of(name, known, series, censored=least is not None)
        except ValueError:  # no curves, or too little of them to repair
            continue


def exact_life(trial: Trial, metric: str) -> float | None:
    """The life that a completed trial measured; None where it is not known exactly."""
    outcome = trial.outcomes.get(metric)
    if not isinstance(outcome, Observation) or outcome.bound is not Bound.EXACT:
        return None
    if trial.excluded or trial.state is not TrialState.COMPLETED:
        return None
    return float(outcome.mean)


def _outlived(trial: Trial, metric: str) -> float | None:
    """The number of cycles that a trial is known to have outlived."""
    outcome = trial.outcomes.get(metric)
    if not isinstance(outcome, Observation) or outcome.bound is not Bound.AT_LEAST:
        return None
    return float(outcome.mean) if trial.state.terminal else None


def cell_of(name: str, life: float | None, series: Series, *, censored: bool = False) -> Cell:
    """A cell as the models see it, from stored per-cycle data. Raises ValueError."""
    import numpy as np

    from surrogates.cells import Cell

    places = np.flatnonzero(np.isin(series.cycles, series.curve_cycles))
    scalars = {key: series.summary[key][places] for key in SCALARS if key in series.summary}
    whole = len(places) == len(series.curve_cycles)
    return Cell(
        id=name,
        cycle_life=life,
        q=np.ascontiguousarray(series.curves.T, dtype=np.float64),
        voltage=series.voltage,
        cycles=series.curve_cycles,
        scalars={k: v for k, v in scalars.items() if whole and np.isfinite(v).all()},
        censored=censored,
    )
