"""What differs between two coatings of one recipe: batch, coating, wear of the gap, place."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np

from instruments.coater.options import CoaterOptions


class Stream(IntEnum):
    """Independent random streams; the number is part of the seed, so never change it."""

    BATCH = 1
    COATING = 2
    PLACES = 3
    FAULT = 4


@dataclass(frozen=True, slots=True)
class Disturbance:
    """How a coating differs from its recipe; the default does not.

    gap_um, roll_k, solids_percent, dry_porosity: added; viscosity, pressure, network: factors.
    `network` is on the electronic conductivity (how well the carbon is dispersed). Measuring errs,
    too: `gauge_um` is added to the thickness, `cell` is a factor on the capacity of the test cell.
    """

    gap_um: float = 0.0
    roll_k: float = 0.0
    solids_percent: float = 0.0
    dry_porosity: float = 0.0
    viscosity: float = 1.0
    pressure: float = 1.0
    network: float = 1.0
    gauge_um: float = 0.0
    cell: float = 1.0


NONE: Final = Disturbance()

# Standard deviations. Of a batch (weighing, binder, dispersion, the cells that are built with it),
# then of a coating (setting the bar and the rolls), then of a place on the web and its gauges. They
# are assumed; together the metrics spread as docs/coater.md tables, about 1 % as on pilot lines.
BATCH_SOLIDS_PERCENT: Final = 0.25
BATCH_VISCOSITY: Final = 0.08
BATCH_NETWORK: Final = 0.06
BATCH_POROSITY: Final = 0.003
BATCH_CELL: Final = 0.004
COATING_GAP_UM: Final = 1.0
COATING_PRESSURE: Final = 0.015
COATING_ROLL_K: Final = 0.5
PLACE_GAP_UM: Final = 1.5
PLACE_POROSITY: Final = 0.003
PLACE_NETWORK: Final = 0.04
PLACE_GAUGE_UM: Final = 0.5
PLACE_CELL: Final = 0.010
EDGE_GAP_UM: Final = -2.0  # thinner at the edges than in the middle, as the distance squared


def batch_of(trial: int, options: CoaterOptions) -> int:
    """Number from 0 of the batch of slurry that a trial is coated from; trials count from 1."""
    return max(trial - 1, 0) // options.jobs_per_batch


def wear_um(trial: int, options: CoaterOptions) -> float:
    """How much wider than set the gap is by wear of the bar, which is set anew now and then."""
    before = max(trial - 1, 0)
    since = before % options.reset_every if options.reset_every else before
    return options.wear_um_per_job * since


def disturbance(seed: tuple[int, int, int], options: CoaterOptions) -> Disturbance:
    """Of one coating: its batch from [seed, batch], itself from [seed, trial, attempt]."""
    campaign, trial, attempt = (number % 2**64 for number in seed)
    batch_rng = np.random.default_rng([campaign, batch_of(seed[1], options), Stream.BATCH])
    own_rng = np.random.default_rng([campaign, trial, attempt, Stream.COATING])
    drawn = (batch_rng.standard_normal(5) * options.batch).tolist()
    solids, viscosity, network, porosity, cell = drawn
    gap, pressure, roll = (own_rng.standard_normal(3) * options.noise).tolist()
    return Disturbance(
        gap_um=COATING_GAP_UM * gap + wear_um(seed[1], options),
        roll_k=COATING_ROLL_K * roll,
        solids_percent=BATCH_SOLIDS_PERCENT * solids,
        dry_porosity=BATCH_POROSITY * porosity,
        viscosity=math.exp(BATCH_VISCOSITY * viscosity),
        pressure=math.exp(COATING_PRESSURE * pressure),
        network=math.exp(BATCH_NETWORK * network),
        cell=math.exp(BATCH_CELL * cell),
    )


def spreads(whole: Disturbance, options: CoaterOptions) -> list[Disturbance]:
    """`whole` moved by one standard deviation of each way in which batches and coatings differ."""
    batch, own = options.batch, options.noise
    return [
        replace(whole, solids_percent=whole.solids_percent + BATCH_SOLIDS_PERCENT * batch),
        replace(whole, viscosity=whole.viscosity * math.exp(BATCH_VISCOSITY * batch)),
        replace(whole, network=whole.network * math.exp(BATCH_NETWORK * batch)),
        replace(whole, dry_porosity=whole.dry_porosity + BATCH_POROSITY * batch),
        replace(whole, cell=whole.cell * math.exp(BATCH_CELL * batch)),
        replace(whole, gap_um=whole.gap_um + COATING_GAP_UM * own),
        replace(whole, pressure=whole.pressure * math.exp(COATING_PRESSURE * own)),
        replace(whole, roll_k=whole.roll_k + COATING_ROLL_K * own),
    ]


def places(
    whole: Disturbance, seed: tuple[int, int, int], options: CoaterOptions, uneven: float = 1.0
) -> list[Disturbance]:
    """The disturbance at each sampling place across the web, from edge to edge.

    uneven: factor on the spread between places (streaks, agglomerates)
    """
    rng = np.random.default_rng([*(number % 2**64 for number in seed), Stream.PLACES])
    n = options.positions
    drawn = (rng.standard_normal((n, 5)) * options.noise * uneven).tolist()
    squares = np.linspace(-1.0, 1.0, n) ** 2
    across = (EDGE_GAP_UM * options.noise * (squares - squares.mean())).tolist()
    return [
        replace(
            whole,
            gap_um=whole.gap_um + PLACE_GAP_UM * gap + edge,
            dry_porosity=whole.dry_porosity + PLACE_POROSITY * porosity,
            network=whole.network * math.exp(PLACE_NETWORK * network),
            gauge_um=PLACE_GAUGE_UM * gauge,
            cell=whole.cell * math.exp(PLACE_CELL * cell),
        )
        for edge, (gap, porosity, network, gauge, cell) in zip(across, drawn, strict=True)
    ]
