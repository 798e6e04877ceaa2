"""The film behind the comma bar: what a gap lets through at a speed and a viscosity."""

from __future__ import annotations

from typing import Final

# The slurry stands 30 mm high before a bar whose narrow part is 3 mm long.
HEAD_PA: Final = 660.0
LAND_M: Final = 3.0e-3


def thickness_um(gap_um: float, viscosity_pa_s: float, speed_m_per_min: float) -> float:
    """Wet film thickness in um behind a gap.

    Lubrication flow through a narrow parallel gap h under a web of speed U: dragged along, half
    the gap; pushed by the head of slurry, p = h^2 dP / (12 eta U L) of the gap more (Couette and
    Poiseuille flow; Coyle in Kistler and Schweizer, Liquid Film Coating, 1997, ch. 12).
    The film can never be thicker than the gap: 1 - 0.5/(1 + 2p), which is 0.5 + p for small p.
    """
    gap_m, speed_m_s = gap_um * 1e-6, speed_m_per_min / 60.0
    pushed = gap_m**2 * HEAD_PA / (12.0 * viscosity_pa_s * speed_m_s * LAND_M)
    return gap_um * (1.0 - 0.5 / (1.0 + 2.0 * pushed))


def shear_rate_s(gap_um: float, speed_m_per_min: float) -> float:
    """Mean shear rate in the gap in 1/s: speed over gap."""
    return speed_m_per_min / 60.0 / (gap_um * 1e-6)
