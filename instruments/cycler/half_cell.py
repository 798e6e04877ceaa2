"""Open-circuit potentials of the two electrodes of a graphite / lithium iron phosphate cell."""

import numpy as np
from numpy.typing import NDArray

FARADAY_C_MOL = 96485.33212
GAS_CONSTANT_J_MOL_K = 8.314462618

Array = NDArray[np.float64]


def lfp_potential_v(y: Array) -> Array:
    """Potential of lithium iron phosphate against lithium, in volts.

    ``y`` is the lithium content of the positive electrode, 0 to 1, any shape.
    Source: Afshar, Morris and Khajepour (2017), fit to the data of Prada et al. (2012).
    """
    plateau = 3.4077 - 0.020269 * y
    return plateau + 0.5 * np.exp(-150.0 * y) - 0.9 * np.exp(-30.0 * (1.0 - y))


def graphite_potential_v(x: Array) -> Array:
    """Potential of graphite against lithium, in volts, falling with its lithium content ``x``.

    Any shape; contents a little above one are meaningful (the fit stays smooth and falls on), and
    stand for lithium that the electrode can no longer take in. Source: form of Safari and
    Delacourt (2011).
    """
    empty = 0.6379 + 0.5416 * np.exp(-305.5309 * x) - 0.6875 * np.tanh((x + 0.0117) / 0.0529)
    stages = 0.044 * np.tanh((x - 0.1958) / 0.1088) + 0.0175 * np.tanh((x - 0.5692) / 0.0875)
    return empty - stages - 0.1978 * np.tanh((x - 1.0571) / 0.0854)


def reaction_overpotential_v(current_ratio: Array, temperature_k: Array | float) -> Array:
    """Overpotential of a symmetric Butler-Volmer reaction, ``2RT/F asinh(i / 2 i0)``, in volts.

    ``current_ratio`` is ``i / (2 i0)``, any shape that broadcasts with ``temperature_k``.
    """
    return 2.0 * GAS_CONSTANT_J_MOL_K / FARADAY_C_MOL * temperature_k * np.arcsinh(current_ratio)


def arrhenius(
    energy_j_mol: float, temperature_k: Array | float, reference_k: float
) -> Array | float:
    """Acceleration of a process of activation energy ``energy_j_mol`` over ``reference_k``."""
    exponent = -energy_j_mol / GAS_CONSTANT_J_MOL_K * (1.0 / temperature_k - 1.0 / reference_k)
    return np.exp(exponent)
