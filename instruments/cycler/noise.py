"""What a cycler's measurement adds to the cell: temperature, gain and white noise, by seed."""

import math
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from instruments.cycler.half_cell import Array


class Stream(IntEnum):
    """Independent random streams of one job; the number is part of the seed, so never change it."""

    CELL = 1
    FAULT = 2
    CYCLES = 3
    CURVES = 4


def stream(seed: tuple[int, ...], purpose: Stream, block: int = 0) -> np.random.Generator:
    """The generator of one purpose and one block of cycles, whatever was drawn before."""
    return np.random.default_rng([*seed, int(purpose), block])


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of what differs between two measurements of the same cell.

    temperature_k: the cell's temperature from cycle to cycle; it dominates, as in recorded cells,
        and was chosen so that early variance tells life as it does there
    gain: of the measured charge; white_ah: of single points of a curve
    resistance, thermometer_k: of the per-cycle resistance (relative) and mean temperature

    Raises ValueError if any is negative or not finite.
    """

    temperature_k: float = 0.22
    gain: float = 8e-4
    white_ah: float = 1e-5
    resistance: float = 5e-3
    thermometer_k: float = 0.1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"noise {field.name} must be finite and >= 0, not {value!r}")

    def scaled(self, factor: float) -> "Noise":
        """The same noise, ``factor`` times as strong."""
        return Noise(*(factor * getattr(self, field.name) for field in fields(self)))

    def cycles(self, seed: tuple[int, ...], block: int, cycles: int) -> "CycleNoise":
        """What happens to the cycles of one block; depends on the seed and the block alone."""
        normal = stream(seed, Stream.CYCLES, block).standard_normal((4, cycles))
        return CycleNoise(
            warmer_k=self.temperature_k * normal[0],
            gain=1.0 + self.gain * normal[1],
            resistance=1.0 + self.resistance * normal[2],
            thermometer_k=self.thermometer_k * normal[3],
        )

    def white(
        self, seed: tuple[int, ...], block: int, shape: tuple[int, int]
    ) -> NDArray[np.float32]:
        """White noise in Ah of the curves of one block, ``cycles x voltages``."""
        rng = stream(seed, Stream.CURVES, block)
        return np.float32(self.white_ah) * rng.standard_normal(shape, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CycleNoise:
    """Noise of some cycles, each of shape ``(cycles,)``: additive in K, else factors about 1."""

    warmer_k: Array
    gain: Array
    resistance: Array
    thermometer_k: Array
