"""The cell of the simulated cycler: its parameters, and how one cell differs from the next."""

import math
from dataclasses import dataclass, fields

import numpy as np

REFERENCE_TEMPERATURE_K = 303.15
NOMINAL_CAPACITY_AH = 1.1
END_OF_LIFE_CAPACITY_AH = 0.88
DISCHARGE_CURRENT_A = 4.4
CUTOFF_VOLTAGE_V = 2.0


@dataclass(frozen=True, slots=True)
class CellParameters:
    """The average 1.1 Ah graphite / LFP cylindrical cell and its ageing; all values positive.

    The discharge values were fitted to one recorded 4C discharge at cycle 10, the ageing values to
    the campaign of Attia et al. (Nature 578, 397, 2020): see docs/simulated_cycler.md, which says
    what each was calibrated on. They are fitted numbers, not measurements of a material.

    Raises ValueError if any value is not finite and positive.
    """

    negative_capacity_ah: float = 1.30
    positive_capacity_ah: float = 1.2509
    lithium_ah: float = 1.0745
    resistance_ohm: float = 0.02722
    resistance_log_sd: float = 0.426
    exchange_current_a: float = 2.732
    diffusion_time_h: float = 0.00178
    discharge_activation_j_mol: float = 12e3

    lam_rate: float = 6.346e-4
    lam_rate_exponent: float = 3.561
    lam_activation_j_mol: float = 18.75e3
    lam_content_slope: float = 0.256

    plating_rate_a: float = 2.552e-5
    plating_transfer: float = 0.732
    charge_diffusion_time_h: float = 5.64e-3
    charge_exchange_current_a: float = 6.658
    charge_activation_j_mol: float = 30e3

    sei_rate_ah: float = 2.153e-3
    sei_formation_ah: float = 0.04
    sei_activation_j_mol: float = 35e3
    sei_per_lam: float = 5.2e-3

    resistance_growth_lam: float = 0.352
    resistance_growth_lithium: float = 0.8
    resistance_sd_growth: float = 2.512
    exchange_current_fade: float = 2.907

    heat_capacity_j_k: float = 40.0
    cooling_w_k: float = 0.060
    heat_per_resistance: float = 1.35

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{field.name} must be finite and positive, not {value!r}")


@dataclass(frozen=True, slots=True)
class CellFactors:
    """What one cell has more or less of than the average cell; 1 everywhere is the average.

    Raises ValueError if any factor is not finite and positive.
    """

    lam_rate: float = 1.0
    plating_rate: float = 1.0
    sei_rate: float = 1.0
    cooling: float = 1.0
    negative_capacity: float = 1.0
    positive_capacity: float = 1.0
    lithium: float = 1.0
    resistance: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"factor {field.name} must be positive, not {value!r}")


AVERAGE_CELL = CellFactors()


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviation of the logarithm of each of ``CellFactors``, from cell to cell.

    Chosen so that cells under one protocol differ as recorded ones do (coefficient of variation
    of life about 0.13). Graphite excess is the strongest: 1 % of it is 4 to 5 % of life.
    """

    lam_rate: float = 0.12
    plating_rate: float = 0.15
    sei_rate: float = 0.08
    cooling: float = 0.06
    negative_capacity: float = 0.010
    positive_capacity: float = 0.006
    lithium: float = 0.006
    resistance: float = 0.04

    def scaled(self, factor: float) -> "Spread":
        """The same spread, ``factor`` times as wide."""
        return Spread(*(factor * getattr(self, field.name) for field in fields(self)))

    def draw(self, rng: np.random.Generator) -> CellFactors:
        """Draw one cell; always consumes the same count of random numbers, in field order."""
        names = [field.name for field in fields(self)]
        normal = rng.standard_normal(len(names))
        return CellFactors(
            **{
                name: math.exp(getattr(self, name) * float(z))
                for name, z in zip(names, normal, strict=True)
            }
        )
